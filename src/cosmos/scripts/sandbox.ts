/**
 * A QuickJS runtime of its own for one script, in a script thread: bounded heap, stack and time, nothing of the host
 * in reach but the functions given to it. The only file that knows QuickJS.
 */
import {
  newQuickJSWASMModule,
  newVariant,
  type QuickJSContext,
  type QuickJSHandle,
  type QuickJSRuntime,
  type QuickJSWASMModule,
  RELEASE_SYNC,
} from "quickjs-emscripten";
import type { Thrown } from "./failures.ts";
import { sandboxBaseSource } from "./sandbox-base.ts";

export interface SandboxEngine {
  readonly module: QuickJSWASMModule;
  /** Bytes that all sandboxes together have needed at most so far. */
  memoryBytes(): number;
  /** Set when a sandbox could not be taken down cleanly: what it had stays in memory, so the thread should end. */
  leaks: boolean;
}

export type SandboxValue = QuickJSHandle;

/** The engine is in an undefined state: its thread must end. */
export class SandboxBroken extends Error {
  override readonly name = "SandboxBroken";
}

/** What code in a sandbox came to. A `SandboxValue` belongs to the caller, who disposes of it. */
export type Evaluated<T = SandboxValue> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly thrown: Thrown };

/** What the caller may change while the sandbox lives: when its code is interrupted, the time and chance it sees. */
export interface SandboxState {
  /** `performance.now()` at which running code is interrupted. */
  deadline: number;
  now: () => number;
  random: () => number;
}

/** Functions that code in the sandbox may call; they take handles that stay the sandbox's own. */
export type HostFunctions = Readonly<
  Record<string, (...args: readonly SandboxValue[]) => string | number | boolean | undefined>
>;

export interface Sandbox {
  readonly state: SandboxState;
  /** True when code is, or would be, interrupted. */
  expired(): boolean;
  /** Evaluates source text; `file` stands in stack traces. */
  evaluate(source: string, file: string): Evaluated;
  call(fn: SandboxValue, ...args: readonly SandboxValue[]): Evaluated;
  /** Calls a method of an object of the server's own, such as what `install` returned. */
  callMethod(object: SandboxValue, name: string, ...args: readonly SandboxValue[]): Evaluated;
  /**
   * Brings server code in: evaluates `source` to a function and calls it with an object of `functions` and further
   * values. Returns what it returns.
   */
  install(source: string, functions: HostFunctions, ...more: readonly SandboxValue[]): SandboxValue;
  /** A value of ours inside the sandbox: a copy by way of JSON, and undefined. */
  fromValue(value: unknown): SandboxValue;
  /** The reverse; fails like the script's own `JSON.stringify`. */
  toValue(handle: SandboxValue): Evaluated<unknown>;
  /** A handle's text; only for what is known to be a text. */
  textOf(handle: SandboxValue): string;
  numberOf(handle: SandboxValue): number;
  /** Runs what promises have scheduled until nothing is left or time is over. */
  drain(): void;
  dispose(): void;
}

/** QuickJS's own bound on the recursion of scripts. */
const stackBytes = 256 * 1024;
/** Code that the server itself brought into the sandbox has this file name, and never shows in stack traces. */
const serverFile = "server";

/** The part of WebAssembly that is used here; TypeScript describes it only for browsers. */
interface WebAssemblyParts {
  readonly Memory: new (pages: {
    readonly initial: number;
    readonly maximum: number;
  }) => { readonly buffer: ArrayBuffer };
}

/** Unit in which WebAssembly counts memory. */
const pageBytes = 64 * 1024;
/** What the engine's module asks for at the start. */
const initialPages = 256;

/**
 * Loads QuickJS into a memory that cannot outgrow `memoryBytes`. (Its own limit does not see how large blocks are in
 * this build, so it would not hold.)
 */
export async function loadEngine(memoryBytes: number): Promise<SandboxEngine> {
  const maximum = Math.max(initialPages, Math.floor(memoryBytes / pageBytes));
  const { Memory } = (globalThis as unknown as { readonly WebAssembly: WebAssemblyParts }).WebAssembly;
  const memory = new Memory({ initial: initialPages, maximum });
  const module = await newQuickJSWASMModule(newVariant(RELEASE_SYNC, { wasmMemory: memory }));
  return { module, memoryBytes: () => memory.buffer.byteLength, leaks: false };
}

/** Opens a sandbox with the globals of JavaScript; `state` stays the caller's to change. */
export function openSandbox(engine: SandboxEngine, state: SandboxState): Sandbox {
  const runtime = engine.module.newRuntime();
  runtime.setMaxStackSize(stackBytes);
  runtime.setInterruptHandler(() => performance.now() >= state.deadline);
  const context = runtime.newContext();
  return sandboxOver(engine, runtime, context, state);
}

function sandboxOver(
  engine: SandboxEngine,
  runtime: QuickJSRuntime,
  context: QuickJSContext,
  state: SandboxState,
): Sandbox {
  let tools: SandboxValue | undefined;
  const settled = (result: ReturnType<QuickJSContext["evalCode"]>): Evaluated => {
    if (result.error === undefined) return { ok: true, value: result.value };
    const thrown = describedBy(context, tools, result.error);
    result.error.dispose();
    return { ok: false, thrown };
  };
  const call: Sandbox["call"] = (fn, ...args) =>
    guarded(() => settled(context.callFunction(fn, context.undefined, ...args)));
  const sandbox: Sandbox = {
    state,
    call,
    expired: () => performance.now() >= state.deadline,
    evaluate: (source, file) => guarded(() => settled(context.evalCode(source, file, { type: "global" }))),
    callMethod(object, name, ...args) {
      const method = context.getProp(object, name);
      const result = call(method, ...args);
      method.dispose();
      return result;
    },
    install(source, functions, ...more) {
      const install = required(sandbox.evaluate(source, serverFile));
      const host = hostObject(context, functions);
      const installed = required(call(install, host, ...more));
      for (const handle of [install, host, ...more]) handle.dispose();
      return installed;
    },
    fromValue: (value) => guarded(() => valueInside(context, sandbox, tools, value)),
    toValue: (handle) => guarded(() => valueOutside(context, sandbox, tools, handle)),
    textOf: (handle) => context.getString(handle),
    numberOf: (handle) => context.getNumber(handle),
    drain() {
      while (runtime.hasPendingJob() && !sandbox.expired()) {
        // The service does not report what a promise was rejected with, so neither is it reported here.
        guarded(() => runtime.executePendingJobs(1)).dispose();
      }
    },
    dispose() {
      try {
        tools?.dispose();
        context.dispose();
        runtime.dispose();
      } catch {
        // Promises that a script has chained without end are more than QuickJS can free.
        engine.leaks = true;
      }
    },
  };
  tools = sandbox.install(sandboxBaseSource(), {
    now: () => state.now(),
    random: () => state.random(),
  });
  return sandbox;
}

function hostObject(context: QuickJSContext, functions: HostFunctions): SandboxValue {
  const host = context.newObject();
  for (const [name, implementation] of Object.entries(functions)) {
    const fn = context.newFunction(name, (...args) => {
      const value = implementation(...args);
      if (typeof value === "number") return context.newNumber(value);
      if (typeof value === "string") return context.newString(value);
      return value === undefined ? context.undefined : value ? context.true : context.false;
    });
    context.setProp(host, name, fn);
    fn.dispose();
  }
  return host;
}

function valueInside(
  context: QuickJSContext,
  sandbox: Sandbox,
  tools: SandboxValue | undefined,
  value: unknown,
): SandboxValue {
  if (value === undefined) return context.undefined;
  if (typeof value === "number") return context.newNumber(value);
  if (typeof value === "string") return context.newString(value);
  if (typeof value === "boolean") return value ? context.true : context.false;
  const text = context.newString(JSON.stringify(value));
  const parsed = sandbox.callMethod(tools ?? context.undefined, "parse", text);
  text.dispose();
  // Only a full heap can keep the copy from being made; the script that gets null instead will run into the same wall.
  return parsed.ok ? parsed.value : context.null;
}

function valueOutside(
  context: QuickJSContext,
  sandbox: Sandbox,
  tools: SandboxValue | undefined,
  handle: SandboxValue,
): Evaluated<unknown> {
  const type = context.typeof(handle);
  if (type === "undefined") return { ok: true, value: undefined };
  if (type === "number") return { ok: true, value: context.getNumber(handle) };
  if (type === "string") return { ok: true, value: context.getString(handle) };
  const json = sandbox.callMethod(tools ?? context.undefined, "stringify", handle);
  if (!json.ok) return json;
  const value =
    context.typeof(json.value) === "string" ? JSON.parse(context.getString(json.value)) : undefined;
  json.value.dispose();
  return { ok: true, value };
}

function required(evaluated: Evaluated): SandboxValue {
  if (evaluated.ok) return evaluated.value;
  throw new Error(`server code failed in the sandbox: ${evaluated.thrown.text}`);
}

/** A JavaScript exception out of the engine itself (its native stack ran out) leaves it unusable. */
function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof SandboxBroken ? error : new SandboxBroken(String(error));
  }
}

/** Describes an exception with the sandbox's own function, which fails when heap or time is used up. */
function describedBy(context: QuickJSContext, tools: SandboxValue | undefined, error: SandboxValue): Thrown {
  const unknown: Thrown = { text: "InternalError: the script used up its memory or time", frames: [] };
  if (tools === undefined) return { text: JSON.stringify(context.dump(error)), frames: [] };
  const describe = context.getProp(tools, "describe");
  const result = context.callFunction(describe, context.undefined, error);
  describe.dispose();
  if (result.error !== undefined) {
    result.error.dispose();
    return unknown;
  }
  const thrown = thrownFrom(context.getString(result.value));
  result.value.dispose();
  return thrown;
}

/** An exception as `describeException` put it into JSON. */
export function thrownFrom(json: string): Thrown {
  const { text, stack, number } = JSON.parse(json) as {
    readonly text: string;
    readonly stack: string;
    readonly number?: number;
  };
  return { text, frames: framesOf(stack), ...(number === undefined ? {} : { number }) };
}

/** Frames of scripts in the service's wording; native ones and the server's own are left out. */
function framesOf(stack: string): readonly string[] {
  return stack
    .split("\n")
    .map((line) => /^\s*at (?:(.*) \()?([^()]*:\d+:\d+)\)?$/.exec(line))
    .filter((match) => match !== null)
    .filter(([, , place = ""]) => !place.startsWith(`${serverFile}:`) && !place.startsWith("<"))
    .map(([, name = "", place = ""]) => `at ${frameNames[name] ?? name} (${place})`);
}

const frameNames: Readonly<Record<string, string>> = {
  "": "Global code",
  "<eval>": "Global code",
  "<anonymous>": "Anonymous function",
};

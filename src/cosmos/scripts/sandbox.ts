/**
 * A QuickJS runtime of its own for one script, in a script thread: bounded heap, stack and time, nothing of the host
 * in reach but the functions given to it. The only file that knows QuickJS's handles.
 */
import {
  newQuickJSWASMModule,
  type QuickJSContext,
  type QuickJSHandle,
  type QuickJSWASMModule,
} from "quickjs-emscripten";
import type { Thrown } from "./failures.ts";
import { sandboxBaseSource } from "./sandbox-base.ts";

export type SandboxEngine = QuickJSWASMModule;
export type SandboxValue = QuickJSHandle;

/** The engine is in an undefined state: its thread must end. */
export class SandboxBroken extends Error {
  override readonly name = "SandboxBroken";
}

/** What code in a sandbox came to. A value belongs to the caller, who disposes of it. */
export type Evaluated =
  | { readonly ok: true; readonly value: SandboxValue }
  | { readonly ok: false; readonly thrown: Thrown };

/** The mutable side of a sandbox: when its code is interrupted, what time and chance it sees. */
export interface SandboxState {
  /** `performance.now()` at which running code is interrupted. */
  deadline: number;
  now: () => number;
  random: () => number;
}

export interface Sandbox {
  readonly context: QuickJSContext;
  readonly state: SandboxState;
  /** True when code was or would be interrupted. */
  expired(): boolean;
  /** Evaluates source text; `file` stands in stack traces. */
  evaluate(source: string, file: string, compileOnly?: boolean): Evaluated;
  call(fn: SandboxValue, ...args: readonly SandboxValue[]): Evaluated;
  /** Runs what promises have scheduled until nothing is left or time is over. */
  drain(): void;
  dispose(): void;
}

/** QuickJS's own bound on the recursion of scripts. */
const stackBytes = 256 * 1024;
/** Code that the server itself brought into the sandbox has this file name, and never shows in stack traces. */
const serverFile = "server";

export async function loadEngine(): Promise<SandboxEngine> {
  return newQuickJSWASMModule();
}

/** Opens an empty sandbox whose globals are those of JavaScript; `state` stays the caller's to change. */
export function openSandbox(engine: SandboxEngine, memoryBytes: number, state: SandboxState): Sandbox {
  const runtime = engine.newRuntime();
  runtime.setMemoryLimit(memoryBytes);
  runtime.setMaxStackSize(stackBytes);
  runtime.setInterruptHandler(() => performance.now() >= state.deadline);
  const context = runtime.newContext();
  let describe: SandboxValue | undefined;
  const settle = (result: ReturnType<QuickJSContext["evalCode"]>): Evaluated => {
    if (result.error === undefined) return { ok: true, value: result.value };
    const { error } = result;
    try {
      return { ok: false, thrown: describedBy(context, describe, error) };
    } finally {
      error.dispose();
    }
  };
  const sandbox: Sandbox = {
    context,
    state,
    expired: () => performance.now() >= state.deadline,
    evaluate: (source, file, compileOnly = false) =>
      guarded(() => settle(context.evalCode(source, file, { compileOnly, type: "global" }))),
    call: (fn, ...args) => guarded(() => settle(context.callFunction(fn, context.undefined, ...args))),
    drain() {
      while (runtime.hasPendingJob() && !sandbox.expired()) {
        // The service does not report what a promise was rejected with, so neither is it reported here.
        const result = guarded(() => runtime.executePendingJobs(1));
        if (result.error !== undefined) result.error.dispose();
      }
    },
    dispose() {
      guarded(() => {
        describe?.dispose();
        context.dispose();
        runtime.dispose();
      });
    },
  };
  describe = installServerCode(sandbox, sandboxBaseSource(), {
    now: () => context.newNumber(state.now()),
    random: () => context.newNumber(state.random()),
  });
  return sandbox;
}

/** Functions that server code in the sandbox may call. */
export type HostFunctions = Readonly<
  Record<string, (...args: readonly SandboxValue[]) => SandboxValue | undefined>
>;

/** Evaluates `source`, a function of one argument, calls it with the host functions, and returns what it returns. */
export function installServerCode(
  sandbox: Sandbox,
  source: string,
  functions: HostFunctions,
  ...more: readonly SandboxValue[]
): SandboxValue {
  const { context } = sandbox;
  const install = required(sandbox.evaluate(source, serverFile));
  const host = context.newObject();
  for (const [name, implementation] of Object.entries(functions)) {
    const fn = context.newFunction(name, (...args) => implementation(...args) ?? context.undefined);
    context.setProp(host, name, fn);
    fn.dispose();
  }
  const installed = required(sandbox.call(install, host, ...more));
  for (const handle of [install, host, ...more]) handle.dispose();
  return installed;
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
    throw new SandboxBroken(error instanceof Error ? error.message : String(error));
  }
}

/** Describes an exception with the sandbox's own function, which may fail when heap or time is used up. */
function describedBy(
  context: QuickJSContext,
  describe: SandboxValue | undefined,
  error: SandboxValue,
): Thrown {
  const result = describe === undefined ? undefined : context.callFunction(describe, context.undefined, error);
  if (result?.error !== undefined) result.error.dispose();
  if (result === undefined || result.error !== undefined) {
    return { text: "InternalError: the script used up its memory or time", frames: [] };
  }
  const text = context.getString(result.value);
  result.value.dispose();
  const parts = JSON.parse(text) as { text: string; stack: string; number?: number };
  return {
    text: parts.text,
    frames: framesOf(parts.stack),
    ...(parts.number === undefined ? {} : { number: parts.number }),
  };
}

/** Frames of scripts in the service's wording; native ones and the server's own are left out. */
function framesOf(stack: string): readonly string[] {
  return stack
    .split("\n")
    .map((line) => /^\s*at (.*?) ?\(?([^()]*:\d+:\d+)\)?$/.exec(line))
    .filter((match) => match !== null)
    .filter(([, , place = ""]) => !place.startsWith(`${serverFile}:`))
    .map(([, name = "", place = ""]) => `at ${frameNames[name] ?? name} (${place})`);
}

const frameNames: Readonly<Record<string, string>> = {
  "": "Global code",
  "<eval>": "Global code",
  "<anonymous>": "Anonymous function",
};

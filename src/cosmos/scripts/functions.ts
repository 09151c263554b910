/**
 * User-defined functions in a script thread: compiled at their first call and kept for the next pages and queries of
 * the container, as long as none of its functions changes. Calls are synchronous, one per row; values cross as plain
 * data, undefined included.
 */
import { badRequest, CosmosError } from "../errors.ts";
import type { Implementation } from "../query/functions/signature.ts";
import { VALUE_DEPTH_MAX, type Value, withinDepth } from "../query/values.ts";
import { scriptThrew, scriptTimedOut, type Thrown } from "./failures.ts";
import type { Refusal, ScriptText } from "./protocol.ts";
import {
  openSandbox,
  type Sandbox,
  type SandboxEngine,
  type SandboxState,
  type SandboxValue,
} from "./sandbox.ts";
import { compileScript } from "./script-source.ts";

/** The functions of one container, in a sandbox of their own that opens with the first call. */
export interface FunctionRoom {
  readonly state: SandboxState;
  /** The implementation of a function; undefined when the container has none of that name. */
  find(name: string): Implementation | undefined;
  dispose(): void;
}

export function openFunctions(engine: SandboxEngine, functions: readonly ScriptText[]): FunctionRoom {
  const state: SandboxState = { deadline: Number.POSITIVE_INFINITY, now: () => 0, random: () => 0 };
  let opened: Sandbox | undefined;
  const compiled = new Map<string, SandboxValue>();
  const handleOf = (sandbox: Sandbox, script: ScriptText): SandboxValue => {
    const known = compiled.get(script.id);
    if (known !== undefined) return known;
    const result = compileScript(sandbox, script);
    if (!result.ok) throw asThrown(sandbox.expired() ? scriptTimedOut() : result.refusal);
    compiled.set(script.id, result.value);
    return result.value;
  };
  return {
    state,
    find(name) {
      const script = functions.find(({ id }) => id === name);
      if (script === undefined) return undefined;
      return (...args) => {
        opened ??= openSandbox(engine, state);
        return callFunction(opened, handleOf(opened, script), args);
      };
    },
    dispose() {
      for (const handle of compiled.values()) handle.dispose();
      opened?.dispose();
    },
  };
}

function callFunction(sandbox: Sandbox, fn: SandboxValue, args: readonly Value[]): Value {
  const failed = (thrown: Thrown): CosmosError =>
    asThrown(sandbox.expired() ? scriptTimedOut() : scriptThrew("executing Javascript", thrown));
  const handles = args.map((value) => sandbox.fromValue(value));
  const result = sandbox.call(fn, ...handles);
  for (const handle of handles) handle.dispose();
  if (!result.ok) throw failed(result.thrown);
  const value = sandbox.toValue(result.value);
  result.value.dispose();
  if (!value.ok) throw failed(value.thrown);
  if (!withinDepth(value.value, VALUE_DEPTH_MAX)) {
    throw badRequest(
      `A user-defined function returned a value nested deeper than ${VALUE_DEPTH_MAX} levels.`,
    );
  }
  return value.value as Value;
}

function asThrown({ status, code, message, substatus }: Refusal): CosmosError {
  return new CosmosError(status, code, message, { substatus });
}

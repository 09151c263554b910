/** The source of a script as it is compiled: its function wrapped as the service wraps it, which shows in error texts. */
import { scriptDoesNotCompile } from "./failures.ts";
import type { Refusal, ScriptText } from "./protocol.ts";
import type { Evaluated, Sandbox, SandboxValue } from "./sandbox.ts";

/** Evaluates to a function that calls the script's own with its arguments. */
export function wrappedSource(body: string): string {
  return `(function __docDbMain() { var fn = ${body}\n;\n    return fn.apply(undefined, arguments); })`;
}

/** Compiles a script and evaluates it to its wrapped function. */
export function compileScript(
  sandbox: Sandbox,
  script: ScriptText,
): { readonly ok: true; readonly value: SandboxValue } | { readonly ok: false; readonly refusal: Refusal } {
  const source = wrappedSource(script.body);
  const evaluated = sandbox.evaluate(source, `${script.id}.js`);
  return evaluated.ok ? evaluated : { ok: false, refusal: compileRefusal(evaluated, source) };
}

function compileRefusal({ thrown }: Extract<Evaluated, { ok: false }>, source: string): Refusal {
  const place = /:(\d+):(\d+)\)?$/.exec(thrown.frames[0] ?? "");
  const line = Number(place?.[1] ?? 1);
  const column = Number(place?.[2] ?? 1);
  return scriptDoesNotCompile(thrown.text, line, column, source.split("\n")[line - 1] ?? "");
}

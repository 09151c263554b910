/**
 * Code that runs inside the sandbox, before any script: errors with a number, time and chance from the server instead
 * of the machine, a silent console, and how to describe an exception. It is handed over as text (the functions call
 * each other by name and use nothing from outside), so that it is written, checked and linted like all other code.
 */

/** What the sandbox is given from outside. */
export interface BaseHost {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Uniform in [0, 1). */
  random(): number;
}

/** What the host uses of a sandbox, taken before any script can change it. */
export interface SandboxTools {
  /** An exception as JSON; see `describeException`. */
  describe(error: unknown): string;
  parse(text: string): unknown;
  /** The value as JSON; undefined for what JSON does not know, such as a function. */
  stringify(value: unknown): string | undefined;
}

/** Text of a function `(host) => SandboxTools` that prepares the globals. */
export function sandboxBaseSource(): string {
  const parts = [installErrors, installClock, describeException, installBase];
  return `(function () { "use strict";\n${parts.join("\n")}\nreturn installBase; })()`;
}

function installBase(host: BaseHost): SandboxTools {
  installErrors();
  installClock(() => host.now());
  Math.random = () => host.random();
  Object.defineProperty(globalThis, "console", { value: { log() {} }, writable: true, configurable: true });
  const { parse, stringify } = JSON;
  return {
    describe: (error) => stringify(describeException(error)),
    parse: (text) => parse(text),
    stringify: (value) => stringify(value),
  };
}

/** `new Error(404, "text")` sets `number`, as in the engine that the service runs. */
function installErrors(): void {
  const native = Error;
  function ServerError(first: unknown, second: unknown): object {
    const isNumbered = typeof first === "number" && second !== undefined && typeof second !== "object";
    const given = isNumbered ? [second] : second === undefined ? [first] : [first, second];
    const error = Reflect.construct(native, given, new.target ?? ServerError) as { number?: unknown };
    if (isNumbered) error.number = first;
    return error;
  }
  Object.setPrototypeOf(ServerError, native);
  Object.defineProperty(ServerError, "name", { value: "Error" });
  ServerError.prototype = native.prototype;
  Object.defineProperty(native.prototype, "constructor", {
    value: ServerError,
    writable: true,
    configurable: true,
  });
  Object.defineProperty(globalThis, "Error", { value: ServerError, writable: true, configurable: true });
}

function installClock(now: () => number): void {
  const native = Date;
  function ServerDate(...parts: readonly unknown[]): unknown {
    if (new.target === undefined) return new native(now()).toString();
    return Reflect.construct(native, parts.length === 0 ? [now()] : parts, new.target);
  }
  Object.setPrototypeOf(ServerDate, native);
  Object.defineProperty(ServerDate, "name", { value: "Date" });
  Object.defineProperty(ServerDate, "now", { value: now, writable: true, configurable: true });
  ServerDate.prototype = native.prototype;
  Object.defineProperty(native.prototype, "constructor", {
    value: ServerDate,
    writable: true,
    configurable: true,
  });
  Object.defineProperty(globalThis, "Date", { value: ServerDate, writable: true, configurable: true });
}

/** Text, stack and number of whatever was thrown; an exception may be any value. */
export function describeException(error: unknown): { text: string; stack: string; number?: number } {
  const parts = error as { stack?: unknown; number?: unknown } | null | undefined;
  let text = "unknown";
  let stack: unknown;
  let number: unknown;
  try {
    text = String(error);
    stack = parts?.stack;
    number = parts?.number;
  } catch {
    // A hostile exception, whose parts throw when they are looked at, keeps what was read so far.
  }
  return {
    text,
    stack: typeof stack === "string" ? stack : "",
    ...(typeof number === "number" ? { number } : {}),
  };
}

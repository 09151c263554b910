/** What a command of the command line is, and the ways it can fail. */

/** Where a command writes: results to `out`, progress and complaints to `error`. */
export interface Terminal {
  out(text: string): void;
  error(text: string): void;
}

export interface Command {
  /** The whole help text: usage, options and examples. */
  readonly help: string;
  /** Returns the exit code. A CommandError or UsageError is printed as one line. */
  run(args: readonly string[], terminal: Terminal): Promise<number>;
}

/** The command line itself is wrong; exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The command cannot do what was asked; `message` says why and what to do. Exit code 1. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

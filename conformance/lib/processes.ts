/** Child processes: run to the end and collect, or keep open and talk to line by line. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Account } from "./throw-away.ts";

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Longest time a single command may take, in milliseconds; all tests of a command line count as one. */
const timeLimit = 1_800_000;

export function run(
  command: string,
  args: readonly string[],
  options: {
    readonly cwd?: string;
    readonly env?: Readonly<Record<string, string>>;
    /** As whom, unless as ourselves. */
    readonly account?: Account | undefined;
  } = {},
): Promise<Finished> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      stdio: ["ignore", "pipe", "pipe"],
      timeout: timeLimit,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...asAccount(options.account, { ...process.env, ...options.env }),
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString("utf8");
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString("utf8");
    });
    child.once("error", (error) => resolve({ code: 127, stdout, stderr: error.message }));
    child.once("close", (code) => resolve({ code: code ?? 1, stdout, stderr }));
  });
}

/** Options of `spawn` that start a process as `account`, at home in its own folder. */
export function asAccount(
  account: Account | undefined,
  env: NodeJS.ProcessEnv,
): { readonly env: NodeJS.ProcessEnv; readonly uid?: number; readonly gid?: number; readonly cwd?: string } {
  if (account === undefined) return { env };
  const { uid, gid, home } = account;
  return { env: { ...env, HOME: home }, uid, gid, cwd: home };
}

export interface Conversation {
  /** The next line of output, or undefined at its end. */
  next(): Promise<string | undefined>;
  say(line: string): void;
  /** Closes the input and waits for the end. */
  end(): Promise<void>;
}

export function converse(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  account?: Account,
): Conversation {
  const child: ChildProcess = spawn(command, args, {
    stdio: ["pipe", "pipe", "inherit"],
    ...asAccount(account, { ...process.env, ...env }),
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const { stdout } = child;
  if (stdout === null) throw new Error("the child has no output");
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  return {
    async next() {
      const result = await lines.next();
      return result.done === true ? undefined : result.value;
    },
    say: (line) => void child.stdin?.write(`${line}\n`),
    async end() {
      child.stdin?.end();
      await ended;
    },
  };
}

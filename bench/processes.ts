/**
 * The bench's child processes and temporary directories. Every one is registered here when it is made, so that all of
 * them end and go with the bench, also when it fails or is interrupted.
 */
import { type ChildProcess, fork, type StdioOptions, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's directory; this file runs from `dist/bench/`. */
export const projectDirectory: string = fileURLToPath(new URL("../..", import.meta.url));
/** The shipped command line. */
export const commandLine: string = join(projectDirectory, "dist/src/main.js");

/** A server that is not ready by then has failed, in milliseconds. */
const readyPatience = 30_000;
/** Characters kept of what servers write to their standard error. */
const complaintsMax = 4000;
/** A server that has not ended by then is killed, in milliseconds. */
const stopPatience = 10_000;

export interface ServerProcess {
  readonly pid: number;
  /** The first line of its output. */
  readonly ready: Promise<string>;
  stop(): Promise<void>;
}

export interface Processes {
  /** A new directory that goes with the bench. */
  temporaryDirectory(): Promise<string>;
  /** Starts Node with these arguments; the server's standard input closes when the bench ends. */
  startServer(args: readonly string[]): ServerProcess;
  /** Runs Node with these arguments to the end; its output, or an Error with what it said when it fails. */
  run(args: readonly string[], options?: RunOptions): Promise<string>;
  /** Starts a module that is talked to by messages. */
  fork(module: string): ChildProcess;
  /** The last lines that servers wrote to their standard error: nothing to show unless something fails. */
  complaints(): string;
  /** Ends everything that still runs and removes the directories. */
  close(): Promise<void>;
}

export interface RunOptions {
  /** The program instead of Node. */
  readonly program?: string;
  readonly directory?: string;
  readonly timeoutMilliseconds?: number;
}

export function createProcesses(): Processes {
  const children = new Set<ChildProcess>();
  const directories: string[] = [];
  let complaints = "";
  const register = (child: ChildProcess): ChildProcess => {
    children.add(child);
    child.once("exit", () => children.delete(child));
    return child;
  };
  return {
    async temporaryDirectory() {
      const directory = await mkdtemp(join(tmpdir(), "celestite-bench-"));
      directories.push(directory);
      return directory;
    },
    startServer(args) {
      const child = register(node(args, ["pipe", "pipe", "pipe"]));
      child.stderr?.on("data", (chunk: Buffer) => {
        complaints = (complaints + chunk.toString("utf8")).slice(-complaintsMax);
      });
      return serverProcess(child);
    },
    run: (args, options = {}) => finished(register(node(args, ["ignore", "pipe", "pipe"], options)), options),
    fork: (module) => register(fork(module, { stdio: ["ignore", "inherit", "inherit", "ipc"] })),
    complaints: () => complaints,
    async close() {
      await Promise.all([...children].map(stop));
      await Promise.all(
        directories.splice(0).map((directory) => rm(directory, { recursive: true, force: true })),
      );
    },
  };
}

function node(args: readonly string[], stdio: StdioOptions, options: RunOptions = {}): ChildProcess {
  const { program = process.execPath, directory } = options;
  return spawn(program, args, { stdio, ...(directory === undefined ? {} : { cwd: directory }) });
}

function serverProcess(child: ChildProcess): ServerProcess {
  const ready = new Promise<string>((resolve, reject) => {
    const late = setTimeout(
      () => reject(new Error(`${commandOf(child)} was not ready in time`)),
      readyPatience,
    );
    let output = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      output += chunk.toString("utf8");
      const end = output.indexOf("\n");
      if (end < 0) return;
      clearTimeout(late);
      resolve(output.slice(0, end));
    });
    child.once("error", reject);
    child.once("exit", (code) => {
      clearTimeout(late);
      reject(new Error(`${commandOf(child)} ended with ${String(code)} before it was ready`));
    });
  });
  // Whoever starts a server waits for it; should something else fail first, this one's failure is no news.
  ready.catch(() => {});
  return { pid: child.pid ?? 0, ready, stop: () => stop(child) };
}

function finished(child: ChildProcess, options: RunOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    let errors = "";
    const limit = setTimeout(() => child.kill("SIGKILL"), options.timeoutMilliseconds ?? readyPatience);
    child.stdout?.on("data", (chunk: Buffer) => {
      output += chunk.toString("utf8");
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      errors += chunk.toString("utf8");
    });
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(limit);
      if (code === 0) resolve(output);
      else reject(new Error(`${commandOf(child)} failed with ${String(code)}: ${errors.trim()}`));
    });
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const kill = setTimeout(() => child.kill("SIGKILL"), stopPatience);
  child.stdin?.end();
  child.kill("SIGTERM");
  await ended;
  clearTimeout(kill);
}

function commandOf(child: ChildProcess): string {
  return child.spawnargs.slice(1, 3).join(" ");
}

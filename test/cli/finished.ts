/**
 * Commands as a user types them, and what became of them. Those that start no program and hold nothing open run in the
 * test's own process, which is a hundred times sooner done; that the shipped executable passes arguments, output and
 * exit code on is shown by the others, which are processes.
 */
import { execFile } from "node:child_process";
import { runCommandLine } from "../../src/cli/command-line.ts";
import { cli, root } from "../fixtures.ts";

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command here. The data directory is that of this process's settings unless the arguments name one. */
export async function commandHere(args: readonly string[]): Promise<Finished> {
  const said: string[] = [];
  const complained: string[] = [];
  const code = await runCommandLine(args, {
    out: (text) => void said.push(text),
    error: (text) => void complained.push(text),
  });
  return { code, stdout: said.join(""), stderr: complained.join("") };
}

/** Runs the shipped executable on `data`, with `env` besides this process's variables. */
export function commandProcess(
  args: readonly string[],
  data: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, CELESTITE_DATA: data, ...env }, cwd: root, timeout: 150_000 };
    execFile(process.execPath, [cli, ...args], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      resolve({ code, stdout, stderr });
    });
  });
}

#!/usr/bin/env node
/**
 * A drop-in `bicep` executable for tools that start the reference compiler, `az` above all: results on standard
 * output, findings on standard error, exit code 1 for whatever went wrong.
 */
import { runBicep } from "./bicep.ts";
import { CommandError, type Terminal, UsageError } from "./command.ts";

const terminal: Terminal = {
  out: (text) => void process.stdout.write(text),
  error: (text) => void process.stderr.write(text),
};

try {
  process.exitCode = await runBicep(process.argv.slice(2), terminal);
} catch (error) {
  if (!isUserMistake(error)) throw error;
  terminal.error(`${error.message}\n`);
  process.exitCode = 1;
}

/** What the caller can mend: wrong arguments, and files that cannot be read or written. */
function isUserMistake(error: unknown): error is Error {
  if (error instanceof UsageError || error instanceof CommandError) return true;
  return (
    error instanceof Error &&
    ("syscall" in error || ("code" in error && String(error.code).startsWith("ERR_PARSE_ARGS")))
  );
}

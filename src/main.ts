#!/usr/bin/env node
/** The `celestite` command: hands its arguments to the command line room and ends with the exit code it gets. */
import { runCommandLine } from "./cli/command-line.ts";

process.exitCode = await runCommandLine(process.argv.slice(2), {
  out: (text) => void process.stdout.write(text),
  error: (text) => void process.stderr.write(text),
});

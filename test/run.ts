/**
 * Runs every compiled test file with Node's test runner. Files are listed here, because patterns on the command line
 * work differently from one Node line to the next. Arguments narrow the list: `npm test -- storage`; `--full` runs what
 * repeats itself at full size (full-size.ts).
 */
import { spawn } from "node:child_process";
import { readdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL(".", import.meta.url));
const options = process.argv.slice(2);
const wanted = options.filter((option) => option !== "--full");

/** Files that take longest start first, so that none of them is alone at the end. */
const longest = ["storage/kill", "cli/run-doors", "cli/command-line", "cli/identity-commands", "cosmos/kill"];

function isLong(file: string): boolean {
  return longest.some((part) => file.endsWith(`${part}.test.js`));
}

async function testFiles(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(".test.js"))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => wanted.length === 0 || wanted.some((part) => file.slice(root.length).includes(part)))
    .sort((a, b) => Number(isLong(b)) - Number(isLong(a)) || (a < b ? -1 : 1));
}

const files = await testFiles(root);
if (files.length === 0) {
  process.stderr.write(`No test file matches ${wanted.join(" ")}.\n`);
  process.exit(1);
}
// Certificates that a machine's settings add are read at every start of a process, hundreds of times here, and no test
// talks to anything but loopback.
const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
if (options.includes("--full")) env["CELESTITE_TEST_SIZE"] = "full";
// By default one core is left idle; on two cores that is half of the machine.
const concurrency = `--test-concurrency=${availableParallelism()}`;
const child = spawn(process.execPath, ["--test", "--test-reporter=spec", concurrency, ...files], {
  stdio: "inherit",
  env,
});
child.once("exit", (code) => process.exit(code ?? 1));

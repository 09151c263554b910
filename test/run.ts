/**
 * Runs every compiled test file with Node's test runner. Files are listed here, because patterns on the command line
 * work differently from one Node line to the next. Arguments narrow the list: `npm test -- storage`.
 */
import { spawn } from "node:child_process";
import { readdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL(".", import.meta.url));
const wanted = process.argv.slice(2);

async function testFiles(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(".test.js"))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => wanted.length === 0 || wanted.some((part) => file.slice(root.length).includes(part)))
    .sort();
}

const files = await testFiles(root);
if (files.length === 0) {
  process.stderr.write(`No test file matches ${wanted.join(" ")}.\n`);
  process.exit(1);
}
// By default one core is left idle; on two cores that is half of the machine.
const concurrency = `--test-concurrency=${availableParallelism()}`;
const child = spawn(process.execPath, ["--test", "--test-reporter=spec", concurrency, ...files], {
  stdio: "inherit",
});
child.once("exit", (code) => process.exit(code ?? 1));

/**
 * Runs every compiled test file with Node's test runner. Files are listed here, because patterns on the command line
 * work differently from one Node line to the next. Arguments narrow the list: `npm test -- storage`; `--full` runs what
 * repeats itself at full size (full-size.ts).
 */
import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

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

/** What only a process of its own may do: hooks around all of its tests, and changes of the process itself. */
const wantsProcess = /^(before|after|beforeEach|afterEach)\(|^ *(delete )?process\.(env\[|chdir|on\()/m;
/** Files in one process. More would spare more, and leave less to share among cores. */
const groupSize = 10;

/**
 * Files of one folder share processes, for loading the product takes longer than most of them: each group is a module
 * that imports its files one after another, after what makes Node's runner quick. The paths of what is to be run.
 */
async function inGroups(files: readonly string[]): Promise<readonly string[]> {
  const folders = new Map<string, string[]>();
  const alone: string[] = [];
  for (const file of files) {
    if (isLong(file) || wantsProcess.test(await readFile(file, "utf8"))) {
      alone.push(file);
      continue;
    }
    const folder = folders.get(dirname(file));
    if (folder === undefined) folders.set(dirname(file), [file]);
    else folder.push(file);
  }
  const groups = join(root, "groups");
  await rm(groups, { recursive: true, force: true });
  await mkdir(groups);
  let count = 0;
  const groupOf = async (members: readonly string[]): Promise<string> => {
    const group = join(groups, `group${count++}.js`);
    const imports = [join(root, "untracked.js"), ...members].map(
      (file) => `await import(${JSON.stringify(pathToFileURL(file).href)});\n`,
    );
    await writeFile(group, imports.join(""));
    return group;
  };
  const parts: (readonly string[])[] = alone.filter(isLong).map((file) => [file]);
  for (const folder of folders.values()) {
    for (let at = 0; at < folder.length; at += groupSize) parts.push(folder.slice(at, at + groupSize));
  }
  parts.push(...alone.filter((file) => !isLong(file)).map((file) => [file]));
  const made: string[] = [];
  for (const part of parts) made.push(await groupOf(part));
  return made;
}

const files = await testFiles(root);
if (files.length === 0) {
  process.stderr.write(`No test file matches ${wanted.join(" ")}.\n`);
  process.exit(1);
}
// Certificates that a machine's settings add are read at every start of a process, hundreds of times here, and no test
// talks to anything but loopback.
const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
// Finding RSA keys takes long: what one file has found serves the others (shared-signing-key.ts).
const keys = await mkdtemp(join(tmpdir(), "celestite-keys-"));
process.once("exit", () => rmSync(keys, { recursive: true, force: true }));
env["CELESTITE_TEST_KEYS"] = keys;
if (options.includes("--full")) env["CELESTITE_TEST_SIZE"] = "full";
// By default one core is left idle; but one process more than cores has work while another waits for a child or a time.
const concurrency = `--test-concurrency=${availableParallelism() + 1}`;
// Where files are asked for, each has a process of its own: what fails in company can be looked at by itself.
const run = wanted.length === 0 ? await inGroups(files) : files;
const child = spawn(process.execPath, ["--test", "--test-reporter=spec", concurrency, ...run], {
  stdio: "inherit",
  env,
});
child.once("exit", (code) => process.exit(code ?? 1));

/**
 * The tour: a server starts, a template is deployed, a worker runs under the identity that has a role, the same worker
 * is denied under one that has none, and each denial's own fix is applied until it works. Every step is checked;
 * with --exit the demo ends by itself, with status 0 only when each step did what it should.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const cli = join(here, "../src/main.js");
const worker = join(here, "worker.js");
const template = join(here, "../../demo/main.json");
/** Each denial names one missing right; a create needs two (metadata, then the item). */
const fixesMax = 3;

interface Finished {
  readonly code: number;
  readonly output: string;
}

const failures: string[] = [];

function say(text: string): void {
  process.stdout.write(`\n${text}\n`);
}

function expect(what: string, holds: boolean): void {
  process.stdout.write(`  ${holds ? "ok" : "NOT OK"}: ${what}\n`);
  if (!holds) failures.push(what);
}

/** Runs a command of ours on the demo's data directory, showing it and its output. */
function celestite(data: string, args: readonly string[], shown: string): Promise<Finished> {
  process.stdout.write(`\n$ celestite ${shown}\n`);
  const child = spawn(process.execPath, [cli, ...args], { env: { ...process.env, CELESTITE_DATA: data } });
  return collect(child);
}

function collect(child: ChildProcess): Promise<Finished> {
  return new Promise((resolve) => {
    let output = "";
    const show = (chunk: Buffer): void => {
      const text = chunk.toString("utf8");
      output += text;
      process.stdout.write(text.replace(/^(?=.)/gm, "  "));
    };
    child.stdout?.on("data", show);
    child.stderr?.on("data", show);
    child.once("exit", (code) => resolve({ code: code ?? 1, output }));
  });
}

async function startServer(data: string): Promise<{ readonly child: ChildProcess; readonly up: boolean }> {
  process.stdout.write("$ celestite start --any-ports\n");
  const child = spawn(process.execPath, [cli, "start", "--data", data, "--any-ports"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const up = await new Promise<boolean>((resolve) => {
    child.once("exit", () => resolve(false));
    let output = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      process.stdout.write(chunk.toString("utf8").replace(/^(?=.)/gm, "  "));
      output += chunk.toString("utf8");
      if (output.includes("Ctrl-C stops the server.")) resolve(true);
    });
  });
  return { child, up };
}

const workerShown = (identity: string): string => `run --identity ${identity} -- node worker.js`;
const workerArgs = (identity: string): string[] => [
  "run",
  "--identity",
  identity,
  "--",
  process.execPath,
  worker,
];

async function tour(data: string): Promise<void> {
  say("A template: two managed identities, a Cosmos account, and a data role for one of them.");
  const deployed = await celestite(
    data,
    ["deploy", template, "-g", "rg-cosmosrbac"],
    "deploy main.json -g rg-cosmosrbac",
  );
  expect("the template is deployed", deployed.code === 0);

  say("The worker, under the identity that has the role. No key, no secret, no connection string.");
  const granted = await celestite(data, workerArgs("worker"), workerShown("worker"));
  expect(
    "the worker creates and reads its item",
    granted.code === 0 && granted.output.includes("created and read"),
  );

  say("The same worker, under an identity without a role.");
  const denied = await celestite(data, workerArgs("visitor"), workerShown("visitor"));
  expect(
    "it is denied with the service's 403",
    denied.code === 1 && denied.output.includes("failed with 403, substatus 5301"),
  );
  expect(
    "and the service's text",
    denied.output.includes("does not have required RBAC permissions to perform action"),
  );

  await mend(data);
}

/** Applies what `explain` prints until the worker runs; nothing is restarted. */
async function mend(data: string): Promise<void> {
  for (let round = 1; round <= fixesMax; round++) {
    say(round === 1 ? "Why?" : "One right further, the next one is missing. Why?");
    const explained = await celestite(data, ["explain"], "explain");
    const command = /^\s*celestite (role assign .+)$/m.exec(explained.output)?.[1];
    expect("the denial is explained, with one command that mends it", command !== undefined);
    if (command === undefined) return;
    const fixed = await celestite(data, splitCommand(command), command);
    expect("the command works", fixed.code === 0);
    const again = await celestite(data, workerArgs("visitor"), workerShown("visitor"));
    if (again.code !== 0) continue;
    expect(
      "the worker runs under the other identity, too, without a restart",
      again.output.includes("created and read"),
    );
    return;
  }
  expect("the printed commands suffice", false);
}

function splitCommand(command: string): string[] {
  return [...command.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? "");
}

const data = await mkdtemp(join(tmpdir(), "celestite-demo-"));
const server = await startServer(data);
expect("the server is up", server.up);
if (server.up) await tour(data);

if (failures.length > 0)
  say(`${failures.length} step(s) did not do what they should:\n  ${failures.join("\n  ")}`);
else say("Every step did what it should.");

if (server.up && failures.length === 0 && !process.argv.includes("--exit")) {
  say(
    `The server stays up until Ctrl-C. In another terminal:\n  export CELESTITE_DATA=${data}\n  celestite run --identity worker -- YOUR PROGRAM`,
  );
  await new Promise<void>((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
  });
}
if (server.child.exitCode === null) {
  const ended = new Promise((resolve) => server.child.once("exit", resolve));
  server.child.kill("SIGTERM");
  await ended;
}
await rm(data, { recursive: true, force: true });
process.exitCode = failures.length === 0 ? 0 : 1;

/**
 * Kills the data plane in the middle of a mixed load, again and again on the same data, and checks after each restart.
 * A hundred times at full size.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { seededEntropy } from "../../src/clock.ts";
import { sized } from "../full-size.ts";
import { WRITERS } from "./kill-workload.ts";

const KILLS = sized(3, 100);
const program = fileURLToPath(new URL("./kill-child.js", import.meta.url));
/** Longest time that a child works, from its check on, in milliseconds. */
const workMax = 400;

interface Prepared {
  readonly child: ChildProcess;
  /** Its code and signal, listened for from the start. */
  readonly closed: Promise<readonly unknown[]>;
}

/** Starts a child that has loaded its code by the time it is told to begin. */
function prepare(directory: string, task: "work" | "check"): Prepared {
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: undefined };
  const child = spawn(process.execPath, [program, directory, task], {
    env,
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin?.on("error", () => {});
  return { child, closed: once(child, "close") };
}

/** Sets a child to work and kills it `delay` ms after its check, or that long after its start; returns its lines. */
async function runAndKill(
  { child, closed }: Prepared,
  acknowledged: readonly number[],
  delay: number,
  whileOpening: boolean,
): Promise<string[]> {
  let output = "";
  const checked = new Promise<void>((resolve) => {
    child.stdout?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes("checked") || output.includes("fault")) resolve();
    });
  });
  child.stdin?.write(`${JSON.stringify(acknowledged)}\n`);
  if (!whileOpening) await Promise.race([checked, closed]);
  await sleep(delay);
  child.kill("SIGKILL");
  const [code, signal] = await closed;
  assert.equal(signal, "SIGKILL", `the child ended by itself with code ${code}: ${output.slice(-500)}`);
  // What follows the last line break was cut off by the kill.
  return output.split("\n").slice(0, -1);
}

function takeAcknowledged(lines: readonly string[], acknowledged: number[], kill: string): void {
  for (const line of lines) {
    if (line === "checked") continue;
    const [kind, writer, step] = line.split(" ");
    assert.equal(kind, "ack", `${kill}: ${line}`);
    acknowledged[Number(writer)] = Number(step);
  }
}

it(`${KILLS} kills in a mixed load lose nothing that was acknowledged and leave everything consistent`, {
  timeout: 30_000 + KILLS * 20_000,
}, async () => {
  const directory = await mkdtemp(join(tmpdir(), "celestite-"));
  const entropy = seededEntropy(11);
  const acknowledged = new Array<number>(WRITERS).fill(0);
  let next = prepare(directory, "work");
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      const child = next;
      next = prepare(directory, kill === KILLS - 1 ? "check" : "work");
      const [chance = 0, spread = 0] = entropy.bytes(2);
      const delay = workMax * (spread / 256) ** 2;
      const lines = await runAndKill(child, acknowledged, delay, chance % 8 === 0);
      takeAcknowledged(lines, acknowledged, `after kill ${kill}`);
    }
    let output = "";
    next.child.stdout?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    next.child.stdin?.write(`${JSON.stringify(acknowledged)}\n`);
    assert.deepEqual(await next.closed, [0, null], output);
    assert.match(output, /^(ack \d+ \d+\n)*checked\n$/);
  } finally {
    next.child.kill("SIGKILL");
    await rm(directory, { recursive: true });
  }
  assert.ok(
    acknowledged.every((steps) => steps > 0),
    `too little was done: ${acknowledged.join(" ")}`,
  );
});

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
import { openLmdb } from "../../src/storage/lmdb.ts";
import { sized } from "../full-size.ts";
import { findFaults, PARTITIONS } from "./kill-workload.ts";

const KILLS = sized(20, 100);
const program = fileURLToPath(new URL("./kill-child.js", import.meta.url));

interface Prepared {
  readonly child: ChildProcess;
  /** How it ended: its code and its signal. Listened for from the start, as it may end before it is told to begin. */
  readonly closed: Promise<readonly unknown[]>;
}

/** Starts a child that has loaded its code by the time it is told to begin. */
function prepare(directory: string): Prepared {
  // It needs no certificates, and to read them would be a third of its start.
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: undefined };
  const child = spawn(process.execPath, [program, directory], { env, stdio: ["pipe", "pipe", "inherit"] });
  // A child that is gone already shows in how it ended.
  child.stdin?.on("error", () => {});
  return { child, closed: once(child, "close") };
}

/** Sets `child` to work, kills it after `delay` ms from its first write (or from the start), returns its lines. */
async function runAndKill(
  { child, closed }: Prepared,
  acknowledged: readonly number[],
  delay: number,
  whileOpening: boolean,
): Promise<string[]> {
  let output = "";
  const wrote = new Promise<void>((resolve) => {
    child.stdout?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      resolve();
    });
  });
  child.stdin?.write(`${JSON.stringify(acknowledged)}\n`);
  if (!whileOpening) await Promise.race([wrote, closed]);
  await sleep(delay);
  child.kill("SIGKILL");
  const [code, signal] = await closed;
  assert.equal(signal, "SIGKILL", `the child ended by itself with code ${code}: ${output.slice(-500)}`);
  // What follows the last line break was cut off by the kill.
  return output.split("\n").slice(0, -1);
}

it(`${KILLS} kills at any moment lose no acknowledged write and tear none apart`, {
  timeout: 60_000 + KILLS * 20_000,
}, async () => {
  const directory = await mkdtemp(join(tmpdir(), "celestite-"));
  const entropy = seededEntropy(100);
  const acknowledged = new Array<number>(PARTITIONS).fill(0);
  let next = prepare(directory);
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      const child = next;
      next = prepare(directory);
      const [chance = 0, spread = 0] = entropy.bytes(2);
      // Up to 60 ms, mostly short: a commit takes a few, so every phase of one is met, and waiting longer meets no other.
      const delay = 60 * (spread / 256) ** 3;
      const lines = await runAndKill(child, acknowledged, delay, chance % 5 === 0);
      for (const line of lines) {
        const [kind, partition, number] = line.split(" ");
        assert.equal(kind, "ack", `kill ${kill}: ${line}`);
        acknowledged[Number(partition)] = Number(number);
      }
      if (kill % 20 === 19) await inspect(directory, acknowledged);
    }
  } finally {
    next.child.kill("SIGKILL");
    await rm(directory, { recursive: true });
  }
  assert.ok(
    acknowledged.every((number) => number > KILLS),
    `too little was written: ${acknowledged.join(" ")}`,
  );
});

async function inspect(directory: string, acknowledged: readonly number[]): Promise<void> {
  const store = await openLmdb(directory);
  assert.deepEqual(await findFaults(store, acknowledged), []);
  await store.close();
}

/**
 * The process that the kill test kills. It loads everything, waits for one line on standard input (a JSON list of the
 * steps acknowledged so far, by writer), opens the directory given as argument, checks it, and works until it is killed,
 * printing a line for each step that is durable. With `check` as second argument it ends after the check.
 */
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { openLmdb } from "../../src/storage/lmdb.ts";
import { openCosmosFixture } from "./fixture.ts";
import { inspect, prepare, splitOne, WRITERS, workForever } from "./kill-workload.ts";

const [directory = "", task = "work"] = process.argv.slice(2);

/** Synchronous, so that a line that was meant to be out is out when the process is killed. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    const store = await openLmdb(directory);
    const fixture = await openCosmosFixture({ store, keepsIndexes: true });
    await prepare(fixture);
    const { faults, next } = await inspect(fixture, JSON.parse(line));
    for (const fault of faults) say(`fault ${fault}`);
    const acknowledge = (writer: number, step: number): void => say(`ack ${writer} ${step}`);
    // A step may be done though its line never came out; the next child must not find two of them.
    for (const [writer, step] of next.entries()) acknowledge(writer, step - 1);
    say("checked");
    if (task === "check") {
      await store.close();
      process.exit(0);
    }
    const writers = Array.from({ length: WRITERS }, (_, writer) =>
      workForever(fixture, writer, next[writer] ?? 1, acknowledge),
    );
    await Promise.all([...writers, splitOne(fixture)]);
  } catch (error) {
    say(`fault ${error instanceof Error ? error.stack?.replaceAll("\n", " ") : String(error)}`);
  }
}

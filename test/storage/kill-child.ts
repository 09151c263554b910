/**
 * The process that the kill test kills. It loads everything, waits for one line on standard input (a JSON list of
 * the numbers acknowledged so far), opens the directory given as argument, checks it, and writes, printing a line
 * for each durable write, until it is killed.
 */
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { openLmdb } from "../../src/storage/lmdb.ts";
import { findFaults, PARTITIONS, writeForever } from "./kill-workload.ts";

const [directory = ""] = process.argv.slice(2);

/** Synchronous, so that a line that was meant to be out is out when the process is killed. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    const store = await openLmdb(directory);
    for (const fault of await findFaults(store, JSON.parse(line))) say(`fault ${fault}`);
    const acknowledge = (partition: number, number: number): void => say(`ack ${partition} ${number}`);
    await Promise.all(Array.from({ length: PARTITIONS }, (_, i) => writeForever(store, i, acknowledge)));
  } catch (error) {
    say(`fault ${error}`);
  }
}

/**
 * Writes whose parts belong together, and what must hold of them at any moment. The kill test runs the writes in a
 * child process and checks in the child and in the parent.
 */
import { decodeKey, encodeKey, prefixRange } from "../../src/storage/keys.ts";
import type { Bytes, Reader, Store } from "../../src/storage/port.ts";

export const PARTITIONS = 8;
/** Documents and log entries that a partition keeps: older ones are deleted in the transaction that adds one. */
const KEPT_DOCUMENTS = 10;
const KEPT_LOG = 60;

/** Writes to `partition` until the process ends; calls `acknowledge` with each number that is durable. */
export async function writeForever(
  store: Store,
  partition: number,
  acknowledge: (partition: number, number: number) => void,
): Promise<never> {
  for (;;) {
    const written = await store.transact([`partition ${partition}`], async (transaction) => {
      const number = toNumber(await transaction.get(encodeKey(["count", partition]))) + 1;
      transaction.put(encodeKey(["document", partition, number]), content(partition, number));
      transaction.put(encodeKey(["log", partition, number]), encodeKey(["added", number]));
      transaction.delete(encodeKey(["document", partition, number - KEPT_DOCUMENTS]));
      transaction.delete(encodeKey(["log", partition, number - KEPT_LOG]));
      transaction.put(encodeKey(["count", partition]), encodeKey([number]));
      return number;
    });
    acknowledge(partition, written);
  }
}

/** One sentence for each thing that does not hold; `acknowledged` has the highest number by partition. */
export async function findFaults(reader: Reader, acknowledged: readonly number[]): Promise<string[]> {
  const faults: string[] = [];
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const count = toNumber(await reader.get(encodeKey(["count", partition])));
    const promised = acknowledged[partition] ?? 0;
    if (count < promised)
      faults.push(`partition ${partition}: ${promised} was acknowledged, ${count} is there`);
    for (const [kind, kept] of [
      ["document", KEPT_DOCUMENTS],
      ["log", KEPT_LOG],
    ] as const) {
      const entries = await reader.range(prefixRange([kind, partition]), 1000);
      const numbers = entries.map(({ key }) => Number(decodeKey(key)[2]));
      const first = Math.max(1, count - kept + 1);
      const expected = Array.from({ length: count - first + 1 }, (_, i) => first + i);
      if (numbers.join() !== expected.join())
        faults.push(`partition ${partition}: count ${count} but ${kind}s ${numbers.join(" ")}`);
      for (const [i, { value }] of entries.entries()) {
        const number = numbers[i] ?? 0;
        const right = kind === "document" ? content(partition, number) : encodeKey(["added", number]);
        if (!Buffer.from(value).equals(right))
          faults.push(`partition ${partition}: ${kind} ${number} is not as written`);
      }
    }
  }
  return faults;
}

/** Bytes that tell where they belong; every seventh is too large for a page. */
function content(partition: number, number: number): Bytes {
  const length = number % 7 === 0 ? 20_000 + number : 200 + ((number * 37) % 1500);
  return new Uint8Array(length).fill((partition * 31 + number) & 0xff);
}

function toNumber(value: Bytes | undefined): number {
  return value === undefined ? 0 : Number(decodeKey(value)[0]);
}

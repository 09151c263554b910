/**
 * Random histories: transactions that run together, reads, snapshots and reopenings, against a naive model.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Bytes, Reader, Store } from "../../src/storage/port.ts";
import { sized } from "../full-size.ts";
import { bytes, cut, hex, list, plain } from "./model.ts";

type Step =
  | { readonly kind: "put"; readonly key: number[]; readonly value: number[] }
  | { readonly kind: "delete"; readonly key: number[] }
  | { readonly kind: "get"; readonly key: number[] }
  | {
      readonly kind: "range";
      readonly start: number[];
      readonly end: number[];
      readonly reverse: boolean;
      readonly limit: number;
    };

type Act =
  | {
      readonly kind: "transactions";
      readonly together: { readonly fails: boolean; readonly steps: Step[] }[];
    }
  | { readonly kind: "read"; readonly step: Step }
  | { readonly kind: "snapshot" }
  | { readonly kind: "reopen" };

/** Keys from few bytes and short, so that steps meet; every history lives under a prefix of its own. */
const shortKey = fc.array(fc.constantFrom(0, 1, 127, 128, 255), { minLength: 1, maxLength: 3 });
const readStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("get" as const), key: shortKey }),
  fc.record({
    kind: fc.constant("range" as const),
    start: fc.array(fc.constantFrom(0, 1, 128, 255), { maxLength: 3 }),
    end: fc.array(fc.constantFrom(0, 1, 128, 255), { maxLength: 3 }),
    reverse: fc.boolean(),
    limit: fc.constantFrom(1, 2, 5, 1000),
  }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: fc.record({ kind: fc.constant("put" as const), key: shortKey, value: shortKey }), weight: 3 },
  fc.record({ kind: fc.constant("delete" as const), key: shortKey }),
  readStep,
);
const transaction = fc.record({
  fails: fc.nat(4).map((n) => n === 0),
  steps: fc.array(step, { maxLength: 12 }),
});
const transactions = fc.record({
  kind: fc.constant("transactions" as const),
  together: fc.array(transaction, { minLength: 1, maxLength: 4 }),
});
const act: fc.Arbitrary<Act> = fc.oneof(
  { arbitrary: transactions, weight: 60 },
  { arbitrary: fc.record({ kind: fc.constant("read" as const), step: readStep }), weight: 20 },
  { arbitrary: fc.record({ kind: fc.constant("snapshot" as const) }), weight: 15 },
  { arbitrary: fc.record({ kind: fc.constant("reopen" as const) }), weight: 2 },
);

/**
 * Runs seeded random histories on a store (the same ones on each) and compares every read with a sorted list.
 * `reopen` closes the store and opens it again.
 */
export async function compareRandomHistories(
  first: Store,
  reopen: (() => Promise<Store>) | undefined,
): Promise<void> {
  let store = first;
  let run = 0;
  const property = fc.asyncProperty(fc.array(act, { maxLength: 30 }), async (acts) => {
    const prefix = [run >> 8, run++ & 0xff];
    const model = new Map<string, Bytes>();
    const snapshots: { reader: Reader & { close(): void }; model: Map<string, Bytes> }[] = [];
    for (const one of acts) {
      if (one.kind === "read") await check(store, model, prefix, one.step);
      else if (one.kind === "snapshot")
        snapshots.push({ reader: await store.snapshot(), model: new Map(model) });
      else if (one.kind === "transactions") await runTogether(store, model, prefix, one.together);
      else if (reopen !== undefined && snapshots.length === 0) store = await reopen();
    }
    for (const { reader, model: then } of [...snapshots, { reader: { ...store, close() {} }, model }]) {
      await check(reader, then, prefix, {
        kind: "range",
        start: [],
        end: [255, 255, 255, 255],
        reverse: false,
        limit: 1000,
      });
      reader.close();
    }
  });
  await fc.assert(property, { seed: 20_260_701, numRuns: sized(30, 120) });
}

/** Starts transactions of one name at once; the model takes them one by one. */
async function runTogether(
  store: Store,
  model: Map<string, Bytes>,
  prefix: number[],
  together: readonly { readonly fails: boolean; readonly steps: readonly Step[] }[],
): Promise<void> {
  const runs = together.map(({ fails, steps }) =>
    store
      .transact(["history"], async (running) => {
        const draft = new Map(model);
        for (const one of steps) {
          if (one.kind === "put") {
            running.put(bytes(...prefix, ...one.key), bytes(...one.value));
            draft.set(hex(bytes(...prefix, ...one.key)), bytes(...one.value));
          } else if (one.kind === "delete") {
            running.delete(bytes(...prefix, ...one.key));
            draft.delete(hex(bytes(...prefix, ...one.key)));
          } else await check(running, draft, prefix, one);
        }
        if (fails) throw new Error("rolled back");
        model.clear();
        for (const [key, value] of draft) model.set(key, value);
      })
      .then(
        () => assert.equal(fails, false),
        (error) => {
          if (!fails || error.message !== "rolled back") throw error;
        },
      ),
  );
  await Promise.all(runs);
}

async function check(
  reader: Reader,
  model: ReadonlyMap<string, Bytes>,
  prefix: number[],
  one: Step,
): Promise<void> {
  if (one.kind === "get") {
    const key = bytes(...prefix, ...one.key);
    assert.deepEqual(list(await reader.get(key)), list(model.get(hex(key))));
  } else if (one.kind === "range") {
    const range = {
      start: bytes(...prefix, ...one.start),
      end: bytes(...prefix, ...one.end),
      reverse: one.reverse,
    };
    assert.deepEqual(plain(await reader.range(range, one.limit)), plain(cut(model, range, one.limit)));
  }
}

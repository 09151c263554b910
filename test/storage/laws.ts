/**
 * The laws of the storage port, run on every adapter. An adapter's own test is one call of `describeStoreLaws`.
 */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { after as afterKey, decodeKey, encodeKey, prefixRange } from "../../src/storage/keys.ts";
import {
  type Bytes,
  type KeyRange,
  MAX_KEY_BYTES,
  type Reader,
  type Store,
  StoreUnavailable,
  type Transaction,
} from "../../src/storage/port.ts";
import { compareRandomHistories } from "./histories.ts";
import { bytes, cut, hex, list, plain } from "./model.ts";

export interface StoreUnderTest {
  readonly store: Store;
  /** Closes the store and opens the same data again; absent if the adapter keeps nothing. */
  readonly reopen?: () => Promise<Store>;
  /** Closes whatever is open and removes the data. */
  destroy(): Promise<void>;
}

type Body = (store: Store, subject: StoreUnderTest, test: TestContext) => Promise<void>;

/** Declares the suite for the adapter that `open` makes an empty store of. */
export function describeStoreLaws(name: string, open: () => Promise<StoreUnderTest>): void {
  const law = (title: string, body: Body): void => {
    it(title, async (test) => {
      const subject = await open();
      try {
        await body(subject.store, subject, test);
      } finally {
        await subject.destroy();
      }
    });
  };
  describe(`${name}: keys and ranges`, () => orderingLaws(law));
  describe(`${name}: transactions`, () => transactionLaws(law));
  describe(`${name}: isolation`, () => isolationLaws(law));
  describe(`${name}: locks`, () => lockLaws(law));
  describe(`${name}: lifetime`, () => lifetimeLaws(law));
  describe(`${name}: random histories`, () => {
    law("every read gives what a sorted list gives", (store, subject) =>
      compareRandomHistories(store, subject.reopen),
    );
  });
}

type Law = (title: string, body: Body) => void;

const EVERYTHING: KeyRange = { start: bytes(), end: new Uint8Array(MAX_KEY_BYTES + 1).fill(0xff) };

function orderingLaws(law: Law): void {
  const keys = [[0], [0, 0], [0, 255], [1], [1, 0], [97], [97, 98], [128], [255], [255, 255]].map((key) =>
    bytes(...key),
  );

  law("a range gives entries in unsigned byte order, in whatever order they were written", async (store) => {
    for (const key of [7, 2, 9, 0, 4, 1, 8, 5, 3, 6].map((i) => at(keys, i))) await put(store, key, key);
    assert.deepEqual(
      plain(await store.range(EVERYTHING, 100)),
      plain(keys.map((key) => ({ key, value: key }))),
    );
  });

  const longest = new Uint8Array(MAX_KEY_BYTES).fill(97);
  const ranges: readonly [string, KeyRange][] = [
    ["all", EVERYTHING],
    ["start is included, end is not", { start: bytes(0, 255), end: bytes(97) }],
    ["bounds between keys", { start: bytes(0, 1), end: bytes(97, 97) }],
    ["one key", { start: bytes(97), end: afterKey(bytes(97)) }],
    ["nothing between", { start: bytes(2), end: bytes(96) }],
    ["equal bounds", { start: bytes(97), end: bytes(97) }],
    ["crossed bounds", { start: bytes(98), end: bytes(1) }],
    ["before all", { start: bytes(), end: bytes(0) }],
    ["empty end", { start: bytes(), end: bytes() }],
    ["after all", { start: bytes(255, 255, 0), end: bytes(255, 255, 255) }],
    ["from the longest key on", { start: longest, end: bytes(255) }],
    ["bounds longer than any key", { start: afterKey(longest), end: new Uint8Array(5000).fill(255) }],
    ["end just past the longest key", { start: bytes(97), end: afterKey(longest) }],
  ];
  law("every range, both ways, with every limit, is what sorting and cutting gives", async (store) => {
    const present = [...keys, longest];
    for (const key of present) await put(store, key, key.subarray(0, 3));
    const model = new Map(present.map((key) => [hex(key), key.subarray(0, 3)]));
    for (const [title, range] of ranges) {
      for (const reverse of [false, true]) {
        for (const limit of [0, 1, 3, 1000, Number.POSITIVE_INFINITY]) {
          const found = await store.range({ ...range, reverse }, limit);
          assert.deepEqual(
            plain(found),
            plain(cut(model, { ...range, reverse }, limit)),
            `${title} ${reverse} ${limit}`,
          );
        }
      }
    }
  });

  law("a scan that goes on after its last key meets every key once", async (store) => {
    await store.transact([], async (transaction) => {
      for (let i = 0; i < 250; i++) transaction.put(encodeKey(["page", i]), bytes(i));
    });
    const { start, end } = prefixRange(["page"]);
    const seen: unknown[] = [];
    for (let from = start; ; ) {
      const page = await store.range({ start: from, end }, 40);
      seen.push(...page.map(({ key }) => decodeKey(key)[1]));
      if (page.length < 40) break;
      from = afterKey(at(page, page.length - 1).key);
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 250 }, (_, i) => i),
    );
  });

  law("empty, ordinary and large values come back as they were", async (store) => {
    for (const length of [0, 1, 1000, 5000, 70_000, 3 << 20]) {
      const value = new Uint8Array(length).map((_, i) => i * 31 + length);
      await put(store, bytes(1), value);
      assert.ok(Buffer.from((await store.get(bytes(1))) ?? "none").equals(value), `get ${length}`);
      const [entry] = await store.range(EVERYTHING, 2);
      assert.ok(Buffer.from(entry?.value ?? "none").equals(value), `range ${length}`);
    }
  });

  law("keys have 1 to MAX_KEY_BYTES bytes; others cannot be put and are never found", async (store) => {
    await put(store, longest, bytes(7));
    assert.deepEqual(list(await store.get(longest)), [7]);
    for (const wrong of [bytes(), new Uint8Array(MAX_KEY_BYTES + 1)]) {
      await assert.rejects(put(store, wrong, bytes(1)), RangeError);
      assert.equal(await store.get(wrong), undefined);
      await store.transact([], async (transaction) => {
        transaction.delete(wrong);
        assert.equal(await transaction.get(wrong), undefined);
      });
    }
    assert.equal((await store.range(EVERYTHING, 10)).length, 1);
  });

  law("bytes given or received may be changed without effect on the store", async (store) => {
    const key = bytes(1, 2);
    const value = bytes(3, 4);
    await store.transact([], async (transaction) => {
      transaction.put(key, value);
      key.fill(9);
      value.fill(9);
      (await transaction.get(bytes(1, 2)))?.fill(8);
      (await transaction.range(EVERYTHING, 1))[0]?.value.fill(8);
    });
    (await store.get(bytes(1, 2)))?.fill(8);
    (await store.range(EVERYTHING, 1))[0]?.key.fill(8);
    assert.deepEqual(plain(await store.range(EVERYTHING, 10)), [
      [
        [1, 2],
        [3, 4],
      ],
    ]);
  });
}

function transactionLaws(law: Law): void {
  law("transact resolves with the result, and all writes are there", async (store) => {
    const result = await store.transact(["x"], async (transaction) => {
      transaction.put(bytes(1), bytes(1));
      transaction.put(bytes(2), bytes(2));
      transaction.put(bytes(1), bytes(3));
      transaction.delete(bytes(2));
      return "result";
    });
    assert.equal(result, "result");
    assert.deepEqual(plain(await store.range(EVERYTHING, 10)), [[[1], [3]]]);
  });

  law("a transaction that throws writes nothing and passes its own error on", async (store) => {
    await put(store, bytes(1), bytes(1));
    const reason = new Error("no");
    let ran = false;
    const failing = store.transact(["x"], async (transaction) => {
      transaction.put(bytes(1), bytes(2));
      transaction.put(bytes(3), bytes(3));
      transaction.delete(bytes(1));
      transaction.afterCommit(() => {
        ran = true;
      });
      await pause();
      throw reason;
    });
    await assert.rejects(failing, (error) => error === reason);
    assert.equal(ran, false);
    assert.deepEqual(plain(await store.range(EVERYTHING, 10)), [[[1], [1]]]);
    const sync = store.transact(["x"], () => {
      throw reason;
    });
    await assert.rejects(sync, (error) => error === reason);
    await put(store, bytes(4), bytes(4));
  });

  law("a transaction sees its own writes and deletes, in get and in range", async (store) => {
    for (const key of [10, 20, 30, 40]) await put(store, bytes(key), bytes(key));
    await store.transact([], async (transaction) => {
      transaction.delete(bytes(20));
      transaction.put(bytes(25), bytes(1));
      transaction.put(bytes(30), bytes(2));
      transaction.put(bytes(5), bytes(3));
      transaction.put(bytes(50), bytes(4));
      transaction.delete(bytes(60));
      assert.equal(await transaction.get(bytes(20)), undefined);
      assert.deepEqual(list(await transaction.get(bytes(30))), [2]);
      const all: [number[], number[]][] = [
        [[5], [3]],
        [[10], [10]],
        [[25], [1]],
        [[30], [2]],
        [[40], [40]],
        [[50], [4]],
      ];
      assert.deepEqual(plain(await transaction.range(EVERYTHING, 10)), all);
      assert.deepEqual(
        plain(await transaction.range({ ...EVERYTHING, reverse: true }, 10)),
        all.toReversed(),
      );
      assert.deepEqual(
        plain(await transaction.range({ ...EVERYTHING, reverse: true }, 4)),
        all.toReversed().slice(0, 4),
      );
      const middle = { start: bytes(10), end: bytes(31) };
      assert.deepEqual(plain(await transaction.range(middle, 2)), all.slice(1, 3));
      transaction.put(bytes(20), bytes(9));
      assert.deepEqual(list(await transaction.get(bytes(20))), [9]);
    });
    assert.deepEqual(list(await store.get(bytes(20))), [9]);
  });

  law(
    "afterCommit callbacks run once, after the commit, in commit order, before transact resolves",
    async (store) => {
      const order: string[] = [];
      const commit = async (name: string): Promise<void> => {
        await store.transact(["same"], async (transaction) => {
          transaction.put(bytes(1), Buffer.from(name));
          transaction.afterCommit(() => order.push(`${name}1`));
          await pause();
          transaction.afterCommit(() => order.push(`${name}2`));
          assert.equal(order.includes(`${name}1`), false);
        });
        assert.equal(order.includes(`${name}2`), true);
      };
      await Promise.all(["a", "b", "c"].map(commit));
      assert.deepEqual(order, ["a1", "a2", "b1", "b2", "c1", "c2"]);
    },
  );

  law("afterCommit runs for a transaction that only reads", async (store) => {
    let runs = 0;
    await store.transact([], async (transaction) => {
      transaction.afterCommit(() => runs++);
    });
    assert.equal(runs, 1);
  });

  law(
    "a callback that throws rejects its own transact; the writes stay and other callbacks run",
    async (store) => {
      const reason = new Error("callback");
      let others = 0;
      const failing = store.transact([], async (transaction) => {
        transaction.put(bytes(1), bytes(1));
        transaction.afterCommit(() => {
          throw reason;
        });
        transaction.afterCommit(() => others++);
      });
      const beside = store.transact([], async (transaction) => {
        transaction.put(bytes(2), bytes(2));
        transaction.afterCommit(() => others++);
      });
      await assert.rejects(failing, (error) => error === reason);
      await beside;
      assert.equal(others, 2);
      assert.equal((await store.range(EVERYTHING, 10)).length, 2);
    },
  );

  law("a transaction whose function has settled can no longer be used", async (store) => {
    let leaked: Transaction | undefined;
    await store.transact([], async (transaction) => {
      leaked = transaction;
    });
    const late = leaked as Transaction | undefined;
    assert.throws(() => late?.put(bytes(1), bytes(1)), /over/);
    assert.throws(() => late?.delete(bytes(1)), /over/);
    assert.throws(() => late?.afterCommit(() => {}), /over/);
    await assert.rejects(async () => late?.get(bytes(1)), /over/);
    await assert.rejects(async () => late?.range(EVERYTHING, 1), /over/);
    assert.equal(await store.get(bytes(1)), undefined);
  });
}

function isolationLaws(law: Law): void {
  law("nothing is visible outside before the commit", async (store) => {
    const written = gate();
    const go = gate();
    const running = store.transact(["x"], async (transaction) => {
      transaction.put(bytes(1), bytes(1));
      written.open();
      await go.opened;
    });
    await written.opened;
    const snapshot = await store.snapshot();
    assert.equal(await store.get(bytes(1)), undefined);
    assert.deepEqual(await store.range(EVERYTHING, 10), []);
    await store.transact(["other"], async (transaction) => {
      assert.equal(await transaction.get(bytes(1)), undefined);
    });
    go.open();
    await running;
    assert.deepEqual(list(await store.get(bytes(1))), [1]);
    assert.equal(await snapshot.get(bytes(1)), undefined);
    snapshot.close();
  });

  law("readers see a transaction whole or not at all", async (store) => {
    const accounts = 16;
    const total = accounts * 100;
    await store.transact([], async (transaction) => {
      for (let i = 0; i < accounts; i++) transaction.put(encodeKey(["account", i]), number(100));
    });
    let writing = true;
    const move = async (seed: number): Promise<void> => {
      for (let step = 0; step < 40; step++) {
        const [from, to] = [(seed + step) % accounts, (seed * 7 + step * 3 + 1) % accounts];
        if (from === to) continue;
        await store.transact([`account ${from}`, `account ${to}`], async (transaction) => {
          for (const [account, change] of [
            [from, -1],
            [to, 1],
          ] as const) {
            const key = encodeKey(["account", account]);
            transaction.put(key, number(toNumber(await transaction.get(key)) + change));
          }
        });
      }
    };
    const sum = async (reader: Reader): Promise<number> => {
      const entries = await reader.range(prefixRange(["account"]), 1000);
      return entries.reduce((all, { value }) => all + toNumber(value), 0);
    };
    const watch = async (): Promise<void> => {
      while (writing) {
        assert.equal(await sum(store), total);
        const snapshot = await store.snapshot();
        await pause();
        let all = 0;
        for (let i = 0; i < accounts; i++) all += toNumber(await snapshot.get(encodeKey(["account", i])));
        assert.equal(all, total);
        assert.equal(await sum(snapshot), total);
        snapshot.close();
      }
    };
    const watching = Promise.all([watch(), watch()]);
    await Promise.all(Array.from({ length: 8 }, (_, seed) => move(seed)));
    writing = false;
    await watching;
  });

  law("a snapshot stays as it was while the store grows and shrinks", async (store) => {
    const held: { snapshot: Awaited<ReturnType<Store["snapshot"]>>; expected: unknown }[] = [];
    for (let round = 0; round < 12; round++) {
      await store.transact(["grow"], async (transaction) => {
        for (let i = 0; i < 40; i++)
          transaction.put(encodeKey([round % 4, i]), new Uint8Array(3000).fill(round));
        if (round % 4 === 3) for (let i = 0; i < 40; i++) transaction.delete(encodeKey([1, i]));
      });
      const state = plain(await store.range(EVERYTHING, 1000));
      held.push({ snapshot: await store.snapshot(), expected: state });
    }
    for (const { snapshot, expected } of held) {
      assert.deepEqual(plain(await snapshot.range(EVERYTHING, 1000)), expected);
      snapshot.close();
    }
  });

  law("a closed snapshot refuses to read, and may be closed again", async (store) => {
    await put(store, bytes(1), bytes(1));
    const snapshot = await store.snapshot();
    const other = await store.snapshot();
    snapshot.close();
    snapshot.close();
    await assert.rejects(snapshot.get(bytes(1)), /closed/);
    await assert.rejects(snapshot.range(EVERYTHING, 1), /closed/);
    assert.deepEqual(list(await other.get(bytes(1))), [1]);
    other.close();
  });
}

function lockLaws(law: Law): void {
  law("64 concurrent writers on shared names lose no count", async (store) => {
    const key = (i: number): Bytes => encodeKey(["count", i]);
    await Promise.all(
      Array.from({ length: 64 }, async (_, writer) => {
        for (let step = 0; step < 10; step++) {
          const counter = (writer + step) % 5;
          await store.transact([`count ${counter}`], async (transaction) => {
            const before = toNumber(await transaction.get(key(counter)));
            if (step % 3 === 0) await pause();
            transaction.put(key(counter), number(before + 1));
          });
        }
      }),
    );
    const counts = await Promise.all([0, 1, 2, 3, 4].map(async (i) => toNumber(await store.get(key(i)))));
    assert.equal(
      counts.reduce((a, b) => a + b),
      640,
    );
  });

  law(
    "transactions of one name run in the order they were asked for, each seeing all before",
    async (store) => {
      const order: number[] = [];
      await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          store.transact(["line"], async (transaction) => {
            const seen = await transaction.range(prefixRange(["line"]), 100);
            assert.deepEqual(
              seen.map(({ key }) => decodeKey(key)[1]),
              order,
            );
            if (i % 4 === 0) await pause();
            transaction.put(encodeKey(["line", i]), bytes(i));
            order.push(i);
          }),
        ),
      );
      assert.deepEqual(
        order,
        Array.from({ length: 20 }, (_, i) => i),
      );
    },
  );

  law("a failed transaction lets the next of its name run, which does not see its writes", async (store) => {
    const failing = store.transact(["x"], async (transaction) => {
      transaction.put(bytes(1), bytes(1));
      await pause();
      throw new Error("no");
    });
    const next = store.transact(["x"], async (transaction) => transaction.get(bytes(1)));
    await assert.rejects(failing, /no/);
    assert.equal(await next, undefined);
  });

  law("transactions without a common name overlap", async (store) => {
    const other = gate();
    const first = store.transact(["a"], async () => {
      await other.opened;
    });
    await store.transact(["b"], async () => other.open());
    await store.transact([], async () => {});
    await first;
  });

  law("several names in any order, repeated or not, never block each other for good", async (store) => {
    const sets = [["a", "b"], ["b", "a"], ["c", "a", "a"], ["b", "c"], ["a"], []];
    let inA = 0;
    await Promise.all(
      Array.from({ length: 60 }, (_, i) => {
        const names = sets[i % sets.length] ?? [];
        return store.transact(names, async (transaction) => {
          if (names.includes("a")) assert.equal(++inA, 1);
          await pause();
          transaction.put(bytes(i), bytes(i));
          if (names.includes("a")) inA--;
        });
      }),
    );
    assert.equal((await store.range(EVERYTHING, 100)).length, 60);
  });
}

function lifetimeLaws(law: Law): void {
  law("close waits for running transactions, and a closed store refuses everything", async (store) => {
    const go = gate();
    let done = 0;
    const running = [1, 2].map(async () => {
      await store.transact(["x"], async (transaction) => {
        await go.opened;
        transaction.put(bytes(1), bytes(1));
      });
      done++;
    });
    const snapshot = await store.snapshot();
    const closing = store.close().then(() => assert.equal(done, 2));
    await pause();
    assert.equal(done, 0);
    go.open();
    await Promise.all([...running, closing]);
    await store.close();
    await assert.rejects(store.get(bytes(1)), StoreUnavailable);
    await assert.rejects(store.range(EVERYTHING, 1), StoreUnavailable);
    await assert.rejects(store.snapshot(), StoreUnavailable);
    await assert.rejects(
      store.transact([], async () => {}),
      StoreUnavailable,
    );
    snapshot.close();
  });

  law("what was committed is there after reopening, and nothing else", async (store, subject, test) => {
    if (subject.reopen === undefined) return test.skip("a store in memory has nothing to reopen");
    await store.transact([], async (transaction) => {
      for (let i = 0; i < 500; i++) transaction.put(encodeKey(["kept", i]), new Uint8Array(i * 7));
    });
    const failing = store.transact([], async (transaction) => {
      transaction.put(bytes(1), bytes(1));
      throw new Error("no");
    });
    await assert.rejects(failing, /no/);
    const before = plain(await store.range(EVERYTHING, 1000));
    const again = await subject.reopen();
    assert.deepEqual(plain(await again.range(EVERYTHING, 1000)), before);
    await put(again, bytes(1), bytes(2));
    assert.deepEqual(list(await (await subject.reopen()).get(bytes(1))), [2]);
  });
}

function put(store: Store, key: Bytes, value: Bytes): Promise<void> {
  return store.transact([], async (running) => running.put(key, value));
}

/** A promise that something else opens. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** Lets everything that is ready run. */
function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function number(value: number): Bytes {
  return encodeKey([value]);
}

function toNumber(value: Bytes | undefined): number {
  return value === undefined ? 0 : Number(decodeKey(value)[0]);
}

function at<T>(values: readonly T[], index: number): T {
  const value = values[index];
  if (value === undefined) throw new Error(`no element ${index}`);
  return value;
}

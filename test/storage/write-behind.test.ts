/**
 * Writes above a database that the test plays: it decides when the database has taken a batch, and whether it fails.
 * What a crash would leave is looked at after every step.
 */
import assert from "node:assert/strict";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { seededEntropy } from "../../src/clock.ts";
import { DELETED } from "../../src/storage/bytes.ts";
import { emptyLayer, findIn, type Layer } from "../../src/storage/overlay.ts";
import { openLog } from "../../src/storage/write-ahead-log.ts";
import { decodeBatch } from "../../src/storage/write-batch.ts";
import { createWriteBehind, type WriteBehind } from "../../src/storage/write-behind.ts";

/** Keys and values are single bytes. */
type Content = Map<number, number>;

/** A batch that the database has been given and has not answered. */
interface Asked {
  succeed(): void;
  fail(): void;
}

interface Stand {
  readonly behind: WriteBehind;
  readonly stored: Content;
  readonly asked: Asked[];
  /** Resolves when the database has a batch to answer. */
  waiting(): Promise<void>;
  /** Content that a start would find after a crash at this moment. */
  afterCrash(): Promise<Content>;
  close(): Promise<void>;
}

/** Bytes of a log file: a few commits fit, and the larger ones of the random history do not. */
const fileLimit = 400;

async function open(bytes: number): Promise<Stand> {
  const directory = await mkdtemp(join(tmpdir(), "celestite-"));
  const stored: Content = new Map();
  let applied = 0;
  const asked: Asked[] = [];
  let wake = (): void => {};
  const { log } = await openLog(directory, 0, fileLimit);
  const apply = (batch: ArrayBuffer, last: number): Promise<void> =>
    new Promise((resolve, reject) => {
      asked.push({
        succeed() {
          put(stored, batch);
          applied = last;
          resolve();
        },
        fail: () => reject(new Error("the database is full")),
      });
      wake();
    });
  const behind = createWriteBehind(log, apply, { milliseconds: 1 << 30, bytes });
  return {
    behind,
    stored,
    asked,
    waiting: () =>
      new Promise((resolve) => {
        wake = resolve;
        if (asked.length > 0) resolve();
      }),
    async afterCrash() {
      const copy = await mkdtemp(join(tmpdir(), "celestite-"));
      await cp(directory, copy, { recursive: true });
      const { missed, log: copied } = await openLog(copy, applied, fileLimit);
      const content = new Map(stored);
      for (const batch of missed) put(content, batch);
      await copied.close(true);
      await rm(copy, { recursive: true });
      return content;
    },
    async close() {
      await log.close(true);
      await rm(directory, { recursive: true });
    },
  };
}

function put(content: Content, batch: ArrayBuffer | Uint8Array): void {
  for (const [key, value] of decodeBatch(batch)) change(content, key[0] ?? -1, value?.[0]);
}

function change(content: Content, key: number, value: number | undefined): void {
  if (value === undefined) content.delete(key);
  else content.set(key, value);
}

function layer(writes: readonly (readonly [number, number | undefined])[]): Layer {
  const made = emptyLayer();
  for (const [key, value] of writes)
    made.set(Uint8Array.of(key), value === undefined ? DELETED : Uint8Array.of(value));
  return made;
}

function visible({ stored }: Stand, layers: readonly Layer[]): Content {
  const content: Content = new Map();
  for (let key = 0; key < 256; key++) {
    const above = findIn(layers, Uint8Array.of(key));
    change(content, key, above === undefined ? stored.get(key) : above?.[0]);
  }
  return content;
}

function sorted(content: Content): readonly (readonly [number, number])[] {
  return [...content].sort(([a], [b]) => a - b);
}

describe("writes that are durable before the database has them", () => {
  it("are seen at once, sink together, and then only the database shows them", async () => {
    const stand = await open(40);
    await stand.behind.commit(layer([[1, 1]]));
    assert.deepEqual([stand.asked.length, stand.behind.layers().length], [0, 1]);
    await stand.behind.commit(layer([[2, 2]]));
    await stand.waiting();
    assert.deepEqual([...stand.stored], []);
    assert.deepEqual(
      [...visible(stand, stand.behind.layers())],
      [
        [1, 1],
        [2, 2],
      ],
    );
    stand.asked.shift()?.succeed();
    assert.equal(await stand.behind.drain(), true);
    assert.deepEqual(stand.behind.layers(), []);
    assert.deepEqual(
      [...stand.stored],
      [
        [1, 1],
        [2, 2],
      ],
    );
    await stand.close();
  });

  it("have room in the log for as long as they sink, and go to the database itself when they do not fit", async () => {
    const stand = await open(1);
    for (let i = 0; i < 100; i++) {
      await stand.behind.commit(layer([[i, i]]));
      await stand.waiting();
      stand.asked.shift()?.succeed();
      assert.equal(await stand.behind.drain(), true);
    }
    let over = false;
    const large = stand.behind.commit(layer(Array.from({ length: 100 }, (_, i) => [i, 200]))).then(() => {
      over = true;
    });
    await stand.waiting();
    assert.equal(over, false);
    stand.asked.shift()?.succeed();
    await large;
    assert.deepEqual(new Set(stand.stored.values()), new Set([200]));
    assert.deepEqual(stand.behind.layers(), []);
    await stand.close();
  });

  it("are refused while the database does not take the earlier ones, which are kept", async () => {
    const stand = await open(1);
    await stand.behind.commit(layer([[1, 1]]));
    await stand.waiting();
    stand.asked.shift()?.fail();
    await new Promise((resolve) => setImmediate(resolve));
    for (let i = 0; i < 2; i++) {
      const refused = assert.rejects(stand.behind.commit(layer([[2, 2]])), /the database is full/);
      await stand.waiting();
      stand.asked.shift()?.fail();
      await refused;
    }
    assert.deepEqual(sorted(await stand.afterCrash()), [[1, 1]]);
    const accepted = stand.behind.commit(layer([[3, 3]]));
    await stand.waiting();
    stand.asked.shift()?.succeed();
    await accepted;
    assert.deepEqual([...stand.stored], [[1, 1]]);
    assert.deepEqual(sorted(await stand.afterCrash()), [
      [1, 1],
      [3, 3],
    ]);
    await stand.waiting();
    const draining = stand.behind.drain();
    stand.asked.shift()?.fail();
    await stand.waiting();
    stand.asked.shift()?.fail();
    assert.equal(await draining, false);
    await stand.close();
  });

  for (const [seed, bytes] of [
    [1, 1],
    [2, 60],
    [3, 200],
    [4, 1 << 20],
  ] as const) {
    it(`are never lost, whenever a crash comes (${bytes} bytes sink at once, seed ${seed})`, async () => {
      const stand = await open(bytes);
      const entropy = seededEntropy(seed);
      const below = (n: number): number => Buffer.from(entropy.bytes(4)).readUInt32BE() % n;
      const committed: Content = new Map();
      const frozen: {
        readonly layers: readonly Layer[];
        readonly content: Content;
        readonly stored: Content;
      }[] = [];
      const answerOne = (): void => {
        const answer = stand.asked.shift();
        if (below(4) > 0) answer?.succeed();
        else answer?.fail();
      };
      let failures = 0;
      for (let step = 0; step < 80; step++) {
        const writes = Array.from({ length: below(12) === 0 ? 40 : 1 + below(6) }, () => {
          const key = below(24);
          return [key, below(4) === 0 ? undefined : below(256)] as const;
        });
        const next = new Map(committed);
        for (const [key, value] of writes) change(next, key, value);
        let over = false;
        const outcome = stand.behind.commit(layer(writes)).then(
          () => true,
          () => false,
        );
        void outcome.then(() => {
          over = true;
        });
        for (;;) {
          await Promise.race([outcome, stand.waiting()]);
          // A batch is also asked for by a commit that ends; its answer is for a later step.
          await new Promise((resolve) => setImmediate(resolve));
          if (over) break;
          const left = sorted(await stand.afterCrash());
          const possible = [sorted(committed), sorted(next)].map(String);
          assert.ok(possible.includes(String(left)), `step ${step}: ${left}`);
          // Half of the answers come when the commit is over, if it is not itself waiting for one.
          if (below(2) === 0) await Promise.race([outcome, sleep(20)]);
          answerOne();
        }
        if (await outcome) for (const [key, value] of writes) change(committed, key, value);
        else failures++;
        assert.deepEqual(sorted(await stand.afterCrash()), sorted(committed), `step ${step}, after a crash`);
        assert.deepEqual(visible(stand, stand.behind.layers()), new Map(sorted(committed)), `step ${step}`);
        if (below(8) === 0)
          frozen.push({
            layers: stand.behind.freeze(),
            content: new Map(sorted(committed)),
            stored: new Map(stand.stored),
          });
        if (below(2) === 0) answerOne();
      }
      for (const { layers, content, stored } of frozen)
        assert.deepEqual(visible({ ...stand, stored }, layers), content);
      if (bytes < 100) assert.ok(failures > 0);
      await stand.close();
    });
  }
});

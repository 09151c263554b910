/**
 * One random history, the same bytes on every adapter: 10 000 operations at full size, in transactions, alone and together, committed
 * and thrown away, plain reads, snapshots and reopenings. Every answer goes into a transcript, and the transcripts must
 * be equal.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { seededEntropy } from "../../src/clock.ts";
import { openLmdb } from "../../src/storage/lmdb.ts";
import { openMemory } from "../../src/storage/memory.ts";
import type { Bytes, Entry, KeyRange, Reader, Snapshot, Store } from "../../src/storage/port.ts";
import { openPostgres } from "../../src/storage/postgres.ts";
import { sized } from "../full-size.ts";
import { hex } from "./model.ts";
import { type PostgresServer, startPostgres, whyNoPostgres } from "./postgres-server.ts";

const OPERATIONS = sized(2_500, 10_000);
const SNAPSHOTS_MAX = 5;

type Operation =
  | { readonly kind: "put"; readonly key: Bytes; readonly value: Bytes }
  | { readonly kind: "delete"; readonly key: Bytes }
  | Question;

type Question =
  | { readonly kind: "get"; readonly key: Bytes }
  | { readonly kind: "range"; readonly range: KeyRange; readonly limit: number };

/** Operations of one transaction under the lock of its `partition`, in whose keys it stays. */
interface Work {
  readonly partition: number;
  readonly fails: boolean;
  readonly operations: readonly Operation[];
}

type Turn =
  | { readonly kind: "transactions"; readonly together: readonly Work[] }
  | { readonly kind: "read"; readonly question: Question }
  | { readonly kind: "snapshot" }
  | { readonly kind: "look"; readonly snapshot: number; readonly question: Question }
  | { readonly kind: "close"; readonly snapshot: number }
  | { readonly kind: "reopen" };

/** The history: a pure function of the seed. */
function makeHistory(seed: number): Turn[] {
  const entropy = seededEntropy(seed);
  const draw = (below: number): number => Buffer.from(entropy.bytes(2)).readUInt16BE() % below;
  const within = (partition: number): Bytes =>
    Uint8Array.from([
      partition,
      ...Array.from({ length: 1 + draw(3) }, () => [0, 1, 127, 128, 255][draw(5)] ?? 0),
    ]);
  const value = (): Bytes => {
    const length = draw(60) === 0 ? 2000 + draw(30_000) : draw(40);
    return new Uint8Array(length).fill(draw(256));
  };
  const question = (first: number, last: number): Question => {
    if (draw(2) === 0) return { kind: "get", key: within(first + draw(last - first + 1)) };
    const [start, end] = [within(first), within(last)];
    return {
      kind: "range",
      range: { start, end, reverse: draw(2) === 0 },
      limit: [1, 3, 10, 1000][draw(4)] ?? 1,
    };
  };
  const operation = (partition: number): Operation => {
    const kind = draw(8);
    if (kind < 4) return { kind: "put", key: within(partition), value: value() };
    return kind === 4 ? { kind: "delete", key: within(partition) } : question(partition, partition);
  };
  const work = (): Work => {
    const partition = 1 + draw(4);
    const operations = Array.from({ length: 1 + draw(12) }, () => operation(partition));
    return { partition, fails: draw(6) === 0, operations };
  };
  const turns: Turn[] = [];
  for (let operations = 0; operations < OPERATIONS; ) {
    const kind = draw(100);
    if (kind < 60) {
      const together = Array.from({ length: 1 + draw(6) }, work);
      turns.push({ kind: "transactions", together });
      for (const one of together) operations += one.operations.length;
      continue;
    }
    operations++;
    if (kind < 80) turns.push({ kind: "read", question: question(1, 4) });
    else if (kind < 85) turns.push({ kind: "snapshot" });
    else if (kind < 95) turns.push({ kind: "look", snapshot: draw(2), question: question(1, 4) });
    else if (kind < 99) turns.push({ kind: "close", snapshot: draw(SNAPSHOTS_MAX) });
    else turns.push({ kind: "reopen" });
  }
  return turns;
}

/** What the store answers, a line for each turn, and at the end all that is in it. */
async function play(history: readonly Turn[], first: Store, reopen: () => Promise<Store>): Promise<string[]> {
  let store = first;
  const lines: string[] = [];
  const snapshots: Snapshot[] = [];
  for (const [number, turn] of history.entries()) {
    let line = "";
    if (turn.kind === "transactions") {
      line = (await Promise.all(turn.together.map((work) => transact(store, work)))).join(" ");
    } else if (turn.kind === "read") line = await answer(store, turn.question);
    else if (turn.kind === "snapshot") {
      if (snapshots.length < SNAPSHOTS_MAX) snapshots.push(await store.snapshot());
    } else if (turn.kind === "look") {
      const snapshot = snapshots[turn.snapshot];
      if (snapshot !== undefined) line = await answer(snapshot, turn.question);
    } else if (turn.kind === "close") snapshots.splice(turn.snapshot, 1)[0]?.close();
    else if (snapshots.length === 0) store = await reopen();
    lines.push(`${number} ${turn.kind} ${line}`);
  }
  for (const reader of [store, ...snapshots]) {
    const range = { start: Uint8Array.of(0), end: Uint8Array.of(255) };
    lines.push(
      `in the end ${await answer(reader, { kind: "range", range, limit: Number.POSITIVE_INFINITY })}`,
    );
  }
  for (const snapshot of snapshots) snapshot.close();
  return lines;
}

async function transact(store: Store, work: Work): Promise<string> {
  const answers: string[] = [];
  try {
    await store.transact([`partition ${work.partition}`], async (transaction) => {
      for (const operation of work.operations) {
        if (operation.kind === "put") transaction.put(operation.key, operation.value);
        else if (operation.kind === "delete") transaction.delete(operation.key);
        else answers.push(await answer(transaction, operation));
      }
      transaction.afterCommit(() => answers.push("committed"));
      if (work.fails) throw new Error("thrown away");
    });
  } catch (error) {
    answers.push(String(error));
  }
  return answers.join();
}

async function answer(reader: Reader, question: Question): Promise<string> {
  if (question.kind === "get") return show(await reader.get(question.key));
  const entries: readonly Entry[] = await reader.range(question.range, question.limit);
  return entries.map(({ key, value }) => `${hex(key)}=${show(value)}`).join(";");
}

/** The bytes, or their number and digest when they are many. */
function show(value: Bytes | undefined): string {
  if (value === undefined) return "-";
  return value.length < 64
    ? hex(value)
    : `${value.length}:${createHash("sha256").update(value).digest("hex")}`;
}

describe(`one history of ${OPERATIONS} operations`, () => {
  const history = makeHistory(20_261_121);
  let server: PostgresServer | undefined;
  const expected = (async () => {
    const store = openMemory();
    return play(history, store, async () => store);
  })();
  after(async () => server?.destroy());

  it("has as much in it as it says", async () => {
    const lines = await expected;
    const matching = (pattern: RegExp): number => lines.filter((line) => pattern.test(line)).length;
    assert.ok(matching(/thrown away.*committed|committed.*thrown away/) > OPERATIONS / 100);
    assert.ok(matching(/ reopen/) > OPERATIONS / 2_600);
    assert.ok(matching(/ look [0-9a-f]/) > OPERATIONS / 500);
    assert.ok(matching(/:[0-9a-f]{64}/) > OPERATIONS / 500);
    assert.ok((lines.at(-1) ?? "").length > 1000);
  });

  it("gives the same bytes on lmdb as in memory", async () => {
    const directory = await mkdtemp(join(tmpdir(), "celestite-"));
    let store = await openLmdb(directory);
    const reopen = async (): Promise<Store> => {
      await store.close();
      store = await openLmdb(directory);
      return store;
    };
    const lines = await play(history, store, reopen);
    await store.close();
    await rm(directory, { recursive: true });
    compare(lines, await expected);
  });

  const title = "gives the same bytes on postgres as in memory";
  const why = whyNoPostgres;
  it(why === undefined ? title : `${title} (skipped: ${why})`, { skip: why !== undefined }, async () => {
    server = await startPostgres();
    const url = server.url("history");
    let store = await openPostgres(url);
    const reopen = async (): Promise<Store> => {
      await store.close();
      store = await openPostgres(url);
      return store;
    };
    const lines = await play(history, store, reopen);
    await store.close();
    compare(lines, await expected);
  });
});

/** Names the first line that differs, before the long comparison would print them all. */
function compare(lines: readonly string[], expected: readonly string[]): void {
  for (const [i, line] of lines.entries()) assert.equal(line, expected[i]);
  assert.equal(lines.length, expected.length);
}

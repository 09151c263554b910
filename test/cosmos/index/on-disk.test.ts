/** The index on a store that outlives the process: checkpoints, and tokens of one process in the next. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Value } from "../../../src/cosmos/query/values.ts";
import { openStore } from "../../../src/storage/open.ts";
import type { Store } from "../../../src/storage/port.ts";
import { type IndexFixture, openIndexFixture } from "./fixture.ts";

const sizes = { itemsMin: 0, partitionItemsMin: 1, headRows: 32, changesWhenIdle: 1 };
const items = 300;

function item(n: number): Record<string, Value> {
  return {
    id: `i${n}`,
    pk: `p${n % 3}`,
    n,
    kind: `k${n % 7}`,
    tags: [`t${n % 5}`],
    text: `é${n}`,
    half: n / 2,
  };
}

const queries = [
  "SELECT VALUE c.id FROM c WHERE c.kind = 'k3' AND c.half > 40",
  "SELECT VALUE c.id FROM c ORDER BY c.text DESC",
  "SELECT VALUE c.id FROM c WHERE ARRAY_CONTAINS(c.tags, 't2')",
  "SELECT c.kind, SUM(c.half) AS s FROM c GROUP BY c.kind",
  "SELECT VALUE COUNT(1) FROM c WHERE c.n < 100",
] as const;

interface Begun {
  readonly text: string;
  readonly rows: readonly Value[];
  readonly token: string | undefined;
}

async function begin(fixture: IndexFixture): Promise<readonly Begun[]> {
  const begun: Begun[] = [];
  for (const text of queries) {
    const { rows, continuation: token } = await fixture.page(text, { pageSize: 5 });
    begun.push({ text, rows, token });
  }
  return begun;
}

async function finish(fixture: IndexFixture, { text, rows, token }: Begun): Promise<readonly Value[]> {
  const all = [...rows];
  for (let continuation = token; continuation !== undefined; ) {
    const page = await fixture.page(text, { pageSize: 50, continuation });
    all.push(...page.rows);
    continuation = page.continuation;
  }
  return all;
}

test("what one process began the next one ends", async () => {
  const directory = await mkdtemp(join(tmpdir(), "celestite-index-"));
  const opened: Store[] = [];
  const open = async (): Promise<IndexFixture> => {
    const store = await openStore(`lmdb:${join(directory, "store")}`);
    opened.push(store);
    return openIndexFixture({ store, keeps: true, sizes });
  };
  const close = async (): Promise<void> => opened.pop()?.close();
  try {
    const first = await open();
    await Promise.all(Array.from({ length: items }, (_, n) => first.put(item(n))));
    await first.page(queries[0]);
    await first.engine.indexes.maintain();
    await first.engine.indexes.maintain();
    await first.put({ ...item(7), kind: "k3", half: 1_000 });
    await first.remove("i10", item(10));
    const begun = await begin(first);
    first.engine.indexes.stop();
    await close();
    const second = await open();
    for (const each of begun) {
      assert.deepEqual(await finish(second, each), await second.scanned(each.text), each.text);
    }
    assert.equal((await second.page("SELECT * FROM c WHERE c.n = 200")).loaded, 1);
    await second.engine.indexes.maintain();
    await second.engine.indexes.maintain();
    await close();
    const third = await open();
    for (const text of queries) assert.deepEqual(await third.rows(text), await third.scanned(text), text);
  } finally {
    await close();
    await rm(directory, { recursive: true, force: true });
  }
});

/** A page within its time: what can be resumed ends with what it has, what cannot ends with 408, and never without end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CosmosError } from "../../../src/cosmos/errors.ts";
import type { ItemFeed } from "../../../src/cosmos/index/item-feed.ts";
import { type IdentifiedQuery, readPage } from "../../../src/cosmos/operations/query-page.ts";
import { prepareQuery } from "../../../src/cosmos/query/prepare.ts";

const items = 100;

async function openFeed(): Promise<ItemFeed> {
  let sent = 0;
  return {
    sorted: false,
    cost: { loaded: 0, loadedBytes: 0, seeks: 0, keys: 0 },
    next: async () => (sent < items ? [{ position: sent, item: { id: String(sent++) } }] : []),
  };
}

function prepared(text: string): IdentifiedQuery {
  return Object.assign(Object.create(prepareQuery(text, [], { now: () => 0, random: () => 0 })), {
    hash: "h",
  }) as IdentifiedQuery;
}

const over = { isLate: () => true, isOver: () => true };

test("what can be resumed ends with what it has, and goes on to the end", async () => {
  const query = prepared("SELECT VALUE c.id FROM c WHERE c.id != '0'");
  const rows: unknown[] = [];
  let continuation: string | undefined;
  let pages = 0;
  do {
    const headers = continuation === undefined ? {} : { "x-ms-continuation": continuation };
    const page = await readPage(headers, query, openFrom, over);
    rows.push(...page.rows);
    continuation = page.continuation;
    pages++;
  } while (continuation !== undefined && pages < 1000);
  assert.ok(pages > 1);
  assert.equal(rows.length, items - 1);
});

/** From a position on, as continuations ask for it. */
async function openFrom({ position }: { readonly position: unknown }): Promise<ItemFeed> {
  const feed = await openFeed();
  const from = Number(position);
  return {
    ...feed,
    next: async () => {
      for (;;) {
        const batch = await feed.next();
        if (batch.length === 0 || Number(batch[0]?.position) >= from) return batch;
      }
    },
  };
}

for (const text of ["SELECT VALUE COUNT(1) FROM c", "SELECT DISTINCT VALUE c.id FROM c ORDER BY c.id"]) {
  test(`${text} ends with 408 when its time is over, and with its rows before`, async () => {
    const isTimeout = (error: unknown): boolean => error instanceof CosmosError && error.status === 408;
    await assert.rejects(readPage({}, prepared(text), openFeed, over), isTimeout);
    const late = { isLate: () => true, isOver: () => false };
    assert.ok((await readPage({}, prepared(text), openFeed, late)).rows.length > 0);
  });
}

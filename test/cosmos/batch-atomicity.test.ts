/**
 * Random transactional batches against a model: each comes to what the model says, a failed one leaves every byte of
 * the store as it was, and after a restart the same items are there.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { prefixRange } from "../../src/storage/keys.ts";
import { openLmdb } from "../../src/storage/lmdb.ts";
import { openMemory } from "../../src/storage/memory.ts";
import type { Store } from "../../src/storage/port.ts";
import { sized } from "../full-size.ts";
import { bodyOf, type CosmosFixture, openCosmosFixture } from "./fixture.ts";

const target = "/dbs/shop/colls/batches/docs";
const keys = { "x-ms-documentdb-partitionkey": '["a"]' };
const headers = {
  ...keys,
  "x-ms-cosmos-is-batch-request": "True",
  "x-ms-cosmos-batch-atomic": "True",
};
const ids = ["1", "2", "3", "4", "5"] as const;

interface Part {
  readonly kind: "create" | "upsert" | "replace" | "delete" | "patch" | "read";
  readonly id: (typeof ids)[number];
  /** Value of the unique key. */
  readonly mail: number;
  readonly match: "none" | "right" | "stale";
  /** What is wrong with the part, whatever is stored. */
  readonly flaw: "none" | "partitionKey" | "ttl" | "condition" | "path";
}

interface Item {
  readonly mail: number;
  readonly etag: string;
}

const part: fc.Arbitrary<Part> = fc.record({
  kind: fc.constantFrom("create", "upsert", "replace", "delete", "patch", "read"),
  id: fc.constantFrom(...ids),
  mail: fc.integer({ min: 0, max: 6 }),
  match: fc.constantFrom("none", "none", "none", "right", "stale"),
  flaw: fc.oneof(
    { weight: 12, arbitrary: fc.constant("none" as const) },
    { weight: 1, arbitrary: fc.constantFrom("partitionKey", "ttl", "condition", "path") },
  ),
});
const batch = fc.array(part, { minLength: 1, maxLength: 6 });

/** Does the part to the model and returns its status, or undefined when an etag within the batch is unknown. */
function expect(items: Map<string, Item>, { kind, id, mail, match, flaw }: Part): number {
  const old = items.get(id);
  const writesBody = kind === "create" || kind === "upsert" || kind === "replace";
  if (writesBody && flaw === "partitionKey") return 400;
  if (kind === "patch" && flaw === "path") return 400;
  if (kind === "create" && old !== undefined) return 409;
  if (old === undefined && kind !== "create" && kind !== "upsert") return 404;
  if (kind === "patch" && flaw === "condition") return 412;
  const matches = kind !== "create" && kind !== "read" && match !== "none" && old !== undefined;
  if (matches && (match === "stale" || old.etag === "")) return 412;
  if (kind === "read") return 200;
  if (kind === "delete") {
    items.delete(id);
    return 204;
  }
  if (writesBody && flaw === "ttl") return 400;
  if ([...items].some(([other, item]) => other !== id && item.mail === mail)) return 409;
  // Within the batch nobody knows the new etag.
  items.set(id, { mail, etag: "" });
  return old === undefined ? 201 : 200;
}

function bodyOfPart({ id, mail, flaw }: Part): object {
  return {
    id,
    pk: flaw === "partitionKey" ? "b" : "a",
    mail: `m${mail}`,
    ...(flaw === "ttl" ? { ttl: 0 } : {}),
  };
}

function wire(items: ReadonlyMap<string, Item>, given: Part): object {
  const { kind, id, mail, match, flaw } = given;
  const etag = items.get(id)?.etag;
  const ifMatch = match === "right" ? (etag ?? '"never"') : '"stale"';
  const common = { id, ...(match === "none" || kind === "read" || kind === "create" ? {} : { ifMatch }) };
  switch (kind) {
    case "create":
      return { operationType: "Create", ...common, resourceBody: bodyOfPart(given) };
    case "upsert":
      return { operationType: "Upsert", ...common, resourceBody: bodyOfPart(given) };
    case "replace":
      return { operationType: "Replace", ...common, resourceBody: bodyOfPart(given) };
    case "delete":
      return { operationType: "Delete", ...common };
    case "read":
      return { operationType: "Read", ...common };
    case "patch": {
      const operations = [{ op: "set", path: flaw === "path" ? "/pk" : "/mail", value: `m${mail}` }];
      const condition = flaw === "condition" ? { condition: "FROM c WHERE c.none = 1" } : {};
      return { operationType: "Patch", ...common, resourceBody: { operations, ...condition } };
    }
  }
}

/** Everything that the store has of items, as text. */
async function contents(store: Store): Promise<string> {
  const spaces = ["cosmos-d", "cosmos-k", "cosmos-l", "cosmos-u", "cosmos-t"];
  const found = await Promise.all(spaces.map((space) => store.range(prefixRange([space]), 10_000)));
  return found
    .flat()
    .map(({ key, value }) => `${Buffer.from(key).toString("hex")} ${Buffer.from(value).toString("base64")}`)
    .join("\n");
}

/** The items as they are read one by one. */
async function itemsOf(fixture: CosmosFixture): Promise<Map<string, Item>> {
  const items = new Map<string, Item>();
  for (const id of ids) {
    const reply = await fixture.sendSigned("GET", `${target}/${id}`, { headers: keys });
    if (reply.status !== 200) continue;
    const { mail, _etag } = bodyOf(reply) as { mail: string; _etag: string };
    items.set(id, { mail: Number(mail.slice(1)), etag: _etag });
  }
  return items;
}

function withoutEtags(items: ReadonlyMap<string, Item>): readonly unknown[] {
  return [...items].map(([id, { mail }]) => [id, mail]).sort();
}

/** Sends one batch and compares its results and its effect with the model's. */
async function check(fixture: CosmosFixture, parts: readonly Part[]): Promise<void> {
  const before = await itemsOf(fixture);
  const bytes = await contents(fixture.store);
  const model = new Map(before);
  const expected: number[] = [];
  for (const each of parts) {
    expected.push(expect(model, each));
    if ((expected.at(-1) ?? 0) >= 400) break;
  }
  const isFailed = (expected.at(-1) ?? 0) >= 400;
  const reply = await fixture.sendSigned("POST", target, {
    headers,
    body: parts.map((each) => wire(before, each)),
  });
  const results = JSON.parse(String(reply.body)) as { statusCode: number }[];
  assert.deepEqual(
    results.map(({ statusCode }) => statusCode),
    isFailed ? parts.map((_, at) => (at === expected.length - 1 ? expected[at] : 424)) : expected,
  );
  assert.equal(reply.status, isFailed ? 207 : 200);
  if (isFailed) assert.equal(await contents(fixture.store), bytes, "a failed batch left something behind");
  else assert.deepEqual(withoutEtags(await itemsOf(fixture)), withoutEtags(model));
}

async function open(store: Store): Promise<CosmosFixture> {
  const fixture = await openCosmosFixture({ store });
  await fixture.sendSigned("POST", "/dbs/shop/colls", {
    body: {
      id: "batches",
      partitionKey: { paths: ["/pk"] },
      defaultTtl: 1000,
      uniqueKeyPolicy: { uniqueKeys: [{ paths: ["/mail"] }] },
    },
  });
  return fixture;
}

const batchRuns = sized(200, 2000);

test(`a batch does all of what it says, or nothing: ${batchRuns} random ones in memory`, async () => {
  const fixture = await open(openMemory());
  await fc.assert(
    fc.asyncProperty(batch, (parts) => check(fixture, parts)),
    { seed: 3, numRuns: batchRuns, endOnFailure: true },
  );
});

test("and on disk, across restarts", async () => {
  const directory = await mkdtemp(join(tmpdir(), "celestite-"));
  try {
    let last: string | undefined;
    for (let restart = 0; restart < 3; restart++) {
      const store = await openLmdb(directory);
      if (last !== undefined) assert.equal(await contents(store), last, "a restart changed something");
      const fixture = await open(store);
      await fc.assert(
        fc.asyncProperty(batch, (parts) => check(fixture, parts)),
        { seed: 30 + restart, numRuns: 40, endOnFailure: true },
      );
      // The last thing before the end is a batch that fails after it has written.
      const failing = [
        { kind: "upsert", id: "1", mail: 99, match: "none", flaw: "none" },
        { kind: "patch", id: "1", mail: 98, match: "none", flaw: "path" },
      ] as const;
      await check(fixture, failing);
      last = await contents(store);
      await store.close();
    }
  } finally {
    await rm(directory, { recursive: true });
  }
});

/**
 * A mixed load on one container - creates, batches, patches, stored procedures, deletes, splits - and what must hold of
 * it at any moment. The kill test runs the load in a child process and checks there after each restart.
 *
 * Every writer owns a logical partition and does numbered steps, one at a time, so what its partition must hold follows
 * from how many steps are done. A step that was not acknowledged may be done or not, but never by halves.
 */
import { splitRange } from "../../src/cosmos/engine/split.ts";
import { prefixRange } from "../../src/storage/keys.ts";
import { bodyOf, type CosmosFixture } from "./fixture.ts";

export const WRITERS = 4;
const container = "/dbs/shop/colls/load";
const docs = `${container}/docs`;
/** Far beyond the test's end: such items stand in the queue of what will expire. */
const ttl = 1_000_000;
/** Only so many ranges: each is read and checked at each restart. */
const rangesMax = 24;

const procedure = `function (id, gone, pk) {
  const own = getContext().getCollection();
  const link = own.getSelfLink();
  const fail = (error) => { if (error) throw error; };
  own.queryDocuments(link, "SELECT * FROM c WHERE c.id = 'counter'", (error, [counter]) => {
    fail(error);
    counter.v += 1;
    own.replaceDocument(counter._self, counter, fail);
  });
  own.createDocument(link, { id: "s" + id, pk, n: id }, fail);
  if (gone) own.queryDocuments(link, "SELECT * FROM c WHERE c.id = 's" + gone + "'", (error, [old]) => {
    fail(error);
    own.deleteDocument(old._self, fail);
  });
}`;

const pkOf = (writer: number): string => `w${writer}`;
const keyOf = (writer: number): Record<string, string> => ({
  "x-ms-documentdb-partitionkey": JSON.stringify([pkOf(writer)]),
});

/** Id and number (the counter's value, for the counter) of what a writer's partition holds after `steps`. */
export function contentAfter(steps: number): ReadonlyMap<string, number> {
  const items = new Map<string, number>();
  let counter = 0;
  for (let step = 1; step <= steps; step++) {
    switch (step % 5) {
      case 1:
        items.set(`c${step}`, step);
        break;
      case 2:
        items.set(`b${step}`, step);
        counter++;
        if (step > 25) items.delete(`c${step - 21}`);
        break;
      case 3:
        counter++;
        break;
      case 4:
        items.set(`s${step}`, step);
        counter++;
        if (step > 25) items.delete(`s${step - 20}`);
        break;
      default:
        if (step % 10 === 0) items.set("upserted", step);
        else if (step > 25) items.delete(`b${step - 23}`);
    }
    items.set("counter", counter);
  }
  return items;
}

/** Makes what the load needs; safe to repeat. */
export async function prepare(fixture: CosmosFixture): Promise<void> {
  await fixture.sendSigned("POST", "/dbs/shop/colls", {
    body: {
      id: "load",
      partitionKey: { paths: ["/pk"] },
      defaultTtl: -1,
      uniqueKeyPolicy: { uniqueKeys: [{ paths: ["/id", "/n"] }] },
    },
  });
  await fixture.sendSigned("POST", `${container}/sprocs`, { body: { id: "step", body: procedure } });
}

/** One step of a writer; throws when it is not answered as it must be. */
async function doStep(fixture: CosmosFixture, writer: number, step: number): Promise<void> {
  const pk = pkOf(writer);
  const headers = keyOf(writer);
  const send = async (
    method: string,
    target: string,
    body: unknown,
    expected: readonly number[],
    more: Record<string, string> = {},
  ): Promise<void> => {
    const reply = await fixture.sendSigned(method, target, { headers: { ...headers, ...more }, body });
    if (!expected.includes(reply.status))
      throw new Error(
        `step ${step} of writer ${writer}: ${reply.status} ${String(reply.body).slice(0, 300)}`,
      );
  };
  const batch = { "x-ms-cosmos-is-batch-request": "True", "x-ms-cosmos-batch-atomic": "True" };
  const increment = { operations: [{ op: "incr", path: "/v", value: 1 }] };
  switch (step % 5) {
    case 1:
      if (step === 1) {
        // The partition's first step makes two items, so both come in one batch.
        const parts = [
          { operationType: "Create", resourceBody: { id: "counter", pk, v: 0 } },
          { operationType: "Create", resourceBody: { id: "c1", pk, n: 1 } },
        ];
        await send("POST", docs, parts, [200], batch);
      } else await send("POST", docs, { id: `c${step}`, pk, n: step, ttl }, [201]);
      break;
    case 2: {
      const parts = [
        { operationType: "Create", resourceBody: { id: `b${step}`, pk, n: step, ttl } },
        { operationType: "Patch", id: "counter", resourceBody: increment },
        ...(step > 25 ? [{ operationType: "Delete", id: `c${step - 21}` }] : []),
      ];
      await send("POST", docs, parts, [200], batch);
      break;
    }
    case 3: {
      await send("PATCH", `${docs}/counter`, increment, [200]);
      break;
    }
    case 4:
      await send("POST", `${container}/sprocs/step`, [step, step > 25 ? step - 20 : 0, pk], [200]);
      break;
    default: {
      const failing = [
        { operationType: "Upsert", resourceBody: { id: `x${step}`, pk, n: step } },
        { operationType: "Create", resourceBody: { id: "counter", pk } },
      ];
      await send("POST", docs, failing, [207], batch);
      const upsert = { "x-ms-documentdb-is-upsert": "True" };
      if (step % 10 === 0) await send("POST", docs, { id: "upserted", pk, n: step }, [200, 201], upsert);
      else if (step > 25) await send("DELETE", `${docs}/b${step - 23}`, undefined, [204]);
    }
  }
}

/** Works on from step `first` until the process ends; `acknowledge` is told of each step that is done. */
export async function workForever(
  fixture: CosmosFixture,
  writer: number,
  first: number,
  acknowledge: (writer: number, step: number) => void,
): Promise<never> {
  for (let step = first; ; step++) {
    await doStep(fixture, writer, step);
    acknowledge(writer, step);
  }
}

/** Splits one of the widest ranges, as long as there are not too many. */
export async function splitOne(fixture: CosmosFixture): Promise<void> {
  const record = fixture.engine.catalog.find("acct")?.databases.get("shop")?.containers.get("load");
  if (record === undefined || record.ranges.length >= rangesMax) return;
  const [widest] = [...record.ranges].sort((x, y) => x.parents.length - y.parents.length);
  if (widest !== undefined) await splitRange(fixture.engine, "acct", record, widest.id);
}

export interface Inspection {
  /** One sentence for each thing that does not hold. */
  readonly faults: readonly string[];
  /** The step that each writer must do next. */
  readonly next: readonly number[];
}

interface Row {
  readonly id: string;
  readonly pk: string;
  readonly n?: number;
  readonly v?: number;
  readonly _rid: string;
  readonly _lsn?: number;
}

/** Checks the whole container; `acknowledged` has the number of done steps by writer. */
export async function inspect(fixture: CosmosFixture, acknowledged: readonly number[]): Promise<Inspection> {
  const faults: string[] = [];
  const scanned = await pagesOf(fixture, {}, "x-ms-continuation", "x-ms-continuation");
  const next = Array.from({ length: WRITERS }, (_, writer) => {
    const done = acknowledged[writer] ?? 0;
    const found = scanned.filter(({ pk }) => pk === pkOf(writer));
    const at = [done, done + 1].find((steps) => holds(found, contentAfter(steps)));
    if (at !== undefined) return at + 1;
    const ids = found.map(({ id, n, v }) => `${id}=${n ?? v}`).sort();
    faults.push(`writer ${writer}: ${done} steps were acknowledged, but it has ${ids.join(" ")}`);
    return done + 1;
  });
  const names = scanned.map(nameOf).sort();
  if (new Set(names).size !== names.length) faults.push("the scan shows an item twice");
  faults.push(...(await rangeFaults(fixture, names)), ...(await entryFaults(fixture, scanned)));
  return { faults, next };
}

const nameOf = ({ pk, id }: Row): string => `${pk}/${id}`;

function holds(found: readonly Row[], expected: ReadonlyMap<string, number>): boolean {
  return (
    found.length === expected.size &&
    found.every(({ id, n, v }) => expected.get(id) === (id === "counter" ? v : n))
  );
}

/** What change feed and index say of each range must add up to what the scan found. */
async function rangeFaults(fixture: CosmosFixture, names: readonly string[]): Promise<string[]> {
  const faults: string[] = [];
  const { PartitionKeyRanges } = bodyOf(await fixture.sendSigned("GET", `${container}/pkranges`)) as {
    PartitionKeyRanges: readonly { id: string }[];
  };
  const changed: string[] = [];
  const indexed: string[] = [];
  let count = 0;
  for (const { id } of PartitionKeyRanges) {
    const range = { "x-ms-documentdb-partitionkeyrangeid": id };
    const feed = await pagesOf(fixture, { ...range, "a-im": "Incremental Feed" }, "etag", "if-none-match");
    const lsns = feed.map((row) => row._lsn ?? 0);
    if (lsns.some((lsn, at) => lsn < (lsns[at - 1] ?? 0)))
      faults.push(`range ${id}: the change feed goes back`);
    changed.push(...feed.map(nameOf));
    const sorted = await queried<Row>(
      fixture,
      range,
      "SELECT c.id, c.pk, c.n FROM c WHERE c.n >= 0 ORDER BY c.n",
    );
    if (sorted.some((row, at) => (row.n ?? 0) < (sorted[at - 1]?.n ?? 0)))
      faults.push(`range ${id}: the index is out of order`);
    indexed.push(...sorted.map(nameOf));
    count += (await queried<number>(fixture, range, "SELECT VALUE COUNT(1) FROM c"))[0] ?? 0;
  }
  const numbered = names.filter((name) => !name.endsWith("/counter"));
  if (changed.sort().join() !== names.join()) faults.push("the change feeds do not show each item once");
  if (indexed.sort().join() !== numbered.join()) faults.push("the index does not agree with a scan");
  if (count !== names.length) faults.push(`the count is ${count}, the scan finds ${names.length}`);
  return faults;
}

/** Items, names, unique keys and the queue of expiring items must belong together. */
async function entryFaults(fixture: CosmosFixture, rows: readonly Row[]): Promise<string[]> {
  const count = async (space: string): Promise<number> =>
    (await fixture.store.range(prefixRange([space]), 100_000)).length;
  const expiring = rows.filter(({ id }) => /^[cb]\d/.test(id) && id !== "c1").length;
  const expected: readonly (readonly [string, number])[] = [
    ["cosmos-d", rows.length],
    ["cosmos-k", rows.length],
    ["cosmos-u", rows.length],
  ];
  const faults: string[] = [];
  for (const [space, entries] of expected) {
    const found = await count(space);
    if (found !== entries) faults.push(`${space} has ${found} entries for ${entries} items`);
  }
  // The queue also keeps entries of items that were deleted, until their time comes.
  const queued = await count("cosmos-t");
  if (queued < expiring) faults.push(`${expiring} items will expire, ${queued} are in the queue`);
  return faults;
}

async function queried<T>(
  fixture: CosmosFixture,
  range: Record<string, string>,
  query: string,
): Promise<T[]> {
  const rows: T[] = [];
  let token: string | undefined;
  do {
    const more: Record<string, string> = token === undefined ? {} : { "x-ms-continuation": token };
    const reply = await fixture.sendSigned("POST", docs, {
      headers: { "x-ms-documentdb-isquery": "True", ...range, ...more },
      body: { query },
    });
    if (reply.status !== 200) throw new Error(`${query}: ${reply.status} ${String(reply.body)}`);
    rows.push(...(bodyOf(reply)["Documents"] as T[]));
    token = reply.headers["x-ms-continuation"];
  } while (token !== undefined);
  return rows;
}

/** All rows of a feed that hands its position from the header `given` to the header `sent`. */
async function pagesOf(
  fixture: CosmosFixture,
  headers: Record<string, string>,
  given: string,
  sent: string,
): Promise<Row[]> {
  const rows: Row[] = [];
  let token: string | undefined;
  for (;;) {
    const more: Record<string, string> = token === undefined ? {} : { [sent]: token };
    const reply = await fixture.sendSigned("GET", docs, { headers: { ...headers, ...more } });
    if (reply.status === 304) return rows;
    if (reply.status !== 200) throw new Error(`feed: ${reply.status} ${String(reply.body)}`);
    rows.push(...(bodyOf(reply)["Documents"] as Row[]));
    token = reply.headers[given];
    if (token === undefined) return rows;
  }
}

/** The corpus of language cases over HTTP with the unmodified SDK: one server, one container for each set of documents. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Container, ContainerRequest, Database, ErrorResponse, SqlParameter } from "@azure/cosmos";
import type { Value } from "../../../src/cosmos/query/values.ts";
import { openMemory } from "../../../src/storage/memory.ts";
import { sized } from "../../full-size.ts";
import { openSdkFixture, type SdkFixture } from "../sdk-fixture.ts";
import { type Case, readCases } from "./case-files.ts";
import { resultKey } from "./rows.ts";

/** Cases that need what only the process has that runs them, by name, and why. */
const inProcessOnly: Readonly<Record<string, string>> = {
  "date/clock": "the expected values are of a clock that stands still",
  "document/documentid": "a server gives items their `_rid` itself",
  "rewritten/order by form with resume filter": "a server gives items their `_rid` itself",
  "projection/whole item by name": "an item on a server has an id",
};

/** What several ranges change: the SDK's merge cannot do it, or the rows have no order that could be compared. */
const oneRangeOnly: Readonly<Record<string, string>> = {
  "data explorer/top": "any three items are right",
  "from/in over a subquery": "the rows come range by range",
  "from/subquery over the container": "the rows come range by range",
  "group/offset limit": "groups come in no order",
  "limits/top with offset limit takes the smaller": "the SDK takes the top of each range before it skips",
  "order/ties keep arrival, reversed when descending": "ties come range by range",
  "order-by/primitive-type-order": mixedTypes(),
  "order-by/primitive-type-order-desc": mixedTypes(),
  "order-by/all-type-order": mixedTypes(),
  "order-by/missing-sorts-last-desc": mixedTypes(),
  "order-by/missing-kept-under-default-policy": mixedTypes(),
  "order-by/composite-keeps-missing": mixedTypes(),
  "order/arrays and objects after strings": mixedTypes(),
  "vector/euclidean sorts ascending, missing last": "the SDK demands a TOP or LIMIT",
  "fulltext/rank orders by relevance": scalarPayload(),
  "fulltext/rank with the older array of terms": scalarPayload(),
  "fulltext/rrf fuses text and vector": scalarPayload(),
  "fulltext/rrf weights": scalarPayload(),
  "fulltext/rrf weights of a parameter": scalarPayload(),
  "functions-fulltext/order-by-rank": scalarPayload(),
  "aggregate/list and set": "the SDK does not know equal objects of a set",
  "aggregate/avg of a non number": partlyUndefined(),
  "aggregate/sum-non-number-list-gives-empty-object": partlyUndefined(),
  "aggregate/min-with-array-is-undefined": partlyUndefined(),
  "aggregate/max-with-object-is-undefined": partlyUndefined(),
};

/** Cases that the service refuses when there are several ranges, with a part of the refusal. */
const refusedOverRanges: Readonly<Record<string, string>> = {
  "from/count distinct": "DCount",
  "from/group over grouped rows": "does not support DISTINCT or aggregates in a subquery",
  "group/aggregates inside constructors": "Compositions of aggregates",
  "group/arithmetic on aggregates": "Compositions of aggregates",
  "rewritten/average parts": "Compositions of aggregates",
  "rewritten/min parts of nothing": "Compositions of aggregates",
  "rewritten/group by form": "Compositions of aggregates",
  "rewritten/hybrid statistics": "Compositions of aggregates",
};

function mixedTypes(): string {
  return "the SDK does not merge sort keys of several types";
}

function scalarPayload(): string {
  return "the SDK merges ranked rows only when they are objects";
}

function partlyUndefined(): string {
  return "the SDK passes over a range whose part is undefined";
}

interface Answer {
  readonly rows?: readonly Value[];
  readonly status?: number;
  readonly message?: string;
}

for (const ranges of [1, 3]) {
  describe(`language cases over HTTP, ${ranges} range(s)`, () => {
    let fixture: SdkFixture;
    let database: Database;
    const containers = new Map<string, Promise<Container>>();

    before(async () => {
      fixture = await openSdkFixture(openMemory(), ranges, {}, { itemsMin: 0, partitionItemsMin: 1 });
      ({ database } = await fixture.client.databases.create({ id: "cases" }));
    });

    after(() => fixture.close());

    const cases = readCases().filter(({ name }) => inProcessOnly[name] === undefined);
    for (const [at, given] of cases.entries()) {
      // Cases that need no server run in the process as well (cases.test.ts); of those a fourth on one range and another
      // fourth on three, at full size all of them on both.
      const inEveryRun = given.server === true || oneRangeOnly[given.name] !== undefined;
      const turn = at % sized(4, 1) === (ranges === 1 ? 0 : sized(2, 0));
      if (!turn && !(inEveryRun && ranges === 1)) continue;
      if (ranges > 1 && oneRangeOnly[given.name] !== undefined) continue;
      const refusal = ranges > 1 ? refusedOverRanges[given.name] : undefined;
      const example = refusal === undefined ? given : { ...given, error: true, message: refusal };
      test(`${example.file} ${example.name}`, async () => {
        const key = JSON.stringify([example.docs ?? [], example.indexingPolicy, example.containerOptions]);
        let container = containers.get(key);
        if (container === undefined) {
          container = openContainer(database, `c${containers.size}`, example);
          containers.set(key, container);
        }
        check(example, await ask(await container, example));
      });
    }

    test("every case is run", () => {
      const names = new Set(readCases().map(({ name }) => name));
      const listed = [inProcessOnly, oneRangeOnly, refusedOverRanges].flatMap(Object.keys);
      for (const name of listed) assert.ok(names.has(name), `there is no case '${name}'`);
      assert.ok(names.size > 600);
    });
  });
}

async function openContainer(database: Database, id: string, example: Case): Promise<Container> {
  const { docs = [], indexingPolicy, containerOptions } = example;
  const request = {
    id,
    partitionKey: { paths: ["/id"] },
    ...(indexingPolicy === undefined ? {} : { indexingPolicy }),
    ...containerOptions,
  } as ContainerRequest;
  const { container } = await database.containers.create(request);
  // The SDK would give an item without id one by chance, which decides about its range.
  for (const [n, doc] of docs.entries()) await container.items.create({ id: `doc${n}`, ...doc });
  return container;
}

async function ask(container: Container, { query, parameters = [] }: Case): Promise<Answer> {
  try {
    const spec = { query, parameters: parameters as SqlParameter[] };
    const { resources } = await container.items.query<Value>(spec).fetchAll();
    return { rows: resources };
  } catch (error) {
    const { code, message } = error as ErrorResponse;
    return { status: Number(code), message: String(message) };
  }
}

function check(example: Case, answer: Answer): void {
  if (example.error === true) {
    // What takes too many steps may run out of time first, on a machine that others use too.
    if (example.message === "too many steps" && answer.status === 408) return;
    assert.equal(answer.status, 400, JSON.stringify(answer));
    const { code, message } = example;
    if (code !== undefined) assert.ok(answer.message?.includes(JSON.stringify(code)), answer.message);
    if (message !== undefined) {
      const written = JSON.stringify(message).slice(1, -1);
      assert.ok(answer.message?.includes(message) || answer.message?.includes(written), answer.message);
    }
    return;
  }
  assert.equal(answer.message, undefined);
  const rows = (answer.rows ?? []).map(withoutSystem);
  const comparison = { ordered: example.ordered === true, unorderedArrays: example.unorderedArrays };
  const same = resultKey(rows, comparison) === resultKey(example.expected ?? [], comparison);
  if (!same) assert.deepEqual(rows, example.expected);
  assert.ok(same);
}

const systemProperties: ReadonlySet<string> = new Set(["_rid", "_self", "_etag", "_attachments", "_ts"]);

/** The value without what the server adds to items and the SDK to rows, wherever the item stands in it. */
function withoutSystem(value: Value): Value {
  if (Array.isArray(value)) return (value as readonly Value[]).map(withoutSystem);
  if (typeof value !== "object" || value === null) return value;
  // The SDK writes members of merged rows that are undefined; JSON has none.
  const kept = Object.entries(value).filter(
    ([name, member]) => !systemProperties.has(name) && member !== undefined,
  );
  return Object.fromEntries(kept.map(([name, member]) => [name, withoutSystem(member)]));
}

/**
 * A token of one partition, or of a prefix, through a long seeded history of every operation that it might be sent with:
 * right and wrong keys, keys that read alike, ranges, batches, scripts. Whatever it is answered, nothing outside of its
 * partition is ever shown or changed.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Entropy, seededEntropy } from "../../src/clock.ts";
import type { Reply } from "../../src/http/service.ts";
import { accountName, type CosmosFixture, openCosmosFixture } from "../cosmos/fixture.ts";
import { batch, change, query, tokenOf } from "./holding.ts";

const definitions = [
  { paths: ["/pk"], kind: "Hash", version: 1 },
  { paths: ["/pk"], kind: "Hash", version: 2 },
  { paths: ["/a/b"], kind: "Hash", version: 2 },
  { paths: ["/t", "/u"], kind: "MultiHash", version: 2 },
  { paths: ["/t", "/u", "/v"], kind: "MultiHash", version: 2 },
] as const;
/** Version 1 hashes no more of a text than this. */
const long = "x".repeat(100);
const alike = [
  long,
  `${long}1`,
  `${long}2`,
  0,
  1,
  "1",
  null,
  "null",
  "ä",
  "a\u0308",
  "a\u0000",
  "[]",
  undefined,
];
const few = ["a", "b", "", null, undefined, 1];
const [tokens, steps] = [4, 14];
const upsert = { "x-ms-documentdb-is-upsert": "true" };
const scripts = {
  reads:
    "function () { var c = getContext().getCollection(); c.queryDocuments(c.getSelfLink(), 'SELECT * FROM c', {}, function (e, r) { if (e) throw e; getContext().getResponse().setBody(r); }); }",
  writes:
    "function (d) { var c = getContext().getCollection(); c.upsertDocument(c.getSelfLink(), d, {}, function (e, r) { if (e) throw e; getContext().getResponse().setBody([r]); }); }",
};

type Key = readonly unknown[];
type Item = Readonly<Record<string, unknown>>;
type Definition = (typeof definitions)[number];

interface Room {
  readonly fixture: CosmosFixture;
  readonly container: string;
  readonly definition: Definition;
  readonly keys: readonly Key[];
  readonly pick: <T>(list: readonly T[]) => T;
}

function picking(entropy: Entropy): Room["pick"] {
  return <T>(list: readonly T[]): T => list[(entropy.bytes(2)[0] ?? 0) % list.length] as T;
}

function itemOf({ paths }: Definition, id: string, key: Key, more: object = {}): Item {
  const members = paths.map((path, at) => {
    const [, name = "", inner] = path.split("/");
    return [name, inner === undefined ? key[at] : { [inner]: key[at] }];
  });
  return { id, ...more, ...Object.fromEntries(members) };
}

function keyOf({ paths }: Definition, item: Item): Key {
  return paths.map((path) => {
    const [, name = "", inner] = path.split("/");
    const value = item[name] as Item | undefined;
    return inner === undefined ? value : value?.[inner];
  });
}

const headerOf = (key: Key): Record<string, string> => ({
  "x-ms-documentdb-partitionkey": JSON.stringify(key.map((value) => (value === undefined ? {} : value))),
});

const isWithin = (own: Key, key: Key): boolean => own.every((value, at) => value === key[at]);

async function filledRoom(definition: Definition): Promise<Room> {
  const fixture = await openCosmosFixture({ rangesDefault: 3 });
  const pick = picking(seededEntropy(20));
  const container = "/dbs/shop/colls/history";
  await change(fixture, (transaction) =>
    fixture.control.putContainer(transaction, accountName, "shop", {
      id: "history",
      partitionKey: { ...definition, paths: [...definition.paths] },
    }),
  );
  for (const [id, body] of Object.entries(scripts))
    await fixture.sendSigned("POST", `${container}/sprocs`, { body: { id, body } });
  const isPlain = definition.paths.length === 1;
  const keys = isPlain
    ? alike.map((value) => [value])
    : Array.from({ length: 14 }, () => definition.paths.map(() => pick(few)));
  const room = { fixture, container, definition, keys, pick };
  await fill(room);
  return room;
}

/** Items 1 and 2 in every partition. */
async function fill({ fixture, container, definition, keys }: Room): Promise<void> {
  for (const key of keys) {
    for (const id of ["1", "2"]) {
      const headers = { ...headerOf(key), ...upsert };
      await fixture.sendSigned("POST", `${container}/docs`, { headers, body: itemOf(definition, id, key) });
    }
  }
}

/** All items, page by page. */
async function stored({ fixture, container }: Room): Promise<readonly Item[]> {
  const items: Item[] = [];
  let token: string | undefined;
  do {
    const headers = {
      "x-ms-max-item-count": "1000",
      ...(token === undefined ? {} : { "x-ms-continuation": token }),
    };
    const reply = await fixture.sendSigned("GET", `${container}/docs`, { headers });
    items.push(...itemsIn(reply));
    token = reply.headers["x-ms-continuation"];
  } while (token !== undefined);
  return items;
}

/** Items in a reply of any operation. */
function itemsIn({ status, body }: Reply): readonly Item[] {
  if (status >= 300 || body === undefined || body.length === 0) return [];
  const value = JSON.parse(Buffer.from(body).toString("utf8")) as Item | readonly Item[];
  const list = Array.isArray(value) ? value : (((value as Item)["Documents"] as Item[]) ?? [value]);
  return list.map((row: Item) => (row["resourceBody"] ?? row) as Item).filter(({ id }) => id !== undefined);
}

/** What is sent with the headers of a credential and a key. */
type Step = (room: Room, headers: Record<string, string>, key: Key, other: Key) => Promise<Reply>;

const place: Step = ({ fixture, container, definition, pick }, headers, key, other) => {
  const body = itemOf(definition, pick(["1", "n"]), pick([key, other]), { n: 1 });
  if (pick([true, false])) return fixture.send("PUT", `${container}/docs/1`, headers, body);
  return fixture.send("POST", `${container}/docs`, { ...headers, ...pick([upsert, {}]) }, body);
};
const patch: Step = ({ fixture, container, pick }, headers) => {
  const operations = [
    { op: "set", path: pick(["/n", "/pk", "/t", "/a/b", "/a"]), value: pick(["b", 1, {}]) },
  ];
  return fixture.send("PATCH", `${container}/docs/1`, headers, { operations });
};
const several: Step = ({ fixture, container, definition, pick }, headers, key, other) => {
  const partitionKey = headerOf(other)["x-ms-documentdb-partitionkey"];
  const parts = [
    { operationType: "Upsert", resourceBody: itemOf(definition, "1", pick([key, other])), partitionKey },
    { operationType: "Read", id: "1", partitionKey },
  ];
  const atomic = { "x-ms-cosmos-batch-atomic": pick(["True", "true", "False", "1"]) };
  return fixture.send("POST", `${container}/docs`, { ...headers, ...batch, ...atomic }, parts);
};
const script: Step = ({ fixture, container, definition, pick }, headers, key, other) => {
  const given = itemOf(definition, "1", pick([key, other]), { n: 2 });
  return fixture.send("POST", `${container}/sprocs/${pick(["reads", "writes"])}`, headers, [given]);
};
const removal: Step = ({ fixture, container, pick }, headers) =>
  pick([true, false])
    ? fixture.send("POST", `${container}/operations/partitionkeydelete`, headers)
    : fixture.send("DELETE", `${container}/docs/${pick(["1", "2"])}`, headers);
const read: Step = ({ fixture, container, pick }, headers) => {
  const feed = pick([{}, { "a-im": "Incremental Feed" }, { "x-ms-continuation": "from:9" }]);
  return fixture.send("GET", `${container}/docs${pick(["", "", "/1", "/2"])}`, { ...headers, ...feed });
};
const ask: Step = ({ fixture, container, pick }, headers) => {
  const across = { ...query, "x-ms-documentdb-query-enablecrosspartition": "true" };
  const text = pick(["SELECT * FROM c", "SELECT * FROM c ORDER BY c.id", "SELECT * FROM c WHERE c.id = '1'"]);
  return fixture.send("POST", `${container}/docs`, { ...headers, ...across }, { query: text });
};

/** One request with a right key, a wrong one, a part of one or none; and what it showed and left behind. */
async function oneStep(room: Room, authorization: string, own: Key): Promise<boolean> {
  const { keys, pick, definition } = room;
  const within = [...own, ...pick(keys).slice(own.length)];
  const key = pick([within, within, pick(keys)]);
  const [full, part] = [headerOf(key), headerOf(key.slice(0, 1))];
  const range = { "x-ms-documentdb-partitionkeyrangeid": pick(["0", "1", "2"]) };
  const headers = { authorization, ...pick([{}, {}, range]), ...pick([full, full, full, full, part, {}]) };
  const outside = async (): Promise<string> =>
    JSON.stringify((await stored(room)).filter((item) => !isWithin(own, keyOf(definition, item))));
  const before = await outside();
  const step = pick([place, patch, several, script, removal, read, ask]);
  const reply = await step(room, headers, key, pick(keys));
  const sent = JSON.stringify([headers, own]);
  assert.ok(reply.status < 500, sent);
  assert.equal(await outside(), before, sent);
  assert.deepEqual(
    itemsIn(reply).filter((item) => !isWithin(own, keyOf(definition, item))),
    [],
    sent,
  );
  if (step === removal && reply.status < 300) await fill(room);
  return reply.status < 300;
}

describe("a token of a part of a container, in a history of requests", () => {
  for (const definition of definitions) {
    test(`${definition.paths.join(" ")}, version ${definition.version}`, async () => {
      const room = await filledRoom(definition);
      let granted = 0;
      try {
        for (let at = 0; at < tokens; at++) {
          const length = 1 + (at % definition.paths.length);
          const own = room.pick(room.keys).slice(0, length);
          const authorization = await tokenOf(room.fixture, {
            permissionMode: "All",
            resource: room.container.slice(1),
            resourcePartitionKey: own.map((value) => (value === undefined ? {} : value)),
          });
          for (let step = 0; step < steps; step++) if (await oneStep(room, authorization, own)) granted++;
        }
      } finally {
        await room.fixture.engine.scripts.close();
      }
      const all = tokens * steps;
      assert.ok(granted > all / 6 && granted < (all * 5) / 6, `${granted} of ${all} were granted`);
    });
  }
});

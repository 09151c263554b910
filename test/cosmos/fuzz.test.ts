/**
 * Ten thousand and more seeded mutations of valid requests, over a real socket: whatever arrives, the answer is the
 * protocol's, never 500, never a hang, and the server works on.
 */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { seededEntropy } from "../../src/clock.ts";
import { parseAddress } from "../../src/cosmos/wire/address.ts";
import { type Listener, listen } from "../../src/http/listen.ts";
import { sized } from "../full-size.ts";
import { type CosmosFixture, openCosmosFixture, request } from "./fixture.ts";

const mutations = sized(10_000, 40_000);
const rawMutations = sized(200, 600);
const orders = "/dbs/shop/colls/orders";

interface Seed {
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

const pk = '["a"]';
const seeds: readonly Seed[] = [
  { method: "GET", target: "/", headers: {} },
  { method: "GET", target: "/dbs", headers: { "x-ms-max-item-count": "10" } },
  { method: "GET", target: "/dbs/shop", headers: {} },
  { method: "POST", target: "/dbs", headers: {}, body: '{"id":"fuzz"}' },
  {
    method: "POST",
    target: "/dbs/shop/colls",
    headers: {},
    body: '{"id":"fuzz","partitionKey":{"paths":["/pk"],"kind":"Hash","version":2}}',
  },
  {
    method: "PUT",
    target: orders,
    headers: {},
    body: '{"id":"orders","partitionKey":{"paths":["/pk"],"kind":"Hash"}}',
  },
  {
    method: "GET",
    target: `${orders}/pkranges`,
    headers: { "a-im": "Incremental Feed", "if-none-match": '"1"' },
  },
  {
    method: "POST",
    target: `${orders}/docs`,
    headers: { "x-ms-documentdb-partitionkey": pk },
    body: '{"id":"i","pk":"a","v":[1,2,{"x":null}]}',
  },
  {
    method: "POST",
    target: `${orders}/docs`,
    headers: { "x-ms-documentdb-partitionkey": pk, "x-ms-documentdb-is-upsert": "true", "if-match": "*" },
    body: '{"id":"1","pk":"a"}',
  },
  {
    method: "GET",
    target: `${orders}/docs/1`,
    headers: { "x-ms-documentdb-partitionkey": pk, "x-ms-session-token": "0:-1#1" },
  },
  {
    method: "PUT",
    target: `${orders}/docs/1`,
    headers: { "x-ms-documentdb-partitionkey": pk },
    body: '{"id":"1","pk":"a","n":1.5e3}',
  },
  { method: "DELETE", target: `${orders}/docs/2`, headers: { "x-ms-documentdb-partitionkey": pk } },
  { method: "GET", target: `${orders}/docs`, headers: { "x-ms-continuation": "after:1" } },
  {
    method: "POST",
    target: `${orders}/docs`,
    headers: {
      "x-ms-documentdb-isquery": "true",
      "x-ms-documentdb-query-enablecrosspartition": "true",
      "x-ms-max-item-count": "5",
    },
    body: `{"query":"SELECT TOP 3 c.id, UPPER(c.pk) AS p FROM c WHERE c.n > @n AND (c.v[0] = 1 OR IS_NULL(c.w)) ORDER BY c.n DESC","parameters":[{"name":"@n","value":1}]}`,
  },
  {
    method: "POST",
    target: `${orders}/docs`,
    headers: { "x-ms-cosmos-is-query-plan-request": "True" },
    body: '{"query":"SELECT c.a, COUNT(1) AS n FROM c GROUP BY c.a"}',
  },
];

/** A stream of pseudo-random choices. */
function choices(seed: number): { below(n: number): number; pick<T>(list: readonly T[]): T } {
  const entropy = seededEntropy(seed);
  const below = (n: number): number => Buffer.from(entropy.bytes(4)).readUInt32LE() % n;
  return {
    below,
    pick<T>(list: readonly T[]): T {
      const chosen = list[below(list.length)];
      if (chosen === undefined) throw new Error("nothing to pick from");
      return chosen;
    },
  };
}

const fragments = [
  "",
  "\0",
  "%",
  "%zz",
  "%2F",
  "..",
  "//",
  "'",
  '"',
  "\\",
  "{",
  "}",
  "[",
  "]",
  "null",
  "-1",
  "1e999",
  "ż🦊",
  "\ud800",
  "__proto__",
  "constructor",
  "@x",
  "SELECT",
  "(((((",
  "/*",
  "999999999999999999999",
  ",",
  ":",
  "#",
  "?",
  " ",
  "\u2028",
];

function mutate(text: string, random: ReturnType<typeof choices>): string {
  let result = text;
  const times = 1 + random.below(3);
  for (let i = 0; i < times; i++) {
    const at = random.below(result.length + 1);
    const cut = random.below(3) === 0 ? random.below(8) : random.below(2);
    const insert =
      random.below(4) === 0
        ? result.slice(random.below(result.length + 1)).slice(0, 20)
        : random.pick(fragments);
    result = result.slice(0, at) + insert + result.slice(at + cut);
  }
  return result;
}

function mutateSeed(seed: Seed, random: ReturnType<typeof choices>): Seed {
  switch (random.below(5)) {
    case 0:
      return { ...seed, target: mutate(seed.target, random) };
    case 1: {
      const names = [
        ...Object.keys(seed.headers),
        "x-ms-continuation",
        "x-ms-max-item-count",
        "x-ms-session-token",
        "x-ms-documentdb-partitionkey",
        "x-ms-documentdb-partitionkeyrangeid",
        "prefer",
        "a-im",
        "content-type",
      ];
      const name = random.pick(names);
      return { ...seed, headers: { ...seed.headers, [name]: mutate(seed.headers[name] ?? "", random) } };
    }
    case 2:
      return {
        ...seed,
        method: random.pick(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "MERGE"]),
      };
    default:
      return seed.body === undefined
        ? { ...seed, target: mutate(seed.target, random) }
        : { ...seed, body: mutate(seed.body, random) };
  }
}

describe("mutated requests", () => {
  let fixture: CosmosFixture;
  let listener: Listener;
  let authorization = "";
  const unexpected: unknown[] = [];
  before(async () => {
    fixture = await openCosmosFixture();
    const worker = await fixture.principal("worker");
    await fixture.assign(
      "d0000000-0000-0000-0000-000000000001",
      worker,
      "00000000-0000-0000-0000-000000000002",
    );
    authorization = `type=aad&ver=1.0&sig=${await fixture.token(worker)}`;
    listener = await listen({
      port: 0,
      host: "127.0.0.1",
      service: fixture.service,
      bodyBytesMax: 1 << 20,
      onError: (error) => unexpected.push(error),
    });
  });
  after(() => listener.close());

  test(`${mutations} of them get an answer of the protocol`, async () => {
    const random = choices(20261121);
    for (let i = 0; i < mutations; i++) {
      const seed = mutateSeed(random.pick(seeds), random);
      const byKey = random.below(2) === 0;
      const send = byKey
        ? sendWithKey(fixture, seed)
        : fixture.service(request(seed.method, seed.target, { authorization, ...seed.headers }, seed.body));
      const reply = await send;
      assert.ok(
        (reply.status >= 200 && reply.status < 500) || reply.status === 501,
        `${reply.status} for ${JSON.stringify(seed)}`,
      );
      if (reply.status >= 400) JSON.parse(Buffer.from(reply.body ?? "").toString("utf8"));
    }
    assert.deepEqual(unexpected, []);
  });

  test(`${rawMutations} broken byte streams end, and the server works on`, async () => {
    const random = choices(7);
    for (let i = 0; i < rawMutations; i += 20) {
      await Promise.all(
        Array.from({ length: 20 }, () =>
          sendRaw(listener.port, rawRequest(mutateSeed(random.pick(seeds), random), authorization, random)),
        ),
      );
    }
    assert.deepEqual(unexpected, []);
    assert.equal((await fixture.send("GET", "/", { authorization })).status, 200);
  });
});

/** Signs the mutated request as a client would that means it, so that the mutation reaches the operation. */
async function sendWithKey(fixture: CosmosFixture, seed: Seed): ReturnType<CosmosFixture["send"]> {
  let signed: { resourceType: string; resourceLink: string };
  try {
    const address = parseAddress(seed.target);
    const link = address.kind.endsWith("Feed")
      ? address.link.split("/").slice(0, -1).join("/")
      : address.link;
    signed = { resourceType: address.resourceType, resourceLink: link };
  } catch {
    signed = { resourceType: "", resourceLink: "" };
  }
  return fixture.sendSigned(seed.method, seed.target, { headers: seed.headers, body: seed.body, ...signed });
}

function rawRequest(seed: Seed, authorization: string, random: ReturnType<typeof choices>): Buffer {
  const body = seed.body ?? "";
  const head = [
    `${seed.method} ${seed.target} HTTP/1.1`,
    "Host: localhost",
    `Authorization: ${authorization}`,
    "Connection: close",
  ];
  const lines = [
    ...head,
    ...Object.entries(seed.headers).map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  return Buffer.from(mutate(`${lines.join("\r\n")}\r\n\r\n${body}`, random));
}

/** Sends bytes and waits for the connection's end; a server that neither answers nor closes fails the test. */
function sendRaw(port: number, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.end(bytes));
    socket.setTimeout(60_000, () => {
      socket.destroy();
      reject(new Error(`no answer to ${JSON.stringify(bytes.toString())}`));
    });
    socket.on("data", (chunk) => {
      if (/^HTTP\/1\.1 500/.test(chunk.toString("latin1")))
        reject(new Error(`500 for ${JSON.stringify(bytes.toString())}`));
    });
    socket.on("error", () => resolve());
    socket.on("close", () => resolve());
  });
}

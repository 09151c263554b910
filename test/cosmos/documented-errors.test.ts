/**
 * Every error that the protocol documents, by status and substatus: the ones this server gives with the request that
 * meets them and the service's text, the others with the reason why they cannot arise here.
 */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { openEntropy, systemClock } from "../../src/clock.ts";
import { splitRange } from "../../src/cosmos/engine/split.ts";
import { accountService } from "../../src/cosmos/gateway.ts";
import type { Reply } from "../../src/http/service.ts";
import { bodyOf, type CosmosFixture, openCosmosFixture, outcome, request } from "./fixture.ts";

const docs = "/dbs/shop/colls/orders/docs";
const a = { "x-ms-documentdb-partitionkey": '["a"]' };
const crossPartition = {
  "x-ms-documentdb-isquery": "True",
  "x-ms-documentdb-query-enablecrosspartition": "True",
};
const batch = { ...a, "x-ms-cosmos-is-batch-request": "True", "x-ms-cosmos-batch-atomic": "True" };
const day = 86_400_000;
const reader = "00000000-0000-0000-0000-000000000001";

type Send = (fixture: CosmosFixture) => Promise<Reply>;

/** A signed request. */
function signed(
  method: string,
  target: string,
  headers: Record<string, string> = {},
  body: unknown = undefined,
): Send {
  return (fixture) => fixture.sendSigned(method, target, { headers, body });
}

/** A request after others that make the state it meets. */
function afterwards(prepare: readonly Send[], last: Send): Send {
  return async (fixture) => {
    for (const step of prepare) await step(fixture);
    return last(fixture);
  };
}

const there = signed("POST", docs, { ...a, "x-ms-documentdb-is-upsert": "True" }, { id: "there", pk: "a" });

function withToken(change: (token: string) => string, audience?: string, later = 0): Send {
  return async (fixture) => {
    const principal = await fixture.principal("token-holder");
    const token = change(await fixture.token(principal, audience));
    fixture.clock.advance(later);
    const reply = await fixture.send("GET", "/", { authorization: `type=aad&ver=1.0&sig=${token}` });
    fixture.clock.advance(-later);
    return reply;
  };
}

/** A request of a principal with the built-in reader role at one container. */
function asReader(method: string, target: string, headers = {}, body?: unknown): Send {
  return async (fixture) => {
    const principal = await fixture.principal("reader");
    await fixture.assign(
      "c0000000-0000-0000-0000-00000000000a",
      principal,
      reader,
      "/dbs/shop/colls/customers",
    );
    return fixture.sendAs(principal, method, target, headers, body);
  };
}

async function split(fixture: CosmosFixture): Promise<void> {
  const container = fixture.engine.catalog.find("acct")?.databases.get("shop")?.containers.get("customers");
  if (container?.ranges.length === 1) await splitRange(fixture.engine, "acct", container, "0");
}

const splitFirst =
  (then: Send): Send =>
  async (fixture) => {
    await split(fixture);
    return then(fixture);
  };

/** Makes a container with throughput of its own in an account that is not serverless. */
async function offerOf(fixture: CosmosFixture): Promise<string> {
  await fixture.setAccount({ serverless: false });
  await fixture.sendSigned("POST", "/dbs/shop/colls", {
    headers: { "x-ms-offer-throughput": "500" },
    body: { id: "provisioned", partitionKey: { paths: ["/pk"] } },
  });
  const { Offers } = bodyOf(await fixture.sendSigned("GET", "/offers")) as { Offers: { id: string }[] };
  await fixture.setAccount({ serverless: true });
  return Offers[0]?.id ?? "";
}

async function replaceOffer(fixture: CosmosFixture, id: string, offerThroughput: number): Promise<Reply> {
  return fixture.sendSigned("PUT", `/offers/${id}`, {
    body: { id, content: { offerThroughput } },
    resourceType: "offers",
    resourceLink: id.toLowerCase(),
  });
}

const sharedFull: Send = async (fixture) => {
  await fixture.setAccount({ serverless: false });
  await fixture.sendSigned("POST", "/dbs", {
    headers: { "x-ms-offer-throughput": "400" },
    body: { id: "sharing" },
  });
  let last: Reply | undefined;
  for (let n = 0; n < 26; n++) {
    last = await fixture.sendSigned("POST", "/dbs/sharing/colls", {
      body: { id: `c${n}`, partitionKey: { paths: ["/pk"] } },
    });
    if (n < 25) assert.equal(last.status, 201);
  }
  await fixture.setAccount({ serverless: true });
  assert.ok(last);
  return last;
};

const missingAccount: Send = (fixture) =>
  accountService(
    {
      engine: fixture.engine,
      verifier: fixture.identity.verifier,
      directory: fixture.identity.directory,
      clock: systemClock,
      entropy: openEntropy(),
      record: () => {},
    },
    "gone",
  )(request("GET", "/", {}, undefined));

const bigReads: Send = async (fixture) => {
  const text = "x".repeat(1_500_000);
  for (const id of ["big1", "big2", "big3"])
    await fixture.sendSigned("POST", docs, { headers: a, body: { id, pk: "a", text } });
  const body = [
    { operationType: "Create", id: "with-them", resourceBody: { id: "with-them", pk: "a" } },
    ...["big1", "big2", "big3"].map((id) => ({ operationType: "Read", id })),
  ];
  const reply = await fixture.sendSigned("POST", docs, { headers: batch, body });
  assert.equal(reply.status, 207);
  const results = JSON.parse(String(reply.body)) as { statusCode: number; subStatusCode?: number }[];
  assert.deepEqual(
    results.map(({ statusCode }) => statusCode),
    [424, 424, 424, 413],
  );
  assert.equal((await fixture.sendSigned("GET", `${docs}/with-them`, { headers: a })).status, 404);
  // The failed part of a batch has a status and a substatus of its own, and no message.
  return asReply(results[3]);
};

const batchPart =
  (index: number, parts: readonly object[]): Send =>
  async (fixture) => {
    const reply = await fixture.sendSigned("POST", docs, { headers: batch, body: parts });
    return asReply((JSON.parse(String(reply.body)) as { statusCode: number }[])[index]);
  };

function asReply(part: { statusCode: number; subStatusCode?: number } | undefined): Reply {
  return {
    status: part?.statusCode ?? 0,
    headers: { "x-ms-substatus": String(part?.subStatusCode ?? 0), "content-type": "application/json" },
    body: JSON.stringify({
      code: "None",
      message: "part of a batch. ActivityId: 00000000-0000-0000-0000-000000000000",
    }),
  };
}

const unique = "/dbs/shop/colls/unique/docs";
const uniqueContainer = signed(
  "POST",
  "/dbs/shop/colls",
  {},
  {
    id: "unique",
    partitionKey: { paths: ["/pk"] },
    uniqueKeyPolicy: { uniqueKeys: [{ paths: ["/mail"] }] },
  },
);

interface Row {
  readonly error: string;
  readonly what: string;
  readonly send: Send;
  readonly message: RegExp;
}

const rows: readonly Row[] = [
  {
    error: "400",
    what: "no JSON",
    send: signed("POST", docs, a, "{"),
    message: /The request payload is invalid. Ensure to provide a valid request payload/,
  },
  {
    error: "400",
    what: "a consistency level above the account's",
    send: signed("GET", `${docs}/there`, { ...a, "x-ms-consistency-level": "Strong" }),
    message:
      /ConsistencyLevel Strong specified in the request is invalid when service is configured with consistency level Session\./,
  },
  {
    error: "400",
    what: "a consistency level that does not exist",
    send: signed("GET", `${docs}/there`, { ...a, "x-ms-consistency-level": "Stronger" }),
    message: /'Stronger' specified for the header 'x-ms-consistency-level' is invalid/,
  },
  {
    error: "400",
    what: "a read strategy above the account's consistency",
    send: signed("GET", `${docs}/there`, { ...a, "x-ms-cosmos-read-consistency-strategy": "GlobalStrong" }),
    message: /ReadConsistencyStrategy GlobalStrong/,
  },
  {
    error: "400",
    what: "something that is no session token",
    send: signed("GET", `${docs}/there`, { ...a, "x-ms-session-token": "yesterday" }),
    message: /The session token provided 'yesterday' is invalid/,
  },
  {
    error: "400",
    what: "throughput in a serverless account",
    send: signed(
      "POST",
      "/dbs/shop/colls",
      { "x-ms-offer-throughput": "400" },
      { id: "x", partitionKey: { paths: ["/pk"] } },
    ),
    message: /not supported for serverless accounts/,
  },
  {
    error: "400",
    what: "throughput that is no multiple of 100",
    send: async (fixture) => replaceOffer(fixture, await offerOf(fixture), 450),
    message: /valid throughput values between 400 and 1000000 inclusive in increments of 100/,
  },
  {
    error: "400/1001",
    what: "another partition key",
    send: signed("POST", docs, a, { id: "1", pk: "b" }),
    message: /PartitionKey extracted from document doesn't match the one specified in the header/,
  },
  {
    error: "400/1004",
    what: "an aggregate over several ranges",
    send: splitFirst(
      signed("POST", "/dbs/shop/colls/customers/docs", crossPartition, {
        query: "SELECT VALUE COUNT(1) FROM c",
      }),
    ),
    message: /Cross partition query only supports 'VALUE <AggregateFunc>' for aggregates/,
  },
  {
    error: "400/1013",
    what: "a container without partition key",
    send: signed("POST", "/dbs/shop/colls", {}, { id: "x" }),
    message: /'partitionKey; ' - are missing/,
  },
  {
    error: "400/1024",
    what: "a container made anew",
    send: signed("GET", `${docs}/there`, { ...a, "x-ms-cosmos-intended-collection-rid": "AAAAAAAAAAA=" }),
    message: /Collection rid provided by the user does not match the existing collection\./,
  },
  {
    error: "400/3205",
    what: "a second offer replace at the same time",
    async send(fixture) {
      const id = await offerOf(fixture);
      const first = replaceOffer(fixture, id, 30_000);
      const second = await replaceOffer(fixture, id, 40_000);
      assert.equal((await first).status, 200);
      return second;
    },
    message: /Another offer replace operation is in progress/,
  },
  {
    error: "400/65535",
    what: "a script that does not compile",
    async send(fixture) {
      const sprocs = "/dbs/shop/colls/orders/sprocs";
      const made = await fixture.sendSigned("POST", sprocs, { body: { id: "s", body: "function (" } });
      assert.equal(made.status, 201);
      return fixture.sendSigned("POST", `${sprocs}/s`, { headers: a, body: [] });
    },
    message: /SyntaxError/,
  },
  {
    error: "401/5000",
    what: "no authorization",
    send: (fixture) => fixture.send("GET", "/dbs"),
    message: /Required Header authorization is missing\. Ensure a valid Authorization token is passed\./,
  },
  {
    error: "401/5001",
    what: "an authorization that is too long",
    send: (fixture) =>
      fixture.send("GET", "/dbs", { authorization: `type=master&ver=1.0&sig=${"A".repeat(2000)}` }),
    message: /doesn't confirm to the required format/,
  },
  {
    error: "401",
    what: "a wrong key",
    send: (fixture) =>
      fixture.send("GET", "/dbs", {
        "x-ms-date": new Date(fixture.clock.now()).toUTCString(),
        authorization: `type=master&ver=1.0&sig=${Buffer.alloc(32).toString("base64")}`,
      }),
    message: /can't serve the request\. The wrong key is being used/,
  },
  {
    error: "401",
    what: "a read-only key on a write",
    send: (fixture) =>
      fixture.sendSigned("POST", "/dbs", { key: "primaryReadonlyMasterKey", body: { id: "x" } }),
    message: /The wrong key is being used/,
  },
  {
    error: "401",
    what: "a signature without date",
    send: (fixture) => fixture.send("GET", "/dbs", { authorization: "type=master&ver=1.0&sig=AAAA" }),
    message: /date header is invalid format/,
  },
  {
    error: "401/5003",
    what: "something that is no token",
    send: withToken(() => "hello"),
    message: /invalid format/,
  },
  {
    error: "401/5004",
    what: "a changed token",
    send: withToken(
      (token) => `${token.slice(0, -8)}${token.endsWith("AAAAAAAA") ? "BBBBBBBB" : "AAAAAAAA"}`,
    ),
    message: /invalid signature/,
  },
  {
    error: "401/5005",
    what: "a token of tomorrow",
    send: withToken((token) => token, undefined, -day),
    message: /not valid|not yet/i,
  },
  {
    error: "401/5006",
    what: "a token of last week",
    send: withToken((token) => token, undefined, 7 * day),
    message: /expired since/,
  },
  {
    error: "401/5008",
    what: "a token for something else",
    send: withToken((token) => token, "https://management.azure.com"),
    message: /is intended for \[https:\/\/management\.azure\.com\]/,
  },
  {
    error: "401/5200",
    what: "a token of an unknown key",
    send: withToken((token) => {
      const [, ...rest] = token.split(".");
      const head = Buffer.from(JSON.stringify({ alg: "RS256", typ: "JWT", kid: "nobody's" }));
      return [head.toString("base64url"), ...rest].join(".");
    }),
    message: /unknown key/,
  },
  {
    error: "401/5202",
    what: "a key where local authorization is off",
    async send(fixture) {
      await fixture.setAccount({ disableLocalAuth: true });
      const reply = await fixture.sendSigned("GET", "/dbs");
      await fixture.setAccount({ disableLocalAuth: false });
      return reply;
    },
    message: /Local Authorization is disabled\. Use an AAD token to authorize all requests\./,
  },
  {
    error: "403",
    what: "a signature that is too old",
    send: (fixture) => fixture.sendSigned("GET", "/dbs", { skew: -31 * 60_000 }),
    message: /The authorization token is not valid at the current time/,
  },
  {
    error: "403/1008",
    what: "an account that is gone",
    send: missingAccount,
    message: /Database Account gone does not exist/,
  },
  {
    error: "403/1019",
    what: "a 26th container that shares its database's throughput",
    send: sharedFull,
    message: /cannot have more than 25 containers/,
  },
  {
    error: "403/5300",
    what: "a token for what only keys may do",
    send: asReader("POST", "/dbs", {}, { id: "x" }),
    message:
      /Request blocked by Auth acct : The given request \[POST \/dbs\] cannot be authorized by AAD token in data plane\./,
  },
  {
    error: "403/5301",
    what: "no right to metadata",
    send: async (fixture) => fixture.sendAs(await fixture.principal("nobody"), "GET", "/dbs/shop"),
    message:
      /does not have required RBAC permissions to perform action \[Microsoft\.DocumentDB\/databaseAccounts\/readMetadata\] on resource \[.*\]/,
  },
  {
    error: "403/5302",
    what: "no right to data, by name",
    send: asReader("POST", docs, a, { id: "1", pk: "a" }),
    message: /containers\/items\/create\] on resource \[dbs\/shop\/colls\/orders\]/,
  },
  {
    error: "403/5303",
    what: "no right to data, by rid",
    async send(fixture) {
      const container = fixture.engine.catalog.find("acct")?.databases.get("shop")?.containers.get("orders");
      const target = `/dbs/${container?.databaseRid}/colls/${container?.rid}/docs`;
      const send = asReader("POST", target, a, { id: "1", pk: "a" });
      return send(fixture);
    },
    message: /items\/create\]/,
  },
  {
    error: "404",
    what: "no such item",
    send: signed("GET", `${docs}/none`, a),
    message: /Resource Not Found/,
  },
  {
    error: "404/1002",
    what: "a session ahead of the server",
    send: signed("GET", `${docs}/there`, { ...a, "x-ms-session-token": "0:-1#99999" }),
    message: /The read session is not available for the input session token/,
  },
  {
    error: "404/1003",
    what: "no such container",
    send: signed("POST", "/dbs/shop/colls/none/docs", a, { id: "1", pk: "a" }),
    message: /Owner resource does not exist/,
  },
  {
    error: "409",
    what: "an id that is taken",
    send: afterwards([there], signed("POST", docs, a, { id: "there", pk: "a" })),
    message: /Entity with the specified id already exists in the system\./,
  },
  {
    error: "409/3301",
    what: "a unique value that is taken",
    send: afterwards(
      [uniqueContainer, signed("POST", unique, a, { id: "1", pk: "a", mail: "m" })],
      signed("POST", unique, a, { id: "2", pk: "a", mail: "m" }),
    ),
    message: /Unique index constraint violation\./,
  },
  {
    error: "410/1002",
    what: "a range that was split",
    send: splitFirst(
      signed("GET", "/dbs/shop/colls/customers/docs", { "x-ms-documentdb-partitionkeyrangeid": "0" }),
    ),
    message: /no longer available at the server/,
  },
  {
    error: "412",
    what: "a stale etag",
    send: afterwards(
      [there],
      signed("PUT", `${docs}/there`, { ...a, "if-match": '"old"' }, { id: "there", pk: "a" }),
    ),
    message: /Operation cannot be performed because one of the specified precondition is not met\./,
  },
  {
    error: "412/1110",
    what: "a patch whose condition does not hold",
    send: afterwards(
      [there],
      signed("PATCH", `${docs}/there`, a, {
        condition: "from c where c.v = 1",
        operations: [{ op: "set", path: "/v", value: 2 }],
      }),
    ),
    message: /precondition is not met/,
  },
  {
    error: "413",
    what: "an item of more than 2 MB",
    send: signed("POST", docs, a, { id: "big", pk: "a", v: "x".repeat(2 * 1024 * 1024) }),
    message: /Request size is too large/,
  },
  {
    error: "413/3402",
    what: "a batch that reads more than a response holds",
    send: bigReads,
    message: /batch/,
  },
  {
    error: "424",
    what: "a part of a batch whose other part failed",
    send: batchPart(0, [
      { operationType: "Create", id: "n", resourceBody: { id: "n", pk: "a" } },
      { operationType: "Delete", id: "none" },
    ]),
    message: /batch/,
  },
  {
    error: "405",
    what: "a verb that the resource does not know",
    send: signed("PUT", "/dbs"),
    message: /verb PUT is not supported/,
  },
];

/** Documented, and impossible here; each with the reason. */
const impossible: Readonly<Record<string, string>> = {
  "401/5002": "an account cannot switch Entra authorization off",
  "401/5007": "the verifier's own tests sign tokens of other issuers (test/identity)",
  "401/5009": "tokens for the data plane carry no scopes that it checks",
  "401/5010": "tokens are sent to the server, it does not fetch them",
  "401/5011": "every issuer the server knows writes the claim; the verifier's own tests leave it out",
  "401/5013": "revocation is tested with the identity that is revoked (test/identity)",
  "401/5201": "groups are in the same process; looking them up cannot fail",
  "403/3": "one region, always writable",
  "403/1005": "provisioning has no limit",
  "403/1014": "a logical partition may grow beyond 20 GB",
  "403/1028": "there is no cap on an account's throughput",
  "403/5304": "a rid that names nothing is denied as a name would be (5303)",
  "403/5305": "a token without principal is refused as such (401/5011)",
  "403/5306": "every operation has an action, or does not compile",
  "403/5307": "there is no network security perimeter",
  "403/5400": "denials say which right is missing (5300 to 5303)",
  "404/1013": "a container exists from the answer of its create on",
  "408": "no deadline is set on operations; scripts have one of their own",
  "410/1000": "names are resolved at each request",
  "410/1007": "a split is one transaction: there is no time in which it goes on",
  "410/1008": "partitions do not migrate",
  "423": "no resource is ever locked against its clients",
  "429/3200": "test/cosmos/throughput.test.ts",
  "429/3084": "test/cosmos/scripts/limits.test.ts",
  "429/3088": "a split is one transaction",
  "429/3092": "there are no shared system resources to run out of",
  "449": "conflicting writes wait for each other instead of failing",
  "500": "a fault of the server; none is known",
  "503": "test/celestite.test.ts, with a disk that is full",
};

describe("documented errors", () => {
  let fixture: CosmosFixture;
  before(async () => {
    fixture = await openCosmosFixture();
  });
  for (const { error, what, send, message } of rows) {
    test(`${error}: ${what}`, async () => {
      const reply = await send(fixture);
      assert.equal(outcome(reply), error, String(reply.body).slice(0, 500));
      const body = bodyOf(reply) as { code: string; message: string };
      assert.match(body.message, message);
      assert.match(body.message, /ActivityId: [0-9a-f-]{36}/);
      assert.match(body.code, /^[A-Z][A-Za-z]+$/);
      assert.equal(reply.headers["content-type"], "application/json");
    });
  }

  test("no error is both given and said to be impossible", () => {
    const given = new Set(rows.map(({ error }) => error));
    assert.deepEqual(
      Object.keys(impossible).filter((error) => given.has(error)),
      [],
    );
  });
});

describe("consistency", () => {
  const read = (headers: Record<string, string>): Send =>
    signed("GET", `${docs}/there`, { ...a, ...headers });
  const ahead = { "x-ms-session-token": "0:-1#99999" };
  const cases: readonly (readonly [string, Record<string, string>, string])[] = [
    ["Session", { ...ahead }, "404/1002"],
    ["Session", { ...ahead, "x-ms-consistency-level": "Session" }, "404/1002"],
    ["Session", { ...ahead, "x-ms-consistency-level": "Eventual" }, "200"],
    ["Session", { ...ahead, "x-ms-consistency-level": "ConsistentPrefix" }, "200"],
    ["Session", { "x-ms-consistency-level": "BoundedStaleness" }, "400"],
    ["Eventual", { ...ahead }, "200"],
    ["Eventual", { "x-ms-consistency-level": "Session" }, "400"],
    ["Strong", { ...ahead }, "200"],
    ["Strong", { ...ahead, "x-ms-consistency-level": "session" }, "404/1002"],
    ["Strong", { "x-ms-consistency-level": "Strong" }, "200"],
    ["Strong", { "x-ms-cosmos-read-consistency-strategy": "GlobalStrong" }, "200"],
    ["Session", { ...ahead, "x-ms-cosmos-read-consistency-strategy": "LatestCommitted" }, "200"],
    ["Eventual", { ...ahead, "x-ms-cosmos-read-consistency-strategy": "Session" }, "404/1002"],
    ["Session", { "x-ms-session-token": "7:-1#99999" }, "200"],
    ["Session", { "x-ms-session-token": "0:-1#1,1:-1#99" }, "200"],
    ["Session", { "x-ms-session-token": "0:1#99999#3=4" }, "404/1002"],
    ["Session", { "x-ms-session-token": "" }, "200"],
  ];
  for (const [level, headers, expected] of cases) {
    test(`${level} account, ${JSON.stringify(headers)}: ${expected}`, async () => {
      const fixture = await openCosmosFixture();
      await fixture.setAccount({ defaultConsistencyLevel: level as "Session" });
      assert.equal((await there(fixture)).status, 201);
      assert.equal(outcome(await read(headers)(fixture)), expected);
    });
  }
});

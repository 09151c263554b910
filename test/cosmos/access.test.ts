/**
 * Who may do what in the data plane: every operation that exists, under every kind of credential, as a table. The
 * columns are credentials, the cells what must come of it; a grant shows as the operation's own outcome, whatever
 * that is, and never as 401 or 403.
 */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { bodyOf, type CosmosFixture, openCosmosFixture, outcome } from "./fixture.ts";

const reader = "00000000-0000-0000-0000-000000000001";
const contributor = "00000000-0000-0000-0000-000000000002";
const pk = { "x-ms-documentdb-partitionkey": '["a"]' };
const query = {
  "x-ms-documentdb-isquery": "true",
  "content-type": "application/query+json",
  "x-ms-documentdb-query-enablecrosspartition": "true",
};
const upsert = { ...pk, "x-ms-documentdb-is-upsert": "True" };
const item = { id: "new", pk: "a" };
const text = { query: "SELECT * FROM c" };

interface Row {
  readonly name: string;
  readonly method: string;
  readonly target: string;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
  /** contributor, reader, contributor at orders, reader at shop, no role, primary key, read-only key. */
  readonly cells: readonly [Cell, Cell, Cell, Cell, Cell, Cell, Cell];
}

type Cell = "yes" | "5300" | "5301" | "5302" | "key";

const columns = [
  "contributor",
  "reader",
  "atOrders",
  "readerAtShop",
  "nobody",
  "key",
  "readOnlyKey",
] as const;

const orders = "/dbs/shop/colls/orders";
const customers = "/dbs/shop/colls/customers";

const rows: readonly Row[] = [
  {
    name: "read the account",
    method: "GET",
    target: "/",
    cells: ["yes", "yes", "yes", "yes", "5301", "yes", "yes"],
  },
  {
    name: "list databases",
    method: "GET",
    target: "/dbs",
    cells: ["yes", "yes", "5301", "5301", "5301", "yes", "yes"],
  },
  {
    name: "query databases",
    method: "POST",
    target: "/dbs",
    headers: query,
    body: text,
    cells: ["yes", "yes", "5301", "5301", "5301", "yes", "yes"],
  },
  {
    name: "create a database",
    method: "POST",
    target: "/dbs",
    body: { id: "x" },
    cells: ["5300", "5300", "5300", "5300", "5300", "yes", "key"],
  },
  {
    name: "read the database",
    method: "GET",
    target: "/dbs/shop",
    cells: ["yes", "yes", "5301", "yes", "5301", "yes", "yes"],
  },
  {
    name: "delete a database",
    method: "DELETE",
    target: "/dbs/none",
    cells: ["5300", "5300", "5300", "5300", "5300", "yes", "key"],
  },
  {
    name: "list containers",
    method: "GET",
    target: "/dbs/shop/colls",
    cells: ["yes", "yes", "5301", "yes", "5301", "yes", "yes"],
  },
  {
    name: "create a container",
    method: "POST",
    target: "/dbs/shop/colls",
    body: { id: "x", partitionKey: { paths: ["/pk"] } },
    cells: ["5300", "5300", "5300", "5300", "5300", "yes", "key"],
  },
  {
    name: "read the container",
    method: "GET",
    target: orders,
    cells: ["yes", "yes", "yes", "yes", "5301", "yes", "yes"],
  },
  {
    name: "read the sibling container",
    method: "GET",
    target: customers,
    cells: ["yes", "yes", "5301", "yes", "5301", "yes", "yes"],
  },
  {
    name: "replace the container",
    method: "PUT",
    target: orders,
    body: { id: "orders" },
    cells: ["5300", "5300", "5300", "5300", "5300", "yes", "key"],
  },
  {
    name: "delete a container",
    method: "DELETE",
    target: "/dbs/shop/colls/none",
    cells: ["5300", "5300", "5300", "5300", "5300", "yes", "key"],
  },
  {
    name: "list ranges",
    method: "GET",
    target: `${orders}/pkranges`,
    cells: ["yes", "yes", "yes", "yes", "5301", "yes", "yes"],
  },
  {
    name: "list the sibling's ranges",
    method: "GET",
    target: `${customers}/pkranges`,
    cells: ["yes", "yes", "5301", "yes", "5301", "yes", "yes"],
  },
  {
    name: "create an item",
    method: "POST",
    target: `${orders}/docs`,
    headers: pk,
    body: item,
    cells: ["yes", "5302", "yes", "5302", "5302", "yes", "key"],
  },
  {
    name: "create an item next door",
    method: "POST",
    target: `${customers}/docs`,
    headers: pk,
    body: item,
    cells: ["yes", "5302", "5302", "5302", "5302", "yes", "key"],
  },
  {
    name: "upsert an item",
    method: "POST",
    target: `${orders}/docs`,
    headers: upsert,
    body: item,
    cells: ["yes", "5302", "yes", "5302", "5302", "yes", "key"],
  },
  {
    name: "upsert an item next door",
    method: "POST",
    target: `${customers}/docs`,
    headers: upsert,
    body: item,
    cells: ["yes", "5302", "5302", "5302", "5302", "yes", "key"],
  },
  {
    name: "read an item",
    method: "GET",
    target: `${orders}/docs/1`,
    headers: pk,
    cells: ["yes", "yes", "yes", "yes", "5302", "yes", "yes"],
  },
  {
    name: "read an item next door",
    method: "GET",
    target: `${customers}/docs/1`,
    headers: pk,
    cells: ["yes", "yes", "5302", "yes", "5302", "yes", "yes"],
  },
  {
    name: "replace an item",
    method: "PUT",
    target: `${orders}/docs/1`,
    headers: pk,
    body: { id: "1", pk: "a" },
    cells: ["yes", "5302", "yes", "5302", "5302", "yes", "key"],
  },
  {
    name: "patch an item",
    method: "PATCH",
    target: `${orders}/docs/1`,
    headers: pk,
    body: { operations: [] },
    cells: ["yes", "5302", "yes", "5302", "5302", "yes", "key"],
  },
  {
    name: "delete an item",
    method: "DELETE",
    target: `${orders}/docs/none`,
    headers: pk,
    cells: ["yes", "5302", "yes", "5302", "5302", "yes", "key"],
  },
  {
    name: "read the feed",
    method: "GET",
    target: `${orders}/docs`,
    cells: ["yes", "yes", "yes", "yes", "5302", "yes", "yes"],
  },
  {
    name: "read the change feed next door",
    method: "GET",
    target: `${customers}/docs`,
    headers: { "a-im": "Incremental Feed" },
    cells: ["yes", "yes", "5302", "yes", "5302", "yes", "yes"],
  },
  {
    name: "query items",
    method: "POST",
    target: `${orders}/docs`,
    headers: query,
    body: text,
    cells: ["yes", "yes", "yes", "yes", "5302", "yes", "yes"],
  },
  {
    name: "query items next door",
    method: "POST",
    target: `${customers}/docs`,
    headers: query,
    body: text,
    cells: ["yes", "yes", "5302", "yes", "5302", "yes", "yes"],
  },
  {
    name: "plan a query",
    method: "POST",
    target: `${orders}/docs`,
    headers: { "x-ms-cosmos-is-query-plan-request": "True" },
    body: text,
    cells: ["yes", "yes", "yes", "yes", "5302", "yes", "yes"],
  },
  {
    name: "execute a stored procedure",
    method: "POST",
    target: `${orders}/sprocs/s`,
    headers: pk,
    body: [],
    cells: ["yes", "5302", "yes", "5302", "5302", "yes", "key"],
  },
  {
    name: "create a stored procedure",
    method: "POST",
    target: `${orders}/sprocs`,
    body: { id: "s" },
    cells: ["5300", "5300", "5300", "5300", "5300", "yes", "key"],
  },
  {
    name: "delete by partition key",
    method: "POST",
    target: `${orders}/operations/partitionkeydelete`,
    headers: pk,
    cells: ["yes", "5302", "yes", "5302", "5302", "yes", "key"],
  },
  {
    name: "list offers",
    method: "GET",
    target: "/offers",
    cells: ["5300", "5300", "5300", "5300", "5300", "yes", "yes"],
  },
  {
    name: "create a user",
    method: "POST",
    target: "/dbs/shop/users",
    body: { id: "u" },
    cells: ["5300", "5300", "5300", "5300", "5300", "yes", "key"],
  },
  {
    name: "list users",
    method: "GET",
    target: "/dbs/shop/users",
    cells: ["5300", "5300", "5300", "5300", "5300", "yes", "yes"],
  },
  {
    name: "read a permission (mints a token)",
    method: "GET",
    target: "/dbs/shop/users/u/permissions/p",
    cells: ["5300", "5300", "5300", "5300", "5300", "yes", "key"],
  },
];

const expectations: Readonly<Record<Exclude<Cell, "yes">, string>> = {
  "5300": "403/5300",
  "5301": "403/5301",
  "5302": "403/5302",
  key: "401",
};

describe("access to the data plane", () => {
  let fixture: CosmosFixture;
  const principals: Record<string, string> = {};
  before(async () => {
    fixture = await openCosmosFixture();
    for (const name of ["contributor", "reader", "atOrders", "readerAtShop", "nobody"])
      principals[name] = await fixture.principal(name);
    await fixture.assign(
      "a0000000-0000-0000-0000-000000000001",
      principals["contributor"] ?? "",
      contributor,
    );
    await fixture.assign("a0000000-0000-0000-0000-000000000002", principals["reader"] ?? "", reader);
    await fixture.assign(
      "a0000000-0000-0000-0000-000000000003",
      principals["atOrders"] ?? "",
      contributor,
      "/dbs/shop/colls/orders",
    );
    await fixture.assign(
      "a0000000-0000-0000-0000-000000000004",
      principals["readerAtShop"] ?? "",
      reader,
      "/dbs/shop",
    );
    for (const target of [orders, customers])
      await fixture.sendSigned("POST", `${target}/docs`, { headers: pk, body: { id: "1", pk: "a" } });
  });
  for (const row of rows) {
    for (const [at, column] of columns.entries()) {
      const cell = row.cells[at] ?? "yes";
      test(`${column} ${cell === "yes" ? "may" : "may not"} ${row.name}`, async () => {
        const { method, target, headers = {}, body } = row;
        const principal = principals[column];
        const reply =
          principal === undefined
            ? await fixture.sendSigned(method, target, {
                headers,
                body,
                key: column === "key" ? "primaryMasterKey" : "primaryReadonlyMasterKey",
                ...signedAs(target),
              })
            : await fixture.sendAs(principal, method, target, headers, body);
        if (cell === "yes")
          assert.ok(![401, 403, 500].includes(reply.status), `${outcome(reply)} ${String(reply.body)}`);
        else assert.equal(outcome(reply), expectations[cell]);
      });
    }
  }
});

/** The one address whose signed text does not follow from its path. */
function signedAs(target: string): { resourceType?: string; resourceLink?: string } {
  return target.endsWith("partitionkeydelete")
    ? { resourceType: "colls", resourceLink: "dbs/shop/colls/orders" }
    : {};
}

describe("denials speak the service's language", () => {
  let fixture: CosmosFixture;
  let nobody: string;
  before(async () => {
    fixture = await openCosmosFixture();
    nobody = await fixture.principal("nobody");
  });
  const texts: readonly (readonly [string, string, Record<string, string>, unknown, string])[] = [
    [
      "GET",
      "/",
      {},
      undefined,
      "does not have required RBAC permissions to perform action [Microsoft.DocumentDB/databaseAccounts/readMetadata] on resource [/]. Learn more: https://aka.ms/cosmos-native-rbac.",
    ],
    ["GET", "/dbs/shop", {}, undefined, "readMetadata] on resource [dbs/shop]."],
    [
      "POST",
      `${orders}/docs`,
      pk,
      item,
      "[Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/create] on resource [dbs/shop/colls/orders].",
    ],
    [
      "POST",
      "/dbs",
      {},
      { id: "x" },
      "The given request [POST /dbs] cannot be authorized by AAD token in data plane. Learn more: https://aka.ms/cosmos-native-rbac.",
    ],
  ];
  for (const [method, target, headers, body, text] of texts) {
    test(`${method} ${target}`, async () => {
      const reply = await fixture.sendAs(nobody, method, target, headers, body);
      const { code, message } = bodyOf(reply) as { code: string; message: string };
      assert.equal(code, "Forbidden");
      assert.ok(message.startsWith("Request blocked by Auth acct : "), message);
      assert.ok(message.includes(text), message);
      if (!text.includes("data plane")) assert.ok(message.includes(`principal [${nobody}]`));
      assert.match(message, /\r\nActivityId: [0-9a-f-]{36}, Microsoft\.Azure\.Documents\.Common\/2\.14\.0$/);
      assert.match(reply.headers["x-ms-activity-id"] ?? "", /^[0-9a-f-]{36}$/);
    });
  }

  test("a container addressed by its rid is judged by its name", async () => {
    const reader = await fixture.principal("by-rid");
    await fixture.assign(
      "b0000000-0000-0000-0000-000000000001",
      reader,
      "00000000-0000-0000-0000-000000000002",
      "/dbs/shop/colls/orders",
    );
    const container = bodyOf(await fixture.sendSigned("GET", customers)) as { _rid: string };
    const allowed = bodyOf(await fixture.sendSigned("GET", orders)) as { _rid: string };
    assert.equal(outcome(await fixture.sendAs(reader, "GET", `/dbs/shop/colls/${allowed._rid}`)), "200");
    assert.equal(
      outcome(await fixture.sendAs(reader, "GET", `/dbs/shop/colls/${container._rid}`)),
      "403/5301",
    );
    const read = await fixture.sendAs(reader, "GET", `/dbs/shop/colls/${container._rid}/docs/1`, pk);
    assert.equal(outcome(read), "403/5303");
  });

  test("container names in scopes are case-sensitive: a role at Orders does not open orders", async () => {
    const principal = await fixture.principal("wrong-case");
    await fixture.assign(
      "b0000000-0000-0000-0000-000000000002",
      principal,
      "00000000-0000-0000-0000-000000000002",
      "/dbs/shop/colls/Orders",
    );
    assert.equal(outcome(await fixture.sendAs(principal, "GET", orders)), "403/5301");
  });

  test("removing an assignment acts on the next request", async () => {
    const principal = await fixture.principal("for-a-while");
    const name = "b0000000-0000-0000-0000-000000000003";
    await fixture.assign(name, principal, "00000000-0000-0000-0000-000000000001");
    assert.equal(outcome(await fixture.sendAs(principal, "GET", orders)), "200");
    await fixture.store.transact(["cosmos/acct"], (transaction) =>
      fixture.control.deleteRoleAssignment(transaction, "acct", name),
    );
    assert.equal(outcome(await fixture.sendAs(principal, "GET", orders)), "403/5301");
  });
});

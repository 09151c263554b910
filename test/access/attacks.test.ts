/**
 * What somebody would try who holds a little and wants more: names that look alike, other spellings of one resource,
 * headers that ask for something else, signatures made for something else. Every denial stands beside the grant that it
 * must not take away.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { sign, textToSign } from "../../src/authz/account-key.ts";
import {
  accountName,
  bodyOf,
  type CosmosFixture,
  openCosmosFixture,
  outcome,
  type SignedOptions,
} from "../cosmos/fixture.ts";
import {
  atomic,
  batch,
  containers,
  containersNamed,
  guid,
  holding,
  inA,
  items,
  orders,
  prefix,
  query,
  select,
} from "./holding.ts";

const reader = "00000000-0000-0000-0000-000000000001";

describe("names that look alike", () => {
  test("a role reaches what it names and nothing whose name begins, ends or folds to it", async () => {
    const fixture = await openCosmosFixture();
    const databases = ["db", "db1", "db10", "DB1", "db1 1", "dbs", "db%31", "db1.."];
    for (const database of databases) await containersNamed(fixture, database, ["c", "c1", "C"]);
    const atDatabase = await holding(fixture, [`${items}read`], "/dbs/db1");
    const atContainer = await holding(fixture, [`${items}read`], "/dbs/db1/colls/c");
    const came: string[] = [];
    for (const database of databases) {
      for (const container of ["c", "c1", "C"]) {
        const target = `/dbs/${encodeURIComponent(database)}/colls/${container}/docs/x`;
        for (const [who, principal] of [
          ["database", atDatabase],
          ["container", atContainer],
        ] as const) {
          const answer = outcome(await fixture.sendAs(principal, "GET", target, inA));
          if (answer !== "403/5302") came.push(`${who}: ${database}/${container} ${answer}`);
        }
      }
    }
    assert.deepEqual(came, [
      "database: db1/c 404",
      "container: db1/c 404",
      "database: db1/c1 404",
      "database: db1/C 404",
    ]);
  });

  test("a scope is a path of names: what it may not hold is refused when it is assigned", async () => {
    const fixture = await openCosmosFixture();
    const principal = await fixture.principal("worker");
    for (const scope of [
      "1",
      "/dbs",
      "/dbs/",
      "/dbs//colls/c",
      "/dbs/shop/colls",
      "/dbs/shop/docs/orders",
      "/dbs/shop/colls/orders/docs/1",
      "/DBS/shop",
      "/dbs/shop/COLLS/orders",
      "/../other",
    ]) {
      await assert.rejects(fixture.assign(guid(), principal, reader, scope), { status: 400 }, scope);
    }
    for (const scope of ["", "/", "/dbs/shop", "/dbs/shop/", "/dbs/none/colls/none"]) {
      await fixture.assign(guid(), principal, reader, scope);
    }
  });

  const patterns: readonly (readonly [string, readonly string[]])[] = [
    [`${items}*`, ["create", "read", "replace", "upsert", "delete"]],
    [`${items}r*`, ["read", "replace"]],
    [`${items}*e`, ["create", "replace", "delete"]],
    [`${containers}*/read`, ["read"]],
    [`${items.toUpperCase()}READ`, ["read"]],
    [`${containers}execute*`, []],
    [`${prefix}read*`, []],
  ];
  for (const [pattern, expected] of patterns) {
    test(`${pattern.slice(prefix.length)} is ${expected.join(", ") || "no action on items"}`, async () => {
      const fixture = await openCosmosFixture();
      const principal = await holding(fixture, [pattern]);
      const body = { id: "1", pk: "a" };
      const requests = {
        create: () => fixture.sendAs(principal, "POST", `${orders}/docs`, inA, body),
        read: () => fixture.sendAs(principal, "GET", `${orders}/docs/1`, inA),
        replace: () => fixture.sendAs(principal, "PUT", `${orders}/docs/1`, inA, body),
        upsert: () =>
          fixture.sendAs(
            principal,
            "POST",
            `${orders}/docs`,
            { ...inA, "x-ms-documentdb-is-upsert": "true" },
            body,
          ),
        delete: () => fixture.sendAs(principal, "DELETE", `${orders}/docs/1`, inA),
      };
      const allowed: string[] = [];
      for (const [name, send] of Object.entries(requests))
        if ((await send()).status !== 403) allowed.push(name);
      assert.deepEqual(allowed, expected);
    });
  }

  for (const action of [
    `${items}rea`,
    `${items}readx`,
    `${items}read/`,
    "items/read",
    "",
    "read",
    `${prefix}listKeys/action`,
  ]) {
    test(`'${action}' is no data action that a role could have`, async () => {
      await assert.rejects(holding(await openCosmosFixture(), [action]), { status: 400 });
    });
  }
});

describe("other spellings of one resource", () => {
  const spellings = async (fixture: CosmosFixture): Promise<Readonly<Record<string, string>>> => {
    const database = String(bodyOf(await fixture.sendSigned("GET", "/dbs/shop"))["_rid"]);
    const container = String(bodyOf(await fixture.sendSigned("GET", orders))["_rid"]);
    const rid = encodeURIComponent;
    return {
      "by names": `${orders}/docs/1`,
      "with a trailing slash": `${orders}/docs/1/`,
      "with more slashes before": `//${orders}/docs/1`,
      "percent-encoded letters": "/dbs/%73hop/colls/%6frders/docs/1",
      "database by rid": `/dbs/${rid(database)}/colls/orders/docs/1`,
      "container by rid": `/dbs/shop/colls/${rid(container)}/docs/1`,
      "both by rid": `/dbs/${rid(database)}/colls/${rid(container)}/docs/1`,
    };
  };

  test("all are granted to who may, and denied to who may next door", async () => {
    const fixture = await openCosmosFixture();
    await fixture.sendSigned("POST", `${orders}/docs`, { headers: inA, body: { id: "1", pk: "a" } });
    const may = await holding(fixture, [`${items}read`], "/dbs/shop/colls/orders");
    const next = await holding(fixture, [`${items}*`], "/dbs/shop/colls/customers");
    for (const [name, target] of Object.entries(await spellings(fixture))) {
      assert.equal(outcome(await fixture.sendAs(may, "GET", target, inA)), "200", name);
      assert.match(outcome(await fixture.sendAs(next, "GET", target, inA)), /^403\/530[23]$/, name);
    }
  });

  test("a query string leads nowhere else, and is part of the name of an item", async () => {
    const fixture = await openCosmosFixture();
    await fixture.sendSigned("POST", `${orders}/docs`, { headers: inA, body: { id: "1", pk: "a" } });
    const rights = [`${items}read`, `${prefix}readMetadata`];
    const may = await holding(fixture, rights, "/dbs/shop/colls/orders");
    const next = await holding(fixture, rights, "/dbs/shop/colls/customers");
    const query = "?colls=customers";
    for (const [target, granted] of [
      [`${orders}${query}`, "200"],
      [`${orders}/docs/1${query}`, "404"],
    ] as const) {
      assert.equal(outcome(await fixture.sendAs(may, "GET", target, inA)), granted, target);
      assert.match(outcome(await fixture.sendAs(next, "GET", target, inA)), /^403\/530\d$/, target);
    }
  });

  test("a slash inside a name is part of the name, never a way into another container", async () => {
    const fixture = await openCosmosFixture();
    await fixture.sendSigned("POST", `${orders}/docs`, { headers: inA, body: { id: "1", pk: "a" } });
    const next = await holding(fixture, [`${items}*`, `${prefix}readMetadata`], "/dbs/shop/colls/customers");
    for (const [target, expected] of [
      ["/dbs/shop/colls/customers%2F..%2Forders/docs/1", "403/5302"],
      ["/dbs/shop%2Fcolls%2Forders/colls/customers/docs/1", "403/5302"],
      ["/dbs/shop/colls/customers/../orders/docs/1", "404"],
      ["/dbs/shop/colls/customers/docs/..%2F..%2Forders%2Fdocs%2F1", "404"],
      ["/dbs/shop/colls/customers//docs/1", "404"],
      ["/dbs/shop/colls/customers/docs/%", "400"],
    ] as const) {
      assert.equal(outcome(await fixture.sendAs(next, "GET", target, inA)), expected, target);
    }
    assert.equal(outcome(await fixture.sendAs(next, "GET", "/dbs/shop/colls/customers/docs/1", inA)), "404");
  });

  test("a database that is called like another's rid takes nothing of that other's rights", async () => {
    const fixture = await openCosmosFixture();
    const rid = String(bodyOf(await fixture.sendSigned("GET", "/dbs/shop"))["_rid"]);
    await containersNamed(fixture, rid, ["orders"]);
    const onNamed = await holding(fixture, [`${items}read`], `/dbs/${rid}`);
    const onShop = await holding(fixture, [`${items}read`], "/dbs/shop");
    const target = `/dbs/${encodeURIComponent(rid)}/colls/orders/docs/1`;
    assert.equal(outcome(await fixture.sendAs(onNamed, "GET", target, inA)), "404");
    assert.equal(outcome(await fixture.sendAs(onShop, "GET", target, inA)), "403/5302");
    assert.equal(outcome(await fixture.sendAs(onNamed, "GET", `${orders}/docs/1`, inA)), "403/5302");
  });
});

describe("headers that ask for something else", () => {
  const cases: readonly (readonly [
    string,
    readonly string[],
    string,
    string,
    Record<string, string>,
    unknown,
    string,
  ])[] = [
    [
      "a query header on a delete",
      [`${containers}executeQuery`],
      "DELETE",
      `${orders}/docs/1`,
      query,
      undefined,
      "403/5302",
    ],
    [
      "a query header on a replace",
      [`${containers}executeQuery`],
      "PUT",
      `${orders}/docs/1`,
      query,
      { id: "1", pk: "a" },
      "403/5302",
    ],
    [
      "a query header on a read",
      [`${containers}executeQuery`],
      "GET",
      `${orders}/docs/1`,
      query,
      undefined,
      "403/5302",
    ],
    [
      "a query header on a procedure",
      [`${containers}executeQuery`],
      "POST",
      `${orders}/sprocs/s`,
      query,
      select,
      "403/5302",
    ],
    [
      "a query header on an upsert",
      [`${items}upsert`],
      "POST",
      `${orders}/docs`,
      { ...query, "x-ms-documentdb-is-upsert": "true" },
      select,
      "403/5302",
    ],
    [
      "a plan header on a create",
      [`${containers}executeQuery`],
      "POST",
      `${orders}/docs`,
      { "x-ms-cosmos-is-query-plan-request": "true" },
      { id: "1", pk: "a" },
      "400",
    ],
    [
      "a batch header on a query",
      [`${containers}executeQuery`],
      "POST",
      `${orders}/docs`,
      { ...query, ...batch },
      [{ operationType: "Delete", id: "1" }],
      "403/5302",
    ],
    [
      "a batch header on a procedure",
      [`${items}*`],
      "POST",
      `${orders}/sprocs/s`,
      atomic,
      [{ operationType: "Read", id: "1" }],
      "403/5302",
    ],
    [
      "a change feed header on an item",
      [`${containers}readChangeFeed`],
      "GET",
      `${orders}/docs/1`,
      { "a-im": "Incremental Feed" },
      undefined,
      "403/5302",
    ],
    [
      "a change feed header on a container",
      [`${containers}readChangeFeed`],
      "GET",
      orders,
      { "a-im": "Incremental Feed" },
      undefined,
      "403/5301",
    ],
    [
      "another verb in a header",
      [`${items}read`],
      "GET",
      `${orders}/docs/1`,
      { "x-http-method-override": "DELETE", "x-http-method": "DELETE", "x-method-override": "DELETE" },
      undefined,
      "200",
    ],
    [
      "a read under another verb",
      [`${items}read`],
      "DELETE",
      `${orders}/docs/1`,
      { "x-http-method-override": "GET" },
      undefined,
      "403/5302",
    ],
    [
      "another path in a header",
      [`${items}read`],
      "GET",
      "/dbs/shop/colls/customers/docs/1",
      { "x-original-url": `${orders}/docs/1`, "x-rewrite-url": `${orders}/docs/1` },
      undefined,
      "404",
    ],
    [
      "an upsert that says 1",
      [`${items}create`],
      "POST",
      `${orders}/docs`,
      { "x-ms-documentdb-is-upsert": "1" },
      { id: "1", pk: "a" },
      "409",
    ],
    [
      "an upsert that says it twice",
      [`${items}create`],
      "POST",
      `${orders}/docs`,
      { "x-ms-documentdb-is-upsert": "true, true" },
      { id: "1", pk: "a" },
      "409",
    ],
    [
      "an upsert with the right to create",
      [`${items}create`, `${items}replace`],
      "POST",
      `${orders}/docs`,
      { "x-ms-documentdb-is-upsert": "TRUE" },
      { id: "1", pk: "a" },
      "403/5302",
    ],
    [
      "a create with the right to upsert",
      [`${items}upsert`],
      "POST",
      `${orders}/docs`,
      {},
      { id: "n", pk: "a" },
      "403/5302",
    ],
    [
      "a patch with the right to upsert",
      [`${items}upsert`],
      "PATCH",
      `${orders}/docs/1`,
      {},
      { operations: [] },
      "403/5302",
    ],
    [
      "a read feed with the right to query",
      [`${containers}executeQuery`, `${items}read`],
      "GET",
      `${orders}/docs`,
      {},
      undefined,
      "403/5302",
    ],
    [
      "a query with the right to read",
      [`${items}read`, `${containers}readChangeFeed`],
      "POST",
      `${orders}/docs`,
      query,
      select,
      "403/5302",
    ],
  ];
  for (const [name, actions, method, target, headers, body, expected] of cases) {
    test(`${name}: ${expected}`, async () => {
      const fixture = await openCosmosFixture();
      await fixture.sendSigned("POST", `${orders}/docs`, { headers: inA, body: { id: "1", pk: "a" } });
      await fixture.sendSigned("POST", `${orders}/sprocs`, { body: { id: "s", body: "function () {}" } });
      const principal = await holding(fixture, actions);
      assert.equal(
        outcome(await fixture.sendAs(principal, method, target, { ...inA, ...headers }, body)),
        expected,
      );
      const still = await fixture.sendSigned("GET", `${orders}/docs/1`, { headers: inA });
      assert.equal(outcome(still), "200", "the item is still there");
    });
  }

  const operations = {
    Create: { operationType: "Create", resourceBody: { id: "new", pk: "a" } },
    Upsert: { operationType: "Upsert", resourceBody: { id: "1", pk: "a" } },
    Read: { operationType: "Read", id: "1" },
    Replace: { operationType: "Replace", id: "1", resourceBody: { id: "1", pk: "a" } },
    Patch: {
      operationType: "Patch",
      id: "1",
      resourceBody: { operations: [{ op: "set", path: "/n", value: 1 }] },
    },
    Delete: { operationType: "Delete", id: "1" },
  } as const;
  const rightOf: Readonly<Record<keyof typeof operations, string>> = {
    Create: "create",
    Upsert: "upsert",
    Read: "read",
    Replace: "replace",
    Patch: "replace",
    Delete: "delete",
  };
  for (const [kind, mode] of [
    ["a transactional batch", atomic],
    ["bulk", batch],
  ] as const) {
    test(`${kind} needs the right of each of its parts, and does nothing without one of them`, async () => {
      const fixture = await openCosmosFixture();
      for (const missing of Object.keys(operations) as (keyof typeof operations)[]) {
        await fixture.sendSigned("POST", `${orders}/docs`, { headers: inA, body: { id: "1", pk: "a" } });
        const rights = Object.values(rightOf).filter((right) => right !== rightOf[missing]);
        const principal = await holding(
          fixture,
          [...new Set(rights)].map((right) => items + right),
        );
        const others = (Object.keys(operations) as (keyof typeof operations)[]).filter(
          (name) => rightOf[name] !== rightOf[missing],
        );
        const ordered = ["Create", "Upsert", "Read", "Replace", "Patch", "Delete"] as const;
        const allowed = ordered.filter((name) => others.includes(name)).map((name) => operations[name]);
        for (const at of [0, Math.floor(allowed.length / 2), allowed.length]) {
          const parts = allowed.toSpliced(at, 0, operations[missing]);
          const came = await fixture.sendAs(principal, "POST", `${orders}/docs`, { ...inA, ...mode }, parts);
          assert.equal(outcome(came), "403/5302", `${missing} at ${at}`);
          const there = await fixture.sendSigned("GET", `${orders}/docs/1`, { headers: inA });
          assert.equal(bodyOf(there)["n"], undefined);
          assert.equal(outcome(there), "200");
        }
        const came = await fixture.sendAs(principal, "POST", `${orders}/docs`, { ...inA, ...mode }, allowed);
        assert.match(outcome(came), /^20/, `without ${missing}`);
        await fixture.sendSigned("DELETE", `${orders}/docs/new`, { headers: inA });
      }
    });
  }

  for (const parts of [
    [{ operationType: "read", id: "1" }],
    [
      { operationType: "Read", OperationType: "Delete", id: "1" },
      { operationType: "Purge", id: "1" },
    ],
    [],
    {},
    "[]",
  ]) {
    test(`a batch of ${JSON.stringify(parts)} is none`, async () => {
      const fixture = await openCosmosFixture();
      const principal = await holding(fixture, [`${items}read`]);
      const came = await fixture.sendAs(
        principal,
        "POST",
        `${orders}/docs`,
        { ...inA, ...atomic },
        JSON.stringify(parts),
      );
      assert.equal(came.status, 400);
    });
  }
});

describe("a key's signature", () => {
  const signed = async (method: string, target: string, options: SignedOptions): Promise<string> => {
    const fixture = await openCosmosFixture();
    await fixture.sendSigned("POST", `${orders}/docs`, { headers: inA, body: { id: "1", pk: "a" } });
    return outcome(
      await fixture.sendSigned(method, target, { headers: inA, resourceType: "docs", ...options }),
    );
  };
  const addresses = `//addresses/?$resolveFor=${encodeURIComponent(`${orders.slice(1)}/docs`)}`;
  const cases: readonly (readonly [string, string, string, SignedOptions, string])[] = [
    [
      "of the item itself",
      "GET",
      `${orders}/docs/1`,
      { resourceType: "docs", resourceLink: "dbs/shop/colls/orders/docs/1" },
      "200",
    ],
    [
      "of the item's name alone",
      "GET",
      `${orders}/docs/1`,
      { resourceType: "docs", resourceLink: "1" },
      "401",
    ],
    [
      "of the container's name alone",
      "GET",
      orders,
      { resourceType: "colls", resourceLink: "orders" },
      "401",
    ],
    ["of another item", "GET", `${orders}/docs/1`, { resourceLink: "dbs/shop/colls/orders/docs/2" }, "401"],
    [
      "of the same item elsewhere",
      "GET",
      `${orders}/docs/1`,
      { resourceLink: "dbs/shop/colls/customers/docs/1" },
      "401",
    ],
    [
      "in another letter case",
      "GET",
      `${orders}/docs/1`,
      { resourceLink: "dbs/shop/colls/Orders/docs/1" },
      "401",
    ],
    ["of another type", "GET", `${orders}/docs/1`, { resourceType: "sprocs" }, "401"],
    ["of nothing", "GET", `${orders}/docs/1`, { resourceType: "", resourceLink: "" }, "401"],
    [
      "of the container for its items",
      "POST",
      `${orders}/docs`,
      { resourceType: "docs", resourceLink: orders.slice(1), body: { id: "2", pk: "a" } },
      "201",
    ],
    ["of the container for its addresses", "GET", addresses, { resourceLink: orders.slice(1) }, "200"],
    [
      "of the container's items for them",
      "GET",
      addresses,
      { resourceLink: `${orders.slice(1)}/docs` },
      "200",
    ],
    ["of the container's name alone for them", "GET", addresses, { resourceLink: "orders" }, "401"],
    ["of another container for them", "GET", addresses, { resourceLink: "dbs/shop/colls/customers" }, "401"],
    [
      "of the database for items",
      "POST",
      `${orders}/docs`,
      { resourceType: "docs", resourceLink: "dbs/shop", body: { id: "2", pk: "a" } },
      "401",
    ],
  ];
  for (const [name, method, target, options, expected] of cases) {
    test(`${name}: ${expected}`, async () => assert.equal(await signed(method, target, options), expected));
  }

  test("made for one verb it opens no other", async () => {
    const fixture = await openCosmosFixture();
    await fixture.sendSigned("POST", `${orders}/docs`, { headers: inA, body: { id: "1", pk: "a" } });
    const key = (await fixture.control.listKeys(fixture.store, accountName))?.primaryMasterKey ?? "";
    const date = new Date(fixture.clock.now()).toUTCString();
    const text = textToSign("GET", "docs", `${orders.slice(1)}/docs/1`, date, false);
    const sig = sign(Buffer.from(key, "base64"), text).toString("base64");
    const headers = {
      ...inA,
      "x-ms-date": date,
      authorization: encodeURIComponent(`type=master&ver=1.0&sig=${sig}`),
    };
    const came: string[] = [];
    for (const method of ["DELETE", "PUT", "PATCH", "GET"]) {
      came.push(outcome(await fixture.send(method, `${orders}/docs/1`, headers, { id: "1", pk: "a" })));
    }
    assert.deepEqual(came, ["401", "401", "401", "200"]);
  });

  test("under a rid, the rid alone is what is signed", async () => {
    const fixture = await openCosmosFixture();
    const database = String(bodyOf(await fixture.sendSigned("GET", "/dbs/shop"))["_rid"]);
    const container = String(bodyOf(await fixture.sendSigned("GET", orders))["_rid"]);
    const target = `/dbs/${encodeURIComponent(database)}/colls/${encodeURIComponent(container)}`;
    const resourceType = "colls";
    const right = { resourceType, resourceLink: container.toLowerCase() };
    assert.equal(outcome(await fixture.sendSigned("GET", target, right)), "200");
    const wrong = { resourceType, resourceLink: database.toLowerCase() };
    assert.equal(outcome(await fixture.sendSigned("GET", target, wrong)), "401");
  });
});

/**
 * Credentials used beyond what they were given for: tokens of one partition, credentials of another account or service,
 * rights whose subject or object was deleted and made again under its old name, decisions that were made before a change.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { sign, textToSign } from "../../src/authz/account-key.ts";
import { cosmosLock } from "../../src/cosmos/control.ts";
import { accountService } from "../../src/cosmos/gateway.ts";
import type { Service } from "../../src/http/service.ts";
import { directoryLock } from "../../src/identity/control.ts";
import { openGroupFixture } from "../arm/fixture.ts";
import {
  accountId,
  accountName,
  bodyOf,
  type CosmosFixture,
  openCosmosFixture,
  outcome,
  request,
} from "../cosmos/fixture.ts";
import {
  atomic,
  batch,
  change,
  containersNamed,
  guid,
  holding,
  inA,
  inB,
  items,
  orders,
  prefix,
  query,
  select,
  tokenOf,
} from "./holding.ts";

const reader = "00000000-0000-0000-0000-000000000001";
const docs = `${orders}/docs`;

/** Items 1 and 2 in partition "a", 1 and 3 in partition "b". */
async function filled(): Promise<CosmosFixture> {
  const fixture = await openCosmosFixture();
  for (const [id, pk] of [
    ["1", "a"],
    ["2", "a"],
    ["1", "b"],
    ["3", "b"],
  ] as const) {
    const headers = pk === "a" ? inA : inB;
    await fixture.sendSigned("POST", docs, { headers, body: { id, pk } });
  }
  return fixture;
}

function partitionsIn(body: Record<string, unknown>): readonly unknown[] {
  return [...new Set((body["Documents"] as { pk: unknown }[]).map(({ pk }) => pk))];
}

describe("a token of one partition", () => {
  const everyRange = { "x-ms-documentdb-partitionkeyrangeid": "0" };
  const everyKey = {
    "x-ms-start-epk": "",
    "x-ms-end-epk": "FF",
    "x-ms-read-key-type": "EffectivePartitionKeyRange",
  };
  const across = { "x-ms-documentdb-query-enablecrosspartition": "true" };
  const changes = { "a-im": "Incremental Feed" };
  for (const [name, extra] of [
    ["alone", {}],
    ["with a range", everyRange],
    ["with a span of keys", everyKey],
    ["across partitions", across],
    ["with all of them", { ...everyRange, ...everyKey, ...across }],
  ] as const) {
    test(`shows that partition only, its header ${name}`, async () => {
      const fixture = await filled();
      const authorization = await tokenOf(fixture, {
        permissionMode: "All",
        resource: "dbs/shop/colls/orders",
        resourcePartitionKey: ["a"],
      });
      const sent: readonly (readonly [string, Record<string, string>, unknown])[] = [
        ["POST", query, select],
        ["POST", query, { query: "SELECT * FROM c WHERE c.pk IN ('a', 'b')" }],
        ["GET", {}, undefined],
        ["GET", changes, undefined],
      ];
      for (const [method, headers, body] of sent) {
        const mine = await fixture.send(method, docs, { authorization, ...inA, ...extra, ...headers }, body);
        assert.equal(outcome(mine), "200", JSON.stringify(headers));
        assert.deepEqual(partitionsIn(bodyOf(mine)), ["a"]);
        const theirs = await fixture.send(
          method,
          docs,
          { authorization, ...inB, ...extra, ...headers },
          body,
        );
        assert.equal(outcome(theirs), "403");
        const nobodys = await fixture.send(method, docs, { authorization, ...extra, ...headers }, body);
        assert.equal(outcome(nobodys), "403");
      }
    });
  }

  test("puts nothing into another partition", async () => {
    const fixture = await filled();
    const authorization = await tokenOf(fixture, {
      permissionMode: "All",
      resource: "dbs/shop/colls/orders",
      resourcePartitionKey: ["a"],
    });
    const theirs = { id: "new", pk: "b" };
    const create = { operationType: "Create", resourceBody: theirs };
    const foreign = { ...create, partitionKey: '["b"]' };
    const removal = { operationType: "Delete", id: "3", partitionKey: '["b"]' };
    const cases: readonly (readonly [string, string, Record<string, string>, unknown, RegExp])[] = [
      ["POST", docs, inA, theirs, /^400\/1001$/],
      ["POST", docs, {}, theirs, /^403$/],
      ["PUT", `${docs}/1`, inA, { id: "1", pk: "b" }, /^400/],
      ["PATCH", `${docs}/1`, inA, { operations: [{ op: "set", path: "/pk", value: "b" }] }, /^400/],
      ["POST", docs, { ...inA, "x-ms-documentdb-is-upsert": "true" }, theirs, /^400/],
      ["POST", docs, { ...inA, ...atomic }, [create], /^(400|207)/],
      ["POST", docs, { ...inA, ...atomic }, [foreign], /^(400|207)/],
      ["POST", docs, { ...inA, ...atomic }, [removal], /^(400|207|404)/],
      ["POST", docs, { ...inA, ...batch }, [foreign], /^403$/],
      ["POST", docs, { ...inA, ...batch }, [removal], /^403$/],
      ["POST", docs, { ...inA, ...batch, "x-ms-cosmos-batch-atomic": "False" }, [removal], /^403$/],
      ["POST", docs, batch, [{ operationType: "Read", id: "1", partitionKey: '["a"]' }], /^403$/],
      ["DELETE", `${docs}/3`, inB, undefined, /^403$/],
      ["DELETE", `${docs}/3`, inA, undefined, /^404$/],
      ["POST", `${orders}/operations/partitionkeydelete`, inB, undefined, /^403$/],
      ["POST", `${orders}/operations/partitionkeydelete`, {}, undefined, /^403$/],
      ["POST", docs, inA, { id: "mine", pk: "a" }, /^201$/],
    ];
    for (const [method, target, headers, body, expected] of cases) {
      const came = outcome(await fixture.send(method, target, { authorization, ...headers }, body));
      assert.match(came, expected, `${method} ${target} ${JSON.stringify(headers)} ${JSON.stringify(body)}`);
    }
    const all = await fixture.sendSigned("POST", docs, { headers: { ...query, ...inB }, body: select });
    assert.deepEqual((bodyOf(all)["Documents"] as { id: string }[]).map(({ id }) => id).sort(), ["1", "3"]);
  });

  const keys: readonly (readonly [readonly unknown[], string, string])[] = [
    [["a"], '["a"]', "404"],
    [["a"], '[ "a" ]', "404"],
    [["a"], '["\\u0061"]', "404"],
    [["a"], '["A"]', "403"],
    [["a"], '["a "]', "403"],
    [["a"], '["a\\u0000"]', "403"],
    [["a"], '["a"],["b"]', "400"],
    [["a"], '["b","a"]', "403"],
    [["a"], "[]", "403"],
    [["a"], "[{}]", "403"],
    [["a"], "[null]", "403"],
    [["a"], "a", "400"],
    [["a"], '"a"', "400"],
    [["a"], '[["a"]]', "400"],
    [["a"], "", "400"],
    [[1], "[1]", "404"],
    [[1], "[1.0]", "404"],
    [[1], "[1e0]", "404"],
    [[1], '["1"]', "403"],
    [[1], "[true]", "403"],
    [[null], "[null]", "404"],
    [[null], "[{}]", "403"],
    [[null], '["null"]', "403"],
    [[null], "[1e999]", "400"],
    [[true], "[true]", "404"],
    [[true], '["true"]', "403"],
    [[{}], "[{}]", "404"],
    [[{}], "[]", "404"],
    [[{}], "[null]", "403"],
  ];
  for (const [own, header, expected] of keys) {
    test(`of ${JSON.stringify(own)}, asked with ${header}: ${expected}`, async () => {
      const fixture = await openCosmosFixture();
      const authorization = await tokenOf(fixture, {
        permissionMode: "Read",
        resource: "dbs/shop/colls/orders",
        resourcePartitionKey: own,
      });
      const headers = { authorization, "x-ms-documentdb-partitionkey": header };
      assert.equal(outcome(await fixture.send("GET", `${docs}/none`, headers)), expected);
    });
  }
});

interface Second {
  readonly fixture: CosmosFixture;
  readonly send: (headers: Record<string, string>) => Promise<string>;
}

/** Another account beside the fixture's, whose name begins with its name, with the same database and container. */
async function secondAccount(name = `${accountName}1`): Promise<Second> {
  const fixture = await openCosmosFixture();
  const { control, engine, identity, clock } = fixture;
  const own = await control.getAccount(fixture.store, accountName);
  assert.ok(own !== undefined);
  await fixture.store.transact([cosmosLock(name)], async (transaction) => {
    await control.putAccount(transaction, { ...own, name, resourceId: `${accountId}1` }, 18082);
    await control.putDatabase(transaction, name, { id: "shop" });
    await control.putContainer(transaction, name, "shop", { id: "orders", partitionKey: { paths: ["/pk"] } });
  });
  const { verifier, directory } = identity;
  const { entropy } = engine;
  const service: Service = accountService(
    { engine, verifier, directory, clock, entropy, record: () => {} },
    name,
  );
  return {
    fixture,
    send: async (headers) => outcome(await service(request("GET", orders, headers, undefined))),
  };
}

describe("an account beside another", () => {
  test("takes neither its keys, nor its resource tokens, nor its roles, nor tokens for it", async () => {
    const { fixture, send } = await secondAccount();
    const principal = await fixture.principal("worker");
    await fixture.assign(guid(), principal, reader);
    assert.equal(outcome(await fixture.sendAs(principal, "GET", orders)), "200");
    const cosmos = await fixture.token(principal);
    assert.equal(await send({ authorization: `type=aad&ver=1.0&sig=${cosmos}` }), "403/5301");
    const named = await fixture.token(principal, `https://${accountName}.documents.azure.com`);
    assert.equal(await send({ authorization: `type=aad&ver=1.0&sig=${named}` }), "401/5008");
    const resource = { permissionMode: "All", resource: "dbs/shop/colls/orders" };
    assert.equal(await send({ authorization: await tokenOf(fixture, resource) }), "401");
    const signed = await signedHeaders(fixture, "GET", orders);
    assert.equal(outcome(await fixture.send("GET", orders, signed)), "200");
    assert.equal(await send(signed), "401");
  });

  test("a role cannot be assigned across: neither scope nor definition of one fits the other", async () => {
    const { fixture } = await secondAccount();
    const principal = await fixture.principal("worker");
    const put = (roleDefinitionId: string, scope: string): Promise<unknown> =>
      change(fixture, (transaction) =>
        fixture.control.putRoleAssignment(transaction, accountName, {
          name: guid(),
          roleDefinitionId,
          scope,
          principalId: principal,
        }),
      );
    const definition = `/sqlRoleDefinitions/${reader}`;
    await put(`${accountId}${definition}`, accountId);
    await assert.rejects(put(`${accountId}${definition}`, `${accountId}1`), { status: 400 });
    await assert.rejects(put(`${accountId}${definition}`, `${accountId}1/dbs/shop`), { status: 400 });
    await assert.rejects(put(`${accountId}1${definition}`, accountId), { status: 400 });
  });
});

/** Headers of a request signed with the primary key. */
async function signedHeaders(
  fixture: CosmosFixture,
  method: string,
  target: string,
): Promise<Record<string, string>> {
  const key = (await fixture.control.listKeys(fixture.store, accountName))?.primaryMasterKey ?? "";
  const date = new Date(fixture.clock.now()).toUTCString();
  const text = textToSign(method, "colls", target.slice(1), date, false);
  const sig = sign(Buffer.from(key, "base64"), text).toString("base64");
  return { "x-ms-date": date, authorization: encodeURIComponent(`type=master&ver=1.0&sig=${sig}`) };
}

describe("a token for something else", () => {
  for (const [audience, expected] of [
    ["https://cosmos.azure.com", "200"],
    [`https://${accountName}.documents.azure.com`, "200"],
    ["https://management.azure.com", "401/5008"],
    ["https://management.core.windows.net/", "401/5008"],
    ["https://graph.microsoft.com", "401/5008"],
    ["https://vault.azure.net", "401/5008"],
    ["https://database.windows.net/", "401/5008"],
    [`https://${accountName}1.documents.azure.com`, "401/5008"],
    [`https://${accountName}.documents.azure.com.evil.example`, "401/5008"],
    ["https://documents.azure.com", "401/5008"],
  ] as const) {
    test(`${audience}: ${expected}`, async () => {
      const fixture = await openCosmosFixture();
      const principal = await holding(fixture, [`${prefix}readMetadata`]);
      const authorization = `type=aad&ver=1.0&sig=${await fixture.token(principal, audience)}`;
      assert.equal(outcome(await fixture.send("GET", orders, { authorization })), expected);
    });
  }

  test("a token of the data plane opens nothing in the control plane", async () => {
    const fixture = await openGroupFixture();
    for (const audience of ["https://cosmos.azure.com", "https://acct.documents.azure.com"]) {
      const authorization = `Bearer ${await fixture.token(fixture.owner, audience)}`;
      const came = await fixture.send("GET", "/subscriptions", { as: null, headers: { authorization } });
      assert.equal(came.status, 401, audience);
    }
    assert.equal((await fixture.send("GET", "/subscriptions")).status, 200);
  });

  test("a good token in another form is none", async () => {
    const fixture = await openCosmosFixture();
    const principal = await holding(fixture, [`${prefix}readMetadata`]);
    const token = await fixture.token(principal);
    for (const authorization of [
      `Bearer ${token}`,
      token,
      `type=aad&ver=2.0&sig=${token}`,
      `type=master&ver=1.0&sig=${token}`,
      `type=resource&ver=1.0&sig=${token}`,
      `type=aad&ver=1.0&sig=${token.split(".").slice(0, 2).join(".")}.`,
      `type=aad&ver=1.0&sig=${token.slice(0, -6)}`,
      `type=aad&ver=1.0&sig=${token}&type=master`,
      "type=aad&ver=1.0&sig=",
      "null",
      "",
    ]) {
      assert.equal(
        (await fixture.send("GET", orders, { authorization })).status,
        401,
        authorization.slice(0, 40),
      );
    }
    const right = { authorization: `type=aad&ver=1.0&sig=${token}` };
    assert.equal(outcome(await fixture.send("GET", orders, right)), "200");
  });

  test("where a caller says it comes from is not where it comes from", async () => {
    const fixture = await openCosmosFixture();
    const principal = await holding(fixture, [`${prefix}readMetadata`]);
    const network = {
      publicNetworkAccess: "Enabled",
      ipRules: ["10.1.2.3"],
      virtualNetworkFilter: false,
    } as const;
    await fixture.setAccount({ network });
    for (const headers of [
      {},
      { "x-forwarded-for": "10.1.2.3" },
      { forwarded: "for=10.1.2.3" },
      { "x-real-ip": "10.1.2.3", "client-ip": "10.1.2.3", "true-client-ip": "10.1.2.3" },
    ] as Record<string, string>[]) {
      assert.equal(outcome(await fixture.sendAs(principal, "GET", orders, headers)), "403");
    }
    await fixture.setAccount({ network: { ...network, ipRules: ["127.0.0.1"] } });
    assert.equal(outcome(await fixture.sendAs(principal, "GET", orders)), "200");
  });
});

describe("made again under the old name", () => {
  const permission = { permissionMode: "All", resource: "dbs/shop/colls/orders" };
  const read = async (fixture: CosmosFixture, authorization: string): Promise<string> =>
    outcome(await fixture.send("GET", orders, { authorization }));

  test("a principal: its old token and the old one's roles open nothing", async () => {
    const fixture = await openCosmosFixture();
    const old = await fixture.principal("worker");
    await fixture.assign(guid(), old, reader);
    const authorization = `type=aad&ver=1.0&sig=${await fixture.token(old)}`;
    assert.equal(await read(fixture, authorization), "200");
    const id =
      "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker";
    await fixture.store.transact([directoryLock], (transaction) =>
      fixture.identity.control.deleteUserAssigned(transaction, id),
    );
    const again = await fixture.principal("worker");
    assert.notEqual(again, old);
    assert.equal(await read(fixture, authorization), "403/5301");
    assert.equal(outcome(await fixture.sendAs(again, "GET", orders)), "403/5301");
    await fixture.assign(guid(), again, reader);
    assert.equal(outcome(await fixture.sendAs(again, "GET", orders)), "200");
    assert.equal(await read(fixture, authorization), "403/5301");
  });

  test("a container: the old permission's token is for the old one, a new token for the new one", async () => {
    const fixture = await openCosmosFixture();
    const authorization = await tokenOf(fixture, permission);
    assert.equal(await read(fixture, authorization), "200");
    await fixture.sendSigned("DELETE", orders);
    await containersNamed(fixture, "shop", ["orders"]);
    assert.equal(await read(fixture, authorization), "403");
    assert.equal(await read(fixture, await tokenOf(fixture, permission)), "200");
  });

  test("a database, with user and permission of the old names", async () => {
    const fixture = await openCosmosFixture();
    const make = async (): Promise<string> => {
      await fixture.sendSigned("POST", "/dbs/shop/users", { body: { id: "u" } });
      const made = await fixture.sendSigned("POST", "/dbs/shop/users/u/permissions", {
        body: { id: "p", ...permission },
      });
      return encodeURIComponent(String(bodyOf(made)["_token"]));
    };
    const old = await make();
    assert.equal(await read(fixture, old), "200");
    await fixture.sendSigned("DELETE", "/dbs/shop");
    await containersNamed(fixture, "shop", ["orders"]);
    assert.equal(await read(fixture, old), "401");
    const made = await make();
    assert.deepEqual([await read(fixture, old), await read(fixture, made)], ["401", "200"]);
  });

  test("an account: keys, tokens and roles of the old one are gone", async () => {
    const fixture = await openCosmosFixture();
    const principal = await fixture.principal("worker");
    await fixture.assign(guid(), principal, reader);
    const resource = await tokenOf(fixture, permission);
    const signed = await signedHeaders(fixture, "GET", orders);
    const all = async (): Promise<readonly string[]> => [
      outcome(await fixture.send("GET", orders, signed)),
      await read(fixture, resource),
      outcome(await fixture.sendAs(principal, "GET", orders)),
    ];
    assert.deepEqual(await all(), ["200", "200", "200"]);
    await change(fixture, (transaction) => fixture.control.deleteAccount(transaction, accountName));
    assert.deepEqual(await all(), ["403/1008", "403/1008", "403/1008"]);
    await fixture.setAccount({});
    await containersNamed(fixture, "shop", ["orders"]);
    assert.deepEqual(await all(), ["401", "401", "403/5301"]);
    assert.equal(outcome(await fixture.sendSigned("GET", orders)), "200");
  });
});

describe("a decision of a moment ago", () => {
  test("is not remembered over a change of whatever it was made from", async () => {
    const fixture = await openCosmosFixture();
    const group = (await fixture.identity.directory.addGroup({ displayName: "g", members: [] })).objectId;
    const { principal, authorization } = await known(fixture);
    const get = async (): Promise<string> => outcome(await fixture.send("GET", orders, { authorization }));
    assert.equal(await get(), "403/5301");
    const own = guid();
    await fixture.assign(own, principal, reader);
    assert.equal(await get(), "200", "an assignment was made");
    await change(fixture, (at) => fixture.control.deleteRoleAssignment(at, accountName, own));
    assert.equal(await get(), "403/5301", "and deleted");
    await fixture.assign(guid(), group, reader);
    assert.equal(await get(), "403/5301", "a group got one");
    await fixture.identity.directory.addMember(group, principal);
    assert.equal(await get(), "200", "the principal joined the group");
    await fixture.identity.directory.removeMember(group, principal);
    assert.equal(await get(), "403/5301", "and left it");
    await fixture.setAccount({ authorization: "audit" });
    assert.equal(await get(), "200", "audit mode was switched on");
    await fixture.setAccount({});
    assert.equal(await get(), "403/5301", "and off");
  });

  test("of nested groups: whichever link is cut, and however the resource is addressed", async () => {
    const fixture = await openCosmosFixture();
    const { directory } = fixture.identity;
    const groupNamed = async (displayName: string): Promise<string> =>
      (await directory.addGroup({ displayName })).objectId;
    const outer = await groupNamed("outer");
    const { principal, authorization } = await known(fixture);
    const rid = async (target: string): Promise<string> =>
      encodeURIComponent(String(bodyOf(await fixture.sendSigned("GET", target))["_rid"]));
    const get = async (): Promise<string> => {
      const byRid = `/dbs/${await rid("/dbs/shop")}/colls/${await rid(orders)}`;
      const encoded = "/dbs/%73hop/colls/%6frders";
      const came: string[] = [];
      // Twice, for the second answer is the remembered one.
      for (const target of [orders, byRid, encoded, orders, byRid, encoded]) {
        came.push(outcome(await fixture.send("GET", target, { authorization })));
      }
      assert.equal(new Set(came).size, 1, came.join(" "));
      return came[0] ?? "";
    };
    await fixture.assign(guid(), outer, reader, "/dbs/shop/colls/orders");
    assert.equal(await get(), "403/5301");
    let inner = await groupNamed("inner");
    const links: readonly (readonly [string, () => Promise<unknown>, string])[] = [
      ["the group joins the other", () => directory.addMember(outer, inner), "403/5301"],
      ["the principal joins it", () => directory.addMember(inner, principal), "200"],
      ["the group leaves", () => directory.removeMember(outer, inner), "403/5301"],
      ["and comes back", () => directory.addMember(outer, inner), "200"],
      ["the groups contain each other", () => directory.addMember(inner, outer), "200"],
      ["the group is deleted", () => directory.deletePrincipal(inner), "403/5301"],
      [
        "another is made with its name",
        async () => {
          inner = await groupNamed("inner");
          await directory.addMember(inner, principal);
        },
        "403/5301",
      ],
      ["and joins the other", () => directory.addMember(outer, inner), "200"],
      ["the group with the role is deleted", () => directory.deletePrincipal(outer), "403/5301"],
    ];
    for (const [what, change, expected] of links) {
      await change();
      assert.equal(await get(), expected, what);
    }
  });

  test("of a container that is made again: the role is for the name, and for no other in another account", async () => {
    const { fixture, send } = await secondAccount();
    const { principal, authorization } = await known(fixture);
    await fixture.assign(guid(), principal, reader, "/dbs/shop/colls/orders");
    const read = async (target: string): Promise<string> =>
      outcome(await fixture.send("GET", target, { authorization }));
    assert.equal(await read(orders), "200");
    const old = encodeURIComponent(String(bodyOf(await fixture.sendSigned("GET", orders))["_rid"]));
    assert.equal(await read(`/dbs/shop/colls/${old}`), "200");
    await fixture.sendSigned("DELETE", orders);
    assert.equal(await read(orders), "404", "who may read it learns that it is gone");
    assert.equal(await read(`/dbs/shop/colls/${old}`), "403/5301", "the rid is nobody's name");
    await containersNamed(fixture, "shop", ["orders", decodeURIComponent(old)]);
    assert.equal(await read(orders), "200");
    assert.equal(await read(`/dbs/shop/colls/${old}`), "403/5301", "and then another container's");
    assert.equal(await send({ authorization }), "403/5301");
    assert.equal(await read(orders), "200");
  });

  test("of a role that loses an action, and gets it back", async () => {
    const fixture = await openCosmosFixture();
    const { principal, authorization } = await known(fixture);
    const role = guid();
    const define = (action: string): Promise<unknown> =>
      change(fixture, (transaction) =>
        fixture.control.putRoleDefinition(transaction, accountName, {
          name: role,
          roleName: "changing",
          type: "CustomRole",
          assignableScopes: [accountId],
          permissions: [{ dataActions: [action], notDataActions: [] }],
        }),
      );
    await define(`${items}read`);
    await fixture.assign(guid(), principal, role);
    const get = async (): Promise<string> =>
      outcome(await fixture.send("GET", `${docs}/none`, { authorization, ...inA }));
    assert.equal(await get(), "404");
    await define(`${items}delete`);
    assert.equal(await get(), "403/5302");
    await define(`${items}*`);
    assert.equal(await get(), "404");
  });

  test("of keys: regenerated, switched off, switched on again", async () => {
    const fixture = await openCosmosFixture();
    const signed = await signedHeaders(fixture, "GET", orders);
    const get = async (): Promise<string> => outcome(await fixture.send("GET", orders, signed));
    assert.equal(await get(), "200");
    await fixture.setAccount({ disableLocalAuth: true });
    assert.equal(await get(), "401/5202");
    await fixture.setAccount({});
    assert.equal(await get(), "200");
    await change(fixture, (at) => fixture.control.regenerateKey(at, accountName, "secondary"));
    assert.equal(await get(), "200");
    await change(fixture, (at) => fixture.control.regenerateKey(at, accountName, "primary"));
    assert.equal(await get(), "401");
  });
});

/** A principal without any right, and a token of it that the server has seen. */
async function known(
  fixture: CosmosFixture,
): Promise<{ readonly principal: string; readonly authorization: string }> {
  const principal = await fixture.principal("worker");
  const authorization = `type=aad&ver=1.0&sig=${await fixture.token(principal)}`;
  assert.equal(outcome(await fixture.send("GET", orders, { authorization })), "403/5301");
  return { principal, authorization };
}

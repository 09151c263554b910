/**
 * The credentials behind the columns of access.yaml, in one account: keys, principals with roles, tokens with faults,
 * and a permission for each kind of target.
 */
import { cosmosLock } from "../../src/cosmos/control.ts";
import { directoryLock } from "../../src/identity/control.ts";
import { accountId, accountName, bodyOf, type CosmosFixture, openCosmosFixture } from "../cosmos/fixture.ts";
import { orders } from "./requests.ts";

const prefix = "Microsoft.DocumentDB/databaseAccounts/";
const containers = `${prefix}sqlDatabases/containers/`;
const builtIn = {
  reader: "00000000-0000-0000-0000-000000000001",
  contributor: "00000000-0000-0000-0000-000000000002",
};
const custom: Readonly<Record<string, readonly string[]>> = {
  "c0000000-0000-0000-0000-000000000001": [`${containers}items/read`, `${containers}items/replace`],
  "c0000000-0000-0000-0000-000000000002": [
    `${prefix}readMetadata`,
    `${containers}items/create`,
    `${containers}items/upsert`,
    `${containers}executeStoredProcedure`,
    `${containers}manageConflicts`,
  ],
};
const [items = "", writer = ""] = Object.keys(custom);

/** Principal, role, and scope below the account. */
export const assignments: readonly (readonly [string, string, string])[] = [
  ["reader", builtIn.reader, ""],
  ["contributor", builtIn.contributor, ""],
  ["items", items, ""],
  ["writer", writer, "/dbs/shop/colls/orders"],
  ["atOrders", builtIn.contributor, "/dbs/shop/colls/orders"],
  ["readerShop", builtIn.reader, "/dbs/shop"],
  ["elsewhere", builtIn.contributor, "/dbs/other"],
  ["readers", builtIn.reader, ""],
  ["deleted", builtIn.contributor, ""],
  ["expired", builtIn.contributor, ""],
  ["audience", builtIn.contributor, ""],
];

/** Permission behind a column: mode, resource below the database, partition. */
const grants: Readonly<Record<string, readonly [string, string, (readonly unknown[])?]>> = {
  tokenAll: ["All", "colls/orders"],
  tokenRead: ["Read", "colls/orders"],
  partAll: ["All", "colls/orders", ["a"]],
  partRead: ["Read", "colls/orders", ["a"]],
  itemAll: ["All", "colls/orders/docs/1", ["a"]],
  itemRead: ["Read", "colls/orders/docs/1", ["a"]],
  sprocAll: ["All", "colls/orders/sprocs/s"],
  sprocRead: ["Read", "colls/orders/sprocs/s"],
  trigAll: ["All", "colls/orders/triggers/t"],
  trigRead: ["Read", "colls/orders/triggers/t"],
  udfAll: ["All", "colls/orders/udfs/f"],
  udfRead: ["Read", "colls/orders/udfs/f"],
  otherAll: ["All", "colls/customers"],
  tokenOld: ["All", "colls/orders"],
};

export type Column =
  | { readonly kind: "key"; readonly key: "primaryMasterKey" | "primaryReadonlyMasterKey" | "wrong" }
  | { readonly kind: "aad" | "resource"; readonly authorization: string; readonly token: string };

export interface AccessRoom {
  readonly fixture: CosmosFixture;
  readonly columns: ReadonlyMap<string, Column>;
}

/** The account with everything that the requests need, and the credentials. */
export async function openAccessRoom(now?: number): Promise<AccessRoom> {
  const fixture = await openCosmosFixture(now === undefined ? {} : { now });
  const columns = new Map<string, Column>([
    ["key", { kind: "key", key: "primaryMasterKey" }],
    ["keyRo", { kind: "key", key: "primaryReadonlyMasterKey" }],
    ["wrongKey", { kind: "key", key: "wrong" }],
  ]);
  await fill(fixture);
  const principals = await assignAll(fixture);
  const old = await permission(fixture, "tokenOld", "10");
  const expired = await fixture.token(principals.get("expired") ?? "");
  // An Entra token lives for an hour or a day; both are over now, the credentials that follow are new.
  fixture.clock.advance(25 * 3_600_000);
  columns.set("tokenOld", resource(old));
  columns.set("expired", aad(expired));
  for (const [name, principal] of principals) {
    if (["readers", "expired", "audience"].includes(name)) continue;
    columns.set(name, aad(await fixture.token(principal)));
  }
  columns.set(
    "audience",
    aad(await fixture.token(principals.get("audience") ?? "", "https://vault.azure.net")),
  );
  columns.set("foreign", aad(await foreignToken()));
  await removePrincipal(fixture, "deleted");
  for (const name of Object.keys(grants)) {
    if (name !== "tokenOld") columns.set(name, resource(await permission(fixture, name)));
  }
  return { fixture, columns };
}

function aad(token: string): Column {
  return { kind: "aad", token, authorization: `type=aad&ver=1.0&sig=${token}` };
}

function resource(token: string): Column {
  return { kind: "resource", token, authorization: encodeURIComponent(token) };
}

const key = (value: string): Record<string, string> => ({
  "x-ms-documentdb-partitionkey": JSON.stringify([value]),
});

async function fill({ store, control, sendSigned }: CosmosFixture): Promise<void> {
  await store.transact([cosmosLock(accountName)], async (transaction) => {
    await control.putDatabase(transaction, accountName, { id: "other" });
    for (const [name, dataActions] of Object.entries(custom)) {
      await control.putRoleDefinition(transaction, accountName, {
        name,
        roleName: name,
        type: "CustomRole",
        assignableScopes: [accountId],
        permissions: [{ dataActions, notDataActions: [] }],
      });
    }
  });
  for (const target of [orders, "/dbs/shop/colls/customers"]) {
    for (const [id, pk] of [
      ["1", "a"],
      ["2", "a"],
      ["1", "b"],
    ] as const)
      await sendSigned("POST", `${target}/docs`, { headers: key(pk), body: { id, pk } });
  }
  const body = "function () {}";
  for (const [feed, child] of [
    [`${orders}/sprocs`, { id: "s", body }],
    [`${orders}/sprocs`, { id: "other", body }],
    [`${orders}/triggers`, { id: "t", body, triggerType: "Pre", triggerOperation: "All" }],
    [`${orders}/udfs`, { id: "f", body }],
    ["/dbs/shop/users", { id: "u" }],
  ] as const)
    await sendSigned("POST", feed, { body: child });
}

/** A user of the same name for each permission: one user has at most one permission on a resource. */
async function permission(fixture: CosmosFixture, name: string, seconds?: string): Promise<string> {
  const [permissionMode, path, resourcePartitionKey] = grants[name] ?? ["Read", "colls/none"];
  const user = name === "tokenAll" ? "u" : name;
  await fixture.sendSigned("POST", "/dbs/shop/users", { body: { id: user } });
  const reply = await fixture.sendSigned("POST", `/dbs/shop/users/${user}/permissions`, {
    ...(seconds === undefined ? {} : { headers: { "x-ms-documentdb-expiry-seconds": seconds } }),
    body: {
      id: name,
      permissionMode,
      resource: `dbs/shop/${path}`,
      ...(resourcePartitionKey === undefined ? {} : { resourcePartitionKey }),
    },
  });
  return String(bodyOf(reply)["_token"]);
}

async function assignAll(fixture: CosmosFixture): Promise<Map<string, string>> {
  const principals = new Map<string, string>();
  for (const name of [...new Set(assignments.map(([principal]) => principal)), "nobody", "group"])
    principals.set(name, name === "readers" ? "" : await fixture.principal(name));
  principals.set("readers", await groupOf(fixture, principals.get("group") ?? ""));
  for (const [at, [principal, role, scope]] of assignments.entries()) {
    const name = `a0000000-0000-0000-0000-${String(at).padStart(12, "0")}`;
    await fixture.assign(name, principals.get(principal) ?? "", role, scope);
  }
  return principals;
}

async function groupOf({ identity }: CosmosFixture, member: string): Promise<string> {
  return (await identity.directory.addGroup({ displayName: "readers", members: [member] })).objectId;
}

async function removePrincipal({ identity, store }: CosmosFixture, name: string): Promise<void> {
  const id = `/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`;
  await store.transact([directoryLock], (transaction) =>
    identity.control.deleteUserAssigned(transaction, id),
  );
}

/** A token with the right audience that another authority signed. */
async function foreignToken(): Promise<string> {
  const other = await openCosmosFixture({ signer: "stranger" });
  return other.token(await other.principal("contributor"));
}

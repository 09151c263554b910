/**
 * The access table, case by case: against the deciding functions of `authz/` alone, and over the wire. A grant shows
 * as whatever the operation itself comes to, but never as 401, 403 or 5xx.
 */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { decideAccountKey } from "../../src/authz/account-key.ts";
import { decideCosmos } from "../../src/authz/cosmos-rbac.ts";
import type { Decision } from "../../src/authz/decision.ts";
import { decideResourceToken } from "../../src/authz/resource-token.ts";
import { cosmosActions } from "../../src/azure/cosmos-actions.ts";
import { cosmosLock } from "../../src/cosmos/control.ts";
import { parseAddress } from "../../src/cosmos/wire/address.ts";
import { requireTokenRights, tokenRequest } from "../../src/cosmos/wire/authorize-resource-token.ts";
import { actionsOf, parseBatch } from "../../src/cosmos/wire/batch-body.ts";
import { findOperation, operations } from "../../src/cosmos/wire/operations.ts";
import { accountId, accountName, type CosmosFixture, outcome } from "../cosmos/fixture.ts";
import { type AccessRoom, openAccessRoom } from "./credentials.ts";
import { type AccessCase, requests } from "./requests.ts";
import { type AccessCell, denialOf, readAccessTable } from "./table.ts";

const cells = readAccessTable();
const byRow = new Map(requests.map((request) => [request.row, request]));

/** The cells of each row: one test per row keeps the report readable, and says every cell that is wrong. */
const rows = grouped();

function grouped(): Map<string, AccessCell[]> {
  const map = new Map<string, AccessCell[]>();
  for (const cell of cells) map.set(cell.row, [...(map.get(cell.row) ?? []), cell]);
  return map;
}

test("the table has a row for every operation, a request for every row, and denials in plenty", () => {
  const named = new Set([...rows.keys()].map((row) => row.split(":")[0]));
  // The gateway's address table is asked for by clients of the direct mode only, and answers 501.
  const missing = operations.filter(({ name }) => !named.has(name)).map(({ name }) => name);
  assert.deepEqual([...new Set(missing)], ["ReadAddresses"]);
  assert.deepEqual([...rows.keys()].sort(), [...byRow.keys()].sort());
  const grants = cells.filter(({ expected }) => expected === "+").length;
  assert.ok(
    cells.length >= 3000 && grants >= 500 && cells.length - grants >= grants,
    `${cells.length} cases`,
  );
});

describe("the access table, decided by authz alone", () => {
  let room: AccessRoom;
  before(async () => {
    room = await openAccessRoom();
  });
  /** What is wrong with a token itself is found before anything is decided. */
  const undecided = new Set(["wrongKey", "expired", "foreign", "audience", "tokenOld"]);
  for (const [row, all] of rows) {
    test(row, async () => {
      const wrong: string[] = [];
      for (const { column, expected } of all) {
        if (undecided.has(column)) continue;
        const decision = await decide(room, column, required(row));
        if (decision.allowed !== (expected === "+"))
          wrong.push(`${column}: expected ${expected}, decided ${JSON.stringify(decision)}`);
      }
      assert.deepEqual(wrong, []);
    });
  }
});

function required(row: string): AccessCase {
  const request = byRow.get(row);
  if (request === undefined) throw new Error(`no request for the row ${row}`);
  return request;
}

/** The decision for one case, from facts that the test puts together itself. */
async function decide(
  { fixture, columns }: AccessRoom,
  column: string,
  request: AccessCase,
): Promise<Decision> {
  const { method, target, headers = {}, body } = request;
  const address = parseAddress(target);
  const row = findOperation(method, address, headers);
  const account = fixture.engine.catalog.find(accountName);
  const credential = columns.get(column);
  assert.ok(row !== undefined && account !== undefined && credential !== undefined, column);
  const { database, container, id } = address;
  const resource = container ?? database ?? "/";
  if (credential.kind === "key") {
    const key = credential.key === "primaryMasterKey" ? "primary" : "primaryReadonly";
    const { access, metadataWrite } = row;
    const locks = { disableLocalAuth: false, disableKeyBasedMetadataWriteAccess: false };
    return decideAccountKey({ key, action: row.name, resource, access, metadataWrite, ...locks });
  }
  if (credential.kind === "resource") {
    const rights = await requireTokenRights(fixture, account, credential.token);
    const rid = account.databases.get(database ?? "")?.containers.get(container ?? "")?.rid;
    const facts = tokenRequest({
      operation: row.name,
      headers,
      ...(rid === undefined ? {} : { containerRid: rid }),
      ...(id === undefined ? {} : { id }),
    });
    const rest = { metadataWrite: row.metadataWrite, disableKeyBasedMetadataWriteAccess: false };
    return decideResourceToken(rights, { ...facts, action: row.name, resource, ...rest });
  }
  const { oid } = JSON.parse(
    Buffer.from(credential.token.split(".")[1] ?? "", "base64url").toString("utf8"),
  ) as { oid: string };
  const names =
    row.action === "notWithAad"
      ? [undefined]
      : row.action === "actionsOfParts"
        ? actionsOf(parseBatch(Buffer.from(JSON.stringify(body)))).map((name) => cosmosActions[name])
        : [cosmosActions[row.action]];
  const scope =
    row.at === "container"
      ? { ...(database === undefined ? {} : { database }), ...(container === undefined ? {} : { container }) }
      : row.at === "database" && database !== undefined
        ? { database }
        : {};
  const facts = {
    principalId: oid,
    principalExists: (await fixture.identity.directory.find(oid)) !== undefined,
    groups: await fixture.identity.directory.groupsOf(oid),
    scope,
    anyScope: row.at === "anyScope",
    resource,
  };
  const decisions = names.map((action) => decideCosmos(account.policy(), { ...facts, action }));
  const decision = decisions.find(({ allowed }) => !allowed) ?? decisions[0];
  assert.ok(decision !== undefined);
  return decision;
}

describe("the access table, over the wire", () => {
  let room: AccessRoom;
  before(async () => {
    room = await openAccessRoom();
  });
  for (const [row, all] of rows) {
    test(row, async () => {
      const wrong: string[] = [];
      for (const { column, expected } of all) {
        const came = await send(room, column, required(row), expected === "+");
        const right =
          expected === "+" ? /^[24]\d\d/.test(came) && !/^40[13]/.test(came) : came === denialOf(expected);
        if (!right) wrong.push(`${column}: expected ${expected}, came ${came}`);
      }
      assert.deepEqual(wrong, []);
    });
  }
});

async function send(
  { fixture, columns }: AccessRoom,
  column: string,
  request: AccessCase,
  granted: boolean,
): Promise<string> {
  const { method, headers = {}, body } = request;
  const target = granted ? (request.harmless ?? request.target) : request.target;
  const credential = columns.get(column);
  assert.ok(credential !== undefined, column);
  if (credential.kind !== "key") {
    const { authorization } = credential;
    return outcome(await fixture.send(method, target, { authorization, ...headers }, body));
  }
  const wrong = credential.key === "wrong";
  const reply = await fixture.sendSigned(method, target, {
    headers,
    body,
    key: credential.key === "wrong" ? "primaryMasterKey" : credential.key,
    ...(wrong ? { resourceLink: "dbs/not-this" } : {}),
    ...(!wrong && target.endsWith("partitionkeydelete")
      ? { resourceType: "colls", resourceLink: target.split("/").slice(1, 5).join("/") }
      : {}),
    ...(!wrong && target.startsWith("/offers/") ? { resourceLink: target.split("/")[2] ?? "" } : {}),
  });
  return outcome(reply);
}

/** The rows that one data action opens by itself, held for the whole account (reference, operation to action). */
const opens: Readonly<Record<string, readonly string[]>> = {
  readMetadata: [
    "ReadDatabaseAccount",
    "ListDatabases",
    "QueryDatabases",
    "ReadDatabase",
    "ListContainers",
    "QueryContainers",
    "ReadContainer",
    "ListPartitionKeyRanges",
    "ListClientEncryptionKeys",
    "QueryClientEncryptionKeys",
    "ReadClientEncryptionKey",
  ],
  "sqlDatabases/containers/executeQuery": ["QueryItems", "QueryPlan"],
  "sqlDatabases/containers/readChangeFeed": ["ReadItemFeed", "ReadChangeFeed"],
  "sqlDatabases/containers/executeStoredProcedure": ["ExecuteStoredProcedure"],
  "sqlDatabases/containers/manageConflicts": [
    "ListConflicts",
    "QueryConflicts",
    "ReadConflict",
    "DeleteConflict",
  ],
  "sqlDatabases/containers/items/create": ["CreateItem"],
  "sqlDatabases/containers/items/read": ["ReadItem", "ExecuteBatch:read", "ExecuteBatch:b"],
  "sqlDatabases/containers/items/replace": ["ReplaceItem", "PatchItem"],
  "sqlDatabases/containers/items/upsert": ["UpsertItem", "ExecuteBatch:upsert", "ExecuteBatch:bulk"],
  "sqlDatabases/containers/items/delete": ["DeleteItem", "DeleteByPartitionKey"],
};

describe("one data action at a time opens what it names and nothing else", () => {
  let fixture: CosmosFixture;
  before(async () => {
    ({ fixture } = await openAccessRoom());
  });
  const scopes = ["", "/dbs/shop", "/dbs/shop/colls/orders", "/dbs/other", "/dbs/shop/colls/customers"];
  for (const [at, action] of Object.keys(opens).entries()) {
    test(action, async () => {
      const principals = await grantAt(fixture, action, at, scopes);
      const wrong: string[] = [];
      for (const request of requests) {
        const own = (opens[action] ?? []).some(
          (row) => row === request.row || row === request.row.split(":")[0],
        );
        for (const [index, scope] of scopes.entries()) {
          const expected = own && reaches(scope, request);
          const { method, headers, body } = request;
          const target = expected ? (request.harmless ?? request.target) : request.target;
          const came = outcome(await fixture.sendAs(principals[index] ?? "", method, target, headers, body));
          if (came.startsWith("403") === expected) wrong.push(`${request.row} at '${scope}': ${came}`);
        }
      }
      assert.deepEqual(wrong, []);
    });
  }
});

/** True when a role at this scope covers what the request addresses. */
function reaches(scope: string, { row, target }: AccessCase): boolean {
  if (row === "ReadDatabaseAccount") return true;
  const [, , database, type, container] = target.split("/");
  const place =
    database === undefined
      ? ""
      : type === "colls" && container !== undefined
        ? `/dbs/${database}/colls/${container}`
        : `/dbs/${database}`;
  return scope === "" || place === scope || place.startsWith(`${scope}/`);
}

/** A principal for each scope, with a role of this one action. */
async function grantAt(
  fixture: CosmosFixture,
  action: string,
  number: number,
  scopes: readonly string[],
): Promise<readonly string[]> {
  const role = `d0000000-0000-0000-0000-${String(number).padStart(12, "0")}`;
  const dataActions = [`Microsoft.DocumentDB/databaseAccounts/${action}`];
  await fixture.store.transact([cosmosLock(accountName)], (transaction) =>
    fixture.control.putRoleDefinition(transaction, accountName, {
      name: role,
      roleName: action,
      type: "CustomRole",
      assignableScopes: [accountId],
      permissions: [{ dataActions, notDataActions: [] }],
    }),
  );
  return Promise.all(
    scopes.map(async (scope, at) => {
      const principal = await fixture.principal(`one-${number}-${at}`);
      await fixture.assign(
        `e0000000-0000-0000-000${at}-${String(number).padStart(12, "0")}`,
        principal,
        role,
        scope,
      );
      return principal;
    }),
  );
}

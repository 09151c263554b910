/** Resource tokens: what the rights of a permission cover, and that only the account's own signature counts. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  mintResourceToken,
  type PermissionMode,
  readResourceToken,
  type TokenRequest,
  type TokenRights,
  type TokenTarget,
  tokenAllows,
} from "../../src/authz/resource-token.ts";

const secret = Buffer.from("the account's secret");
const a = { epk: "0A", tag: "aa" };
const b = { epk: "0B", tag: "bb" };
const container: TokenTarget = { kind: "container", containerRid: "C" };
const confined: TokenTarget = { ...container, partition: a };
const item: TokenTarget = { kind: "item", containerRid: "C", id: "1", partition: a };
const procedure: TokenTarget = { kind: "storedProcedure", containerRid: "C", id: "s" };

function rights(mode: PermissionMode, target: TokenTarget): TokenRights {
  return { permission: "P", permissionId: "dbs/d/users/u/permissions/p", mode, target, expires: 0 };
}

const inA = { containerRid: "C", partition: a };
const table: readonly (readonly [PermissionMode, TokenTarget, TokenRequest, boolean])[] = [
  ["Read", item, { operation: "ReadDatabaseAccount" }, true],
  ["Read", container, { operation: "ReadContainer", containerRid: "C" }, true],
  ["Read", container, { operation: "ReadContainer", containerRid: "other" }, false],
  ["Read", container, { operation: "QueryItems", containerRid: "C" }, true],
  ["Read", container, { operation: "CreateItem", ...inA }, false],
  ["All", container, { operation: "CreateItem", ...inA }, true],
  ["All", container, { operation: "ExecuteStoredProcedure", ...inA }, true],
  ["Read", container, { operation: "ExecuteStoredProcedure", ...inA }, false],
  ["All", container, { operation: "ReplaceContainer", containerRid: "C" }, false],
  ["All", container, { operation: "CreateStoredProcedure", containerRid: "C" }, false],
  ["All", container, { operation: "ReadOffer" }, false],
  ["All", container, { operation: "ListUsers" }, false],
  ["All", confined, { operation: "CreateItem", ...inA }, true],
  ["All", confined, { operation: "CreateItem", containerRid: "C", partition: b }, false],
  ["All", confined, { operation: "QueryItems", ...inA }, true],
  ["All", confined, { operation: "QueryItems", containerRid: "C" }, false],
  ["All", confined, { operation: "ExecuteBatch", containerRid: "C" }, false],
  ["All", confined, { operation: "ListPartitionKeyRanges", containerRid: "C" }, true],
  ["Read", item, { operation: "ReadItem", ...inA, id: "1" }, true],
  ["Read", item, { operation: "ReadItem", ...inA, id: "2" }, false],
  ["Read", item, { operation: "ReadItem", containerRid: "C", partition: b, id: "1" }, false],
  ["Read", item, { operation: "ReplaceItem", ...inA, id: "1" }, false],
  ["All", item, { operation: "ReplaceItem", ...inA, id: "1" }, true],
  ["All", item, { operation: "UpsertItem", ...inA, id: "1" }, false],
  ["All", item, { operation: "QueryItems", ...inA }, false],
  ["Read", procedure, { operation: "ReadStoredProcedure", containerRid: "C", id: "s" }, true],
  ["Read", procedure, { operation: "ExecuteStoredProcedure", containerRid: "C", id: "s" }, false],
  ["All", procedure, { operation: "ExecuteStoredProcedure", containerRid: "C", id: "s" }, true],
  ["All", procedure, { operation: "ExecuteStoredProcedure", containerRid: "C", id: "t" }, false],
];

describe("the rights of a resource token", () => {
  for (const [mode, target, request, allowed] of table) {
    const where = `${target.kind}${target.partition === undefined ? "" : " in one partition"}`;
    test(`${mode} of a ${where} ${allowed ? "covers" : "does not cover"} ${JSON.stringify(request)}`, () => {
      assert.equal(tokenAllows(rights(mode, target), request), allowed);
    });
  }
});

describe("the token", () => {
  const token = mintResourceToken(secret, rights("Read", container));
  test("carries its rights under the account's signature", () => {
    assert.match(token, /^type=resource&ver=1&sig=[A-Za-z0-9+/=]+;[A-Za-z0-9+/=]+;$/);
    assert.deepEqual(readResourceToken(secret, token), rights("Read", container));
  });

  const [, signature = "", payload = ""] = /sig=([^;]+);([^;]+);/.exec(token) ?? [];
  const stronger = Buffer.from(JSON.stringify(rights("All", container))).toString("base64");
  const forgeries: readonly (readonly [string, string])[] = [
    ["stronger rights under the old signature", `type=resource&ver=1&sig=${signature};${stronger};`],
    ["no signature", `type=resource&ver=1&sig=;${payload};`],
    ["a cut signature", `type=resource&ver=1&sig=${signature.slice(0, 8)};${payload};`],
    ["another type", token.replace("resource", "master")],
    ["no token at all", "hello"],
  ];
  for (const [name, forged] of forgeries) {
    test(`${name} is none`, () => assert.equal(readResourceToken(secret, forged), undefined));
  }
  test("another account's secret is none", () =>
    assert.equal(readResourceToken(Buffer.from("other"), token), undefined));
});

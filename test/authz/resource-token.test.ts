/** Resource tokens: what the rights of a permission cover, and that only the account's own signature counts. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  decideResourceToken,
  mintResourceToken,
  type PermissionMode,
  partitionScope,
  readResourceToken,
  type TokenRequest,
  type TokenRights,
  type TokenTarget,
  tokenAllows,
} from "../../src/authz/resource-token.ts";

const secret = Buffer.from("the account's secret");
const a = partitionScope(["a"]);
const b = partitionScope(["b"]);
const container: TokenTarget = { kind: "container", containerRid: "C" };
const confined: TokenTarget = { ...container, partition: a };
const prefixed: TokenTarget = { ...container, partition: partitionScope(["t", 1]) };
const anywhere: TokenTarget = { kind: "item", containerRid: "C", id: "1" };
const nowhere: TokenTarget = { kind: "container", containerRid: "" };
const trigger: TokenTarget = { kind: "trigger", containerRid: "C", id: "t" };
const udf: TokenTarget = { kind: "userDefinedFunction", containerRid: "C", id: "f" };
const item: TokenTarget = { kind: "item", containerRid: "C", id: "1", partition: a };
const procedure: TokenTarget = { kind: "storedProcedure", containerRid: "C", id: "s" };

function rights(mode: PermissionMode, target: TokenTarget): TokenRights {
  const permission = { permission: "P", permissionId: "p", user: "u", userRid: "U", database: "d" };
  return { ...permission, mode, resource: "dbs/d/colls/c", target, starts: 0, expires: 0 };
}

const within = (...key: unknown[]): Omit<TokenRequest, "operation"> => ({
  containerRid: "C",
  partition: partitionScope(key),
});
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
  ["All", confined, { operation: "ListStoredProcedures", containerRid: "C" }, false],
  ["Read", container, { operation: "ListStoredProcedures", containerRid: "C" }, true],
  ["All", prefixed, { operation: "QueryItems", ...within("t", 1) }, true],
  ["All", prefixed, { operation: "CreateItem", ...within("t", 1, "s") }, true],
  ["All", prefixed, { operation: "CreateItem", ...within("t", 2, "s") }, false],
  ["All", prefixed, { operation: "CreateItem", ...within("t", "1", "s") }, false],
  ["All", prefixed, { operation: "QueryItems", ...within("t") }, false],
  ["All", prefixed, { operation: "QueryItems", ...within(undefined, 1) }, false],
  ["All", nowhere, { operation: "ReadItem", containerRid: "", partition: a, id: "1" }, false],
  ["All", nowhere, { operation: "ReadContainer" }, false],
  ["All", container, { operation: "ReadConflict", containerRid: "C", id: "1" }, false],
  ["All", container, { operation: "NoSuchOperation", containerRid: "C" }, false],
  ["Read", anywhere, { operation: "ReadItem", ...inA, id: "1" }, true],
  ["Read", anywhere, { operation: "ReadItem", ...inA, id: "2" }, false],
  ["Read", anywhere, { operation: "ReadContainer", containerRid: "C" }, true],
  ["Read", anywhere, { operation: "ListPartitionKeyRanges", containerRid: "C" }, true],
  ["All", anywhere, { operation: "ReadContainer", containerRid: "other" }, false],
  ["All", anywhere, { operation: "ReplaceContainer", containerRid: "C" }, false],
  ["All", anywhere, { operation: "QueryPlan", containerRid: "C" }, false],
  ["Read", trigger, { operation: "ReadTrigger", containerRid: "C", id: "t" }, true],
  ["Read", trigger, { operation: "ReplaceTrigger", containerRid: "C", id: "t" }, false],
  ["Read", trigger, { operation: "ReadUserDefinedFunction", containerRid: "C", id: "t" }, false],
  ["All", trigger, { operation: "ReplaceTrigger", containerRid: "C", id: "t" }, true],
  ["All", trigger, { operation: "CreateTrigger", containerRid: "C" }, false],
  ["Read", udf, { operation: "ReadUserDefinedFunction", containerRid: "C", id: "f" }, true],
  ["Read", udf, { operation: "DeleteUserDefinedFunction", containerRid: "C", id: "f" }, false],
  ["All", udf, { operation: "DeleteUserDefinedFunction", containerRid: "C", id: "f" }, true],
  ["All", udf, { operation: "DeleteUserDefinedFunction", containerRid: "C", id: "g" }, false],
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

describe("the decision", () => {
  const request = {
    operation: "ReplaceStoredProcedure",
    containerRid: "C",
    id: "s",
    action: "ReplaceStoredProcedure",
    resource: "dbs/d/colls/c",
    metadataWrite: true,
    disableKeyBasedMetadataWriteAccess: false,
  };
  test("names the permission", () => {
    const { credential, allowed } = decideResourceToken(rights("All", procedure), request);
    assert.equal(allowed, true);
    assert.deepEqual(credential, {
      kind: "resourceToken",
      permission: "dbs/d/users/u/permissions/p",
      userRid: "U",
      mode: "All",
      resource: "dbs/d/colls/c",
    });
  });
  const refusals = [
    ["what the permission does not cover", { id: "t" }, "outsideResourceToken"],
    ["metadata where keys may not", { disableKeyBasedMetadataWriteAccess: true }, "keyMetadataWriteDisabled"],
  ] as const;
  for (const [name, change, reason] of refusals) {
    test(`refuses ${name}`, () => {
      const decision = decideResourceToken(rights("All", procedure), { ...request, ...change });
      assert.equal(!decision.allowed && decision.reason, reason);
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

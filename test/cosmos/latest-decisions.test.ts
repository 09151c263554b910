/**
 * The gateway remembers the last decision of each operation. Whatever is changed between two requests - roles, groups,
 * principals, locks, time - the one that remembers and one that was made a moment ago must answer alike.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededEntropy } from "../../src/clock.ts";
import { cosmosLock } from "../../src/cosmos/control.ts";
import { accountService } from "../../src/cosmos/gateway.ts";
import type { Service } from "../../src/http/service.ts";
import { accountId, accountName, bodyOf, openCosmosFixture, outcome, request } from "./fixture.ts";

const steps = 1200;
const reader = "00000000-0000-0000-0000-000000000001";
const contributor = "00000000-0000-0000-0000-000000000002";
const readsOnly = "11111111-0000-4000-8000-000000000001";
const scopes = ["", "/dbs/shop", "/dbs/shop/colls/orders", "/dbs/shop/colls/customers"];
const assignments = ["a", "b", "c", "d"];
const keyed = { "x-ms-documentdb-partitionkey": '["a"]' };
const query = { "x-ms-documentdb-isquery": "True", "content-type": "application/query+json" };
const asked: readonly (readonly [string, string, Record<string, string>, unknown?])[] = [
  ["GET", "/", {}],
  ["GET", "/dbs/shop", {}],
  ["GET", "/dbs/shop/colls/orders", {}],
  ["GET", "/dbs/shop/colls/orders/docs/none", keyed],
  ["GET", "/dbs/shop/colls/customers/docs/none", keyed],
  ["DELETE", "/dbs/shop/colls/orders/docs/none", keyed],
  ["POST", "/dbs/shop/colls/orders/docs", { ...keyed, ...query }, { query: "SELECT * FROM c" }],
  ["GET", "/dbs/shop/colls/orders/users", {}],
  ["POST", "/dbs/shop/colls", {}, { id: "orders", partitionKey: { paths: ["/pk"], kind: "Hash" } }],
];

test(`${steps} changes in a row: what is remembered never answers otherwise than what is decided anew`, async () => {
  const fixture = await openCosmosFixture();
  const { store, control, identity, clock, engine } = fixture;
  const { directory, verifier } = identity;
  const random = seededEntropy(20);
  const pick = <T>(list: readonly T[]): T => list[(random.bytes(1)[0] ?? 0) % list.length] as T;
  const change = (work: Parameters<typeof store.transact>[1]): Promise<unknown> =>
    store.transact([cosmosLock(accountName)], work);
  await change((transaction) =>
    control.putRoleDefinition(transaction, accountName, {
      name: readsOnly,
      roleName: "Reads",
      type: "CustomRole",
      assignableScopes: [accountId],
      permissions: [
        {
          dataActions: [
            "Microsoft.DocumentDB/databaseAccounts/readMetadata",
            "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/read",
          ],
          notDataActions: [],
        },
      ],
    }),
  );
  const principals = await Promise.all(
    ["one", "two", "three"].map(async (name) => {
      const user = { userPrincipalName: `${name}@celestite.local`, displayName: name };
      return (await directory.addUser(user)).objectId;
    }),
  );
  const alive = [...principals];
  const tokens = await Promise.all(principals.map((id) => fixture.token(id)));
  const group = (await directory.addGroup({ displayName: "team" })).objectId;
  const fresh = (): Service =>
    accountService(
      { engine, verifier, directory, clock, entropy: seededEntropy(9), record: () => {} },
      accountName,
    );
  const locked = {
    disableKeyBasedMetadataWriteAccess: false,
    authorization: "enforce" as "enforce" | "audit",
  };
  const unassign = (name: string): Promise<unknown> =>
    change((transaction) => control.deleteRoleAssignment(transaction, accountName, name));
  const changes: readonly (() => Promise<unknown>)[] = [
    async () => {
      const name = pick(assignments);
      await unassign(name);
      const role = pick([reader, contributor, readsOnly]);
      await fixture.assign(name, pick([...principals, group]), role, pick(scopes));
    },
    () => unassign(pick(assignments)),
    () => directory.addMember(group, pick(alive)),
    () => directory.removeMember(group, pick(alive)),
    () => {
      locked.disableKeyBasedMetadataWriteAccess = pick([true, false]);
      locked.authorization = pick(["enforce", "enforce", "audit"]);
      return fixture.setAccount(locked);
    },
    async () => void clock.advance(pick([0, 1000])),
  ];
  const counts = new Map<string, number>();
  const compare = async (step: number): Promise<void> => {
    const token = pick(tokens);
    for (const [method, target, headers, body] of [pick(asked), pick(asked), pick(asked)]) {
      const sent = request(
        method,
        target,
        { ...headers, authorization: `type=aad&ver=1.0&sig=${token}` },
        body,
      );
      const expected = await fresh()(sent);
      const given = await fixture.service(sent);
      const told = outcome(given);
      assert.equal(told, outcome(expected), `step ${step}: ${method} ${target}`);
      if (told.startsWith("403")) assert.equal(denial(given), denial(expected), `step ${step}`);
      counts.set(told, (counts.get(told) ?? 0) + 1);
    }
  };
  for (let step = 0; step < steps; step++) {
    await pick(changes)();
    await compare(step);
    if (step === steps - 400) await directory.deletePrincipal(alive.pop() ?? "");
  }
  const denied = [...counts].filter(([told]) => told.startsWith("403")).reduce((sum, [, n]) => sum + n, 0);
  const all = steps * 3;
  assert.ok(denied > all / 10 && denied < (all * 9) / 10, `${denied} of ${all} denied`);
});

function denial(reply: Awaited<ReturnType<Service>>): string {
  return String(bodyOf(reply)["message"]).replace(/ActivityId: [0-9a-f-]+/, "");
}

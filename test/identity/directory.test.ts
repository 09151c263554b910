import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { manualClock, seededEntropy } from "../../src/clock.ts";
import { DirectoryError, openDirectory } from "../../src/identity/directory.ts";
import { openMemory } from "../../src/storage/memory.ts";
import type { Store } from "../../src/storage/port.ts";
import { StoreUnavailable } from "../../src/storage/port.ts";
import { domain, startOfTime, tenantId } from "./fixtures.ts";

const open = (store: Store, options: { tenantId?: string; domain?: string } = { tenantId }) =>
  openDirectory({ store, clock: manualClock(startOfTime), entropy: seededEntropy(1), domain, ...options });

const fails = (kind: DirectoryError["kind"]) => (error: unknown) =>
  error instanceof DirectoryError && error.kind === kind;

describe("the tenant", () => {
  test("is made once, with its administrator", async () => {
    const store = openMemory();
    const first = await open(store);
    const again = await open(store, {});
    assert.equal(again.directory.tenantId, tenantId);
    assert.equal(again.directory.bootstrapUserId, first.directory.bootstrapUserId);
    assert.deepEqual(await again.directory.find(first.directory.bootstrapUserId), {
      objectId: first.directory.bootstrapUserId,
      tenantId,
      displayName: "Administrator",
      type: "User",
      userPrincipalName: `admin@${domain}`,
    });
    assert.equal((await again.directory.list(10)).principals.length, 1);
  });

  test("gets a random id when none is given, and keeps it", async () => {
    const store = openMemory();
    const first = await open(store, {});
    assert.match(first.directory.tenantId, /^[0-9a-f]{8}-[0-9a-f]{4}-4/);
    assert.equal((await open(store, {})).directory.tenantId, first.directory.tenantId);
  });

  test("two openings at once make one tenant", async () => {
    const store = openMemory();
    const [a, b] = await Promise.all([open(store, {}), open(store, {})]);
    assert.equal(a.directory.tenantId, b.directory.tenantId);
    assert.equal((await a.directory.list(10)).principals.length, 1);
  });

  const refusals: readonly [string, { tenantId?: string; domain?: string }][] = [
    ["another tenant id", { tenantId: "99999999-2222-4333-8444-555555555555" }],
    ["another domain", { tenantId, domain: "other.example.com" }],
    ["an id that is no GUID", { tenantId: "contoso" }],
    ["a domain without a dot", { tenantId, domain: "localhost" }],
    ["a domain with a slash", { tenantId, domain: "a.b/c" }],
  ];
  for (const [what, options] of refusals) {
    test(`refuses ${what}`, async () => {
      const store = openMemory();
      await open(store);
      await assert.rejects(open(store, options), StoreUnavailable);
    });
  }
});

describe("principals", () => {
  test("are found by every name, in any letter case", async () => {
    const { directory } = await open(openMemory());
    const user = await directory.addUser({ userPrincipalName: `Ana.B@${domain}`, displayName: "Ana B" });
    const team = await directory.addGroup({ displayName: "Team" });
    assert.deepEqual(await directory.find(user.objectId.toUpperCase()), user);
    assert.deepEqual(await directory.findByUserPrincipalName(`ana.b@${domain.toUpperCase()}`), user);
    assert.deepEqual(await directory.findByDisplayName("ANA b"), [user]);
    assert.deepEqual(await directory.findByDisplayName("team"), [team]);
    assert.equal(team.type, "Group");
    assert.equal(await directory.findByUserPrincipalName(`nobody@${domain}`), undefined);
    assert.equal(await directory.find("not a guid at all"), undefined);
    assert.equal(await directory.findByAppId(user.objectId), undefined);
    assert.deepEqual(await directory.findByDisplayName("Tea"), []);
  });

  test("display names need not be unique", async () => {
    const { directory } = await open(openMemory());
    await directory.addGroup({ displayName: "Team" });
    await directory.addGroup({ displayName: "team" });
    assert.equal((await directory.findByDisplayName("TEAM")).length, 2);
  });

  const badUsers: readonly [string, string, DirectoryError["kind"]][] = [
    ["another domain", "ana@example.com", "invalid"],
    ["no domain", "ana", "invalid"],
    ["no local part", `@${domain}`, "invalid"],
    ["a space", `ana b@${domain}`, "invalid"],
    ["two at signs", `a@b@${domain}`, "invalid"],
    ["a name that is taken", `ADMIN@${domain}`, "conflict"],
  ];
  for (const [what, userPrincipalName, kind] of badUsers) {
    test(`a user name with ${what} is refused`, async () => {
      const { directory } = await open(openMemory());
      await assert.rejects(directory.addUser({ userPrincipalName }), fails(kind));
      assert.equal((await directory.list(10)).principals.length, 1);
    });
  }

  test("a display name must say something and fit", async () => {
    const { directory } = await open(openMemory());
    await assert.rejects(directory.addGroup({ displayName: "  " }), fails("invalid"));
    await assert.rejects(directory.addGroup({ displayName: "x".repeat(257) }), fails("invalid"));
    await directory.addGroup({ displayName: "x".repeat(256) });
  });

  test("are listed in pages without applications", async () => {
    const { directory } = await open(openMemory());
    for (let i = 0; i < 24; i++) await directory.addGroup({ displayName: `g${i}` });
    const seen: string[] = [];
    let next: string | undefined;
    do {
      const page = await directory.list(10, next);
      assert.ok(page.principals.length <= 10);
      seen.push(...page.principals.map((principal) => principal.objectId));
      next = page.next;
    } while (next !== undefined);
    assert.equal(seen.length, 25);
    assert.deepEqual(seen, [...new Set(seen)].sort());
  });
});

describe("groups", () => {
  test("contain transitively, also in a circle", async () => {
    const { directory } = await open(openMemory());
    const user = await directory.addUser({ userPrincipalName: `ana@${domain}` });
    const inner = await directory.addGroup({ displayName: "inner", members: [user.objectId] });
    const outer = await directory.addGroup({ displayName: "outer", members: [inner.objectId] });
    const other = await directory.addGroup({ displayName: "other" });
    assert.deepEqual(
      new Set(await directory.groupsOf(user.objectId)),
      new Set([inner.objectId, outer.objectId]),
    );
    await directory.addMember(inner.objectId, outer.objectId);
    assert.deepEqual(
      new Set(await directory.groupsOf(user.objectId)),
      new Set([inner.objectId, outer.objectId]),
    );
    assert.deepEqual(await directory.membersOf(outer.objectId), [inner]);
    assert.deepEqual(await directory.membersOf(other.objectId), []);
    assert.deepEqual(await directory.groupsOf(other.objectId), []);
  });

  test("a change of membership shows at once", async () => {
    const { directory } = await open(openMemory());
    const user = await directory.addUser({ userPrincipalName: `ana@${domain}` });
    const team = await directory.addGroup({ displayName: "team" });
    assert.deepEqual(await directory.groupsOf(user.objectId), []);
    await directory.addMember(team.objectId, user.objectId);
    assert.deepEqual(await directory.groupsOf(user.objectId), [team.objectId]);
    assert.equal(await directory.removeMember(team.objectId, user.objectId), true);
    assert.deepEqual(await directory.groupsOf(user.objectId), []);
    assert.equal(await directory.removeMember(team.objectId, user.objectId), false);
  });

  test("a group with an unknown member is not made", async () => {
    const { directory } = await open(openMemory());
    const ghost = "00000000-0000-4000-8000-000000000000";
    await assert.rejects(directory.addGroup({ displayName: "team", members: [ghost] }), fails("notFound"));
    assert.deepEqual(await directory.findByDisplayName("team"), []);
  });

  test("refuses itself, a missing group and a user as group", async () => {
    const { directory } = await open(openMemory());
    const team = await directory.addGroup({ displayName: "team" });
    const admin = directory.bootstrapUserId;
    await assert.rejects(directory.addMember(team.objectId, team.objectId), fails("invalid"));
    await assert.rejects(directory.addMember(admin, team.objectId), fails("notFound"));
    await assert.rejects(directory.addMember(tenantId, admin), fails("notFound"));
  });
});

describe("deletion", () => {
  test("leaves nothing behind, at once", async () => {
    const { directory } = await open(openMemory());
    const user = await directory.addUser({ userPrincipalName: `ana@${domain}`, displayName: "Ana" });
    const inner = await directory.addGroup({ displayName: "inner", members: [user.objectId] });
    const outer = await directory.addGroup({ displayName: "outer", members: [inner.objectId] });
    assert.deepEqual(await directory.find(user.objectId), user);
    assert.equal((await directory.groupsOf(user.objectId)).length, 2);

    assert.equal(await directory.deletePrincipal(inner.objectId), true);
    assert.deepEqual(await directory.groupsOf(user.objectId), []);
    assert.deepEqual(await directory.membersOf(outer.objectId), []);

    assert.equal(await directory.deletePrincipal(user.objectId), true);
    assert.equal(await directory.find(user.objectId), undefined);
    assert.equal(await directory.findByUserPrincipalName(`ana@${domain}`), undefined);
    assert.deepEqual(await directory.findByDisplayName("Ana"), []);
    assert.equal(await directory.deletePrincipal(user.objectId), false);
    await directory.addUser({ userPrincipalName: `ana@${domain}` });
  });

  test("leaves no record behind, in either direction of membership", async () => {
    const store = openMemory();
    const records = async (): Promise<number> =>
      (await store.range({ start: Uint8Array.of(0), end: Uint8Array.of(0xff) }, 1000)).length;
    const { directory } = await open(store);
    const before = await records();
    const user = await directory.addUser({ userPrincipalName: `ana@${domain}` });
    const inner = await directory.addGroup({ displayName: "inner", members: [user.objectId] });
    const outer = await directory.addGroup({ displayName: "outer", members: [inner.objectId] });
    await directory.deletePrincipal(inner.objectId);
    await directory.deletePrincipal(user.objectId);
    await directory.deletePrincipal(outer.objectId);
    assert.equal(await records(), before);
  });

  test("an answer read before a deletion is not remembered after it", async () => {
    const memory = openMemory();
    let release = (): void => {};
    const slow: Store = {
      ...memory,
      async get(key) {
        const value = await memory.get(key);
        await gate;
        return value;
      },
    };
    let gate: Promise<void> = Promise.resolve();
    const { directory } = await open(slow);
    const user = await directory.addUser({ userPrincipalName: `ana@${domain}` });
    gate = new Promise((resolve) => {
      release = resolve;
    });
    const stale = directory.find(user.objectId);
    await directory.deletePrincipal(user.objectId);
    release();
    assert.deepEqual(await stale, user);
    assert.equal(await directory.find(user.objectId), undefined);
  });
});

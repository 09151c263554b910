/** Management locks and tags at subscription, group and resource. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type ArmFixture, group, openGroupFixture, outcome, subscription } from "./fixture.ts";

const site = `${group}/providers/Microsoft.Web/sites/app`;
const lockOf = (scope: string, name = "keep"): string =>
  `${scope}/providers/Microsoft.Authorization/locks/${name}`;
const tagsOf = (scope: string): string => `${scope}/providers/Microsoft.Resources/tags/default`;

async function withSite(): Promise<ArmFixture> {
  const fixture = await openGroupFixture();
  await fixture.send("PUT", site, { body: { location: "westeurope", properties: {} } });
  return fixture;
}

function lock(fixture: ArmFixture, scope: string, level: string): Promise<unknown> {
  return fixture.send("PUT", lockOf(scope), { body: { properties: { level } } });
}

describe("what a lock forbids", () => {
  const scopes = [
    ["the subscription", subscription],
    ["the group", group],
    ["the resource", site],
  ] as const;
  for (const [name, scope] of scopes) {
    test(`CanNotDelete at ${name}`, async () => {
      const fixture = await withSite();
      await lock(fixture, scope, "CanNotDelete");
      assert.equal(outcome(await fixture.send("DELETE", site)), "409 ScopeLocked");
      assert.equal(outcome(await fixture.send("DELETE", group)), "409 ScopeLocked");
      assert.equal((await fixture.send("PATCH", site, { body: { tags: { a: "b" } } })).status, 200);
      assert.equal((await fixture.send("GET", site)).status, 200);
      assert.equal((await fixture.send("DELETE", lockOf(scope))).status, 200);
      assert.equal((await fixture.send("DELETE", site)).status, 200);
    });

    test(`ReadOnly at ${name}`, async () => {
      const fixture = await withSite();
      await lock(fixture, scope, "ReadOnly");
      const written = await fixture.send("PATCH", site, { body: { tags: { a: "b" } } });
      assert.equal(outcome(written), "409 ScopeLocked");
      assert.equal(outcome(await fixture.send("DELETE", site)), "409 ScopeLocked");
      assert.equal((await fixture.send("GET", site)).status, 200);
      await fixture.send("DELETE", lockOf(scope));
      assert.equal((await fixture.send("PATCH", site, { body: { tags: { a: "b" } } })).status, 200);
    });
  }

  test("a lock on one resource leaves its neighbours alone", async () => {
    const fixture = await withSite();
    const other = `${site}2`;
    await fixture.send("PUT", other, { body: { location: "westeurope" } });
    await lock(fixture, site, "ReadOnly");
    assert.equal((await fixture.send("DELETE", other)).status, 200);
    assert.equal(outcome(await fixture.send("DELETE", site)), "409 ScopeLocked");
  });

  test("a new resource under an old name has no lock", async () => {
    const fixture = await withSite();
    await lock(fixture, site, "CanNotDelete");
    await fixture.send("DELETE", lockOf(site));
    await lock(fixture, site, "CanNotDelete");
    assert.equal((await fixture.send("GET", lockOf(site))).status, 200);
  });
});

describe("locks as resources", () => {
  test("read, listed at and below a scope, removed", async () => {
    const fixture = await withSite();
    await lock(fixture, site, "CanNotDelete");
    await lock(fixture, group, "CanNotDelete");
    const list = `${group}/providers/Microsoft.Authorization/locks`;
    assert.equal((await fixture.send("GET", list)).body["value"]?.["length"], 2);
    const atScope = await fixture.send("GET", `${list}?$filter=atScope()`);
    assert.equal(atScope.body["value"]?.["length"], 1);
    assert.equal((await fixture.send("DELETE", lockOf(site))).status, 200);
    assert.equal((await fixture.send("DELETE", lockOf(site))).status, 204);
    assert.equal(outcome(await fixture.send("GET", lockOf(site))), "404 LockNotFound");
  });

  test("an unknown level", async () => {
    const fixture = await withSite();
    const sent = await fixture.send("PUT", lockOf(site), { body: { properties: { level: "Never" } } });
    assert.equal(outcome(sent), "400 InvalidLockLevel");
  });

  for (const role of ["Reader", "Contributor"]) {
    test(`a ${role} may not lock or unlock`, async () => {
      const fixture = await withSite();
      const as = await fixture.user("somebody", role);
      const body = { properties: { level: "ReadOnly" } };
      assert.equal(outcome(await fixture.send("PUT", lockOf(site), { as, body })), "403 AuthorizationFailed");
      await lock(fixture, site, "ReadOnly");
      assert.equal(outcome(await fixture.send("DELETE", lockOf(site), { as })), "403 AuthorizationFailed");
    });
  }
});

describe("tags", () => {
  for (const [name, scope] of [
    ["a subscription", subscription],
    ["a group", group],
    ["a resource", site],
  ] as const) {
    test(`of ${name}: replaced, merged, deleted by name and value`, async () => {
      const fixture = await withSite();
      const tags = async (): Promise<unknown> =>
        (await fixture.send("GET", tagsOf(scope))).body["properties"]?.["tags"];
      const patch = (operation: string, sent: unknown): Promise<unknown> =>
        fixture.send("PATCH", tagsOf(scope), { body: { operation, properties: { tags: sent } } });
      await fixture.send("PUT", tagsOf(scope), { body: { properties: { tags: { one: "1" } } } });
      await patch("Merge", { two: "2" });
      assert.deepEqual(await tags(), { one: "1", two: "2" });
      await patch("Delete", { one: "other", two: "2" });
      assert.deepEqual(await tags(), { one: "1" });
      await patch("Replace", { three: "3" });
      assert.deepEqual(await tags(), { three: "3" });
      await fixture.send("DELETE", tagsOf(scope));
      assert.deepEqual(await tags(), {});
    });
  }

  test("a Reader reads them and does not change them; Tag Contributor changes them", async () => {
    const fixture = await withSite();
    const reader = await fixture.user("reader", "Reader");
    const body = { properties: { tags: { a: "b" } } };
    assert.equal((await fixture.send("GET", tagsOf(site), { as: reader })).status, 200);
    const refused = await fixture.send("PUT", tagsOf(site), { as: reader, body });
    assert.equal(outcome(refused), "403 AuthorizationFailed");
    const nobody = await fixture.user("nobody");
    assert.equal(outcome(await fixture.send("GET", tagsOf(site), { as: nobody })), "403 AuthorizationFailed");
  });

  test("settings of an account that decide about access are not changed as tags", async () => {
    const fixture = await openGroupFixture();
    const account = `${group}/providers/Microsoft.DocumentDB/databaseAccounts/shop`;
    const properties = {
      databaseAccountOfferType: "Standard",
      locations: [{ locationName: "westeurope", failoverPriority: 0 }],
    };
    const put = (tags: unknown): Promise<unknown> =>
      fixture.send("PUT", account, { body: { location: "westeurope", tags, properties } });
    const tags = (sent: unknown): unknown => ({ properties: { tags: sent } });
    const audit = { "Celestite-Authorization": "audit" };
    await put({});
    assert.equal((await fixture.send("PUT", tagsOf(account), { body: tags({ a: "b" }) })).status, 200);
    const switchedOn = await fixture.send("PUT", tagsOf(account), { body: tags(audit) });
    assert.equal(outcome(switchedOn), "400 InvalidTagName");
    await put({ "celestite-authorization": "audit" });
    assert.equal(outcome(await fixture.send("DELETE", tagsOf(account))), "400 InvalidTagName");
    assert.equal(
      outcome(await fixture.send("PUT", tagsOf(account), { body: tags({}) })),
      "400 InvalidTagName",
    );
  });

  test("wrong bodies and missing scopes", async () => {
    const fixture = await withSite();
    const many = Object.fromEntries(Array.from({ length: 51 }, (_, index) => [`t${index}`, ""]));
    const cases = [
      ["PUT", site, { properties: {} }, "400 InvalidRequestContent"],
      ["PATCH", site, { operation: "Add", properties: { tags: {} } }, "400 InvalidRequestContent"],
      ["PUT", site, { properties: { tags: many } }, "400 InvalidTagCount"],
      ["PUT", `${site}-none`, { properties: { tags: {} } }, "404 ResourceNotFound"],
      ["PUT", `${group}-none`, { properties: { tags: {} } }, "404 ResourceGroupNotFound"],
    ] as const;
    for (const [method, scope, body, expected] of cases) {
      assert.equal(outcome(await fixture.send(method, tagsOf(scope), { body })), expected);
    }
  });
});

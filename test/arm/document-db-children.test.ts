/** Throughput and scripts of containers through the control plane, with as many refusals as grants. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { type Answer, type ArmFixture, group, openGroupFixture, outcome } from "./fixture.ts";

const account = `${group}/providers/Microsoft.DocumentDB/databaseAccounts/shop`;
const database = `${account}/sqlDatabases/db`;
const container = `${database}/containers/c`;
const apiVersion = "2024-08-15";
let fixture: ArmFixture;

function send(method: string, path: string, body?: unknown, as: string = fixture.owner): Promise<Answer> {
  return fixture.send(method, path, { apiVersion, as, ...(body === undefined ? {} : { body }) });
}

const containerBody = (id: string, options: unknown): unknown => ({
  properties: { resource: { id, partitionKey: { paths: ["/pk"], kind: "Hash" } }, options },
});

before(async () => {
  fixture = await openGroupFixture();
  const locations = [{ locationName: "westeurope", failoverPriority: 0 }];
  const made = await send("PUT", account, {
    location: "westeurope",
    properties: { databaseAccountOfferType: "Standard", locations },
  });
  assert.equal(made.status, 200, JSON.stringify(made.body));
  await send("PUT", database, { properties: { resource: { id: "db" } } });
  await send("PUT", container, containerBody("c", {}));
});

describe("throughput", () => {
  const settings = (owner: string): string => `${owner}/throughputSettings/default`;
  const shown = async (owner: string): Promise<unknown> => {
    const { body } = await send("GET", settings(owner));
    const resource: unknown = body["properties"]?.["resource"];
    const { throughput, autoscaleSettings } = resource as Record<string, unknown>;
    return autoscaleSettings === undefined ? { throughput } : { throughput, autoscaleSettings };
  };

  test("options count when a container is made, and not afterwards", async () => {
    const made = `${database}/containers/made`;
    await send("PUT", made, containerBody("made", { throughput: 700 }));
    assert.deepEqual(await shown(made), { throughput: 700 });
    await send("PUT", made, containerBody("made", { throughput: 900 }));
    assert.deepEqual(await shown(made), { throughput: 700 });
  });

  test("raised, migrated to autoscale and back", async () => {
    const path = settings(container);
    assert.equal((await send("PUT", path, { properties: { resource: { throughput: 1200 } } })).status, 200);
    assert.deepEqual(await shown(container), { throughput: 1200 });
    assert.equal((await send("POST", `${path}/migrateToAutoscale`)).status, 200);
    assert.deepEqual(await shown(container), { throughput: 200, autoscaleSettings: { maxThroughput: 2000 } });
    assert.equal((await send("POST", `${path}/migrateToManualThroughput`)).status, 200);
    assert.deepEqual(await shown(container), { throughput: 2000 });
  });

  test("a database that shares throughput has settings, its containers have none", async () => {
    const shared = `${account}/sqlDatabases/shared`;
    await send("PUT", shared, { properties: { resource: { id: "shared" }, options: { throughput: 500 } } });
    assert.deepEqual(await shown(shared), { throughput: 500 });
    await send("PUT", `${shared}/containers/c`, containerBody("c", {}));
    assert.equal(outcome(await send("GET", settings(`${shared}/containers/c`))), "404 NotFound");
    assert.equal(outcome(await send("GET", settings(database))), "404 NotFound");
  });

  test("more throughput than one range holds splits the container", async () => {
    const wide = `${database}/containers/wide`;
    await send("PUT", wide, containerBody("wide", { throughput: 400 }));
    await send("PUT", settings(wide), { properties: { resource: { throughput: 30_000 } } });
    assert.deepEqual(await shown(wide), { throughput: 30_000 });
  });

  const refusals: readonly (readonly [string, unknown, string])[] = [
    ["nothing", {}, "400 BadRequest"],
    ["too little", { throughput: 300 }, "400 BadRequest"],
    ["no multiple of a hundred", { throughput: 450 }, "400 BadRequest"],
    ["text", { throughput: "much" }, "400 BadRequest"],
    ["autoscale without migration", { autoscaleSettings: { maxThroughput: 4000 } }, "400 BadRequest"],
  ];
  for (const [name, resource, expected] of refusals) {
    test(`refused: ${name}`, async () => {
      assert.equal(outcome(await send("PUT", settings(container), { properties: { resource } })), expected);
    });
  }

  test("a Reader reads it and does not change it", async () => {
    const as = await fixture.user("reader", "Reader");
    assert.equal((await send("GET", settings(container), undefined, as)).status, 200);
    const body = { properties: { resource: { throughput: 1000 } } };
    assert.equal(outcome(await send("PUT", settings(container), body, as)), "403 AuthorizationFailed");
    const migrated = await send("POST", `${settings(container)}/migrateToAutoscale`, undefined, as);
    assert.equal(outcome(migrated), "403 AuthorizationFailed");
  });
});

describe("scripts", () => {
  const kinds = [
    ["storedProcedures", {}],
    ["triggers", { triggerType: "Pre", triggerOperation: "All" }],
    ["userDefinedFunctions", {}],
  ] as const;
  for (const [segment, more] of kinds) {
    test(`${segment}: written, read, listed, replaced, deleted`, async () => {
      const path = `${container}/${segment}/one`;
      const body = (text: string): unknown => ({
        properties: { resource: { id: "one", body: text, ...more } },
      });
      assert.equal((await send("PUT", path, body("function () { return 1; }"))).status, 200);
      assert.equal((await send("PUT", path, body("function () { return 2; }"))).status, 200);
      const read = await send("GET", path);
      assert.equal(read.body["properties"]?.["resource"]?.["body"] as unknown, "function () { return 2; }");
      assert.equal(
        String(read.body["type"]),
        `Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/${segment}`,
      );
      assert.equal((await send("GET", `${container}/${segment}`)).body["value"]?.["length"] as unknown, 1);
      const reader = await fixture.user("reader", "Reader");
      assert.equal((await send("GET", path, undefined, reader)).status, 200);
      assert.equal(outcome(await send("DELETE", path, undefined, reader)), "403 AuthorizationFailed");
      assert.equal(outcome(await send("PUT", path, body("x"), reader)), "403 AuthorizationFailed");
      assert.equal((await send("DELETE", path)).status, 204);
      assert.equal((await send("DELETE", path)).status, 204);
      assert.equal(outcome(await send("GET", path)), "404 NotFound");
    });

    test(`${segment} that are no JavaScript are kept`, async () => {
      const resource = { id: "wrong", body: "function ( {", ...more };
      const path = `${container}/${segment}/wrong`;
      assert.equal((await send("PUT", path, { properties: { resource } })).status, 200);
      assert.equal((await send("DELETE", path)).status, 204);
    });

    const refusals: readonly (readonly [string, unknown])[] = [
      ["no body", { id: "one", ...more }],
      ["another id", { id: "two", body: "function () {}", ...more }],
    ];
    for (const [name, resource] of refusals) {
      test(`${segment} refused: ${name}`, async () => {
        const answer = await send("PUT", `${container}/${segment}/one`, { properties: { resource } });
        assert.equal(outcome(answer), "400 BadRequest");
        assert.equal(outcome(await send("GET", `${container}/${segment}/one`)), "404 NotFound");
      });
    }
  }

  test("below a container that is not there", async () => {
    const body = { properties: { resource: { id: "one", body: "function () {}" } } };
    const path = `${database}/containers/none/storedProcedures/one`;
    assert.equal(outcome(await send("PUT", path, body)), "404 NotFound");
    assert.equal(outcome(await send("GET", path)), "404 NotFound");
  });
});

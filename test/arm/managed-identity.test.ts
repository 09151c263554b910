import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Answer, group, openGroupFixture, outcome, subscription, tenantId } from "./fixture.ts";

const fixture = await openGroupFixture();
const all = `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities`;

function put(name: string, body: unknown = { location: "westeurope" }): Promise<Answer> {
  return fixture.send("PUT", `${all}/${name}`, { apiVersion: "2023-01-31", body });
}

test("201 when new, 200 when repeated, with the service's shape and lower-case resourcegroups", async () => {
  const made = await put("worker", { location: "West Europe", tags: { a: "1" } });
  const id = `${subscription}/resourcegroups/Shop/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker`;
  const { principalId, clientId } = made.body["properties"] as unknown as Record<string, string>;
  assert.equal(made.status, 201);
  assert.equal(made.headers["location"], `https://localhost:8443${id}?api-version=2023-01-31`);
  assert.deepEqual(made.body, {
    id,
    name: "worker",
    type: "Microsoft.ManagedIdentity/userAssignedIdentities",
    location: "westeurope",
    tags: { a: "1" },
    properties: { tenantId, principalId, clientId },
  });
  const principal = await fixture.identity.directory.find(principalId ?? "");
  assert.equal(principal?.appId, clientId);
  assert.equal(principal?.displayName, "worker");
  const again = await put("WORKER", { location: "westeurope" });
  assert.equal(again.status, 200);
  assert.deepEqual(again.body["properties"], made.body["properties"]);
  assert.equal(again.body["name"], "worker");
  assert.deepEqual(again.body["tags"], {});
  const tagged = await fixture.send("PATCH", `${all}/worker`, { body: { tags: { b: "2" } } });
  assert.deepEqual(tagged.body["tags"], { b: "2" });
  assert.deepEqual((await fixture.send("GET", `${all}/worker`)).body, tagged.body);
});

test("listed in group and subscription; deleted with its principal; a new one of the name is another", async () => {
  const first = await put("short-lived");
  const principalId = String(first.body["properties"]?.["principalId"]);
  for (const scope of [group, subscription]) {
    const listed = await fixture.send(
      "GET",
      `${scope}/providers/Microsoft.ManagedIdentity/userAssignedIdentities`,
    );
    const names = (listed.body["value"] as unknown as { name: string }[]).map((each) => each.name);
    assert.ok(names.includes("short-lived"), scope);
  }
  assert.equal((await fixture.send("DELETE", `${all}/short-lived`)).status, 200);
  assert.equal((await fixture.send("DELETE", `${all}/short-lived`)).status, 204);
  assert.equal(outcome(await fixture.send("GET", `${all}/short-lived`)), "404 ResourceNotFound");
  assert.equal(await fixture.identity.directory.find(principalId), undefined);
  const second = await put("short-lived");
  assert.notEqual(second.body["properties"]?.["principalId"], principalId);
});

describe("refused", () => {
  const cases: readonly (readonly [string, string, unknown, string])[] = [
    ["no location", "abc", {}, "400 LocationRequired"],
    ["a name of two characters", "ab", { location: "westeurope" }, "400 BadRequest"],
    ["a name of 129 characters", "a".repeat(129), { location: "westeurope" }, "400 BadRequest"],
    ["a name that starts with a hyphen", "-abc", { location: "westeurope" }, "400 BadRequest"],
    ["a dot in the name", "a.b.c", { location: "westeurope" }, "400 BadRequest"],
  ];
  for (const [what, name, body, expected] of cases) {
    test(what, async () => {
      assert.equal(outcome(await put(name, body)), expected);
      assert.equal((await fixture.send("GET", `${all}/${name}`)).status, 404);
    });
  }
  test("another location for the same identity", async () => {
    await put("moved");
    assert.equal(outcome(await put("moved", { location: "eastus" })), "409 InvalidResourceLocation");
  });
});

test("the system-assigned identity of a host can be read from the host's id", async () => {
  const site = `${group}/providers/Microsoft.Web/sites/app`;
  const target = `${site}/providers/Microsoft.ManagedIdentity/identities/default`;
  await fixture.send("PUT", site, { body: { location: "westeurope" } });
  assert.equal((await fixture.send("GET", target)).status, 404);
  const host = await fixture.send("PATCH", site, { body: { identity: { type: "SystemAssigned" } } });
  const read = await fixture.send("GET", target);
  assert.equal(read.body["properties"]?.["principalId"], host.body["identity"]?.["principalId"]);
  assert.deepEqual(fixture.faults, []);
});

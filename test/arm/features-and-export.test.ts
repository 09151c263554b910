/** Preview features of a subscription, and the export of a resource group as a template that can be deployed again. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { group, openGroupFixture, outcome, subscription } from "./fixture.ts";

const features = `${subscription}/providers/Microsoft.Features`;
const podIdentity = `${features}/providers/microsoft.containerservice/features/EnablePodIdentityPreview`;

describe("features", () => {
  test("unregistered at first, registered, listed, unregistered", async () => {
    const fixture = await openGroupFixture();
    const state = async (): Promise<unknown> =>
      (await fixture.send("GET", podIdentity)).body["properties"]?.["state"];
    assert.equal(await state(), "Unregistered");
    const made = await fixture.send("POST", `${podIdentity}/register`);
    assert.equal(String(made.body["name"]), "Microsoft.ContainerService/EnablePodIdentityPreview");
    assert.equal(await state(), "Registered");
    for (const list of [
      `${features}/features`,
      `${features}/providers/Microsoft.ContainerService/features`,
    ]) {
      assert.equal((await fixture.send("GET", list)).body["value"]?.["length"] as unknown, 1);
    }
    const others = await fixture.send("GET", `${features}/providers/Microsoft.Compute/features`);
    assert.equal(others.body["value"]?.["length"] as unknown, 0);
    await fixture.send("POST", `${podIdentity}/unregister`);
    assert.equal(await state(), "Unregistered");
  });

  test("an unknown namespace, and callers without the right", async () => {
    const fixture = await openGroupFixture();
    const unknown = `${features}/providers/No.Such/features/x`;
    assert.equal(outcome(await fixture.send("GET", unknown)), "404 InvalidResourceNamespace");
    const reader = await fixture.user("reader", "Reader");
    assert.equal((await fixture.send("GET", podIdentity, { as: reader })).status, 200);
    const refused = await fixture.send("POST", `${podIdentity}/register`, { as: reader });
    assert.equal(outcome(refused), "403 AuthorizationFailed");
  });
});

describe("export of a group", () => {
  test("all or some resources, deployable as they are", async () => {
    const fixture = await openGroupFixture();
    const site = `${group}/providers/Microsoft.Web/sites/app`;
    const identity = `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/mine`;
    await fixture.send("PUT", site, { body: { location: "westeurope", properties: { httpsOnly: true } } });
    await fixture.send("PUT", identity, { body: { location: "westeurope" } });
    const some = await fixture.send("POST", `${group}/exportTemplate`, { body: { resources: [site] } });
    assert.equal(some.body["template"]?.["resources"]?.["length"] as unknown, 1);
    assert.equal(some.body["template"]?.["resources"]?.[0]?.["properties"]?.["httpsOnly"] as unknown, true);
    const all = await fixture.send("POST", `${group}/exportTemplate`, { body: { resources: ["*"] } });
    assert.equal(all.body["template"]?.["resources"]?.["length"] as unknown, 2);
    const path = `${group}/providers/Microsoft.Resources/deployments/again`;
    const properties = { mode: "Incremental", template: all.body["template"] };
    const again = await fixture.send("PUT", path, { body: { properties } });
    assert.equal(String(again.body["properties"]?.["provisioningState"]), "Succeeded");
  });

  test("wrong bodies, missing groups, callers without the right", async () => {
    const fixture = await openGroupFixture();
    const path = `${group}/exportTemplate`;
    assert.equal(outcome(await fixture.send("POST", path, { body: {} })), "400 InvalidRequestContent");
    const body = { resources: ["*"] };
    const missing = await fixture.send("POST", `${group}-none/exportTemplate`, { body });
    assert.equal(outcome(missing), "404 ResourceGroupNotFound");
    const as = await fixture.user("nobody");
    assert.equal(outcome(await fixture.send("POST", path, { as, body })), "403 AuthorizationFailed");
  });
});

/** Clusters as records: node group, kubelet identity, issuer; they go with the cluster. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type ArmFixture, group, openGroupFixture, outcome, subscription } from "./fixture.ts";

const cluster = `${group}/providers/Microsoft.ContainerService/managedClusters/aks`;
const nodeGroup = `${subscription}/resourceGroups/MC_Shop_aks_westeurope`;
const apiVersion = "2025-05-01";

function put(
  fixture: ArmFixture,
  properties: unknown,
  as: string = fixture.owner,
): ReturnType<ArmFixture["send"]> {
  const body = { location: "westeurope", identity: { type: "SystemAssigned" }, properties };
  return fixture.send("PUT", cluster, { apiVersion, body, as });
}

describe("managed clusters", () => {
  test("bring a node group with the kubelet's identity, and an issuer when asked", async () => {
    const fixture = await openGroupFixture();
    const made = await put(fixture, {
      dnsPrefix: "shop",
      agentPoolProfiles: [{ name: "nodepool1", count: 1 }],
      oidcIssuerProfile: { enabled: true },
      securityProfile: { workloadIdentity: { enabled: true } },
    });
    assert.equal(made.status, 200, JSON.stringify(made.body));
    const properties = made.body["properties"];
    assert.equal(String(properties?.["nodeResourceGroup"]), "MC_Shop_aks_westeurope");
    assert.match(String(properties?.["oidcIssuerProfile"]?.["issuerURL"]), /^https:.*\/aks\/$/);
    assert.match(String(made.body["identity"]?.["principalId"]), /^[0-9a-f-]{36}$/);
    const kubelet = properties?.["identityProfile"]?.["kubeletidentity"];
    const identity = await fixture.send("GET", String(kubelet?.["resourceId"]), { apiVersion: "2023-01-31" });
    assert.equal(String(identity.body["properties"]?.["clientId"]), String(kubelet?.["clientId"]));
    assert.equal(String((await fixture.send("GET", nodeGroup)).body["managedBy"]), cluster);
    const again = await put(fixture, {});
    const same = again.body["properties"]?.["identityProfile"]?.["kubeletidentity"];
    assert.deepEqual(same, kubelet);
    assert.equal(again.body["properties"]?.["oidcIssuerProfile"], undefined);
  });

  test("take the node group with them, and nobody else's group", async () => {
    const fixture = await openGroupFixture();
    await put(fixture, {});
    assert.equal((await fixture.send("DELETE", cluster, { apiVersion })).status, 204);
    assert.equal(outcome(await fixture.send("GET", nodeGroup)), "404 ResourceGroupNotFound");
    assert.equal((await fixture.send("DELETE", cluster, { apiVersion })).status, 204);
    const taken = await put(fixture, { nodeResourceGroup: "Shop" });
    assert.equal(outcome(taken), "409 NodeResourceGroupAlreadyExists");
    assert.equal(outcome(await fixture.send("GET", cluster, { apiVersion })), "404 ResourceNotFound");
    assert.equal((await fixture.send("GET", group)).status, 200);
  });

  test("stay as long as a lock keeps their node group", async () => {
    const fixture = await openGroupFixture();
    await put(fixture, {});
    const lock = `${nodeGroup}/providers/Microsoft.Authorization/locks/keep`;
    await fixture.send("PUT", lock, { body: { properties: { level: "CanNotDelete" } } });
    assert.equal(outcome(await fixture.send("DELETE", cluster, { apiVersion })), "409 ScopeLocked");
    assert.equal((await fixture.send("GET", cluster, { apiVersion })).status, 200);
    await fixture.send("DELETE", lock);
    assert.equal((await fixture.send("DELETE", cluster, { apiVersion })).status, 204);
  });

  test("give tools a configuration that leads nowhere, and only to those who may ask", async () => {
    const fixture = await openGroupFixture();
    await put(fixture, {});
    const asked = await fixture.send("POST", `${cluster}/listClusterUserCredential`, { apiVersion });
    const shown = asked.body["kubeconfigs"]?.[0];
    const config = Buffer.from(String(shown?.["value"]), "base64").toString("utf8");
    assert.equal(String(shown?.["name"]), "clusterUser");
    assert.match(config, /^ {4}server: https:\/\/[^ ]+\.hcp\.westeurope\.azmk8s\.io:443$/m);
    assert.match(config, /^ {4}token: [0-9a-f]{64}$/m);
    const reader = await fixture.user("reader", "Reader");
    const refused = await fixture.send("POST", `${cluster}/listClusterUserCredential`, {
      apiVersion,
      as: reader,
    });
    assert.equal(outcome(refused), "403 AuthorizationFailed");
    assert.equal(outcome(await put(fixture, {}, reader)), "403 AuthorizationFailed");
  });
});

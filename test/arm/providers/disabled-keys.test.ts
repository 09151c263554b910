/** Credentials that a resource has switched off are told to nobody, whatever he may list; the others are. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Answer, group, openGroupFixture, outcome } from "../fixture.ts";

describe("a credential that is switched off is not listed", () => {
  const cluster = "Microsoft.ContainerService/managedClusters/k";
  const account = "Microsoft.CognitiveServices/accounts/a";
  const registry = "Microsoft.ContainerRegistry/registries/reg";
  const cases: readonly (readonly [id: string, properties: object, action: string, expected: string])[] = [
    [cluster, {}, "listClusterAdminCredential", "200"],
    [cluster, { disableLocalAccounts: false }, "listClusterAdminCredential", "200"],
    [cluster, { disableLocalAccounts: true }, "listClusterAdminCredential", "400 BadRequest"],
    [cluster, { disableLocalAccounts: true }, "LISTCLUSTERADMINCREDENTIAL", "400 BadRequest"],
    [cluster, { disableLocalAccounts: true }, "listClusterUserCredential", "200"],
    [account, {}, "listKeys", "200"],
    [account, { disableLocalAuth: true }, "listKeys", "400 BadRequest"],
    [account, { disableLocalAuth: true }, "regenerateKey", "400 BadRequest"],
    [registry, { adminUserEnabled: true }, "listCredentials", "200"],
    [registry, {}, "listCredentials", "400 UnauthorizedForCredentialOperations"],
  ];
  for (const [id, properties, action, expected] of cases) {
    test(`${action} of ${JSON.stringify(properties)}: ${expected}`, async () => {
      const fixture = await openGroupFixture();
      const resource = `${group}/providers/${id}`;
      const made = await fixture.send("PUT", resource, { body: { location: "westeurope", properties } });
      assert.equal(made.status, 200);
      const body = { keyName: "Key1" };
      assert.equal(outcome(await fixture.send("POST", `${resource}/${action}`, { body })), expected);
      const as = await fixture.user("reader", "Reader", group);
      const refused = await fixture.send("POST", `${resource}/${action}`, { as, body });
      assert.equal(outcome(refused), "403 AuthorizationFailed");
    });
  }

  test("and not replaced either", async () => {
    const fixture = await openGroupFixture();
    const resource = `${group}/providers/${registry}`;
    const write = (adminUserEnabled: boolean): Promise<Answer> =>
      fixture.send("PUT", resource, { body: { location: "westeurope", properties: { adminUserEnabled } } });
    const list = async (): Promise<unknown> =>
      (await fixture.send("POST", `${resource}/listCredentials`)).body["passwords"];
    await write(true);
    const before = await list();
    await write(false);
    const body = { name: "password" };
    const refused = await fixture.send("POST", `${resource}/regenerateCredential`, { body });
    assert.equal(refused.status, 400);
    await write(true);
    assert.deepEqual(await list(), before);
  });

  test("a server without an administrator of the directory goes on taking passwords", async () => {
    const fixture = await openGroupFixture();
    const server = `${group}/providers/Microsoft.Sql/servers/shop`;
    const only = `${server}/azureADOnlyAuthentications/Default`;
    await fixture.send("PUT", server, { body: { location: "westeurope", properties: {} } });
    const put = async (azureADOnlyAuthentication: boolean): Promise<string> =>
      outcome(await fixture.send("PUT", only, { body: { properties: { azureADOnlyAuthentication } } }));
    assert.equal(await put(false), "200");
    assert.equal(await put(true), "400 InvalidServerAADOnlyAuthNoAADAdminPropertyName");
    const properties = { administratorType: "ActiveDirectory", login: "boss", sid: "s" };
    await fixture.send("PUT", `${server}/administrators/ActiveDirectory`, { body: { properties } });
    assert.equal(await put(true), "200");
  });
});

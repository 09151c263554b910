/** Vaults that outlive their deletion, access policies, the one administrator of a SQL server, and keys of records. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type Answer,
  type ArmFixture,
  group,
  messageOf,
  openGroupFixture,
  outcome,
  subscription,
} from "../fixture.ts";

const vault = `${group}/providers/Microsoft.KeyVault/vaults/shop-vault`;
const deleted = `${subscription}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/shop-vault`;
const body = { location: "westeurope", properties: { tenantId: "t" } };

describe("a deleted vault", () => {
  async function deletedVault(properties: object = {}): Promise<ArmFixture> {
    const fixture = await openGroupFixture();
    await fixture.send("PUT", vault, { body: { ...body, properties: { tenantId: "t", ...properties } } });
    await fixture.send("PUT", `${vault}/secrets/s`, { body: { properties: { value: "hush" } } });
    assert.equal((await fixture.send("DELETE", vault)).status, 200);
    return fixture;
  }

  test("is listed, keeps its name, and comes back with what it held", async () => {
    const fixture = await deletedVault();
    const listed = await fixture.send("GET", `${subscription}/providers/Microsoft.KeyVault/deletedVaults`);
    assert.equal(listed.body["value"]?.[0]?.["properties"]?.["vaultId"] as unknown, vault);
    assert.equal((await fixture.send("GET", deleted)).body["name"] as unknown, "shop-vault");
    const again = await fixture.send("PUT", vault, { body });
    assert.equal(outcome(again), "409 ConflictError");
    assert.match(messageOf(again), /^A vault with the same name already exists in deleted state\./);
    const free = await fixture.send(
      "POST",
      `${subscription}/providers/Microsoft.KeyVault/checkNameAvailability`,
      {
        body: { name: "shop-vault" },
      },
    );
    assert.equal(free.body["nameAvailable"] as unknown, false);
    const recovered = await fixture.send("PUT", vault, {
      body: { ...body, properties: { createMode: "recover" } },
    });
    assert.equal(outcome(recovered), "200");
    assert.equal(recovered.body["properties"]?.["createMode"], undefined);
    assert.equal((await fixture.send("GET", `${vault}/secrets/s`)).status, 200);
    assert.equal((await fixture.send("GET", deleted)).status, 404);
  });

  test("is gone after it was purged", async () => {
    const fixture = await deletedVault();
    assert.equal((await fixture.send("POST", `${deleted}/purge`, { body: {} })).status, 200);
    assert.equal(
      outcome(await fixture.send("POST", `${deleted}/purge`, { body: {} })),
      "404 DeletedVaultNotFound",
    );
    assert.equal(outcome(await fixture.send("PUT", vault, { body })), "200");
    assert.equal((await fixture.send("GET", `${vault}/secrets/s`)).status, 404);
  });

  test("is kept when it goes with its group", async () => {
    const fixture = await openGroupFixture();
    await fixture.send("PUT", vault, { body });
    await fixture.send("DELETE", group);
    assert.equal((await fixture.send("GET", deleted)).status, 200);
  });

  test("is not purged when it is protected, and protection stays", async () => {
    const fixture = await deletedVault({ enablePurgeProtection: true });
    assert.equal(
      outcome(await fixture.send("POST", `${deleted}/purge`, { body: {} })),
      "405 MethodNotAllowed",
    );
    await fixture.send("PUT", vault, { body: { ...body, properties: { createMode: "recover" } } });
    const off = await fixture.send("PATCH", vault, {
      body: { properties: { enablePurgeProtection: false } },
    });
    assert.equal(outcome(off), "400 BadRequest");
  });

  for (const role of ["Reader", "Cosmos DB Operator", "Managed Identity Operator"]) {
    test(`is not purged by a ${role}`, async () => {
      const fixture = await deletedVault();
      const user = await fixture.user("someone", role, subscription);
      const answer = await fixture.send("POST", `${deleted}/purge`, { as: user, body: {} });
      assert.equal(outcome(answer), "403 AuthorizationFailed");
    });
  }
});

describe("names of vaults", () => {
  for (const name of ["ab", "1abc", "a--b", "abc-", "a".repeat(25), "a_b"]) {
    test(`${name} is none`, async () => {
      const fixture = await openGroupFixture();
      const answer = await fixture.send("PUT", vault.replace("shop-vault", name), { body });
      assert.equal(outcome(answer), "400 VaultNameNotValid");
    });
  }
});

test("access policies are added, removed and replaced", async () => {
  const fixture = await openGroupFixture();
  await fixture.send("PUT", vault, { body });
  const policy = (objectId: string, ...secrets: string[]): object => ({
    tenantId: "t",
    objectId,
    permissions: { secrets },
  });
  const change = (kind: string, ...accessPolicies: object[]): Promise<Answer> =>
    fixture.send("PUT", `${vault}/accessPolicies/${kind}`, { body: { properties: { accessPolicies } } });
  const held = async (): Promise<readonly string[]> => {
    const { body: shown } = await fixture.send("GET", vault);
    const policies = (shown["properties"]?.["accessPolicies"] ?? []) as unknown as {
      objectId: string;
      permissions: { secrets: string[] };
    }[];
    return policies.map(({ objectId, permissions }) => `${objectId}: ${permissions.secrets.join()}`);
  };
  await change("add", policy("a", "get"), policy("b", "list"));
  await change("add", policy("a", "set"));
  assert.deepEqual(await held(), ["a: get,set", "b: list"]);
  await change("remove", policy("a", "Get"));
  assert.deepEqual(await held(), ["a: set", "b: list"]);
  await change("remove", policy("b", "list"), policy("c", "list"));
  assert.deepEqual(await held(), ["a: set"]);
  await change("replace", policy("d", "get"));
  assert.deepEqual(await held(), ["d: get"]);
  assert.equal(outcome(await change("forget", policy("d"))), "400 BadRequest");
  assert.deepEqual(await held(), ["d: get"]);
});

test("a secret gets a version with every value, and needs one", async () => {
  const fixture = await openGroupFixture();
  await fixture.send("PUT", vault, { body });
  const put = (properties: object): Promise<Answer> =>
    fixture.send("PUT", `${vault}/secrets/s`, { body: { properties } });
  const version = (answer: Answer): string => String(answer.body["properties"]?.["secretUriWithVersion"]);
  const first = await put({ value: "one" });
  const second = await put({ value: "two" });
  assert.notEqual(version(first), version(second));
  const patched = await fixture.send("PATCH", `${vault}/secrets/s`, {
    body: { properties: { contentType: "text" } },
  });
  assert.equal(version(patched), version(second));
  assert.equal(outcome(await put({})), "400 BadRequest");
});

describe("the administrator of a SQL server", () => {
  const server = `${group}/providers/Microsoft.Sql/servers/shop`;
  const admin = { administratorType: "ActiveDirectory", login: "boss", sid: "s", tenantId: "t" };
  const shown = async (fixture: ArmFixture): Promise<unknown> =>
    (await fixture.send("GET", server)).body["properties"]?.["administrators"];

  test("written with the server, is there as a child too", async () => {
    const fixture = await openGroupFixture();
    await fixture.send("PUT", server, {
      body: {
        location: "westeurope",
        properties: { administrators: { ...admin, azureADOnlyAuthentication: true } },
      },
    });
    const child = await fixture.send("GET", `${server}/administrators/ActiveDirectory`);
    assert.equal(child.body["properties"]?.["login"] as unknown, "boss");
    const only = `${server}/azureADOnlyAuthentications/Default`;
    assert.equal(
      (await fixture.send("GET", only)).body["properties"]?.["azureADOnlyAuthentication"] as unknown,
      true,
    );
    await fixture.send("PUT", only, { body: { properties: { azureADOnlyAuthentication: false } } });
    assert.deepEqual(await shown(fixture), { ...admin, azureADOnlyAuthentication: false });
    await fixture.send("PUT", server, { body: { location: "westeurope", properties: {} } });
    assert.deepEqual(
      await shown(fixture),
      { ...admin, azureADOnlyAuthentication: false },
      "not named, not changed",
    );
  });

  test("written as a child, is shown by the server, until it is deleted", async () => {
    const fixture = await openGroupFixture();
    await fixture.send("PUT", server, { body: { location: "westeurope", properties: {} } });
    assert.equal(await shown(fixture), undefined);
    const child = `${server}/administrators/ActiveDirectory`;
    assert.equal(outcome(await fixture.send("PUT", child, { body: { properties: admin } })), "200");
    assert.deepEqual(await shown(fixture), { ...admin, azureADOnlyAuthentication: false });
    assert.equal((await fixture.send("DELETE", child)).status, 200);
    assert.equal(await shown(fixture), undefined);
    assert.equal((await fixture.send("DELETE", child)).status, 204);
  });

  test("of a server that is not there, cannot be written", async () => {
    const fixture = await openGroupFixture();
    const child = `${server}/administrators/ActiveDirectory`;
    assert.equal(
      outcome(await fixture.send("PUT", child, { body: { properties: admin } })),
      "404 ParentResourceNotFound",
    );
  });
});

describe("keys of resources that are kept as records", () => {
  const cases: readonly (readonly [string, string, object?])[] = [
    ["Microsoft.Storage/storageAccounts/shop", "listKeys"],
    ["Microsoft.OperationalInsights/workspaces/shop", "sharedKeys"],
    ["Microsoft.Cache/redis/shop", "listKeys"],
    ["Microsoft.CognitiveServices/accounts/shop", "listKeys"],
    ["Microsoft.AppConfiguration/configurationStores/shop", "listKeys"],
    ["Microsoft.ServiceBus/namespaces/shop", "AuthorizationRules/RootManageSharedAccessKey/listKeys"],
    ["Microsoft.ContainerRegistry/registries/shop", "listCredentials", { adminUserEnabled: true }],
  ];
  for (const [id, action, properties = {}] of cases) {
    test(`${id}/${action}`, async () => {
      const fixture = await openGroupFixture();
      const target = `${group}/providers/${id}`;
      const list = (as: string = fixture.owner): Promise<Answer> =>
        fixture.send("POST", `${target}/${action}`, { body: {}, as });
      assert.equal((await list()).status, 404);
      await fixture.send("PUT", target, { body: { location: "westeurope", properties } });
      const first = await list();
      assert.equal(outcome(first), "200");
      assert.deepEqual((await list()).body, first.body);
      await fixture.send("PUT", target, { body: { location: "westeurope", properties } });
      assert.deepEqual((await list()).body, first.body, "they survive a write");
      const reader = await fixture.user("reader", "Reader", group);
      assert.equal(outcome(await list(reader)), "403 AuthorizationFailed");
      await fixture.send("DELETE", target);
      await fixture.send("PUT", target, { body: { location: "westeurope", properties } });
      assert.notDeepEqual((await list()).body, first.body, "and end with the resource");
    });
  }

  test("one is replaced at a time, by its name", async () => {
    const fixture = await openGroupFixture();
    const target = `${group}/providers/Microsoft.Storage/storageAccounts/shop`;
    await fixture.send("PUT", target, { body: { location: "westeurope" } });
    const values = (answer: Answer): readonly unknown[] =>
      (answer.body["keys"] as unknown as { value: string }[]).map(({ value }) => value);
    const before = values(await fixture.send("POST", `${target}/listKeys`, { body: {} }));
    const after = values(
      await fixture.send("POST", `${target}/regenerateKey`, { body: { keyName: "key2" } }),
    );
    assert.equal(after[0], before[0]);
    assert.notEqual(after[1], before[1]);
    for (const keyName of ["key3", 1, undefined]) {
      const refused = await fixture.send("POST", `${target}/regenerateKey`, { body: { keyName } });
      assert.equal(outcome(refused), "400 InvalidKeyName");
    }
  });

  test("a registry without its admin user has none to tell", async () => {
    const fixture = await openGroupFixture();
    const target = `${group}/providers/Microsoft.ContainerRegistry/registries/shop`;
    await fixture.send("PUT", target, { body: { location: "westeurope", properties: {} } });
    const answer = await fixture.send("POST", `${target}/listCredentials`, { body: {} });
    assert.equal(outcome(answer), "400 UnauthorizedForCredentialOperations");
  });
});

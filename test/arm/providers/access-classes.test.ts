/**
 * Who may do what: every row of the operation table refuses a principal without its action, and each of the built-in
 * roles that this product is about has a verdict for every class of operations. Verdicts are those of the published
 * role definitions.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseId } from "../../../src/arm/address.ts";
import type { Operation } from "../../../src/arm/operation.ts";
import { compileTable, findRoute, operations, requirementOf } from "../../../src/arm/operations.ts";
import { group, messageOf, openGroupFixture, outcome, subscription, subscriptionId } from "../fixture.ts";

const fixture = await openGroupFixture();
const provider = `${group}/providers`;
const account = `${provider}/Microsoft.DocumentDB/databaseAccounts/shop`;
const identity = `${provider}/Microsoft.ManagedIdentity/userAssignedIdentities/shop`;
const site = `${provider}/Microsoft.Web/sites/shop`;
const vault = `${provider}/Microsoft.KeyVault/vaults/shop-vault`;
const storage = `${provider}/Microsoft.Storage/storageAccounts/shop`;
const server = `${provider}/Microsoft.Sql/servers/shop`;
const here = { location: "westeurope", properties: {} };
for (const id of [account, identity, site, vault, storage, server])
  await fixture.send("PUT", id, { body: here });
await fixture.send("PUT", `${account}/sqlDatabases/db`, { body: { properties: { resource: { id: "db" } } } });

/** A path for a row's pattern: known names where there are any, so that the caller's rights decide and nothing else. */
function pathOf({ path }: Operation): string {
  const filled = path
    .replace(/^\/\{\+\w+\}/, group)
    .replace("{subscription}", subscriptionId)
    .replace("{group}", "Shop")
    .replace("{namespace}", "Microsoft.Web")
    .replace("/{*parents}", "")
    .replace("{type}", "sites")
    .replace(/\{last\}/, "sites")
    .replace(/\{\+?\w+\}/g, "shop");
  return filled === "" ? "/" : filled;
}

describe("every operation refuses who does not hold its action", async () => {
  const nobody = await fixture.user("nobody");
  const { userPrincipalName } = (await fixture.identity.directory.find(nobody)) ?? {};
  const table = compileTable();
  const guarded = operations.filter(({ action }) => action !== "public" && action !== "anyCaller");
  assert.ok(guarded.length > 150);
  for (const row of guarded) {
    test(`${row.method} ${row.path}`, async () => {
      const path = pathOf(row);
      const address = parseId(path, new Map());
      const required = requirementOf(findRoute(table, row.method, address, "2024-03-01"), address);
      const answer = await fixture.send(row.method, path, { as: nobody, body: {} });
      assert.equal(answer.status, 403, messageOf(answer));
      if (row.method === "HEAD") return;
      assert.equal(outcome(answer), "403 AuthorizationFailed");
      const lacks = /^microsoft\.authorization\/roleAssignments\/(write|delete)$/i.test(required.action)
        ? "authorization or an ABAC condition not fulfilled"
        : "authorization";
      assert.equal(
        messageOf(answer),
        `The client '${userPrincipalName}' with object id '${nobody}' does not have ${lacks} to perform action '${required.action}' over scope '${required.scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.`,
      );
    });
  }
});

const roles = {
  O: "Owner",
  C: "Contributor",
  R: "Reader",
  U: "User Access Administrator",
  A: "Cosmos DB Account Reader Role",
  P: "Cosmos DB Operator",
  D: "DocumentDB Account Contributor",
  M: "Managed Identity Operator",
} as const;

const assignments = `${provider}/Microsoft.Authorization/roleAssignments`;
const definitions = `${provider}/Microsoft.Authorization/roleDefinitions`;
const deployment = `${provider}/Microsoft.Resources/deployments/d`;
const settings = `${account}/providers/Microsoft.Insights/diagnosticSettings`;
const guid = "00000000-0000-4000-8000-00000000eeee";
const container = `${account}/sqlDatabases/db/containers/none`;

/** Class of operations, method, path, and the letters of the roles that are allowed. Writes are empty: they change nothing. */
const classes: readonly (readonly [string, string, string, string])[] = [
  ["read a group", "GET", group, "OCRUAPDM"],
  ["write a group", "PUT", group, "OC"],
  ["delete a group", "DELETE", `${group}-none`, ""],
  ["export a group", "POST", `${group}/exportTemplate`, "OC"],
  ["list resources", "GET", `${group}/resources`, "OCRU"],
  ["read tags", "GET", `${group}/providers/Microsoft.Resources/tags/default`, "OCRU"],
  ["write tags", "PUT", `${group}/providers/Microsoft.Resources/tags/default`, "OC"],
  ["read a deployment", "GET", deployment, "OCRUPDM"],
  ["write a deployment", "PUT", deployment, "OCPDM"],
  ["validate a deployment", "POST", `${deployment}/validate`, "OCPDM"],
  ["what-if of a deployment", "POST", `${deployment}/whatIf`, "OCPDM"],
  ["delete a deployment", "DELETE", deployment, "OCPDM"],
  ["read locks", "GET", `${provider}/Microsoft.Authorization/locks`, "OCRUAPDM"],
  ["write a lock", "PUT", `${provider}/Microsoft.Authorization/locks/l`, "OU"],
  ["delete a lock", "DELETE", `${provider}/Microsoft.Authorization/locks/l`, "OU"],
  ["read a site", "GET", site, "OCRU"],
  ["write a site", "PATCH", `${site}-none`, "OC"],
  ["delete a site", "DELETE", `${site}-none`, "OC"],
  ["read a site's configuration", "GET", `${site}/config/web`, "OCRU"],
  ["list a site's settings", "POST", `${site}/config/appsettings/list`, "OC"],
  ["list a site's host keys", "POST", `${site}/host/default/listkeys`, "OC"],
  ["write a site's settings", "PUT", `${site}-none/config/appsettings`, "OC"],
  ["restart a site", "POST", `${site}/restart`, "OC"],
  ["read an account", "GET", account, "OCRUAPD"],
  ["write an account", "PATCH", `${account}none`, "OCPD"],
  ["delete an account", "DELETE", `${account}none`, "OCPD"],
  ["list keys", "POST", `${account}/listKeys`, "OCD"],
  ["list connection strings", "POST", `${account}/listConnectionStrings`, "OCD"],
  ["list read-only keys", "POST", `${account}/readonlykeys`, "OCAD"],
  ["read read-only keys", "GET", `${account}/readonlykeys`, "OCRUAD"],
  ["regenerate a key", "POST", `${account}/regenerateKey`, "OCD"],
  ["change failover priorities", "POST", `${account}/failoverPriorityChange`, "OCPD"],
  ["read databases", "GET", `${account}/sqlDatabases`, "OCRUAPD"],
  ["write a database", "PUT", `${account}/sqlDatabases/none`, "OCPD"],
  ["delete a database", "DELETE", `${account}/sqlDatabases/none`, "OCPD"],
  ["read a container", "GET", container, "OCRUAPD"],
  ["write a container", "PUT", container, "OCPD"],
  ["delete a container", "DELETE", container, "OCPD"],
  ["read throughput", "GET", `${container}/throughputSettings/default`, "OCRUAPD"],
  ["write throughput", "PUT", `${container}/throughputSettings/default`, "OCPD"],
  ["read scripts", "GET", `${container}/storedProcedures`, "OCRUAPD"],
  ["write a script", "PUT", `${container}/triggers/t`, "OCPD"],
  ["read data roles", "GET", `${account}/sqlRoleDefinitions`, "OCRUAPD"],
  ["write a data role", "PUT", `${account}/sqlRoleDefinitions/${guid}`, "OCD"],
  ["delete a data role", "DELETE", `${account}/sqlRoleDefinitions/${guid}`, "OCD"],
  ["read data role assignments", "GET", `${account}/sqlRoleAssignments`, "OCRUAPD"],
  ["write a data role assignment", "PUT", `${account}/sqlRoleAssignments/${guid}`, "OCD"],
  ["delete a data role assignment", "DELETE", `${account}/sqlRoleAssignments/${guid}`, "OCD"],
  ["read diagnostic settings", "GET", settings, "OCRU"],
  ["write a diagnostic setting", "PUT", `${settings}/s`, "OC"],
  ["delete a diagnostic setting", "DELETE", `${settings}/s`, "OC"],
  ["read an identity", "GET", identity, "OCRUM"],
  ["write an identity", "PATCH", `${identity}-none`, "OC"],
  ["delete an identity", "DELETE", `${identity}-none`, "OC"],
  ["read federated credentials", "GET", `${identity}/federatedIdentityCredentials`, "OCRUM"],
  ["write a federated credential", "PUT", `${identity}/federatedIdentityCredentials/f`, "OC"],
  ["delete a federated credential", "DELETE", `${identity}/federatedIdentityCredentials/f`, "OC"],
  ["read role assignments", "GET", assignments, "OCRUAPDM"],
  ["write a role assignment", "PUT", `${assignments}/${guid}`, "OU"],
  ["delete a role assignment", "DELETE", `${assignments}/${guid}`, "OU"],
  ["read role definitions", "GET", definitions, "OCRUAPDM"],
  ["write a role definition", "PUT", `${definitions}/${guid}`, "OU"],
  ["delete a role definition", "DELETE", `${definitions}/${guid}`, "OU"],
  ["read own permissions", "GET", `${provider}/Microsoft.Authorization/permissions`, "OCRUAPDM"],
  ["read a vault", "GET", vault, "OCRU"],
  ["write a vault", "PATCH", `${vault}-none`, "OC"],
  ["write access policies", "PUT", `${vault}/accessPolicies/add`, "OC"],
  ["write a secret", "PUT", `${vault}/secrets/s`, "OC"],
  ["read a storage account", "GET", storage, "OCRU"],
  ["list a storage account's keys", "POST", `${storage}/listKeys`, "OC"],
  ["regenerate a storage account's key", "POST", `${storage}/regenerateKey`, "OC"],
  ["read containers of blobs", "GET", `${storage}/blobServices/default/containers`, "OCRU"],
  ["read a SQL server", "GET", server, "OCRU"],
  ["write a SQL administrator", "PUT", `${server}none/administrators/ActiveDirectory`, "OC"],
  ["another group", "GET", `${subscription}/resourceGroups/Other`, ""],
  [
    "the subscription's deployments",
    "GET",
    `${subscription}/providers/Microsoft.Resources/deployments/d`,
    "",
  ],
  ["register a provider", "POST", `${subscription}/providers/Microsoft.Web/register`, ""],
  [
    "register a feature",
    "POST",
    `${subscription}/providers/Microsoft.Features/providers/Microsoft.Web/features/f/register`,
    "",
  ],
  ["another group's accounts", "GET", account.replace("/Shop/", "/Other/"), ""],
];

describe("a role on the group decides every class of operations", () => {
  for (const [letter, role] of Object.entries(roles)) {
    test(role, async () => {
      const user = await fixture.user("holder", role, group);
      const wrong: string[] = [];
      for (const [name, method, path, allowed] of classes) {
        const sent = method === "GET" || method === "DELETE" ? {} : { body: {} };
        const answer = await fixture.send(method, path, { as: user, ...sent });
        const denied = outcome(answer) === "403 AuthorizationFailed";
        if (denied === allowed.includes(letter)) wrong.push(`${name}: ${outcome(answer)}`);
        assert.notEqual(answer.status, 500, name);
      }
      assert.deepEqual(wrong, []);
    });
  }

  test("with as many denials as grants", () => {
    const grants = classes.reduce((sum, [, , , allowed]) => sum + allowed.length, 0);
    const denials = classes.length * Object.keys(roles).length - grants;
    assert.ok(denials >= grants, `${denials} denials, ${grants} grants`);
    assert.deepEqual(fixture.faults, []);
  });
});

describe("identities are assigned by who may assign them", () => {
  const cases: readonly (readonly [string, readonly (readonly [string, string])[], string])[] = [
    ["who writes the site alone", [["Contributor", `${site}-host`]], "403 LinkedAuthorizationFailed"],
    [
      "and reads the identity",
      [
        ["Contributor", `${site}-host`],
        ["Reader", identity],
      ],
      "403 LinkedAuthorizationFailed",
    ],
    [
      "and operates the identity",
      [
        ["Contributor", `${site}-host`],
        ["Managed Identity Operator", identity],
      ],
      "200",
    ],
    ["who operates the identity alone", [["Managed Identity Operator", identity]], "403 AuthorizationFailed"],
    ["a contributor to the group", [["Contributor", group]], "200"],
    ["a reader of the group", [["Reader", group]], "403 AuthorizationFailed"],
  ];
  for (const [name, held, expected] of cases) {
    test(name, async () => {
      const user = await fixture.user("assigner");
      for (const [role, scope] of held) await fixture.grant(user, role, scope);
      const body = {
        location: "westeurope",
        identity: { type: "UserAssigned", userAssignedIdentities: { [identity]: {} } },
      };
      const answer = await fixture.send("PUT", `${site}-host`, { as: user, body });
      assert.equal(outcome(answer), expected);
    });
  }
});

test("a data role of an account is no Azure role: the service's error", async () => {
  const dataRole = `${account}/sqlRoleDefinitions/00000000-0000-0000-0000-000000000002`;
  for (const roleDefinitionId of [
    dataRole,
    `${subscription}/providers/Microsoft.Authorization/roleDefinitions/00000000-0000-0000-0000-000000000002`,
  ]) {
    const answer = await fixture.send(
      "PUT",
      `${account}/providers/Microsoft.Authorization/roleAssignments/${guid}`,
      {
        body: { properties: { roleDefinitionId, principalId: fixture.owner } },
      },
    );
    assert.match(outcome(answer), /^40[04] (InvalidRoleDefinitionId|RoleDefinitionDoesNotExist)$/);
  }
});

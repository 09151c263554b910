/** What `can-i` and `explain` say where an Azure role would grant: deny assignments, conditions, changes that wait. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { withAccessServer } from "./access-server.ts";

const reader = "00000000-0000-0000-0000-000000000001";
const listKeys = "Microsoft.DocumentDB/databaseAccounts/listKeys/action";
const azureApi = "api-version=2022-04-01";
const denyApi = "api-version=2024-07-01-preview";

test("a deny assignment is named, with the command that removes it; executed, the answer is yes", async () => {
  await withAccessServer(async ({ arm, identity, celestite, account, group }) => {
    const principalId = await identity("worker");
    const roleDefinitionId =
      "/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
    await arm(
      "PUT",
      `${group}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}?${azureApi}`,
      {
        properties: { roleDefinitionId, principalId },
      },
    );
    assert.equal((await celestite("can-i", "worker", listKeys, account)).code, 0);
    await arm(
      "PUT",
      `${group}/providers/Microsoft.Authorization/denyAssignments/${randomUUID()}?${denyApi}`,
      {
        properties: {
          denyAssignmentName: "No keys for programs",
          permissions: [{ actions: [listKeys] }],
          principals: [{ id: principalId, type: "ServicePrincipal" }],
        },
      },
    );
    const said = await celestite("can-i", "worker", listKeys, account);
    assert.equal(said.code, 1);
    assert.match(said.out, /grants the action/);
    assert.match(
      said.out,
      /Denied: a deny assignment takes away what a role grants\.\n {2}'No keys for programs', /,
    );
    const [, target = ""] = /celestite rest DELETE "([^"]+)"/.exec(said.out) ?? [];
    const removed = await celestite("rest", "DELETE", target);
    assert.equal(removed.code, 0, said.out + removed.error);
    assert.equal((await celestite("can-i", "worker", listKeys, account)).code, 0);
  });
});

test("a condition that is not fulfilled is said to be", async () => {
  await withAccessServer(async ({ arm, identity, celestite, group }) => {
    const principalId = await identity("worker");
    const roleDefinitionId =
      "/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7";
    await arm(
      "PUT",
      `${group}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}?${azureApi}`,
      {
        properties: {
          roleDefinitionId,
          principalId,
          condition: "ActionMatches{'none'}",
          conditionVersion: "2.0",
        },
      },
    );
    const said = await celestite(
      "can-i",
      "worker",
      "Microsoft.Resources/subscriptions/resourceGroups/read",
      group,
    );
    assert.equal(said.code, 1);
    assert.match(said.out, /does not apply: its condition is not fulfilled/);
  });
});

test("a data role that waits is shown as waiting", async () => {
  await withAccessServer(
    async ({ identity, assign, celestite }) => {
      await assign(await identity("worker"), reader);
      const said = await celestite("can-i", "worker", "items/read", "/dbs/db/colls/orders");
      assert.equal(said.code, 1);
      assert.match(said.out, /does not apply: it was made and is not in effect yet/);
    },
    { roleDelay: 3600 },
  );
});

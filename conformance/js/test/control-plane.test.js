/** Azure Resource Manager through the newest management SDKs, pollers included, as an identity that owns the subscription. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { AuthorizationManagementClient } from "@azure/arm-authorization";
import { CosmosDBManagementClient } from "@azure/arm-cosmosdb";
import { KeyVaultManagementClient } from "@azure/arm-keyvault";
import { ManagedServiceIdentityClient } from "@azure/arm-msi";
import { ResourceManagementClient } from "@azure/arm-resources";
import { DeploymentsClient } from "@azure/arm-resourcesdeployments";
import { SqlManagementClient } from "@azure/arm-sql";
import { StorageManagementClient } from "@azure/arm-storage";
import { CosmosClient } from "@azure/cosmos";
import { ManagedIdentityCredential } from "@azure/identity";

const env = process.env;
const subscription = env.CONFORMANCE_subscriptionId;
const endpoint = env.CONFORMANCE_arm;
const credentialOf = (clientId) => new ManagedIdentityCredential({ clientId });
const open = (Client, clientId = env.CONFORMANCE_operatorClientId) =>
  new Client(credentialOf(clientId), subscription, { endpoint });

/** An identity that holds nothing at first; the tests give it roles and take them away. */
const principals = {
  guest: { clientId: env.CONFORMANCE_guestClientId, principalId: env.CONFORMANCE_guestPrincipalId },
};
const group = "control-plane-js";
const location = "westeurope";
const fast = { updateIntervalInMs: 20 };
const resources = open(ResourceManagementClient);
const cosmos = open(CosmosDBManagementClient);
const identities = open(ManagedServiceIdentityClient);
const authorization = open(AuthorizationManagementClient);
const deployments = open(DeploymentsClient);

async function collect(pages) {
  const all = [];
  for await (const one of pages) all.push(one);
  return all;
}

before(async () => {
  const made = await resources.resourceGroups.createOrUpdate(group, { location, tags: { purpose: "test" } });
  assert.equal(made.properties.provisioningState, "Succeeded");
});

after(async () => {
  await resources.resourceGroups.beginDeleteAndWait(group, fast);
  assert.equal((await resources.resourceGroups.checkExistence(group)).body, false);
});

describe("@azure/arm-resources", () => {
  test("resource groups: get, list, update of tags", async () => {
    assert.equal((await resources.resourceGroups.get(group)).tags.purpose, "test");
    assert.ok((await collect(resources.resourceGroups.list())).some(({ name }) => name === group));
    const updated = await resources.resourceGroups.update(group, { tags: { purpose: "more" } });
    assert.deepEqual(updated.tags, { purpose: "more" });
    await assert.rejects(resources.resourceGroups.get("absent"), {
      code: "ResourceGroupNotFound",
      statusCode: 404,
    });
  });

  test("providers: get, list, register", async () => {
    const provider = await resources.providers.get("Microsoft.DocumentDB");
    assert.equal(provider.registrationState, "Registered");
    assert.ok(provider.resourceTypes.some(({ resourceType }) => resourceType === "databaseAccounts"));
    assert.ok((await collect(resources.providers.list())).length > 5);
    assert.equal((await resources.providers.register("Microsoft.Storage")).registrationState, "Registered");
  });

  test("any resource by id: create, get, exists, tags, move of nothing, delete", async () => {
    const id = `/subscriptions/${subscription}/resourceGroups/${group}/providers/Microsoft.Network/virtualNetworks/net`;
    const version = "2024-05-01";
    const body = { location, properties: { addressSpace: { addressPrefixes: ["10.0.0.0/16"] } } };
    const made = await resources.resources.beginCreateOrUpdateByIdAndWait(id, version, body, fast);
    assert.equal(made.name, "net");
    assert.equal(
      (await resources.resources.getById(id, version)).properties.addressSpace.addressPrefixes[0],
      "10.0.0.0/16",
    );
    assert.equal((await resources.resources.checkExistenceById(id, version)).body, true);
    assert.ok(
      (await collect(resources.resources.listByResourceGroup(group))).some(({ name }) => name === "net"),
    );
    const filter = "resourceType eq 'Microsoft.Network/virtualNetworks'";
    assert.equal((await collect(resources.resources.listByResourceGroup(group, { filter }))).length, 1);
    const patched = await resources.resources.beginUpdateByIdAndWait(id, version, { tags: { a: "b" } }, fast);
    assert.deepEqual(patched.tags, { a: "b" });
    await resources.resources.beginDeleteByIdAndWait(id, version, fast);
    await assert.rejects(resources.resources.getById(id, version), { code: "ResourceNotFound" });
  });

  test("tags of a scope: create, merge, get, delete", async () => {
    const scope = `/subscriptions/${subscription}/resourceGroups/${group}`;
    await resources.tagsOperations.beginCreateOrUpdateAtScopeAndWait(
      scope,
      { properties: { tags: { one: "1" } } },
      fast,
    );
    await resources.tagsOperations.beginUpdateAtScopeAndWait(
      scope,
      { operation: "Merge", properties: { tags: { two: "2" } } },
      fast,
    );
    assert.deepEqual((await resources.tagsOperations.getAtScope(scope)).properties.tags, {
      one: "1",
      two: "2",
    });
    assert.deepEqual((await resources.resourceGroups.get(group)).tags, { one: "1", two: "2" });
    await resources.tagsOperations.beginUpdateAtScopeAndWait(
      scope,
      { operation: "Delete", properties: { tags: { one: "1" } } },
      fast,
    );
    assert.deepEqual((await resources.tagsOperations.getAtScope(scope)).properties.tags, { two: "2" });
    await resources.tagsOperations.beginDeleteAtScopeAndWait(scope, fast);
    assert.deepEqual((await resources.tagsOperations.getAtScope(scope)).properties.tags ?? {}, {});
  });
});

describe("@azure/arm-msi", () => {
  test("identities: create, get, list, update, delete, federated credentials", async () => {
    const made = await identities.userAssignedIdentities.createOrUpdate(group, "mine", { location });
    assert.match(made.principalId, /^[0-9a-f-]{36}$/);
    assert.equal((await identities.userAssignedIdentities.get(group, "mine")).clientId, made.clientId);
    const listed = await collect(identities.userAssignedIdentities.listByResourceGroup(group));
    assert.deepEqual(
      listed.map(({ name }) => name),
      ["mine"],
    );
    assert.ok((await collect(identities.userAssignedIdentities.listBySubscription())).length > 4);
    const updated = await identities.userAssignedIdentities.update(group, "mine", { tags: { x: "y" } });
    assert.deepEqual(updated.tags, { x: "y" });
    const federated = {
      issuer: "https://issuer.example.com",
      subject: "system:serviceaccount:a:b",
      audiences: ["api://AzureADTokenExchange"],
    };
    await identities.federatedIdentityCredentials.createOrUpdate(group, "mine", "cluster", federated);
    assert.equal(
      (await identities.federatedIdentityCredentials.get(group, "mine", "cluster")).subject,
      federated.subject,
    );
    assert.equal((await collect(identities.federatedIdentityCredentials.list(group, "mine"))).length, 1);
    await identities.federatedIdentityCredentials.delete(group, "mine", "cluster");
    assert.equal((await collect(identities.federatedIdentityCredentials.list(group, "mine"))).length, 0);
    await identities.userAssignedIdentities.delete(group, "mine");
    await assert.rejects(identities.userAssignedIdentities.get(group, "mine"), { code: "ResourceNotFound" });
  });

  test("the system-assigned identity of a host", async () => {
    const scope = `/subscriptions/${subscription}/resourceGroups/${group}/providers/Microsoft.Web/sites/app`;
    await resources.resources.beginCreateOrUpdateByIdAndWait(
      scope,
      "2023-12-01",
      { location, identity: { type: "SystemAssigned" } },
      fast,
    );
    const identity = await identities.systemAssignedIdentities.getByScope(scope);
    assert.match(identity.principalId, /^[0-9a-f-]{36}$/);
    await resources.resources.beginDeleteByIdAndWait(scope, "2023-12-01", fast);
    await assert.rejects(identities.systemAssignedIdentities.getByScope(scope), { statusCode: 404 });
  });
});

describe("@azure/arm-authorization", () => {
  const scope = `/subscriptions/${subscription}/resourceGroups/${group}`;

  test("role definitions: list, filter, get, custom", async () => {
    const [reader] = await collect(
      authorization.roleDefinitions.list(scope, { filter: "roleName eq 'Reader'" }),
    );
    assert.equal(reader.name, "acdd72a7-3385-48ef-bd42-f606fba81ae7");
    const name = randomUUID();
    const custom = {
      roleName: `Custom ${name}`,
      roleType: "CustomRole",
      assignableScopes: [scope],
      permissions: [{ actions: ["Microsoft.Storage/*/read"], notActions: [] }],
    };
    const made = await authorization.roleDefinitions.createOrUpdate(scope, name, custom);
    assert.equal(made.roleName, custom.roleName);
    assert.equal(
      (await authorization.roleDefinitions.get(scope, name)).permissions[0].actions[0],
      "Microsoft.Storage/*/read",
    );
    assert.equal((await authorization.roleDefinitions.getById(made.id)).name, name);
    await authorization.roleDefinitions.delete(scope, name);
    await assert.rejects(authorization.roleDefinitions.get(scope, name), {
      code: "RoleDefinitionDoesNotExist",
    });
  });

  test("role assignments: create, get, list, filters, conflict, delete; effective on the next request", async () => {
    const { guest } = principals;
    const other = open(ResourceManagementClient, guest.clientId);
    await assert.rejects(
      other.resourceGroups.get(group),
      ({ code, statusCode, message }) =>
        code === "AuthorizationFailed" &&
        statusCode === 403 &&
        message.includes(guest.clientId) &&
        message.includes("Microsoft.Resources/subscriptions/resourceGroups/read"),
    );
    const roleDefinitionId = `/subscriptions/${subscription}/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7`;
    const name = randomUUID();
    const body = { roleDefinitionId, principalId: guest.principalId, principalType: "ServicePrincipal" };
    const made = await authorization.roleAssignments.create(scope, name, body);
    assert.equal(made.principalId, guest.principalId);
    assert.equal((await authorization.roleAssignments.get(scope, name)).scope, scope);
    assert.equal((await authorization.roleAssignments.getById(made.id)).name, name);
    const filter = `principalId eq '${guest.principalId}'`;
    assert.equal((await collect(authorization.roleAssignments.listForScope(scope, { filter }))).length, 1);
    assert.equal((await collect(authorization.roleAssignments.listForSubscription({ filter }))).length, 1);
    assert.equal(
      (await collect(authorization.roleAssignments.listForResourceGroup(group, { filter }))).length,
      1,
    );
    await assert.rejects(authorization.roleAssignments.create(scope, randomUUID(), body), {
      code: "RoleAssignmentExists",
      statusCode: 409,
    });
    assert.equal((await other.resourceGroups.get(group)).name, group);
    await assert.rejects(other.resourceGroups.update(group, { tags: {} }), { code: "AuthorizationFailed" });
    await authorization.roleAssignments.delete(scope, name);
    await assert.rejects(other.resourceGroups.get(group), { code: "AuthorizationFailed" });
  });

  test("permissions of the caller and deny assignments", async () => {
    const [owner] = await collect(authorization.permissions.listForResourceGroup(group));
    assert.deepEqual(owner.actions, ["*"]);
    assert.deepEqual(await collect(authorization.denyAssignments.listForScope(scope)), []);
  });
});

describe("@azure/arm-cosmosdb", () => {
  const account = `cp-${Date.now().toString(36)}`;
  const { databaseAccounts, sqlResources } = cosmos;

  before(async () => {
    const made = await databaseAccounts.beginCreateOrUpdateAndWait(
      group,
      account,
      {
        location,
        locations: [{ locationName: location, failoverPriority: 0 }],
        kind: "GlobalDocumentDB",
        consistencyPolicy: { defaultConsistencyLevel: "Session" },
      },
      fast,
    );
    assert.equal(made.provisioningState, "Succeeded");
    assert.match(made.documentEndpoint, /^https:/);
  });

  test("accounts: get, list, update, name, metadata", async () => {
    assert.equal((await databaseAccounts.get(group, account)).kind, "GlobalDocumentDB");
    assert.equal((await collect(databaseAccounts.listByResourceGroup(group))).length, 1);
    assert.ok((await collect(databaseAccounts.list())).length >= 2);
    assert.equal((await databaseAccounts.checkNameExists(account)).body, true);
    assert.equal((await databaseAccounts.checkNameExists("nobody-has-this")).body, false);
    const updated = await databaseAccounts.beginUpdateAndWait(group, account, { tags: { a: "b" } }, fast);
    assert.deepEqual(updated.tags, { a: "b" });
  });

  test("databases, containers, throughput", async () => {
    await sqlResources.beginCreateUpdateSqlDatabaseAndWait(
      group,
      account,
      "db",
      { resource: { id: "db" }, options: { throughput: 500 } },
      fast,
    );
    assert.equal((await sqlResources.getSqlDatabase(group, account, "db")).resource.id, "db");
    assert.equal(
      (await sqlResources.getSqlDatabaseThroughput(group, account, "db")).resource.throughput,
      500,
    );
    const container = {
      resource: { id: "c", partitionKey: { paths: ["/pk"], kind: "Hash", version: 2 }, defaultTtl: 100 },
      options: { autoscaleSettings: { maxThroughput: 4000 } },
    };
    const made = await sqlResources.beginCreateUpdateSqlContainerAndWait(
      group,
      account,
      "db",
      "c",
      container,
      fast,
    );
    assert.equal(made.resource.defaultTtl, 100);
    const throughput = await sqlResources.getSqlContainerThroughput(group, account, "db", "c");
    assert.equal(throughput.resource.autoscaleSettings.maxThroughput, 4000);
    const raised = await sqlResources.beginUpdateSqlContainerThroughputAndWait(
      group,
      account,
      "db",
      "c",
      { resource: { autoscaleSettings: { maxThroughput: 6000 } } },
      fast,
    );
    assert.equal(raised.resource.autoscaleSettings.maxThroughput, 6000);
    const manual = await sqlResources.beginMigrateSqlContainerToManualThroughputAndWait(
      group,
      account,
      "db",
      "c",
      fast,
    );
    assert.ok(manual.resource.throughput > 0);
    const auto = await sqlResources.beginMigrateSqlContainerToAutoscaleAndWait(
      group,
      account,
      "db",
      "c",
      fast,
    );
    assert.ok(auto.resource.autoscaleSettings.maxThroughput > 0);
    assert.deepEqual(
      (await collect(sqlResources.listSqlContainers(group, account, "db"))).map(({ name }) => name),
      ["c"],
    );
    assert.deepEqual(
      (await collect(sqlResources.listSqlDatabases(group, account))).map(({ name }) => name),
      ["db"],
    );
    await assert.rejects(sqlResources.getSqlContainer(group, account, "db", "absent"), { statusCode: 404 });
  });

  test("stored procedures, triggers, functions", async () => {
    const at = [group, account, "db", "c"];
    const body = "function () { getContext().getResponse().setBody('hello'); }";
    await sqlResources.beginCreateUpdateSqlStoredProcedureAndWait(
      ...at,
      "proc",
      { resource: { id: "proc", body } },
      fast,
    );
    assert.equal((await sqlResources.getSqlStoredProcedure(...at, "proc")).resource.body, body);
    assert.equal((await collect(sqlResources.listSqlStoredProcedures(...at))).length, 1);
    await sqlResources.beginCreateUpdateSqlTriggerAndWait(
      ...at,
      "trig",
      { resource: { id: "trig", body, triggerType: "Pre", triggerOperation: "All" } },
      fast,
    );
    assert.equal((await sqlResources.getSqlTrigger(...at, "trig")).resource.triggerType, "Pre");
    await sqlResources.beginCreateUpdateSqlUserDefinedFunctionAndWait(
      ...at,
      "udf",
      { resource: { id: "udf", body: "function (x) { return x; }" } },
      fast,
    );
    assert.equal((await collect(sqlResources.listSqlUserDefinedFunctions(...at))).length, 1);
    await sqlResources.beginDeleteSqlStoredProcedureAndWait(...at, "proc", fast);
    await sqlResources.beginDeleteSqlTriggerAndWait(...at, "trig", fast);
    await sqlResources.beginDeleteSqlUserDefinedFunctionAndWait(...at, "udf", fast);
    assert.equal((await collect(sqlResources.listSqlStoredProcedures(...at))).length, 0);
  });

  test("keys: list, read-only, connection strings, regenerate", async () => {
    const keys = await databaseAccounts.listKeys(group, account);
    assert.equal(
      (await databaseAccounts.listReadOnlyKeys(group, account)).primaryReadonlyMasterKey,
      keys.primaryReadonlyMasterKey,
    );
    const { connectionStrings } = await databaseAccounts.listConnectionStrings(group, account);
    assert.ok(connectionStrings.some(({ description }) => description === "Primary SQL Connection String"));
    const { documentEndpoint } = await databaseAccounts.get(group, account);
    const client = new CosmosClient({ endpoint: documentEndpoint, key: keys.secondaryMasterKey });
    assert.equal((await client.database("db").read()).resource.id, "db");
    await databaseAccounts.beginRegenerateKeyAndWait(group, account, { keyKind: "secondary" }, fast);
    await assert.rejects(client.database("db").read(), { code: 401 });
    assert.equal((await databaseAccounts.listKeys(group, account)).primaryMasterKey, keys.primaryMasterKey);
  });

  test("data roles: definitions and assignments, effective on the next request", async () => {
    const { guest } = principals;
    const { documentEndpoint, id } = await databaseAccounts.get(group, account);
    const container = new CosmosClient({
      endpoint: documentEndpoint,
      aadCredentials: credentialOf(guest.clientId),
    })
      .database("db")
      .container("c");
    await assert.rejects(container.items.create({ id: "1", pk: "a" }), { code: 403 });
    const definition = randomUUID();
    const dataActions = [
      "Microsoft.DocumentDB/databaseAccounts/readMetadata",
      "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/*",
    ];
    await sqlResources.beginCreateUpdateSqlRoleDefinitionAndWait(
      definition,
      group,
      account,
      { roleName: "Writer", type: "CustomRole", assignableScopes: [id], permissions: [{ dataActions }] },
      fast,
    );
    assert.equal((await sqlResources.getSqlRoleDefinition(definition, group, account)).roleName, "Writer");
    assert.equal((await collect(sqlResources.listSqlRoleDefinitions(group, account))).length, 3);
    const assignment = randomUUID();
    await sqlResources.beginCreateUpdateSqlRoleAssignmentAndWait(
      assignment,
      group,
      account,
      {
        roleDefinitionId: `${id}/sqlRoleDefinitions/${definition}`,
        scope: `${id}/dbs/db`,
        principalId: guest.principalId,
      },
      fast,
    );
    assert.equal(
      (await sqlResources.getSqlRoleAssignment(assignment, group, account)).principalId,
      guest.principalId,
    );
    assert.equal((await container.items.create({ id: "1", pk: "a" })).statusCode, 201);
    await assert.rejects(sqlResources.beginDeleteSqlRoleDefinitionAndWait(definition, group, account, fast));
    await sqlResources.beginDeleteSqlRoleAssignmentAndWait(assignment, group, account, fast);
    await assert.rejects(container.item("1", "a").read(), { code: 403 });
    await sqlResources.beginDeleteSqlRoleDefinitionAndWait(definition, group, account, fast);
    assert.equal((await collect(sqlResources.listSqlRoleAssignments(group, account))).length, 0);
  });

  test("usages, metrics definitions and locations do not break a browser of accounts", async () => {
    assert.ok((await collect(cosmos.locations.list())).length > 0);
    assert.ok((await collect(cosmos.operations.list())).length > 0);
  });

  test("containers, databases and accounts are deleted", async () => {
    await sqlResources.beginDeleteSqlContainerAndWait(group, account, "db", "c", fast);
    await sqlResources.beginDeleteSqlDatabaseAndWait(group, account, "db", fast);
    await databaseAccounts.beginDeleteAndWait(group, account, fast);
    await assert.rejects(databaseAccounts.get(group, account), { statusCode: 404 });
  });
});

describe("@azure/arm-resourcesdeployments", () => {
  const template = (name, extra = {}) => ({
    $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
    contentVersion: "1.0.0.0",
    parameters: { suffix: { type: "string", defaultValue: "x" } },
    resources: [
      {
        type: "Microsoft.ManagedIdentity/userAssignedIdentities",
        apiVersion: "2023-01-31",
        name: `[concat('${name}-', parameters('suffix'))]`,
        location,
        ...extra,
      },
    ],
    outputs: { name: { type: "string", value: `[concat('${name}-', parameters('suffix'))]` } },
  });
  const properties = (name, extra) => ({
    properties: { mode: "Incremental", template: template(name), ...extra },
  });
  const operations = deployments.deployments;

  test("validate, create, get, list, operations, export, delete", async () => {
    const validated = await operations.beginValidateAndWait(group, "first", properties("one"), fast);
    assert.equal(validated.properties.provisioningState, "Succeeded");
    const made = await operations.beginCreateOrUpdateAndWait(
      group,
      "first",
      properties("one", { parameters: { suffix: { value: "y" } } }),
      fast,
    );
    assert.equal(made.properties.outputs.name.value, "one-y");
    assert.equal((await operations.get(group, "first")).properties.provisioningState, "Succeeded");
    assert.equal((await operations.checkExistence(group, "first")).body, true);
    assert.deepEqual(
      (await collect(operations.listByResourceGroup(group))).map(({ name }) => name),
      ["first"],
    );
    const steps = await collect(deployments.deploymentOperations.list(group, "first"));
    assert.ok(steps.some(({ properties: { targetResource } }) => targetResource?.resourceName === "one-y"));
    assert.equal((await operations.exportTemplate(group, "first")).template.contentVersion, "1.0.0.0");
    await operations.beginDeleteAndWait(group, "first", fast);
    assert.equal((await operations.checkExistence(group, "first")).body, false);
  });

  test("what-if: create, no change, modify", async () => {
    const whatIf = async (body) =>
      (await operations.beginWhatIfAndWait(group, "what", body, fast)).changes.map(
        ({ changeType, resourceId }) => [changeType, resourceId.split("/").pop()],
      );
    const changesOf = async (name, body = properties(name)) =>
      (await whatIf(body)).filter(([, id]) => id.startsWith(name));
    assert.deepEqual(await changesOf("two"), [["Create", "two-x"]]);
    await operations.beginCreateOrUpdateAndWait(group, "what", properties("two"), fast);
    assert.deepEqual(await changesOf("two"), [["NoChange", "two-x"]]);
    const tagged = {
      properties: { mode: "Incremental", template: template("two", { tags: { new: "tag" } }) },
    };
    assert.deepEqual(await changesOf("two", tagged), [["Modify", "two-x"]]);
    const complete = { properties: { mode: "Complete", template: template("three") } };
    const changes = await whatIf(complete);
    assert.ok(
      changes.some(([type, id]) => type === "Delete" && id === "two-x"),
      JSON.stringify(changes),
    );
  });

  test("what-if tells a caller nothing of what it may not read", async () => {
    const scope = `/subscriptions/${subscription}/resourceGroups/${group}`;
    const role = randomUUID();
    const actions = [
      "Microsoft.Resources/deployments/*",
      "Microsoft.ManagedIdentity/userAssignedIdentities/*",
    ];
    await authorization.roleDefinitions.createOrUpdate(scope, role, {
      roleName: `Deployer ${role}`,
      roleType: "CustomRole",
      assignableScopes: [scope],
      permissions: [{ actions, notActions: [] }],
    });
    const secret = {
      location,
      properties: { administratorLogin: "admin", administratorLoginPassword: "Hidden-1" },
    };
    const server = `${scope}/providers/Microsoft.Sql/servers/secretive`;
    await resources.resources.beginCreateOrUpdateByIdAndWait(server, "2023-08-01", secret, fast);
    const assignment = randomUUID();
    const roleDefinitionId = `${scope}/providers/Microsoft.Authorization/roleDefinitions/${role}`;
    const { principalId, clientId } = principals.guest;
    const body = { roleDefinitionId, principalId, principalType: "ServicePrincipal" };
    await authorization.roleAssignments.create(scope, assignment, body);
    const seenBy = async (client) =>
      JSON.stringify(await client.deployments.beginWhatIfAndWait(group, "peek", properties("two"), fast));
    const guests = await seenBy(open(DeploymentsClient, clientId));
    assert.match(guests, /two-x/);
    assert.doesNotMatch(guests, /secretive|Hidden-1/);
    const owners = await seenBy(deployments);
    assert.match(owners, /secretive/);
    assert.doesNotMatch(owners, /Hidden-1/);
    await authorization.roleAssignments.delete(scope, assignment);
    await authorization.roleDefinitions.delete(scope, role);
  });

  test("a failing deployment rejects with the reason of the failing resource", async () => {
    const broken = {
      ...template("four"),
      resources: [
        {
          type: "Microsoft.DocumentDB/databaseAccounts/sqlDatabases",
          apiVersion: "2024-08-15",
          name: "absent/db",
          properties: { resource: { id: "db" } },
        },
      ],
    };
    await assert.rejects(
      operations.beginCreateOrUpdateAndWait(
        group,
        "broken",
        { properties: { mode: "Incremental", template: broken } },
        fast,
      ),
      (error) => /DeploymentFailed|ParentResourceNotFound/.test(`${error.code} ${error.message}`),
    );
    assert.equal((await operations.get(group, "broken")).properties.provisioningState, "Failed");
    await assert.rejects(
      operations.beginCreateOrUpdateAndWait(
        group,
        "invalid",
        { properties: { mode: "Incremental", template: { resources: "none" } } },
        fast,
      ),
      { code: "InvalidTemplate" },
    );
  });

  test("at the subscription", async () => {
    const wide = {
      $schema: "https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#",
      contentVersion: "1.0.0.0",
      resources: [
        {
          type: "Microsoft.Resources/resourceGroups",
          apiVersion: "2024-03-01",
          name: `${group}-sub`,
          location,
        },
      ],
    };
    const made = await operations.beginCreateOrUpdateAtSubscriptionScopeAndWait(
      "wide",
      { location, properties: { mode: "Incremental", template: wide } },
      fast,
    );
    assert.equal(made.properties.provisioningState, "Succeeded");
    await resources.resourceGroups.beginDeleteAndWait(`${group}-sub`, fast);
  });
});

describe("records of services whose data planes come later", () => {
  test("@azure/arm-keyvault: vaults", async () => {
    const { vaults } = open(KeyVaultManagementClient);
    const parameters = {
      location,
      properties: {
        tenantId: env.CONFORMANCE_tenantId,
        sku: { family: "A", name: "standard" },
        enableRbacAuthorization: true,
      },
    };
    const made = await vaults.beginCreateOrUpdateAndWait(group, "cp-vault-js", parameters, fast);
    assert.equal(made.properties.enableRbacAuthorization, true);
    assert.match(made.properties.vaultUri, /^https:/);
    assert.equal((await vaults.get(group, "cp-vault-js")).name, "cp-vault-js");
    assert.equal((await collect(vaults.listByResourceGroup(group))).length, 1);
    assert.equal(
      (await vaults.checkNameAvailability({ name: "cp-vault-js", type: "Microsoft.KeyVault/vaults" }))
        .nameAvailable,
      false,
    );
    const { secrets } = open(KeyVaultManagementClient);
    const secret = await secrets.createOrUpdate(group, "cp-vault-js", "s", { properties: { value: "hush" } });
    assert.equal(secret.properties.value, undefined);
    assert.match(secret.properties.secretUriWithVersion, /\/secrets\/s\/[0-9a-f]{32}$/);
    assert.equal((await collect(secrets.list(group, "cp-vault-js"))).length, 1);
    const policy = {
      tenantId: env.CONFORMANCE_tenantId,
      objectId: randomUUID(),
      permissions: { secrets: ["get"] },
    };
    const changed = await vaults.updateAccessPolicy(group, "cp-vault-js", "add", {
      properties: { accessPolicies: [policy] },
    });
    assert.equal(changed.properties.accessPolicies[0].objectId, policy.objectId);
    await vaults.delete(group, "cp-vault-js");
    await assert.rejects(vaults.get(group, "cp-vault-js"), { statusCode: 404 });
    await assert.rejects(vaults.beginCreateOrUpdateAndWait(group, "cp-vault-js", parameters, fast), {
      code: "ConflictError",
      statusCode: 409,
    });
    const kept = await vaults.getDeleted("cp-vault-js", location);
    assert.match(kept.properties.vaultId, /cp-vault-js$/);
    assert.ok((await collect(vaults.listDeleted())).some(({ name }) => name === "cp-vault-js"));
    const recover = { ...parameters, properties: { ...parameters.properties, createMode: "recover" } };
    const back = await vaults.beginCreateOrUpdateAndWait(group, "cp-vault-js", recover, fast);
    assert.equal(back.properties.accessPolicies.length, 1);
    await vaults.delete(group, "cp-vault-js");
    await vaults.beginPurgeDeletedAndWait("cp-vault-js", location, fast);
    await assert.rejects(vaults.getDeleted("cp-vault-js", location), { statusCode: 404 });
  });

  test("@azure/arm-storage: accounts", async () => {
    const { storageAccounts } = open(StorageManagementClient);
    const made = await storageAccounts.beginCreateAndWait(
      group,
      "cpstoragejs",
      { location, kind: "StorageV2", sku: { name: "Standard_LRS" } },
      fast,
    );
    assert.match(made.primaryEndpoints.blob, /^https:/);
    assert.equal((await storageAccounts.listKeys(group, "cpstoragejs")).keys.length, 2);
    assert.equal(
      (
        await storageAccounts.checkNameAvailability({
          name: "cpstoragejs",
          type: "Microsoft.Storage/storageAccounts",
        })
      ).nameAvailable,
      false,
    );
    assert.equal((await collect(storageAccounts.listByResourceGroup(group))).length, 1);
    const { blobServices, blobContainers } = open(StorageManagementClient);
    const service = await blobServices.getServiceProperties(group, "cpstoragejs");
    assert.equal(service.deleteRetentionPolicy.enabled, false);
    const versioned = await blobServices.setServiceProperties(group, "cpstoragejs", {
      isVersioningEnabled: true,
    });
    assert.equal(versioned.isVersioningEnabled, true);
    await blobContainers.create(group, "cpstoragejs", "items", {});
    assert.equal((await blobContainers.get(group, "cpstoragejs", "items")).publicAccess, "None");
    assert.equal((await collect(blobContainers.list(group, "cpstoragejs"))).length, 1);
    await blobContainers.delete(group, "cpstoragejs", "items");
    const before = (await storageAccounts.listKeys(group, "cpstoragejs")).keys;
    const after = (await storageAccounts.regenerateKey(group, "cpstoragejs", { keyName: "key1" })).keys;
    assert.deepEqual([after[0].value === before[0].value, after[1].value === before[1].value], [false, true]);
    await storageAccounts.delete(group, "cpstoragejs");
    await assert.rejects(storageAccounts.getProperties(group, "cpstoragejs"), { statusCode: 404 });
  });

  test("@azure/arm-sql: servers and databases", async () => {
    const { servers, databases } = open(SqlManagementClient);
    const made = await servers.beginCreateOrUpdateAndWait(
      group,
      "cp-sql-js",
      {
        location,
        administrators: {
          administratorType: "ActiveDirectory",
          azureADOnlyAuthentication: true,
          login: "admin",
          sid: randomUUID(),
          tenantId: env.CONFORMANCE_tenantId,
        },
      },
      fast,
    );
    assert.match(made.fullyQualifiedDomainName, /cp-sql-js/);
    const database = await databases.beginCreateOrUpdateAndWait(
      group,
      "cp-sql-js",
      "db",
      { location, sku: { name: "Basic" } },
      fast,
    );
    assert.equal(database.name, "db");
    assert.equal(database.currentServiceObjectiveName, "Basic");
    const names = (await collect(databases.listByServer(group, "cp-sql-js"))).map(({ name }) => name);
    assert.deepEqual(names.sort(), ["db", "master"]);
    const sql = open(SqlManagementClient);
    const administrators = sql.serverAzureADAdministrators;
    const administrator = await administrators.get(group, "cp-sql-js", "ActiveDirectory");
    assert.equal(administrator.login, "admin");
    const only = sql.serverAzureADOnlyAuthentications;
    assert.equal((await only.get(group, "cp-sql-js", "Default")).azureADOnlyAuthentication, true);
    const off = { azureADOnlyAuthentication: false };
    await only.beginCreateOrUpdateAndWait(group, "cp-sql-js", "Default", off, fast);
    const other = { ...administrator, login: "other" };
    await administrators.beginCreateOrUpdateAndWait(group, "cp-sql-js", "ActiveDirectory", other, fast);
    const shown = (await servers.get(group, "cp-sql-js")).administrators;
    assert.deepEqual([shown.login, shown.azureADOnlyAuthentication], ["other", false]);
    const rule = { startIpAddress: "0.0.0.0", endIpAddress: "0.0.0.0" };
    await sql.firewallRules.createOrUpdate(group, "cp-sql-js", "azure", rule);
    const rules = await collect(sql.firewallRules.listByServer(group, "cp-sql-js"));
    assert.deepEqual(
      rules.map(({ name }) => name),
      ["azure"],
    );
    await sql.firewallRules.delete(group, "cp-sql-js", "azure");
    await databases.beginDeleteAndWait(group, "cp-sql-js", "db", fast);
    await servers.beginDeleteAndWait(group, "cp-sql-js", fast);
    await assert.rejects(servers.get(group, "cp-sql-js"), { statusCode: 404 });
  });
});

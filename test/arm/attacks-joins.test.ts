/**
 * Ids in a body that would tie the written resource to somebody else's, and which right of theirs each of them asks for.
 * A Contributor of one group writes all of these; the right is then given, by the narrowest role, and nothing else is.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type ArmFixture, group, messageOf, openGroupFixture, outcome, subscription } from "./fixture.ts";

const located = { location: "westeurope" };
const theirs = `${subscription}/resourceGroups/theirs`;
const provider = (type: string, scope: string = group): string => `${scope}/providers/Microsoft.${type}`;

async function beside(): Promise<{ readonly fixture: ArmFixture; readonly caller: string }> {
  const fixture = await openGroupFixture();
  assert.equal((await fixture.send("PUT", theirs, { body: located })).status, 201);
  return { fixture, caller: await fixture.user("caller", "Contributor", group) };
}

let roles = 0;

/** Gives a principal this one action at a scope. */
async function give(fixture: ArmFixture, principalId: string, action: string, scope: string): Promise<void> {
  const name = `00000000-0000-4000-b000-${String(++roles).padStart(12, "0")}`;
  const roleName = `role ${roles}`;
  const properties = { roleName, assignableScopes: [subscription], permissions: [{ actions: [action] }] };
  const definition = `${subscription}/providers/Microsoft.Authorization/roleDefinitions/${name}`;
  assert.equal((await fixture.send("PUT", definition, { body: { properties } })).status, 201);
  await fixture.grant(principalId, roleName, scope);
}

type Case = readonly [
  type: string,
  member: string,
  properties: (id: string) => object,
  linked: string,
  action: string,
];

const configuration = (properties: object): object => ({
  ipConfigurations: [{ name: "a", properties }],
});

const cases: readonly Case[] = [
  [
    "Network/virtualNetworks/own/virtualNetworkPeerings/p",
    "remoteVirtualNetwork",
    (id) => ({ remoteVirtualNetwork: { id } }),
    "Network/virtualNetworks/v",
    "Network/virtualNetworks/peer/action",
  ],
  [
    "Network/virtualNetworks/x",
    "virtualNetworkPeerings",
    (id) => ({ virtualNetworkPeerings: [{ name: "p", properties: { remoteVirtualNetwork: { id } } }] }),
    "Network/virtualNetworks/v",
    "Network/virtualNetworks/peer/action",
  ],
  [
    "Network/virtualNetworks/x",
    "ddosProtectionPlan",
    (id) => ({ ddosProtectionPlan: { id } }),
    "Network/ddosProtectionPlans/d",
    "Network/ddosProtectionPlans/join/action",
  ],
  [
    "Network/privateDnsZones/own.example/virtualNetworkLinks/l",
    "virtualNetwork",
    (id) => ({ registrationEnabled: false, virtualNetwork: { id } }),
    "Network/virtualNetworks/v",
    "Network/virtualNetworks/join/action",
  ],
  [
    "Network/privateEndpoints/own/privateDnsZoneGroups/g",
    "privateDnsZoneId",
    (id) => ({ privateDnsZoneConfigs: [{ name: "a", properties: { privateDnsZoneId: id } }] }),
    "Network/privateDnsZones/z.example",
    "Network/privateDnsZones/join/action",
  ],
  ...["DocumentDB/databaseAccounts/shop", "KeyVault/vaults/shop-vault", "Storage/storageAccounts/shop"].map(
    (linked): Case => [
      "Network/privateEndpoints/x",
      "privateLinkServiceConnections",
      (privateLinkServiceId) => ({
        privateLinkServiceConnections: [{ name: "c", properties: { privateLinkServiceId, groupIds: [] } }],
      }),
      linked,
      `${linked.slice(0, linked.lastIndexOf("/"))}/PrivateEndpointConnectionsApproval/action`,
    ],
  ),
  [
    "Network/networkInterfaces/x",
    "loadBalancerBackendAddressPools",
    (id) => configuration({ loadBalancerBackendAddressPools: [{ id }] }),
    "Network/loadBalancers/b/backendAddressPools/p",
    "Network/loadBalancers/backendAddressPools/join/action",
  ],
  [
    "Network/networkInterfaces/x",
    "applicationSecurityGroups",
    (id) => configuration({ applicationSecurityGroups: [{ id }] }),
    "Network/applicationSecurityGroups/a",
    "Network/applicationSecurityGroups/joinIpConfiguration/action",
  ],
  [
    "Network/networkSecurityGroups/own/securityRules/r",
    "sourceApplicationSecurityGroups",
    (id) => ({ sourceApplicationSecurityGroups: [{ id }] }),
    "Network/applicationSecurityGroups/a",
    "Network/applicationSecurityGroups/joinNetworkSecurityRule/action",
  ],
  [
    "Network/natGateways/x",
    "publicIpAddresses",
    (id) => ({ publicIpAddresses: [{ id }] }),
    "Network/publicIPAddresses/a",
    "Network/publicIPAddresses/join/action",
  ],
  [
    "EventHub/namespaces/own/networkRuleSets/default",
    "virtualNetworkRules",
    (id) => ({ virtualNetworkRules: [{ subnet: { id } }] }),
    "Network/virtualNetworks/v/subnets/s",
    "Network/virtualNetworks/subnets/joinViaServiceEndpoint/action",
  ],
  [
    "Web/sites/own/networkConfig/virtualNetwork",
    "subnetResourceId",
    (subnetResourceId) => ({ subnetResourceId, swiftSupported: true }),
    "Network/virtualNetworks/v/subnets/s",
    "Network/virtualNetworks/subnets/join/action",
  ],
  ...[
    "subnetArmId",
    "delegatedManagementSubnetId",
    "serviceRuntimeSubnetId",
    "computeSubnetId",
    "subnet",
  ].map(
    (member): Case => [
      "Databricks/workspaces/x",
      member,
      (id) => ({ networkProfile: { [member]: id } }),
      "Network/virtualNetworks/v/subnets/s",
      "Network/virtualNetworks/subnets/join/action",
    ],
  ),
  [
    "Web/sites/own/virtualNetworkConnections/c",
    "vnetResourceId",
    (vnetResourceId) => ({ vnetResourceId }),
    "Network/virtualNetworks/v",
    "Network/virtualNetworks/join/action",
  ],
  [
    "ContainerInstance/containerGroups/x",
    "subnetIds",
    (id) => ({ subnetIds: [{ id }] }),
    "Network/virtualNetworks/v/subnets/s",
    "Network/virtualNetworks/subnets/join/action",
  ],
  ...["managedEnvironmentId", "environmentId"].map(
    (member): Case => [
      "App/containerApps/x",
      member,
      (id) => ({ [member]: id }),
      "App/managedEnvironments/e",
      "App/managedEnvironments/join/action",
    ],
  ),
  [
    "Web/serverfarms/x",
    "hostingEnvironmentProfile",
    (id) => ({ hostingEnvironmentProfile: { id } }),
    "Web/hostingEnvironments/h",
    "Web/hostingEnvironments/join/action",
  ],
  [
    "Compute/disks/x",
    "sourceResourceId of a disk",
    (sourceResourceId) => ({ creationData: { createOption: "Copy", sourceResourceId } }),
    "Compute/disks/d",
    "Compute/disks/beginGetAccess/action",
  ],
  [
    "Compute/disks/x",
    "sourceResourceId of a snapshot",
    (sourceResourceId) => ({ creationData: { createOption: "Copy", sourceResourceId } }),
    "Compute/snapshots/s",
    "Compute/disks/beginGetAccess/action",
  ],
  [
    "Compute/disks/x",
    "diskEncryptionSetId",
    (diskEncryptionSetId) => ({ encryption: { diskEncryptionSetId } }),
    "Compute/diskEncryptionSets/e",
    "Compute/diskEncryptionSets/read",
  ],
  [
    "Compute/virtualMachines/x",
    "imageReference",
    (id) => ({ storageProfile: { imageReference: { id } } }),
    "Compute/images/i",
    "Compute/images/read",
  ],
  [
    "Sql/servers/own/databases/x",
    "sourceDatabaseId",
    (sourceDatabaseId) => ({ createMode: "Copy", sourceDatabaseId }),
    "Sql/servers/s/databases/d",
    "Sql/servers/databases/write",
  ],
];

const parents = [
  "Network/virtualNetworks/own",
  "Network/privateDnsZones/own.example",
  "Network/privateEndpoints/own",
  "Network/networkSecurityGroups/own",
  "EventHub/namespaces/own",
  "Web/sites/own",
  "Sql/servers/own",
];

describe("a resource is tied to somebody else's by who may", () => {
  for (const [type, member, properties, linked, action] of cases) {
    test(`${type.split("/").slice(0, -1).join("/")}: ${member} needs ${action}`, async () => {
      const { fixture, caller } = await beside();
      const parent = parents.find((each) => type.startsWith(`${each}/`));
      if (parent !== undefined) await fixture.send("PUT", provider(parent), { body: located });
      const id = provider(linked, theirs);
      const write = (as: string, of: string = id): Promise<string> =>
        fixture
          .send("PUT", provider(type), { as, body: { ...located, properties: properties(of) } })
          .then(outcome);
      assert.equal(await write(caller), "403 LinkedAuthorizationFailed");
      const spelled = id.toUpperCase().replace("/SUBSCRIPTIONS", "/Subscriptions");
      assert.equal(await write(caller, `${spelled}/`), "403 LinkedAuthorizationFailed");
      const refused = await fixture.send("PUT", provider(type), {
        as: caller,
        body: { ...located, properties: properties(id) },
      });
      assert.match(
        messageOf(refused),
        new RegExp(`'Microsoft\\.${action.replaceAll(".", "\\.")}' on the linked`),
      );
      await give(fixture, caller, `Microsoft.${action}`, theirs);
      assert.equal(await write(caller), "200");
      assert.equal(await write(fixture.owner), "200");
    });
  }
});

describe("what only refers to another resource", () => {
  const connection = [{ name: "c", properties: { privateLinkServiceId: provider("Sql/servers/s", theirs) } }];
  const gateway = { id: provider("Network/publicIPAddresses/a", theirs) };
  const allowed: readonly (readonly [type: string, properties: object])[] = [
    // Waits for the approval of who may.
    ["Network/privateEndpoints/x", { manualPrivateLinkServiceConnections: connection }],
    // Lists that services show and nobody writes.
    ["Network/publicIPPrefixes/x", { publicIPAddresses: [gateway] }],
    [
      "Network/ddosProtectionPlans/x",
      { virtualNetworks: [{ id: provider("Network/virtualNetworks/v", theirs) }] },
    ],
    ["Network/loadBalancers/x", { backendAddressPools: [{ name: "p", id: `${theirs}/p` }] }],
    // Published images, which are nobody's.
    [
      "Compute/virtualMachines/x",
      { storageProfile: { imageReference: { publisher: "Canonical", offer: "0001", sku: "s" } } },
    ],
    // A site is where its plan is.
    ["Web/sites/x", { hostingEnvironmentProfile: { id: provider("Web/hostingEnvironments/h", theirs) } }],
    ["App/containerApps/x", { managedEnvironmentId: provider("App/managedEnvironments/own") }],
  ];
  for (const [type, properties] of allowed) {
    test(`asks nothing: ${type}, ${Object.keys(properties).join()}`, async () => {
      const { fixture, caller } = await beside();
      const body = { ...located, properties };
      assert.equal(outcome(await fixture.send("PUT", provider(type), { as: caller, body })), "200");
    });
  }
});

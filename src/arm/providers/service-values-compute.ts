/** Values of machines, disks, networks, registries and container hosts. */
import {
  isArray,
  isObject,
  type Json,
  type JsonObject,
  member,
  objectMember,
  stringMember,
} from "../json.ts";
import { propertiesOf, type StoredResource } from "../resources.ts";
import type { RecordTypes } from "./service-values.ts";
import { createdIso, hostLocation, stableAddress, stableGuid, stableHex } from "./stable-values.ts";

/** Elements of a list property with the id, name and state that the service gives each. */
function withIds(
  resource: StoredResource,
  property: string,
  more: (index: number) => JsonObject,
): JsonObject {
  const list = member(propertiesOf(resource), property);
  if (!isArray(list)) return {};
  const shown = list.map((element, index): Json => {
    if (!isObject(element)) return element;
    const name = stringMember(element, "name") ?? String(index);
    const own = objectMember(element, "properties") ?? {};
    return {
      ...element,
      name,
      id: `${resource.id}/${property}/${name}`,
      properties: { ...more(index), ...own, provisioningState: "Succeeded" },
    };
  });
  return { [property]: shown };
}

/** Host addresses of a subnet begin at four: the service keeps the ones before. */
const firstHost = 4;

function publicAddress(resource: StoredResource): JsonObject {
  const own = propertiesOf(resource);
  const sku = stringMember(member(resource.body, "sku"), "name") ?? "Standard";
  const method = stringMember(own, "publicIPAllocationMethod") ?? (sku === "Basic" ? "Dynamic" : "Static");
  const dns = objectMember(own, "dnsSettings");
  const label = stringMember(dns, "domainNameLabel");
  const fqdn = label === undefined ? {} : { fqdn: `${label}.${hostLocation(resource)}.cloudapp.azure.com` };
  return {
    ipAddress: stableAddress(resource, "public"),
    publicIPAllocationMethod: method,
    resourceGuid: stableGuid(resource, "resource"),
    ...(dns === undefined ? {} : { dnsSettings: { ...dns, ...fqdn } }),
  };
}

const network: RecordTypes = {
  "Microsoft.Network/publicIPAddresses": {
    filled: () => ({ publicIPAddressVersion: "IPv4", idleTimeoutInMinutes: 4 }),
    derived: publicAddress,
    around: () => ({ sku: { name: "Standard", tier: "Regional" } }),
  },
  "Microsoft.Network/privateEndpoints": {
    filled: () => ({ customDnsConfigs: [] }),
    derived: (resource) => {
      const own = stringMember(propertiesOf(resource), "customNetworkInterfaceName");
      const name =
        own === undefined || own === "" ? `${resource.name}.nic.${stableGuid(resource, "nic")}` : own;
      const group = resource.id.slice(0, resource.id.toLowerCase().indexOf("/providers/"));
      return {
        networkInterfaces: [{ id: `${group}/providers/Microsoft.Network/networkInterfaces/${name}` }],
      };
    },
  },
  "Microsoft.Network/networkInterfaces": {
    filled: () => ({ enableAcceleratedNetworking: false, enableIPForwarding: false }),
    derived: (resource) => ({
      ...withIds(resource, "ipConfigurations", (index) => ({
        privateIPAddress: `10.0.0.${firstHost + index}`,
        privateIPAllocationMethod: "Dynamic",
        privateIPAddressVersion: "IPv4",
        primary: index === 0,
      })),
      macAddress: `00-0D-3A-${(stableHex(resource, "mac", 6).toUpperCase().match(/../g) ?? []).join("-")}`,
      resourceGuid: stableGuid(resource, "resource"),
    }),
  },
  "Microsoft.Network/networkSecurityGroups": {
    filled: () => ({ securityRules: [] }),
    derived: (resource) => ({
      ...withIds(resource, "securityRules", () => ({})),
      resourceGuid: stableGuid(resource, "resource"),
    }),
  },
  "Microsoft.Network/virtualNetworks": {
    filled: () => ({ subnets: [], enableDdosProtection: false, virtualNetworkPeerings: [] }),
    derived: (resource) => ({
      ...withIds(resource, "subnets", () => ({
        delegations: [],
        privateEndpointNetworkPolicies: "Disabled",
        privateLinkServiceNetworkPolicies: "Enabled",
      })),
      resourceGuid: stableGuid(resource, "resource"),
    }),
  },
  "Microsoft.Network/routeTables": {
    filled: () => ({ routes: [], disableBgpRoutePropagation: false }),
    derived: (resource) => withIds(resource, "routes", () => ({})),
  },
  "Microsoft.Network/privateDnsZones": {
    filled: () => ({ maxNumberOfRecordSets: 25_000, numberOfRecordSets: 1 }),
  },
};

function machineProfile(resource: StoredResource): JsonObject {
  const own = propertiesOf(resource);
  const storage = objectMember(own, "storageProfile");
  const disk = objectMember(storage, "osDisk");
  if (storage === undefined || disk === undefined) return {};
  const group = resource.id.replace(/\/providers\/.*$/i, "");
  const name = stringMember(disk, "name") ?? `${resource.name}_OsDisk_1_${stableHex(resource, "disk", 32)}`;
  const managed = objectMember(disk, "managedDisk") ?? {};
  const managedDisk = { id: `${group}/providers/Microsoft.Compute/disks/${name}`, ...managed };
  return { storageProfile: { dataDisks: [], ...storage, osDisk: { ...disk, name, managedDisk } } };
}

const compute: RecordTypes = {
  "Microsoft.Compute/virtualMachines": {
    derived: (resource) => ({
      vmId: stableGuid(resource, "machine"),
      timeCreated: createdIso(resource),
      ...machineProfile(resource),
    }),
    hidden: ["powerState"],
  },
  "Microsoft.Compute/virtualMachineScaleSets": {
    filled: () => ({ overprovision: true, singlePlacementGroup: true }),
    derived: (resource) => ({
      uniqueId: stableGuid(resource, "machines"),
      timeCreated: createdIso(resource),
    }),
  },
  "Microsoft.Compute/disks": {
    filled: () => ({ diskState: "Unattached", networkAccessPolicy: "AllowAll" }),
    derived: (resource) => ({ uniqueId: stableGuid(resource, "disk"), timeCreated: createdIso(resource) }),
  },
  "Microsoft.ContainerRegistry/registries": {
    filled: () => ({ adminUserEnabled: false, publicNetworkAccess: "Enabled", anonymousPullEnabled: false }),
    derived: (resource) => ({
      loginServer: `${resource.name.toLowerCase()}.azurecr.io`,
      creationDate: createdIso(resource),
    }),
    around: () => ({ sku: { name: "Basic", tier: "Basic" } }),
  },
  "Microsoft.ContainerInstance/containerGroups": {
    derived: (resource) => {
      const volumes = volumesOf(resource);
      const address = objectMember(propertiesOf(resource), "ipAddress");
      if (address === undefined) return volumes;
      const label = stringMember(address, "dnsNameLabel");
      const fqdn =
        label === undefined ? {} : { fqdn: `${label}.${hostLocation(resource)}.azurecontainer.io` };
      return { ...volumes, ipAddress: { ip: stableAddress(resource, "public"), ...address, ...fqdn } };
    },
  },
};

/** Of a secret volume nothing is shown but that it is one. */
function volumesOf(resource: StoredResource): JsonObject {
  const volumes = member(propertiesOf(resource), "volumes");
  if (!isArray(volumes)) return {};
  return {
    volumes: volumes.map((volume) =>
      objectMember(volume, "secret") === undefined ? volume : { ...(volume as JsonObject), secret: {} },
    ),
  };
}

export const computeTypes: RecordTypes = { ...network, ...compute };

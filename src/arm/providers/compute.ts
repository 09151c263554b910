/**
 * Microsoft.Compute: machines are records that are switched on and off by name, and whose state tools ask for. Every
 * publisher's image is said to be there in one version: nothing is ever booted from it.
 */
import { type JsonObject, objectMember, stringMember } from "../json.ts";
import { type Call, type Operation, type Outcome, type Provider, parameter } from "../operation.ts";
import { armLock } from "../records.ts";
import {
  propertiesOf,
  putResource,
  requireResource,
  resolveResource,
  type StoredResource,
} from "../resources.ts";
import { renderResource } from "./generic.ts";

const skus =
  "/subscriptions/{subscription}/providers/Microsoft.Compute/locations/{location}/publishers/{publisher}/artifacttypes/vmimage/offers/{offer}/skus/{sku}";
const type = "Microsoft.Compute/locations/publishers/artifacttypes/offers/skus/versions";
const machineType = "Microsoft.Compute/virtualMachines";
const machine = `/subscriptions/{subscription}/resourceGroups/{group}/providers/${machineType}/{name}`;

/** What switching does: the action in the path and the state after it. */
const switches: readonly (readonly [action: string, state: string])[] = [
  ["start", "running"],
  ["restart", "running"],
  ["powerOff", "stopped"],
  ["deallocate", "deallocated"],
];

const operations: readonly Operation[] = [
  { method: "GET", path: machine, action: `${machineType}/read`, handler: readMachine },
  {
    method: "GET",
    path: `${machine}/instanceView`,
    action: `${machineType}/instanceView/read`,
    handler: async (call) => ({ status: 200, body: viewOf(await machineOf(call)) }),
  },
  ...switches.map(
    ([action, state]): Operation => ({
      method: "POST",
      path: `${machine}/${action}`,
      action: `${machineType}/${action}/action`,
      handler: (call: Call) => switchMachine(call, state),
    }),
  ),
  {
    method: "GET",
    path: `${skus}/versions`,
    action: `${type}/read`,
    scope: "/subscriptions/{subscription}",
    // The one list of the control plane that is an array and not an object.
    handler: async (call) => ({ status: 200, body: [named(call, latest)] }),
  },
  {
    method: "GET",
    path: `${skus}/versions/{version}`,
    action: `${type}/read`,
    scope: "/subscriptions/{subscription}",
    handler: readImage,
  },
];

export const computeProvider: Provider = { operations };

const latest = "1.0.0";

function named(call: Call, version: string): JsonObject {
  const id = skus.replace(/\{(\w+)\}/g, (_, name: string) => parameter(call, name));
  return { location: parameter(call, "location"), name: version, id: `${id}/versions/${version}` };
}

async function readImage(call: Call): Promise<Outcome> {
  const windows = /windows/i.test(`${parameter(call, "publisher")} ${parameter(call, "offer")}`);
  const generation = /gen2|-g2|server$/i.test(parameter(call, "sku")) ? "V2" : "V1";
  const properties = {
    osDiskImage: { operatingSystem: windows ? "Windows" : "Linux", sizeInGb: 31 },
    dataDiskImages: [],
    hyperVGeneration: generation,
    architecture: "x64",
    features: [],
  };
  const version = parameter(call, "version");
  return { status: 200, body: { ...named(call, version === "latest" ? latest : version), properties } };
}

/** The machine in the path, also when an action follows its name. Throws ArmError 404. */
async function machineOf(call: Call): Promise<StoredResource> {
  const [path = ""] = /^.*?\/Microsoft\.Compute\/virtualMachines\/[^/]+/i.exec(call.address.path) ?? [];
  return requireResource(call.plane.store, await resolveResource(call.plane.store, path));
}

function viewOf(resource: StoredResource): JsonObject {
  const own = propertiesOf(resource);
  const power = stringMember(own, "powerState") ?? "running";
  const time = new Date(resource.createdAt).toISOString();
  return {
    computerName: stringMember(objectMember(own, "osProfile"), "computerName") ?? resource.name,
    statuses: [
      { code: "ProvisioningState/succeeded", level: "Info", displayStatus: "Provisioning succeeded", time },
      { code: `PowerState/${power}`, level: "Info", displayStatus: `VM ${power}` },
    ],
  };
}

async function readMachine(call: Call): Promise<Outcome> {
  const { plane } = call;
  const resource = await machineOf(call);
  const shown = await renderResource(plane, plane.store, resource);
  if (!/instanceView/i.test(call.address.query.get("$expand") ?? "")) return { status: 200, body: shown };
  const properties = { ...objectMember(shown, "properties"), instanceView: viewOf(resource) };
  return { status: 200, body: { ...shown, properties } };
}

async function switchMachine(call: Call, powerState: string): Promise<Outcome> {
  const { id } = await machineOf(call);
  await call.plane.store.transact([armLock], async (transaction) => {
    const resource = await requireResource(transaction, await resolveResource(transaction, id));
    const properties = { ...propertiesOf(resource), powerState };
    putResource(transaction, { ...resource, body: { ...resource.body, properties } });
  });
  return { status: 200 };
}

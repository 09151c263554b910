/** The template that would make what a resource group holds: `az group export` and the portal's "Export template". */
import { newestVersion } from "../../azure/api-versions.ts";
import { ArmError } from "../../azure/arm-error.ts";
import { sameResourceId } from "../../azure/resource-id.ts";
import { isArray, isObject, type Json, type JsonObject, member, without } from "../json.ts";
import { type Call, type Operation, type Outcome, parameter } from "../operation.ts";
import { groupId, requireGroup } from "../resource-groups.ts";
import { listResources, type StoredResource } from "../resources.ts";
import { objectBody } from "./generic.ts";

export const exportGroupOperation: Operation = {
  method: "POST",
  path: "/subscriptions/{subscription}/resourceGroups/{group}/exportTemplate",
  action: "Microsoft.Resources/subscriptions/resourceGroups/exportTemplate/action",
  handler: exportGroup,
};

const schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#";

/** What is never shown cannot be exported; deploying it back empty would lose what is there. */
const neverExported = /^Microsoft\.Web\/sites\/(slots\/)?config$|^Microsoft\.KeyVault\/vaults\/secrets$/i;

async function exportGroup(call: Call): Promise<Outcome> {
  const group = await requireGroup(
    call.plane.store,
    parameter(call, "subscription"),
    parameter(call, "group"),
  );
  const wanted = member(objectBody(call), "resources");
  if (!isArray(wanted) || !wanted.every((each) => typeof each === "string")) {
    throw new ArmError(
      400,
      "InvalidRequestContent",
      "The property 'resources' must be a list of ids, or '*'.",
    );
  }
  const all = wanted.includes("*");
  const resources: JsonObject[] = [];
  for (const resource of await listResources(call.plane.store, groupId(group))) {
    if (neverExported.test(resource.type)) continue;
    if (!all && !wanted.some((id) => sameResourceId(String(id), resource.id))) continue;
    resources.push(await describe(call, resource));
  }
  const template = { $schema: schema, contentVersion: "1.0.0.0", parameters: {}, variables: {}, resources };
  return { status: 200, body: { template } };
}

/** Read back through the resource's own provider, so that it is shown as the provider shows it. */
async function describe(call: Call, resource: StoredResource): Promise<JsonObject> {
  const apiVersion = newestVersion(resource.type);
  const { body } = await call.dispatch({ method: "GET", id: resource.id, apiVersion });
  const shown = isObject(body as Json) ? (body as JsonObject) : {};
  const { properties, ...rest } = without(shown, ["id", "name", "type", "systemData", "etag"]);
  const own = isObject(properties) ? without(properties, ["provisioningState"]) : {};
  return { type: resource.type, apiVersion, name: namesOf(resource), ...rest, properties: own };
}

/** `parent/child`: the names in the id, as a template writes them. */
function namesOf({ id }: StoredResource): string {
  const below = id.split(/\/providers\/[^/]+\//i).pop() ?? "";
  return below
    .split("/")
    .filter((_, index) => index % 2 === 1)
    .join("/");
}

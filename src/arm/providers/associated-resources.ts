/** Which resources carry a user-assigned identity: what `az identity list-resources` and the portal ask. */
import { parseResourceId, sameResourceId } from "../../azure/resource-id.ts";
import { resourceNotFound } from "../errors.ts";
import type { JsonObject } from "../json.ts";
import { type Call, type Operation, type Outcome, parameter } from "../operation.ts";
import { requireSubscription } from "../resource-groups.ts";
import { getResource, listResources, resolveResource } from "../resources.ts";

const type = "Microsoft.ManagedIdentity/userAssignedIdentities";

export const associatedResourcesOperation: Operation = {
  method: "POST",
  path: `/subscriptions/{subscription}/resourceGroups/{group}/providers/${type}/{name}/listAssociatedResources`,
  action: `${type}/listAssociatedResources/action`,
  handler: listAssociated,
};

/** Only what the caller may read is named. */
async function listAssociated(call: Call): Promise<Outcome> {
  const { store, identity } = call.plane;
  const path = call.address.path.replace(/\/listAssociatedResources$/i, "");
  const address = await resolveResource(store, path);
  const id = address.id.replace("/resourceGroups/", "/resourcegroups/");
  if ((await getResource(store, id)) === undefined) throw resourceNotFound(address.display, address.group);
  const subscription = await requireSubscription(store, parameter(call, "subscription"));
  const value: JsonObject[] = [];
  for (const resource of await listResources(store, "/subscriptions")) {
    const host = await identity.getHost(store, resource.id);
    if (host?.userAssigned.some((each) => sameResourceId(each.resourceId, id)) !== true) continue;
    if (!(await call.decide(`${resource.type}/read`, resource.id)).allowed) continue;
    value.push({
      id: resource.id,
      name: resource.name,
      type: resource.type.toLowerCase(),
      resourceGroup: parseResourceId(resource.id)?.resourceGroup ?? "",
      subscriptionId: subscription.subscriptionId,
      subscriptionDisplayName: subscription.displayName,
    });
  }
  return { status: 200, body: { totalCount: value.length, value } };
}

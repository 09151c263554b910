/**
 * Is a name free? Asked before resources are made whose names are host names. What services add to the resources that
 * are kept here as records is in `service-values.ts`.
 */
import { ArmError } from "../../azure/arm-error.ts";
import { clip } from "../errors.ts";
import { stringMember } from "../json.ts";
import type { Call, Operation, Outcome, Provider } from "../operation.ts";
import { listResources } from "../resources.ts";
import { isVaultDeleted } from "./key-vault.ts";

/** Whether a name is free is a question; two of the services call it a read, though it is sent as a POST. */
function nameRow(
  namespace: string,
  type: string,
  verb: "read" | "action",
  question: string = "checkNameAvailability",
): Operation {
  return {
    method: "POST",
    path: `/subscriptions/{subscription}/providers/${namespace}/${question}`,
    action: `${namespace}/${question}/${verb}`,
    scope: "/subscriptions/{subscription}",
    handler: (call: Call) => checkName(call, `${namespace}/${type}`),
  };
}

/** Names of these types are taken across all subscriptions, because they are host names. */
async function checkName(call: Call, type: string): Promise<Outcome> {
  const name = stringMember(call.body, "name");
  if (name === undefined) {
    throw new ArmError(400, "InvalidRequestContent", "The property 'name' is required.");
  }
  const { store } = call.plane;
  const inUse = (await listResources(store, "/subscriptions")).some(
    (each) =>
      each.type.toLowerCase() === type.toLowerCase() && each.name.toLowerCase() === name.toLowerCase(),
  );
  const taken = inUse || (type === "Microsoft.KeyVault/vaults" && (await isVaultDeleted(store, name)));
  const body = taken
    ? {
        nameAvailable: false,
        reason: "AlreadyExists",
        message: `The name '${clip(name)}' is already taken.`,
      }
    : { nameAvailable: true };
  return { status: 200, body };
}

export const recordTypesProvider: Provider = {
  operations: [
    nameRow("Microsoft.KeyVault", "vaults", "read"),
    nameRow("Microsoft.KeyVault", "managedHSMs", "read", "checkMhsmNameAvailability"),
    nameRow("Microsoft.Storage", "storageAccounts", "read"),
    nameRow("Microsoft.Sql", "servers", "action"),
    nameRow("Microsoft.Web", "sites", "read"),
    nameRow("Microsoft.ServiceBus", "namespaces", "action"),
    nameRow("Microsoft.EventHub", "namespaces", "action"),
    nameRow("Microsoft.ContainerRegistry", "registries", "read"),
    nameRow("Microsoft.AppConfiguration", "configurationStores", "read"),
  ],
};

/**
 * Parameters whose value is a secret of a key vault: `reference: { keyVault: { id }, secretName, secretVersion }`. The
 * caller needs no right to read secrets, only the one to use the vault in deployments, and the vault must allow that;
 * so the value is never shown anywhere, whatever the type of the parameter.
 */
import { ArmError } from "../../azure/arm-error.ts";
import { parseResourceId } from "../../azure/resource-id.ts";
import { clip } from "../errors.ts";
import { type JsonObject, member, memberName, objectMember, stringMember } from "../json.ts";
import type { Call } from "../operation.ts";
import { shownProperties } from "../providers/service-values.ts";
import { getResource, propertiesOf, resolveResource, type StoredResource } from "../resources.ts";
import { invalidTemplate } from "./template-errors.ts";

/** Values by the lower-case name of their parameter. */
export type Secrets = ReadonlyMap<string, string>;

/** Reads the secrets that the given parameters refer to. Throws ArmError in the service's words when one cannot be had. */
export async function resolveSecrets(call: Call, declared: JsonObject, given: JsonObject): Promise<Secrets> {
  const secrets = new Map<string, string>();
  for (const [name, sent] of Object.entries(given)) {
    const reference = objectMember(sent, "reference");
    if (reference === undefined || memberName(declared, name) === undefined) continue;
    secrets.set(name.toLowerCase(), await resolveOne(call, name, reference));
  }
  return secrets;
}

async function resolveOne(call: Call, parameter: string, reference: JsonObject): Promise<string> {
  const vaultId = stringMember(objectMember(reference, "keyVault"), "id");
  const secretName = stringMember(reference, "secretName");
  const named = vaultId !== undefined && parseResourceId(vaultId)?.namespace !== undefined;
  if (!named || secretName === undefined || secretName === "") {
    throw invalidTemplate(
      `The reference of the template parameter '${clip(parameter)}' must have the 'id' of a 'keyVault' and a 'secretName'`,
    );
  }
  await requireUse(call, vaultId);
  const vault = await findVault(call, vaultId);
  if (member(propertiesOf(vault), "enabledForTemplateDeployment") !== true) {
    throw notRetrieved(parameter, "Forbidden", accessDenied(call, vault));
  }
  const secret = await getResource(call.plane.store, `${vault.id}/secrets/${secretName}`);
  const version = stringMember(reference, "secretVersion") ?? "";
  const value = secret === undefined ? undefined : secretValue(secret, version);
  if (secret === undefined || value === undefined) {
    const name = version === "" ? secretName : `${secretName}/${version}`;
    throw notRetrieved(
      parameter,
      "NotFound",
      `A secret with (name/id) ${clip(name)} was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182`,
    );
  }
  if (member(objectMember(propertiesOf(secret), "attributes"), "enabled") === false) {
    throw notRetrieved(parameter, "Forbidden", "Operation get is not allowed on a disabled secret.");
  }
  return value;
}

/** Asked before anything is looked up, so that nobody learns which vaults there are. */
async function requireUse(call: Call, vaultId: string): Promise<void> {
  const action = "Microsoft.KeyVault/vaults/deploy/action";
  if ((await call.decide(action, vaultId)).allowed) return;
  const { name, objectId } = call.caller;
  throw new ArmError(
    403,
    "KeyVaultParameterReferenceAuthorizationFailed",
    `The client '${name}' with object id '${objectId}' does not have permission to perform action '${action.toUpperCase()}' on the specified KeyVault resource '${clip(vaultId)}'. Please see https://aka.ms/arm-keyvault for usage details.`,
  );
}

async function findVault({ plane: { store } }: Call, vaultId: string): Promise<StoredResource> {
  const missing = new ArmError(
    404,
    "KeyVaultParameterReferenceNotFound",
    `The specified KeyVault '${clip(vaultId)}' could not be found. Please see https://aka.ms/arm-keyvault for usage details.`,
  );
  const address = await resolveResource(store, vaultId).catch((error: unknown) => {
    throw error instanceof ArmError ? missing : error;
  });
  const vault =
    address.type.toLowerCase() === "microsoft.keyvault/vaults"
      ? await getResource(store, address.id)
      : undefined;
  if (vault === undefined) throw missing;
  return vault;
}

/** The value of the secret's version; the newest one when none is named. */
function secretValue(secret: StoredResource, version: string): string | undefined {
  const newest = stringMember(shownProperties(secret, {}), "secretUriWithVersion")?.split("/").pop();
  if (version !== "" && version.toLowerCase() !== newest?.toLowerCase()) return undefined;
  return stringMember(propertiesOf(secret), "value");
}

/** Applications that templates run as: the vault names them when it refuses. */
const resourceManager = {
  applicationId: "797f4846-ba00-4fd7-ba43-dac1f8f63013",
  objectId: "f248a218-1ef9-47bf-9928-ae47093fd442",
};

function accessDenied({ plane: { tenantId } }: Call, vault: StoredResource): string {
  const { applicationId, objectId } = resourceManager;
  const location = stringMember(vault.body, "location") ?? "";
  return `Access denied to first party service.\r\nCaller: name=ARM;tid=${tenantId};appid=${applicationId};oid=${objectId};iss=https://sts.windows.net/${tenantId}/\r\nVault: ${vault.name};location=${location}`;
}

function notRetrieved(parameter: string, status: string, message: string): ArmError {
  return new ArmError(
    409,
    "KeyVaultParameterReferenceSecretRetrieveFailed",
    `The secret of KeyVault parameter '${clip(parameter)}' cannot be retrieved. Http status code: '${status}'. Error message: '${message}'. Please see https://aka.ms/arm-keyvault for usage details.`,
  );
}

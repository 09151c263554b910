/**
 * Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials: whose tokens an identity trusts. The
 * credentials are the directory's, read by the token endpoint at each exchange; these are only their resource forms.
 */
import { ArmError } from "../../azure/arm-error.ts";
import { directoryLock, type FederatedCredential } from "../../identity/control.ts";
import type { Reader } from "../../storage/port.ts";
import { resourceNotFound } from "../errors.ts";
import { isObject, type JsonObject, objectMember, stringMember } from "../json.ts";
import { type Call, type Operation, type Outcome, parameter } from "../operation.ts";
import { armLock } from "../records.ts";
import { requireResource, resolveResource, type StoredResource } from "../resources.ts";
import { objectBody } from "./generic.ts";

const identityType = "Microsoft.ManagedIdentity/userAssignedIdentities";
const type = `${identityType}/federatedIdentityCredentials` as const;
const collection =
  "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}/federatedIdentityCredentials";
const one = `${collection}/{credential}`;

export const federatedCredentialOperations: readonly Operation[] = [
  { method: "GET", path: collection, action: `${type}/read`, handler: listCredentials },
  { method: "GET", path: one, action: `${type}/read`, handler: readCredential },
  { method: "PUT", path: one, action: `${type}/write`, handler: putCredential },
  { method: "DELETE", path: one, action: `${type}/delete`, handler: deleteCredential },
];

/** The identity that the path names; throws ArmError 404 when there is none. */
async function identityOf(call: Call, reader: Reader): Promise<StoredResource> {
  const path = call.address.path.replace(/\/federatedIdentityCredentials(\/[^/]*)?$/i, "");
  const address = await resolveResource(reader, path);
  return requireResource(reader, {
    ...address,
    id: address.id.replace("/resourceGroups/", "/resourcegroups/"),
  });
}

function render(identity: StoredResource, credential: FederatedCredential): JsonObject {
  const { name, issuer, subject, audiences } = credential;
  return {
    id: `${identity.id}/federatedIdentityCredentials/${name}`,
    name,
    type,
    properties: { issuer, subject, audiences: [...audiences] },
  };
}

async function listCredentials(call: Call): Promise<Outcome> {
  const { store, identity: control } = call.plane;
  const identity = await identityOf(call, store);
  const credentials = await control.listFederatedCredentials(store, identity.id);
  return { status: 200, body: { value: credentials.map((credential) => render(identity, credential)) } };
}

async function readCredential(call: Call): Promise<Outcome> {
  const { store, identity: control } = call.plane;
  const identity = await identityOf(call, store);
  const name = parameter(call, "credential");
  const credentials = await control.listFederatedCredentials(store, identity.id);
  const found = credentials.find((credential) => credential.name.toLowerCase() === name.toLowerCase());
  if (found === undefined) {
    const path = `${identityType}/${identity.name}/federatedIdentityCredentials/${name}`;
    throw resourceNotFound(path, parameter(call, "group"));
  }
  return { status: 200, body: render(identity, found) };
}

async function putCredential(call: Call): Promise<Outcome> {
  const credential = readBody(objectBody(call), parameter(call, "credential"));
  const { store, identity: control } = call.plane;
  return store.transact([armLock, directoryLock], async (transaction) => {
    const identity = await identityOf(call, transaction);
    const isNew = await control.putFederatedCredential(transaction, identity.id, credential);
    return { status: isNew ? 201 : 200, body: render(identity, credential) };
  });
}

function readBody(body: JsonObject, name: string): FederatedCredential {
  const properties = objectMember(body, "properties");
  const issuer = properties === undefined ? undefined : stringMember(properties, "issuer");
  const subject = properties === undefined ? undefined : stringMember(properties, "subject");
  const audiences = properties?.["audiences"];
  if (
    !isObject(properties) ||
    issuer === undefined ||
    subject === undefined ||
    !Array.isArray(audiences) ||
    !audiences.every((audience) => typeof audience === "string")
  ) {
    throw new ArmError(
      400,
      "BadRequest",
      "A federated identity credential has the properties 'issuer', 'subject' and 'audiences' (a list of strings).",
    );
  }
  return { name, issuer, subject, audiences };
}

async function deleteCredential(call: Call): Promise<Outcome> {
  const { store, identity: control } = call.plane;
  return store.transact([armLock, directoryLock], async (transaction) => {
    const identity = await identityOf(call, transaction);
    const name = parameter(call, "credential");
    const removed = await control.deleteFederatedCredential(transaction, identity.id, name);
    return { status: removed ? 200 : 204 };
  });
}

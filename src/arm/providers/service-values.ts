/**
 * What services add to the resources that are kept here as records: values that programs and templates read back
 * (`reference(..).fullyQualifiedDomainName`), defaults, and what is never shown again. One table, made of a file for
 * each kind of service; the values last as long as the resource.
 */
import { isArray, isObject, type Json, type JsonObject, member, stringMember, without } from "../json.ts";
import type { StoredResource } from "../resources.ts";
import { computeTypes } from "./service-values-compute.ts";
import { dataTypes } from "./service-values-data.ts";
import { platformTypes } from "./service-values-platform.ts";
import { secretTypes } from "./service-values-secret.ts";
import { webTypes } from "./service-values-web.ts";

export interface RecordType {
  /** Properties that the service fills in; what was written comes after and wins. */
  readonly filled?: (resource: StoredResource) => JsonObject;
  /** Properties that the service derives, whatever was written. */
  readonly derived?: (resource: StoredResource) => JsonObject;
  /** Members beside the properties that the service fills in. */
  readonly around?: (resource: StoredResource) => JsonObject;
  /** The same that the service derives, whatever was written. */
  readonly settled?: (resource: StoredResource) => JsonObject;
  /** Properties that are taken and never shown. */
  readonly hidden?: readonly string[];
  /** True when all of them are. */
  readonly hidesAll?: true;
}

/** A table of types by their full names; look-ups ignore letter case. */
export type RecordTypes = Readonly<Record<string, RecordType>>;

const recordTypes: ReadonlyMap<string, RecordType> = new Map(
  [dataTypes, computeTypes, webTypes, platformTypes, secretTypes].flatMap((types) =>
    Object.entries(types).map(([type, values]) => [type.toLowerCase(), values]),
  ),
);

/** The properties of a kept resource as the service would show them. */
export function shownProperties(resource: StoredResource, own: JsonObject): JsonObject {
  const known = recordTypes.get(resource.type.toLowerCase());
  const kept = known?.hidesAll === true ? {} : without(own, known?.hidden ?? []);
  // Last, because what is derived may repeat what was written.
  return withoutSecrets({
    ...known?.filled?.(resource),
    ...kept,
    ...known?.derived?.(resource),
  }) as JsonObject;
}

/** The members beside the properties that the service adds when they were not written. */
export function shownAround(resource: StoredResource): JsonObject {
  return recordTypes.get(resource.type.toLowerCase())?.around?.(resource) ?? {};
}

/** The members beside the properties that the service derives from what was written. */
export function settledAround(resource: StoredResource): JsonObject {
  return recordTypes.get(resource.type.toLowerCase())?.settled?.(resource) ?? {};
}

/** Members of any type that services take and never show again (`x-ms-secret` in their specifications), in lower case. */
const secretMembers: ReadonlySet<string> = new Set([
  "accountkey",
  "administratorloginpassword",
  "adminpassword",
  "clientsecret",
  "customdata",
  "dapraiconnectionstring",
  "dapraiinstrumentationkey",
  "password",
  "pfxblob",
  "protectedparameters",
  "protectedsettings",
  "radiusserversecret",
  "runaspassword",
  "saskey",
  "securevalue",
  "serverappsecret",
  "sharedkey",
  "sqladministratorloginpassword",
  "sshpassword",
  "storageaccountaccesskey",
  "storageaccountkey",
  "userdata",
  "workspacekey",
]);

/** True for a member that is kept and never shown; `path` has periods between its parts. */
export function isNeverShown(type: string, path: string): boolean {
  if (secretMembers.has((path.split(".").pop() ?? "").toLowerCase())) return true;
  const { hidden = [], hidesAll = false } = recordTypes.get(type.toLowerCase()) ?? {};
  if (hidesAll && path.toLowerCase().startsWith("properties.")) return true;
  return hidden.some((name) => `properties.${name}`.toLowerCase() === path.toLowerCase());
}

function withoutSecrets(value: Json): Json {
  if (isArray(value)) return value.map(withoutSecrets);
  if (!isObject(value)) return value;
  const hidden = secretBeside(value);
  const shown = Object.entries(value).filter(([name]) => {
    const lower = name.toLowerCase();
    return !secretMembers.has(lower) && lower !== hidden;
  });
  return Object.fromEntries(
    shown.map(([name, each]) => [name, withoutSecrets(/^secrets$/i.test(name) ? namesAlone(each) : each)]),
  );
}

/** Secrets by their names: the values of such a list are told by an action, in whatever letters the list is written. */
function namesAlone(secrets: Json): Json {
  if (!isArray(secrets)) return secrets;
  return secrets.map((each) => (isObject(each) ? without(each, ["value"]) : each));
}

/** The member, in lower case, that is a secret because of what stands beside it. */
function secretBeside(object: JsonObject): string | undefined {
  if (typeof member(object, "secret") === "string" && stringMember(object, "clientId") !== undefined)
    return "secret";
  // A secure parameter of a workflow or factory, an encrypted variable, a named value that is secret.
  const isSecure = /^secure(string|object)$/i.test(stringMember(object, "type") ?? "");
  // A certificate with its private key.
  if (member(object, "password") !== undefined && member(object, "data") !== undefined) return "data";
  const isSecret = member(object, "isEncrypted") === true || member(object, "secret") === true;
  return isSecure || isSecret ? "value" : undefined;
}

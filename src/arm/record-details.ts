/**
 * What of a request's body its record may keep: the properties of roles and their assignments, and the kind of a key,
 * which explain a refusal and tell who changed what. Anything else could hold a secret and is left out.
 */
import { isObject, type Json, type JsonObject, member, objectMember } from "./json.ts";

const keptTypes =
  /\/(roleAssignments|roleDefinitions|sqlRoleAssignments|sqlRoleDefinitions)\/[^/]+$|\/regenerateKey$/i;

/** Longest body that is looked at. */
const bytesMax = 16_384;

const keptMembers = [
  "roleDefinitionId",
  "principalId",
  "principalType",
  "scope",
  "roleName",
  "assignableScopes",
  "permissions",
];

/** The kept part as JSON, or `undefined`; `path` without its query. */
export function recordedDetails(path: string, body: Json | Uint8Array | undefined): string | undefined {
  if (body === undefined || !keptTypes.test(path)) return undefined;
  const value = body instanceof Uint8Array ? parsed(body) : body;
  if (!isObject(value)) return undefined;
  const keyKind = member(value, "keyKind");
  if (typeof keyKind === "string") return JSON.stringify({ keyKind: keyKind.slice(0, 40) });
  const properties = objectMember(value, "properties");
  return properties === undefined ? undefined : JSON.stringify({ properties: kept(properties) });
}

function kept(properties: JsonObject): JsonObject {
  return Object.fromEntries(
    keptMembers.flatMap((name) => {
      const value = member(properties, name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

function parsed(bytes: Uint8Array): Json | undefined {
  if (bytes.length === 0 || bytes.length > bytesMax) return undefined;
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8")) as Json;
  } catch {
    return undefined;
  }
}

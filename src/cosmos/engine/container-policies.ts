/**
 * What a client may say about a container besides its id and partition key: the policies that the server acts on are
 * checked against the service's rules and limits, all others are kept as they came, and what is missing gets the
 * service's default. Apart from containers.ts, which is about creating, changing and deleting.
 */
import { badRequest, invalidInput } from "../errors.ts";
import { indexingPolicy, spatialNames } from "./indexing-policy.ts";
import { isObject, type JsonObject } from "./json-object.ts";
import { checkSearchPolicies } from "./search-policies.ts";

/** Service limits. */
const uniqueKeysMax = 10;
const uniqueKeyPathsMax = 16;
const computedPropertiesMax = 20;
const ttlMax = 2147483647;

/** Parts of a container resource that are not its properties: identity, and what the system sets. */
const foreign: ReadonlySet<string> = new Set(["id", "partitionKey"]);

/** The client's properties with the service's defaults; 400 for a policy that the service would not take. */
export function containerProperties(resource: JsonObject): JsonObject {
  const own = Object.fromEntries(
    Object.entries(resource).filter(
      ([name, value]) => !foreign.has(name) && !name.startsWith("_") && value !== undefined && value !== null,
    ),
  );
  checkTtl(own["defaultTtl"]);
  if (own["ttlPropertyPath"] !== undefined && own["defaultTtl"] === undefined)
    throw badRequest("A ttlPropertyPath needs a defaultTtl.");
  checkUniqueKeys(own["uniqueKeyPolicy"]);
  checkChangeFeed(own["changeFeedPolicy"]);
  checkComputedProperties(own["computedProperties"], spatialNames(own["indexingPolicy"]));
  checkConflictResolution(own["conflictResolutionPolicy"]);
  const geospatial = isObject(own["geospatialConfig"]) ? own["geospatialConfig"]["type"] : undefined;
  const indexing = indexingPolicy(
    own["indexingPolicy"],
    geospatial === "Geometry" ? "Geometry" : "Geography",
  );
  checkSearchPolicies(own);
  return {
    conflictResolutionPolicy: {
      mode: "LastWriterWins",
      conflictResolutionPath: "/_ts",
      conflictResolutionProcedure: "",
    },
    geospatialConfig: { type: "Geography" },
    ...own,
    indexingPolicy: indexing,
  };
}

function checkTtl(ttl: unknown): void {
  if (ttl === undefined) return;
  if (!Number.isInteger(ttl) || Number(ttl) < -1 || Number(ttl) === 0 || Number(ttl) > ttlMax) {
    throw badRequest("The input ttl is invalid: it must be -1 or a positive integer.");
  }
}

/** Minutes for which the change feed shows versions and deletes; 0 for none. */
export function feedRetention(properties: JsonObject): number {
  const policy = properties["changeFeedPolicy"];
  const retention = isObject(policy) ? policy["retentionDuration"] : undefined;
  return typeof retention === "number" ? retention : 0;
}

function checkChangeFeed(policy: unknown): void {
  if (policy === undefined) return;
  const retention = isObject(policy) ? (policy["retentionDuration"] ?? 0) : undefined;
  if (Number.isInteger(retention) && Number(retention) >= 0) return;
  throw badRequest("The changeFeedPolicy needs a retentionDuration of whole minutes.");
}

function checkUniqueKeys(policy: unknown): void {
  if (policy === undefined) return;
  const keys = isObject(policy) ? (policy["uniqueKeys"] ?? []) : undefined;
  if (!Array.isArray(keys)) throw badRequest("The uniqueKeyPolicy needs an array 'uniqueKeys'.");
  if (keys.length > uniqueKeysMax) {
    throw badRequest(`The number of unique keys ${keys.length} exceeds the maximum of ${uniqueKeysMax}.`);
  }
  for (const key of keys as readonly unknown[]) {
    const paths = isObject(key) ? key["paths"] : undefined;
    if (!Array.isArray(paths) || paths.length === 0)
      throw badRequest("Each unique key needs an array 'paths' with at least one path.");
    if (paths.length > uniqueKeyPathsMax) {
      throw badRequest(
        `The number of paths ${paths.length} in a unique key exceeds the maximum of ${uniqueKeyPathsMax}.`,
      );
    }
    const wrong = paths.find((path) => typeof path !== "string" || !/^\/[^/]/.test(path));
    if (wrong !== undefined) {
      throw badRequest(`The unique key path '${String(wrong).slice(0, 100)}' could not be accepted.`);
    }
  }
}

/** Names and number; what the queries mean is checked where queries are understood (operations/containers.ts). */
function checkComputedProperties(definitions: unknown, spatial: ReadonlySet<string>): void {
  if (definitions === undefined) return;
  if (!Array.isArray(definitions)) throw invalidInput();
  if (definitions.length > computedPropertiesMax) {
    throw badRequest(
      `The number of computed properties ${definitions.length} exceeds the maximum of ${computedPropertiesMax}.`,
    );
  }
  const names = new Set<string>();
  for (const [at, definition] of (definitions as readonly unknown[]).entries()) {
    const name = isObject(definition) ? definition["name"] : undefined;
    const query = isObject(definition) ? definition["query"] : undefined;
    if (typeof name !== "string" || typeof query !== "string") throw invalidInput();
    if (name === "" || query === "")
      throw badRequest(
        `Computed property '${name === "" ? "name" : "query"}' is either empty or unspecified.`,
      );
    const shown = name.slice(0, 100);
    if (name === "id" || name.startsWith("_"))
      throw badRequest(`The system property name '${shown}' cannot be used as a computed property name.`);
    if (names.has(name))
      throw badRequest(`Computed property name '${shown}' cannot be used in multiple definitions.`);
    if (spatial.has(name)) {
      throw badRequest(
        `Computed property '${shown}' at index (${at}) has a spatial index. Remove the spatial index on this path.`,
      );
    }
    names.add(name);
  }
}

function checkConflictResolution(policy: unknown): void {
  if (policy === undefined) return;
  const mode = isObject(policy) ? (policy["mode"] ?? "LastWriterWins") : undefined;
  if (typeof mode !== "string" || !/^(lastwriterwins|custom)$/i.test(mode)) {
    throw badRequest("The mode of a conflictResolutionPolicy must be 'LastWriterWins' or 'Custom'.");
  }
}

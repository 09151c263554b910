/**
 * What a client may say about a container besides its id and partition key: the policies that the server acts on are
 * checked against the service's rules and limits, all others are kept as they came, and what is missing gets the
 * service's default. Apart from containers.ts, which is about creating, changing and deleting.
 */
import { badRequest } from "../errors.ts";

type Properties = Readonly<Record<string, unknown>>;

/** Service limits. */
const uniqueKeysMax = 10;
const uniqueKeyPathsMax = 16;
const computedPropertiesMax = 20;
const ttlMax = 2147483647;

/** Parts of a container resource that are not its properties: identity, and what the system sets. */
const foreign: ReadonlySet<string> = new Set(["id", "partitionKey"]);

/** The client's properties with the service's defaults; 400 for a policy that the service would not take. */
export function containerProperties(resource: Properties): Properties {
  const own = Object.fromEntries(
    Object.entries(resource).filter(
      ([name, value]) => !foreign.has(name) && !name.startsWith("_") && value !== undefined && value !== null,
    ),
  );
  checkTtl(own["defaultTtl"]);
  checkUniqueKeys(own["uniqueKeyPolicy"]);
  checkComputedProperties(own["computedProperties"]);
  checkConflictResolution(own["conflictResolutionPolicy"]);
  return {
    conflictResolutionPolicy: {
      mode: "LastWriterWins",
      conflictResolutionPath: "/_ts",
      conflictResolutionProcedure: "",
    },
    geospatialConfig: { type: "Geography" },
    ...own,
    indexingPolicy: indexingPolicy(own["indexingPolicy"]),
  };
}

function checkTtl(ttl: unknown): void {
  if (ttl === undefined) return;
  if (!Number.isInteger(ttl) || Number(ttl) < -1 || Number(ttl) === 0 || Number(ttl) > ttlMax) {
    throw badRequest("The input ttl is invalid: it must be -1 or a positive integer.");
  }
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
function checkComputedProperties(definitions: unknown): void {
  if (definitions === undefined) return;
  if (!Array.isArray(definitions))
    throw badRequest("The computedProperties of a container must be an array.");
  if (definitions.length > computedPropertiesMax) {
    throw badRequest(
      `The number of computed properties ${definitions.length} exceeds the maximum of ${computedPropertiesMax}.`,
    );
  }
  const names = new Set<string>();
  for (const definition of definitions as readonly unknown[]) {
    const name = isObject(definition) ? definition["name"] : undefined;
    const query = isObject(definition) ? definition["query"] : undefined;
    if (typeof name !== "string" || name === "" || typeof query !== "string")
      throw badRequest("Each computed property needs a 'name' and a 'query'.");
    if (name === "id" || name.startsWith("_"))
      throw badRequest(`The name '${name.slice(0, 100)}' cannot be that of a computed property.`);
    if (names.has(name))
      throw badRequest(`The computed property '${name.slice(0, 100)}' is defined more than once.`);
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

const allPaths = "/*";

/** The policy with what it leaves out; the service wants the root in one of the two lists of paths. */
function indexingPolicy(given: unknown): Properties {
  if (given !== undefined && !isObject(given)) throw badRequest("The indexingPolicy must be an object.");
  const policy = given ?? {};
  const mode = policy["indexingMode"] ?? "consistent";
  if (typeof mode !== "string" || !/^(consistent|lazy|none)$/i.test(mode))
    throw badRequest(`The indexing mode '${String(mode).slice(0, 40)}' is not supported.`);
  const isNone = mode.toLowerCase() === "none";
  const automatic = policy["automatic"] ?? !isNone;
  if (typeof automatic !== "boolean")
    throw badRequest("The member 'automatic' of an indexing policy must be a boolean.");
  if (isNone && automatic)
    throw badRequest("An indexing policy whose mode is 'none' must have 'automatic' set to false.");
  const included = pathsOf(policy, "includedPaths");
  const excluded = pathsOf(policy, "excludedPaths");
  if (!isNone && included !== undefined && ![...included, ...(excluded ?? [])].includes(allPaths)) {
    throw badRequest(
      'The special mandatory indexing path "/" is not provided in any of the path type sets. Please provide this path in one of the sets.',
    );
  }
  const defaults = isNone
    ? {}
    : {
        ...(included === undefined && excluded?.includes(allPaths) !== true
          ? { includedPaths: [{ path: allPaths }] }
          : {}),
        ...(excluded === undefined ? { excludedPaths: [{ path: '/"_etag"/?' }] } : {}),
      };
  return { ...defaults, ...policy, indexingMode: mode, automatic };
}

/** Paths of one list; each is one value (`/?`) or a whole subtree (`/*`). */
function pathsOf(policy: Properties, name: string): readonly string[] | undefined {
  const list = policy[name];
  if (list === undefined || list === null) return undefined;
  if (!Array.isArray(list)) throw badRequest(`The member '${name}' of an indexing policy must be an array.`);
  return (list as readonly unknown[]).map((entry) => {
    const path = isObject(entry) ? entry["path"] : undefined;
    if (typeof path !== "string" || !/^\/(.*\/)?[?*]$/s.test(path)) {
      throw badRequest(
        `The indexing path '${String(path).slice(0, 100)}' could not be accepted, failed near position '0'. Please ensure that the path is a valid path.`,
      );
    }
    return path;
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

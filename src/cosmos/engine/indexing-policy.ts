/**
 * The indexing policy of a container as a client writes it: the service's rules for its paths, spatial and composite
 * indexes, and what it fills in. Apart from container-policies.ts by its size, and from ../index/policy.ts, which reads
 * the policy that is kept. Texts are the service's as its SDKs' own tests and users quote them.
 */
import { badRequest, invalidInput } from "../errors.ts";
import { isObject, type JsonObject } from "./json-object.ts";

const allPaths = "/*";
const spatialTypes = ["Point", "LineString", "Polygon", "MultiPolygon"] as const;
const orders = ["ascending", "descending"] as const;
const compositePathsMin = 2;

/**
 * The policy with what it leaves out; the service wants the root in one of the two lists of paths. `geospatial` is the
 * container's kind of coordinates: only those of a plane need a box around them.
 */
export function indexingPolicy(given: unknown, geospatial: "Geography" | "Geometry"): JsonObject {
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
  const lists: JsonObject = {
    ...listed(policy, "includedPaths", (entry) => withoutKinds(withRoot(entry))),
    ...listed(policy, "excludedPaths", withRoot),
  };
  const included = pathsOf(lists, "includedPaths");
  const excluded = pathsOf(lists, "excludedPaths");
  if (!isNone && included !== undefined && ![...included, ...(excluded ?? [])].includes(allPaths)) {
    throw badRequest(
      'The special mandatory indexing path "/" is not provided in any of the path type sets. Please provide this path in one of the sets.',
    );
  }
  const isWhole = included === undefined && excluded?.includes(allPaths) !== true;
  return {
    ...(isWhole && !isNone ? { includedPaths: [{ path: allPaths }] } : {}),
    ...policy,
    ...lists,
    ...(isNone ? {} : { excludedPaths: withEtag(lists["excludedPaths"], included) }),
    ...listed(policy, "spatialIndexes", (entry) => spatialIndex(entry, geospatial)),
    ...listed(policy, "compositeIndexes", compositeIndex),
    indexingMode: mode,
    automatic,
  };
}

/** The first steps of the paths with a spatial index. */
export function spatialNames(policy: unknown): ReadonlySet<string> {
  const list = isObject(policy) ? policy["spatialIndexes"] : undefined;
  if (!Array.isArray(list)) return new Set();
  return new Set(
    list.map((entry: unknown) => {
      const path = isObject(entry) ? String(entry["path"]) : "";
      return path.split("/")[1]?.replaceAll('"', "") ?? "";
    }),
  );
}

/** One list of the policy with each entry as `complete` leaves it; nothing when the policy has no such list. */
function listed(
  policy: JsonObject,
  name: string,
  complete: (entry: unknown, at: number) => unknown,
): JsonObject {
  const list = policy[name];
  if (list === undefined || list === null) return {};
  if (!Array.isArray(list)) throw invalidInput();
  return { [name]: (list as readonly unknown[]).map(complete) };
}

/** The excluded paths, and the etag's when the policy does not speak of it: nobody queries it, and it always changes. */
function withEtag(given: unknown, included: readonly string[] | undefined): readonly unknown[] {
  const list = Array.isArray(given) ? (given as readonly unknown[]) : [];
  const spoken = [...list.map(pathOf), ...(included ?? [])].some((path) => /^\/"?_etag"?\//.test(path));
  return spoken ? list : [...list, { path: '/"_etag"/?' }];
}

/** `/` is the older way to write the root. */
function withRoot(entry: unknown): unknown {
  return isObject(entry) && entry["path"] === "/" ? { ...entry, path: allPaths } : entry;
}

/**
 * An included path without the kinds of index that policies once chose from: every path has a range index now, and the
 * service no longer returns hash and range kinds. Spatial ones are kept as they came.
 */
function withoutKinds(entry: unknown): unknown {
  if (!isObject(entry) || !Array.isArray(entry["indexes"])) return entry;
  const { indexes, ...rest } = entry;
  const spatial = (indexes as readonly unknown[]).filter(
    (index) => isObject(index) && isSpatial(index["kind"]),
  );
  return spatial.length === 0 ? rest : { ...rest, indexes: spatial };
}

function isSpatial(kind: unknown): boolean {
  return typeof kind === "string" && kind.toLowerCase() === "spatial";
}

/** Paths of one list; each is one value (`/?`) or a whole subtree (`/*`). */
function pathsOf(policy: JsonObject, name: string): readonly string[] | undefined {
  const list = policy[name];
  if (list === undefined || list === null) return undefined;
  if (!Array.isArray(list)) throw badRequest(`The member '${name}' of an indexing policy must be an array.`);
  return (list as readonly unknown[]).map(pathOf);
}

function pathOf(entry: unknown): string {
  const path = isObject(entry) ? entry["path"] : undefined;
  if (typeof path !== "string" || !/^(\/\*|(\/("([^"\\]|\\.)*"|(?![?*]\/)[^/]+))+\/[?*])$/s.test(path))
    throw wrongPath(path);
  return path;
}

function wrongPath(path: unknown): Error {
  return badRequest(
    `The indexing path '${String(path).slice(0, 100)}' could not be accepted, failed near position '0'. Please ensure that the path is a valid path. Common errors include invalid characters or absence of quotes around labels.`,
  );
}

/** On the globe the service indexes every type, whichever are named; in the plane those named, within a box. */
function spatialIndex(entry: unknown, geospatial: "Geography" | "Geometry"): JsonObject {
  const path = pathOf(entry);
  const { types, boundingBox, ...rest } = entry as JsonObject;
  if (types === undefined || types === null || (Array.isArray(types) && types.length === 0)) {
    throw badRequest(
      `The spatial data types array cannot be empty. Assign at least one spatial type for the 'types' array for the path '${path.slice(0, 100)}'.`,
    );
  }
  if (!Array.isArray(types) || !types.every((type) => spatialTypes.some((known) => known === type)))
    throw invalidInput();
  if (geospatial === "Geometry") {
    if (isBox(boundingBox)) return { ...rest, types, boundingBox };
    throw badRequest(
      `A boundingBox with xmin, ymin, xmax and ymax is required for the spatial path '${path.slice(0, 100)}' of a Geometry collection.`,
    );
  }
  if (boundingBox === undefined || boundingBox === null) return { ...rest, types: spatialTypes };
  throw badRequest(
    `A boundingBox is not allowed for the spatial path '${path.slice(0, 100)}' of a Geography collection.`,
  );
}

function isBox(box: unknown): boolean {
  if (!isObject(box)) return false;
  const [xmin, ymin, xmax, ymax] = ["xmin", "ymin", "xmax", "ymax"].map((name) => box[name]);
  const corners = [xmin, ymin, xmax, ymax];
  return (
    corners.every((corner) => typeof corner === "number") &&
    Number(xmin) < Number(xmax) &&
    Number(ymin) < Number(ymax)
  );
}

/** A sequence of different paths, each with its direction. */
function compositeIndex(composite: unknown, at: number): readonly JsonObject[] {
  if (!Array.isArray(composite) || !composite.every(isObject)) throw invalidInput();
  if (composite.length < compositePathsMin) {
    throw badRequest(
      `The composite index at 'indexingPolicy.additionalIndexes.composite['${at}']' must have at least ${compositePathsMin} paths.`,
    );
  }
  const seen = new Set<string>();
  return composite.map((entry, place) => {
    const { path, order } = entry;
    if (typeof path !== "string" || !/^(\/("([^"\\]|\\.)*"|(?![?*](\/|$))[^/]+))+(\/\?)?$/s.test(path))
      throw wrongPath(path);
    if (seen.has(path)) {
      throw badRequest(
        `The following path '${path.slice(0, 100)}' was specified more than once in 'additionalIndexes.composite[${at}][${place}]'. Remove the duplicated field.`,
      );
    }
    seen.add(path);
    const direction = orders.find((known) => known === String(order ?? "ascending").toLowerCase());
    if (direction === undefined) {
      throw badRequest(
        `The composite order '${String(order).slice(0, 40)}' is invalid. Choose between 'ascending' and 'descending'.`,
      );
    }
    return { ...entry, order: direction };
  });
}

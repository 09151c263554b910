/**
 * Partial document updates: the six patch operations on a JSON document, as the service defines them. Pure: a new
 * document comes out, or the error of the first operation that cannot be done.
 */
import { badRequest } from "../errors.ts";
import type { ItemBody } from "./documents.ts";

export type PatchOperation =
  | { readonly op: "add" | "set" | "replace"; readonly path: readonly string[]; readonly value: unknown }
  | { readonly op: "remove"; readonly path: readonly string[] }
  | { readonly op: "incr"; readonly path: readonly string[]; readonly value: number }
  | { readonly op: "move"; readonly path: readonly string[]; readonly from: readonly string[] };

export interface Patch {
  readonly operations: readonly PatchOperation[];
  /** `FROM c WHERE ..`: the patch is done only when the item fulfils it. */
  readonly condition?: string;
}

/** Service limit on operations in one patch. */
const operationsMax = 10;
const systemProperties: ReadonlySet<string> = new Set([
  "id",
  "_rid",
  "_self",
  "_etag",
  "_attachments",
  "_ts",
]);

/** Reads a patch body: `{operations, condition?}` or a bare array. `fixedPaths` (partition key) cannot be touched. */
export function parsePatch(body: unknown, fixedPaths: readonly (readonly string[])[]): Patch {
  const { operations, condition } = Array.isArray(body)
    ? { operations: body, condition: undefined }
    : objectOf(body);
  if (!Array.isArray(operations) || operations.length === 0) {
    throw badRequest("The patch request body must have at least one operation.");
  }
  if (operations.length > operationsMax) {
    throw badRequest(`The number of patch operations can't exceed '${operationsMax}'.`);
  }
  if (condition !== undefined && typeof condition !== "string")
    throw badRequest("The patch condition must be a string.");
  const parsed = operations.map((operation: unknown) => parseOperation(operation, fixedPaths));
  return condition === undefined ? { operations: parsed } : { operations: parsed, condition };
}

function objectOf(body: unknown): { readonly operations?: unknown; readonly condition?: unknown } {
  if (typeof body !== "object" || body === null)
    throw badRequest("The patch request body is not a JSON object or array.");
  return body;
}

function parseOperation(operation: unknown, fixedPaths: readonly (readonly string[])[]): PatchOperation {
  const given = objectOf(operation) as { op?: unknown; path?: unknown; value?: unknown; from?: unknown };
  const op = typeof given.op === "string" ? given.op.toLowerCase() : undefined;
  const path = parsePointer(given.path, fixedPaths);
  switch (op) {
    case "add":
    case "set":
    case "replace":
      if (!("value" in given)) throw badRequest(`The patch operation '${op}' needs a value.`);
      return { op, path, value: given.value };
    case "remove":
      return { op, path };
    case "incr":
    case "increment":
      if (typeof given.value !== "number")
        throw badRequest("The value of an increment operation must be a number.");
      return { op: "incr", path, value: given.value };
    case "move":
      return { op, path, from: parsePointer(given.from, fixedPaths) };
    default:
      throw badRequest(`The patch operation '${String(given.op).slice(0, 40)}' is not known.`);
  }
}

/** RFC 6901: segments behind slashes, with `~1` for a slash and `~0` for a tilde. */
function parsePointer(path: unknown, fixedPaths: readonly (readonly string[])[]): readonly string[] {
  if (typeof path !== "string" || !path.startsWith("/") || path.length < 2) {
    throw badRequest(`The patch path '${String(path).slice(0, 100)}' is invalid: it must begin with '/'.`);
  }
  const segments = path
    .slice(1)
    .split("/")
    .map((segment) => segment.replaceAll("~1", "/").replaceAll("~0", "~"));
  const [first] = segments;
  if (first !== undefined && systemProperties.has(first)) {
    throw badRequest(`Cannot patch the system property '${first}'.`);
  }
  const touchesFixed = fixedPaths.some((fixed) =>
    segments.length <= fixed.length
      ? segments.every((name, at) => name === fixed[at])
      : fixed.every((name, at) => name === segments[at]),
  );
  if (touchesFixed) throw badRequest("Patching a partition key is not supported.");
  return segments;
}

/** The document after the operations, in order; the given one is not changed. */
export function applyPatch(document: ItemBody, operations: readonly PatchOperation[]): ItemBody {
  const result = structuredClone(document) as Record<string, unknown>;
  for (const operation of operations) applyOperation(result, operation);
  return result;
}

function applyOperation(document: Record<string, unknown>, operation: PatchOperation): void {
  const { path } = operation;
  switch (operation.op) {
    case "add":
      insert(document, path, operation.value, "add");
      break;
    case "set":
      insert(document, path, operation.value, "set");
      break;
    case "replace":
      replaceAt(document, path, operation.value);
      break;
    case "remove":
      removeAt(document, path);
      break;
    case "incr":
      increment(document, path, operation.value);
      break;
    case "move": {
      if (operation.from.every((name, at) => name === path[at])) {
        throw badRequest("The 'path' of a move operation cannot be a child of its 'from'.");
      }
      insert(document, path, removeAt(document, operation.from), "set");
      break;
    }
  }
}

type Parent =
  | { readonly kind: "object"; readonly value: Record<string, unknown>; readonly name: string }
  | { readonly kind: "array"; readonly value: unknown[]; readonly index: number | "-" };

/** The object or array that holds the last segment; everything above it must exist. */
function parentOf(document: Record<string, unknown>, path: readonly string[]): Parent {
  let current: unknown = document;
  for (const name of path.slice(0, -1)) {
    if (Array.isArray(current)) current = current[arrayIndex(name, current.length - 1)];
    else if (isObject(current) && Object.hasOwn(current, name)) current = current[name];
    else throw missing(path);
  }
  const name = path.at(-1) ?? "";
  if (Array.isArray(current)) {
    return { kind: "array", value: current, index: name === "-" ? "-" : arrayIndex(name, current.length) };
  }
  if (!isObject(current)) throw missing(path);
  return { kind: "object", value: current, name };
}

function insert(
  document: Record<string, unknown>,
  path: readonly string[],
  value: unknown,
  op: "add" | "set",
): void {
  const parent = parentOf(document, path);
  if (parent.kind === "object") setOwn(parent.value, parent.name, value);
  else if (parent.index === "-" || parent.index === parent.value.length) parent.value.push(value);
  else if (op === "set") parent.value[parent.index] = value;
  else parent.value.splice(parent.index, 0, value);
}

function replaceAt(document: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const parent = existing(document, path);
  if (parent.kind === "object") setOwn(parent.value, parent.name, value);
  else parent.value[Number(parent.index)] = value;
}

function removeAt(document: Record<string, unknown>, path: readonly string[]): unknown {
  const parent = existing(document, path);
  if (parent.kind === "array") return parent.value.splice(Number(parent.index), 1)[0];
  const value = parent.value[parent.name];
  delete parent.value[parent.name];
  return value;
}

function increment(document: Record<string, unknown>, path: readonly string[], by: number): void {
  const parent = parentOf(document, path);
  const isNew =
    parent.kind === "object"
      ? !Object.hasOwn(parent.value, parent.name)
      : parent.index === "-" || parent.index === parent.value.length;
  if (isNew) {
    insert(document, path, by, "set");
    return;
  }
  const current = parent.kind === "object" ? parent.value[parent.name] : parent.value[Number(parent.index)];
  if (typeof current !== "number")
    throw badRequest("The property that an increment operation names is not a number.");
  replaceAt(document, path, current + by);
}

/** The parent of a place that must be there. */
function existing(document: Record<string, unknown>, path: readonly string[]): Parent {
  const parent = parentOf(document, path);
  const there =
    parent.kind === "object"
      ? Object.hasOwn(parent.value, parent.name)
      : parent.index !== "-" && parent.index < parent.value.length;
  if (!there) throw missing(path);
  return parent;
}

/** Defines the property as the document's own, whatever its name (`__proto__` included). */
function setOwn(object: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}

function arrayIndex(segment: string, max: number): number {
  if (!/^(0|[1-9]\d{0,8})$/.test(segment) || Number(segment) > max) {
    throw badRequest(
      `The array index '${segment.slice(0, 20)}' in the patch path is out of bounds or not a number.`,
    );
  }
  return Number(segment);
}

function missing(path: readonly string[]): Error {
  return badRequest(`The patch path '/${path.join("/")}' does not exist in the document.`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

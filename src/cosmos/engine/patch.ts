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
    throw malformed("at least one operation is needed");
  }
  if (operations.length > operationsMax) {
    throw badRequest(`The number of patch operations can't exceed '${operationsMax}'.`);
  }
  if (condition !== undefined && typeof condition !== "string")
    throw malformed("the condition must be a string");
  const parsed = operations.map((operation: unknown) => parseOperation(operation, fixedPaths));
  return condition === undefined ? { operations: parsed } : { operations: parsed, condition };
}

function objectOf(body: unknown): { readonly operations?: unknown; readonly condition?: unknown } {
  if (typeof body !== "object" || body === null) throw malformed("neither an object nor an array");
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
      if (!("value" in given)) throw malformed(`the operation '${op}' needs a value`);
      return { op, path, value: given.value };
    case "remove":
      return { op, path };
    case "incr":
    case "increment":
      if (typeof given.value !== "number") throw malformed("the value of an increment must be a number");
      return { op: "incr", path, value: given.value };
    case "move":
      return { op, path, from: parsePointer(given.from, fixedPaths) };
    default:
      throw malformed(`the operation '${String(given.op).slice(0, 40)}' is not known`);
  }
}

/** RFC 6901: segments behind slashes, with `~1` for a slash and `~0` for a tilde. */
function parsePointer(path: unknown, fixedPaths: readonly (readonly string[])[]): readonly string[] {
  if (typeof path !== "string" || !path.startsWith("/") || path.length < 2) {
    throw malformed(`the path '${String(path).slice(0, 100)}' must begin with '/'`);
  }
  const segments = path
    .slice(1)
    .split("/")
    .map((segment) => segment.replaceAll("~1", "/").replaceAll("~0", "~"));
  const [first] = segments;
  if (first !== undefined && systemProperties.has(first)) {
    throw badRequest(`Invalid patch request: Cannot patch system property '${first}'.`);
  }
  const touchesFixed = fixedPaths.some((fixed) =>
    segments.length <= fixed.length
      ? segments.every((name, at) => name === fixed[at])
      : fixed.every((name, at) => name === segments[at]),
  );
  if (touchesFixed) throw badRequest("Invalid patch request: Cannot patch a partition key.");
  return segments;
}

/**
 * The document after the operations, in order; the given one is not changed. 400 names the first operation that cannot
 * be done, counted from 1, in the words of the service's list of patch errors.
 */
export function applyPatch(document: ItemBody, operations: readonly PatchOperation[]): ItemBody {
  const result = structuredClone(document) as Record<string, unknown>;
  for (const [at, operation] of operations.entries()) {
    const fail: Fail = (problem) =>
      badRequest(`For Operation(${at + 1}): ${problem}. Learn more: https://aka.ms/cosmosdbpatchdocs`);
    applyOperation(result, operation, fail);
  }
  return result;
}

/** The error of the operation at hand. */
type Fail = (problem: string) => Error;

function applyOperation(document: Record<string, unknown>, operation: PatchOperation, fail: Fail): void {
  const { path } = operation;
  switch (operation.op) {
    case "add":
      insert(parentFor("Add", document, path, fail), operation.value, "add");
      break;
    case "set":
      insert(parentFor("Given", document, path, fail), operation.value, "set");
      break;
    case "replace":
      overwrite(existing("replaced is absent", document, path, fail), operation.value);
      break;
    case "remove":
      removeAt(document, path, fail);
      break;
    case "incr":
      increment(document, path, operation.value, fail);
      break;
    case "move": {
      if (operation.from.every((name, at) => name === path[at]))
        throw fail("The 'path' of a move operation cannot be a child of its 'from'");
      const value = removeAt(document, operation.from, fail);
      insert(parentFor("Given", document, path, fail), value, "set");
      break;
    }
  }
}

type Parent =
  | { readonly kind: "object"; readonly value: Record<string, unknown>; readonly name: string }
  | { readonly kind: "array"; readonly value: unknown[]; readonly index: number | "-" };

/** The object or array that holds the last segment; everything above it must exist, or `absent` gets what does not. */
function parentOf(
  document: Record<string, unknown>,
  path: readonly string[],
  fail: Fail,
  absent: (path: readonly string[]) => Error,
): Parent {
  let current: unknown = document;
  for (const [at, name] of path.slice(0, -1).entries()) {
    if (Array.isArray(current)) current = current[arrayIndex(name, current.length - 1, fail)];
    else if (isObject(current) && Object.hasOwn(current, name)) current = current[name];
    else throw absent(path.slice(0, at + 1));
  }
  const name = path.at(-1) ?? "";
  if (Array.isArray(current)) {
    const index = name === "-" ? "-" : arrayIndex(name, current.length, fail);
    return { kind: "array", value: current, index };
  }
  if (!isObject(current)) throw absent(path.slice(0, -1));
  return { kind: "object", value: current, name };
}

/** The parent of a place that may be new, for an operation that the service calls `subject`. */
function parentFor(
  subject: "Add" | "Given",
  document: Record<string, unknown>,
  path: readonly string[],
  fail: Fail,
): Parent {
  return parentOf(document, path, fail, (missing) =>
    fail(
      `${subject} Operation can only create a child object of an existing node(array or object) and cannot create path recursively, no path found beyond: '${missing.join("/")}'`,
    ),
  );
}

function insert(parent: Parent, value: unknown, op: "add" | "set"): void {
  if (parent.kind === "object") setOwn(parent.value, parent.name, value);
  else if (parent.index === "-" || parent.index === parent.value.length) parent.value.push(value);
  else if (op === "set") parent.value[parent.index] = value;
  else parent.value.splice(parent.index, 0, value);
}

function overwrite(parent: Parent, value: unknown): void {
  if (parent.kind === "object") setOwn(parent.value, parent.name, value);
  else parent.value[Number(parent.index)] = value;
}

function removeAt(document: Record<string, unknown>, path: readonly string[], fail: Fail): unknown {
  const absent = "removed is absent. Note: it may also have been removed earlier in the transaction";
  const parent = existing(absent, document, path, fail);
  if (parent.kind === "array") return parent.value.splice(Number(parent.index), 1)[0];
  const value = parent.value[parent.name];
  delete parent.value[parent.name];
  return value;
}

function increment(document: Record<string, unknown>, path: readonly string[], by: number, fail: Fail): void {
  const parent = parentFor("Given", document, path, fail);
  if (!isThere(parent)) {
    insert(parent, by, "set");
    return;
  }
  const current = parent.kind === "object" ? parent.value[parent.name] : parent.value[Number(parent.index)];
  if (typeof current !== "number") throw fail(`Node(${path.join("/")}) is not a number`);
  overwrite(parent, current + by);
}

/** The parent of a place that must be there; `absent` says what was to be done with it. */
function existing(
  absent: string,
  document: Record<string, unknown>,
  path: readonly string[],
  fail: Fail,
): Parent {
  const missing = (): Error => fail(`Node(${path.join("/")}) to be ${absent}`);
  const parent = parentOf(document, path, fail, missing);
  if (!isThere(parent)) throw missing();
  return parent;
}

function isThere(parent: Parent): boolean {
  if (parent.kind === "object") return Object.hasOwn(parent.value, parent.name);
  return parent.index !== "-" && parent.index < parent.value.length;
}

/** Defines the property as the document's own, whatever its name (`__proto__` included). */
function setOwn(object: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}

function arrayIndex(segment: string, max: number, fail: Fail): number {
  if (!/^(0|[1-9]\d{0,8})$/.test(segment) || Number(segment) > max)
    throw fail(`Index(${segment.slice(0, 20)}) to operate on is out of array bounds`);
  return Number(segment);
}

/** 400 for a patch that cannot be understood. */
function malformed(what: string): Error {
  return badRequest(`Invalid patch request: check syntax of patch specification: ${what}`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

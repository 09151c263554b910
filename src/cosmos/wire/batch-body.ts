/** The body of a batch or bulk request: a JSON array of operations, read into typed parts. */
import type { CosmosActionName } from "../../azure/cosmos-actions.ts";
import { badRequest } from "../errors.ts";
import { type BatchOperation, decodeBatchRequest, isBatchOfRows } from "./batch-rows.ts";
import { type ExactMembers, exactMembers, exactMembersOfEach } from "./exact-numbers.ts";
import { parseJsonBytes } from "./json-text.ts";
import { MalformedBody } from "./malformed-body.ts";

export type BatchPartType = "Create" | "Upsert" | "Read" | "Replace" | "Patch" | "Delete";

export interface BatchPart {
  readonly type: BatchPartType;
  readonly id?: string;
  /** A JSON array as text, like the header. */
  readonly partitionKey?: string;
  readonly body?: unknown;
  /** Of a document in `body`, what only its text holds. */
  readonly exact?: ExactMembers | undefined;
  readonly ifMatch?: string;
  readonly ifNoneMatch?: string;
  readonly minimalReturn?: boolean;
}

/** The right that each type of part needs, as if it were sent alone. */
const actions: Readonly<Record<BatchPartType, CosmosActionName>> = {
  Create: "createItem",
  Upsert: "upsertItem",
  Read: "readItem",
  Replace: "replaceItem",
  Patch: "replaceItem",
  Delete: "deleteItem",
};

/** The rights that a batch needs: every one of them, before any part runs. */
export function actionsOf(parts: readonly BatchPart[]): readonly CosmosActionName[] {
  return [...new Set(parts.map((part) => actions[part.type]))];
}

/** Reads the parts, from JSON or from the rows that .NET sends; 400 for anything that is not a list of known operations. */
export function parseBatch(bytes: Uint8Array): readonly BatchPart[] {
  if (isBatchOfRows(bytes)) return readBinary(() => decodeBatchRequest(bytes)).map(partOfRow);
  const { text, value } = parseJson(bytes, "The batch request body is not valid JSON.");
  if (!Array.isArray(value)) throw badRequest("The batch request body must be an array of operations.");
  const exact = exactMembersOfEach(text, "resourceBody");
  return value.map((part, at) => ({ ...parsePart(part), exact: exact[at] }));
}

/** Runs a decoder of binary bodies; what is malformed is a 400. */
export function readBinary<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof MalformedBody) throw badRequest(error.message);
    throw error;
  }
}

function partOfRow(row: BatchOperation): BatchPart {
  const { operationType, resourceBody, id, partitionKey, ifMatch, ifNoneMatch, minimalReturn } = row;
  return {
    type: operationType,
    ...(resourceBody === undefined ? {} : parseDocument(resourceBody)),
    ...textMember("id", id),
    ...textMember("partitionKey", partitionKey),
    ...textMember("ifMatch", ifMatch),
    ...textMember("ifNoneMatch", ifNoneMatch),
    ...(minimalReturn === true ? { minimalReturn } : {}),
  };
}

function parseDocument(bytes: Uint8Array): Pick<BatchPart, "body" | "exact"> {
  const { text, value } = parseJson(bytes, "The resource body of a batch operation is not valid JSON.");
  return { body: value, exact: exactMembers(text) };
}

function parseJson(bytes: Uint8Array, refusal: string): ReturnType<typeof parseJsonBytes> {
  try {
    return parseJsonBytes(bytes);
  } catch {
    throw badRequest(refusal);
  }
}

function parsePart(value: unknown): BatchPart {
  if (typeof value !== "object" || value === null)
    throw badRequest("Each operation of a batch must be an object.");
  const given = value as Readonly<Record<string, unknown>>;
  const type = given["operationType"];
  if (typeof type !== "string" || !Object.hasOwn(actions, type)) {
    throw badRequest(`The batch operation type '${String(type).slice(0, 40)}' is not supported.`);
  }
  const key = given["partitionKey"];
  return {
    type: type as BatchPartType,
    ...textMember("id", given["id"]),
    ...(key === undefined ? {} : { partitionKey: typeof key === "string" ? key : JSON.stringify(key) }),
    ...(given["resourceBody"] === undefined ? {} : { body: given["resourceBody"] }),
    ...textMember("ifMatch", given["ifMatch"]),
    ...textMember("ifNoneMatch", given["ifNoneMatch"]),
    ...(given["minimalReturn"] === true ? { minimalReturn: true } : {}),
  };
}

function textMember<K extends string>(name: K, value: unknown): { readonly [P in K]?: string } {
  return (typeof value === "string" ? { [name]: value } : {}) as { readonly [P in K]?: string };
}

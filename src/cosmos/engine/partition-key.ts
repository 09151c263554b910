/**
 * Partition key values: reading them from the request header and from a document, and placing them in the key space.
 */
import { createHash } from "node:crypto";
import { encodeKey } from "../../storage/keys.ts";
import { badRequest } from "../errors.ts";
import {
  effectivePartitionKey,
  type PartitionKeyComponent,
  type PartitionKeyDefinition,
} from "./effective-partition-key.ts";

/** A logical partition: its values and where they lie. */
export interface LogicalPartition {
  readonly components: readonly PartitionKeyComponent[];
  /** Effective partition key, upper-case hexadecimal. */
  readonly epk: string;
  /** Distinguishes partitions whose hashes collide: the encoded values, or their SHA-256 when they are long. */
  readonly tag: Uint8Array;
}

/** Encoded values up to this length are their own tag; longer ones would not fit into a storage key. */
const tagBytesMax = 200;

/** Longest partition key value, in bytes of UTF-8 (service limit, 2 KB). */
const valueBytesMax = 2048;

/** Parses `x-ms-documentdb-partitionkey`: a JSON array in which `{}` stands for undefined; `[]` means "none". */
export function parsePartitionKeyHeader(header: string): readonly PartitionKeyComponent[] {
  let value: unknown;
  try {
    value = JSON.parse(header);
  } catch {
    throw badRequest(`Partition key ${header.slice(0, 100)} is invalid.`);
  }
  if (!Array.isArray(value)) throw badRequest(`Partition key ${header.slice(0, 100)} is invalid.`);
  if (value.length === 0) return [undefined];
  return value.map((component: unknown) => {
    if (isEmptyObject(component)) return undefined;
    return checkComponent(component);
  });
}

/** The partition key of a document; a missing path and an object are undefined, an array is refused. */
export function extractPartitionKey(
  document: Readonly<Record<string, unknown>>,
  definition: PartitionKeyDefinition,
): readonly PartitionKeyComponent[] {
  return definition.paths.map((path) => {
    const value = valueAt(document, path);
    return value === undefined || isRecord(value) ? undefined : checkComponent(value);
  });
}

/** The value at a property path of a document, or `undefined`; arrays are not entered. */
export function valueAt(document: Readonly<Record<string, unknown>>, path: string): unknown {
  // Most paths are one plain name.
  if (path.indexOf("/", 1) < 0 && !/["']/.test(path)) {
    const name = path.slice(1);
    return Object.hasOwn(document, name) ? document[name] : undefined;
  }
  let value: unknown = document;
  for (const name of splitPath(path)) {
    value = isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  }
  return value;
}

/** Splits a property path such as `/a/"b c"/d` into names; quotes are double or single. */
export function splitPath(path: string): readonly string[] {
  return [...path.matchAll(/\/(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^/]*))/g)].map(
    ([, double, single, plain = ""]) => (double ?? single)?.replace(/\\(.)/g, "$1") ?? plain,
  );
}

/** Where these values lie; the number of components has been checked against the definition. */
export function placePartition(
  components: readonly PartitionKeyComponent[],
  definition: PartitionKeyDefinition,
): LogicalPartition {
  const encoded = encodeKey(
    components.map((component) => (component === undefined ? new Uint8Array(0) : component)),
  );
  const tag = encoded.length <= tagBytesMax ? encoded : createHash("sha256").update(encoded).digest();
  return { components, epk: effectivePartitionKey(components, definition), tag };
}

export function samePartition(a: LogicalPartition, b: LogicalPartition): boolean {
  return a.epk === b.epk && Buffer.compare(a.tag, b.tag) === 0;
}

/** True when the values are the same, and so their partition; when false they may still be. */
export function sameComponents(
  a: readonly PartitionKeyComponent[],
  b: readonly PartitionKeyComponent[],
): boolean {
  return a.length === b.length && a.every((value, at) => Object.is(value, b[at]));
}

function checkComponent(value: unknown): PartitionKeyComponent {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "number") {
    // JSON can say numbers that are none here, and as text they would be null: another partition.
    if (Number.isFinite(value)) return value;
    throw badRequest("The partition key value is a number beyond the range of double precision.");
  }
  if (typeof value === "string") {
    if (value.length > valueBytesMax / 3 && Buffer.byteLength(value) > valueBytesMax) {
      throw badRequest(`The partition key value is longer than ${valueBytesMax} bytes.`);
    }
    return value;
  }
  throw badRequest("The partition key value must be a string, a number, a boolean or null.");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isEmptyObject(value: unknown): boolean {
  return isRecord(value) && Object.keys(value).length === 0;
}

/**
 * Writes as arrays of `bytea` in PostgreSQL's binary form. The driver would write them out as hexadecimal text,
 * twice the size and many times the work. Apart because it is a wire format of its own.
 */
import { DELETED } from "./bytes.ts";
import type { Layer } from "./overlay.ts";
import type { Bytes } from "./port.ts";

/** The writes of one statement; each member is a `bytea[]`. */
export interface WriteArrays {
  readonly deleted: Buffer;
  readonly keys: Buffer;
  readonly values: Buffer;
}

/** Keys and values in one statement have about this many bytes; only a single larger value makes it longer. */
const STATEMENT_BYTES = 8 << 20;

const BYTEA_OID = 17;
const HEADER_BYTES = 12;
const DIMENSION_BYTES = 8;

/** `writes` in key order, cut into statements of bounded size; all of them belong into one transaction. */
export function encodeWrites(writes: Layer): WriteArrays[] {
  const statements: WriteArrays[] = [];
  let deleted: Bytes[] = [];
  let keys: Bytes[] = [];
  let values: Bytes[] = [];
  let bytes = 0;
  const cut = (): void => {
    statements.push({
      deleted: encodeArray(deleted),
      keys: encodeArray(keys),
      values: encodeArray(values),
    });
    [deleted, keys, values, bytes] = [[], [], [], 0];
  };
  for (const [key, value] of writes.entries()) {
    if (value === DELETED) deleted.push(key);
    else {
      keys.push(key);
      values.push(value);
    }
    bytes += key.length + (value?.length ?? 0);
    if (bytes >= STATEMENT_BYTES) cut();
  }
  if (bytes > 0) cut();
  return statements;
}

/** `elements` as one binary `bytea[]`: header, one dimension, and each element behind its length; big-endian. */
export function encodeArray(elements: readonly Bytes[]): Buffer {
  let size = HEADER_BYTES + (elements.length === 0 ? 0 : DIMENSION_BYTES);
  for (const element of elements) size += 4 + element.length;
  const out = Buffer.allocUnsafe(size);
  // The number of dimensions, whether there are nulls, the type of the elements.
  let at = out.writeInt32BE(elements.length === 0 ? 0 : 1, 0);
  at = out.writeInt32BE(0, at);
  at = out.writeInt32BE(BYTEA_OID, at);
  if (elements.length === 0) return out;
  at = out.writeInt32BE(elements.length, at);
  at = out.writeInt32BE(1, at);
  for (const element of elements) {
    at = out.writeInt32BE(element.length, at);
    out.set(element, at);
    at += element.length;
  }
  return out;
}

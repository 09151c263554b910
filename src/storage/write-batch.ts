/**
 * A batch of writes as one block of memory, so that it can be handed to another thread without copying it again.
 * Both ends of that hand-over use this file. For each write: the length of the key and of the value (32 bits,
 * little-endian; all ones for a deletion), then the key and the value.
 */
import { DELETED } from "./bytes.ts";
import type { Layer } from "./overlay.ts";
import type { Bytes } from "./port.ts";

const HEADER = 8;
const NO_VALUE = 0xffffffff;

/** `writes` in key order, which is also the order that costs a B-tree least, after `room` bytes left free. */
export function encodeBatch(writes: Layer, room = 0): ArrayBuffer {
  let size = room;
  writes.each((key, value) => {
    size += HEADER + key.length + (value?.length ?? 0);
  });
  const block = new ArrayBuffer(size);
  const bytes = new Uint8Array(block);
  const view = new DataView(block);
  let at = room;
  writes.each((key, value) => {
    view.setUint32(at, key.length, true);
    view.setUint32(at + 4, value === DELETED ? NO_VALUE : value.length, true);
    bytes.set(key, at + HEADER);
    at += HEADER + key.length;
    if (value === DELETED) return;
    bytes.set(value, at);
    at += value.length;
  });
  return block;
}

/** The writes of a batch as views on `block`. */
export function* decodeBatch(
  block: ArrayBuffer | Bytes,
): Generator<readonly [Bytes, Bytes | typeof DELETED], void> {
  const bytes =
    block instanceof ArrayBuffer
      ? Buffer.from(block)
      : Buffer.from(block.buffer, block.byteOffset, block.length);
  for (let at = 0; at < bytes.length; ) {
    const keyLength = bytes.readUInt32LE(at);
    const valueLength = bytes.readUInt32LE(at + 4);
    at += HEADER;
    const key = bytes.subarray(at, at + keyLength);
    at += keyLength;
    if (valueLength === NO_VALUE) yield [key, DELETED];
    else {
      yield [key, bytes.subarray(at, at + valueLength)];
      at += valueLength;
    }
  }
}

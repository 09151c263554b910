/**
 * The effective partition key: the hash that places a logical partition between "" and "FF", as every SDK and the
 * service compute it (MurmurHash3 over marked component bytes). Upper-case hexadecimal throughout.
 */

/** A partition key component; `undefined` is a value of its own, distinct from `null`. */
export type PartitionKeyComponent = string | number | boolean | null | undefined;

export interface PartitionKeyDefinition {
  readonly paths: readonly string[];
  readonly kind: "Hash" | "MultiHash";
  readonly version: 1 | 2;
  readonly systemKey?: boolean;
}

/** Longest string, in characters, that the version 1 hash looks at. */
const v1StringLimit = 100;

/**
 * The effective partition key of `components`. For `MultiHash` a prefix of the components gives a prefix of the
 * result, which is what prefix queries range over.
 */
export function effectivePartitionKey(
  components: readonly PartitionKeyComponent[],
  definition: Pick<PartitionKeyDefinition, "kind" | "version">,
): string {
  if (definition.kind === "MultiHash") return components.map((component) => hashV2([component])).join("");
  return definition.version === 1 ? hashV1(components) : hashV2(components);
}

function hashV2(components: readonly PartitionKeyComponent[]): string {
  const bytes = Buffer.concat(components.map((component) => componentBytes(component, 0xff)));
  const hash = murmur3x64(bytes).reverse();
  hash[0] = (hash[0] ?? 0) & 0x3f;
  return hash.toString("hex").toUpperCase();
}

function hashV1(components: readonly PartitionKeyComponent[]): string {
  const cut = components.map((component) =>
    typeof component === "string" ? component.slice(0, v1StringLimit) : component,
  );
  const hash = murmur3x86(Buffer.concat(cut.map((component) => componentBytes(component, 0x00))));
  const parts = [orderedNumber(hash), ...cut.map(orderedComponent)];
  return Buffer.concat(parts).toString("hex").toUpperCase();
}

function componentBytes(component: PartitionKeyComponent, stringSuffix: number): Buffer {
  if (component === undefined) return Buffer.from([0x00]);
  if (component === null) return Buffer.from([0x01]);
  if (component === false) return Buffer.from([0x02]);
  if (component === true) return Buffer.from([0x03]);
  if (typeof component === "number") {
    const bytes = Buffer.alloc(9);
    bytes[0] = 0x05;
    bytes.writeDoubleLE(component === 0 ? 0 : component, 1);
    return bytes;
  }
  return Buffer.concat([Buffer.from([0x08]), Buffer.from(component, "utf8"), Buffer.from([stringSuffix])]);
}

/** The order-preserving form of a component in a version 1 key: strings as bytes plus one, numbers variable length. */
function orderedComponent(component: PartitionKeyComponent): Buffer {
  if (component === undefined) return Buffer.from([0x00]);
  if (component === null) return Buffer.from([0x01]);
  if (component === false) return Buffer.from([0x02]);
  if (component === true) return Buffer.from([0x03]);
  if (typeof component === "number") return orderedNumber(component);
  const text = Buffer.from(component, "utf8");
  const shifted = Buffer.from(
    text.subarray(0, v1StringLimit + 1).map((byte) => (byte < 0xff ? byte + 1 : byte)),
  );
  const terminator = text.length > v1StringLimit ? Buffer.alloc(0) : Buffer.from([0x00]);
  return Buffer.concat([Buffer.from([0x08]), shifted, terminator]);
}

/** A double as 0x05 and its sign-adjusted bits: first eight bits whole, then seven a byte, low bit = "more follows". */
function orderedNumber(value: number): Buffer {
  const raw = Buffer.alloc(8);
  raw.writeDoubleBE(value === 0 ? 0 : value);
  const bits = raw.readBigUInt64BE();
  const sign = 1n << 63n;
  let payload = bits < sign ? bits ^ sign : BigInt.asUintN(64, ~bits + 1n);
  const out = [0x05, Number(payload >> 56n)];
  payload = BigInt.asUintN(64, payload << 8n);
  let pending: number | undefined;
  do {
    if (pending !== undefined) out.push(pending);
    pending = Number(payload >> 56n) | 0x01;
    payload = BigInt.asUintN(64, payload << 7n);
  } while (payload !== 0n);
  out.push(pending & 0xfe);
  return Buffer.from(out);
}

/** Where the partitions whose version 1 hash is at least `hash` begin. */
export function v1Boundary(hash: number): string {
  return orderedNumber(hash).toString("hex").toUpperCase();
}

/** The hash at the front of a version 1 key or boundary: the inverse of its encoding. */
export function v1Hash(epk: string): number {
  const bytes = Buffer.from(epk, "hex");
  let payload = BigInt(bytes[1] ?? 0) << 56n;
  for (let at = 2, shift = 49n; at < bytes.length; at++, shift -= 7n) {
    const byte = bytes[at] ?? 0;
    const bits = BigInt(byte >> 1);
    payload |= shift >= 0n ? bits << shift : bits >> -shift;
    if ((byte & 1) === 0) break;
  }
  const raw = Buffer.alloc(8);
  raw.writeBigUInt64BE(BigInt.asUintN(64, payload ^ (1n << 63n)));
  return raw.readDoubleBE(0);
}

function rotate32(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by));
}

function mix32(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** MurmurHash3 x86 32 bit, seed 0. */
function murmur3x86(bytes: Buffer): number {
  const c1 = 0xcc9e2d51;
  const c2 = 0x1b873593;
  const scramble = (k: number): number => Math.imul(rotate32(Math.imul(k, c1), 15), c2);
  let h = 0;
  const whole = bytes.length & ~3;
  for (let i = 0; i < whole; i += 4)
    h = (Math.imul(rotate32(h ^ scramble(bytes.readInt32LE(i)), 13), 5) + 0xe6546b64) | 0;
  let tail = 0;
  for (let i = bytes.length - 1; i >= whole; i--) tail = (tail << 8) | (bytes[i] ?? 0);
  if (bytes.length !== whole) h ^= scramble(tail);
  return mix32(h ^ bytes.length);
}

/** 64-bit values as [high, low] pairs of unsigned 32-bit numbers: BigInt is some twenty times slower here. */
type U64 = readonly [number, number];

function add64(a: U64, b: U64): U64 {
  const low = a[1] + b[1];
  return [(a[0] + b[0] + (low > 0xffffffff ? 1 : 0)) >>> 0, low >>> 0];
}

function multiply64(a: U64, b: U64): U64 {
  const a0 = a[1] & 0xffff;
  const a1 = a[1] >>> 16;
  const b0 = b[1] & 0xffff;
  const b1 = b[1] >>> 16;
  const low = a0 * b0;
  const mid = a1 * b0 + (low >>> 16);
  const mid2 = a0 * b1 + (mid & 0xffff);
  const carry = a1 * b1 + Math.floor(mid / 0x10000) + (mid2 >>> 16);
  const resultLow = (((mid2 & 0xffff) << 16) | (low & 0xffff)) >>> 0;
  const high = (carry + Math.imul(a[0], b[1]) + Math.imul(a[1], b[0])) >>> 0;
  return [high, resultLow];
}

function rotate64(a: U64, by: number): U64 {
  if (by === 32) return [a[1], a[0]];
  const [high, low] = by < 32 ? a : [a[1], a[0]];
  const n = by % 32;
  return [((high << n) | (low >>> (32 - n))) >>> 0, ((low << n) | (high >>> (32 - n))) >>> 0];
}

function xor64(a: U64, b: U64): U64 {
  return [(a[0] ^ b[0]) >>> 0, (a[1] ^ b[1]) >>> 0];
}

function mix64(value: U64): U64 {
  let h = xor64(value, [0, value[0] >>> 1]);
  h = multiply64(h, [0xff51afd7, 0xed558ccd]);
  h = xor64(h, [0, h[0] >>> 1]);
  h = multiply64(h, [0xc4ceb9fe, 0x1a85ec53]);
  return xor64(h, [0, h[0] >>> 1]);
}

const c1: U64 = [0x87c37b91, 0x114253d5];
const c2: U64 = [0x4cf5ad43, 0x2745937f];
const five: U64 = [0, 5];

/** MurmurHash3 x64 128 bit, seed 0; 16 bytes, both lanes little endian. */
function murmur3x64(bytes: Buffer): Buffer {
  let h1: U64 = [0, 0];
  let h2: U64 = [0, 0];
  const word = (source: Buffer, at: number): U64 => [source.readUInt32LE(at + 4), source.readUInt32LE(at)];
  const scramble1 = (k: U64): U64 => multiply64(rotate64(multiply64(k, c1), 31), c2);
  const scramble2 = (k: U64): U64 => multiply64(rotate64(multiply64(k, c2), 33), c1);
  const whole = bytes.length & ~15;
  for (let i = 0; i < whole; i += 16) {
    h1 = add64(rotate64(xor64(h1, scramble1(word(bytes, i))), 27), h2);
    h1 = add64(multiply64(h1, five), [0, 0x52dce729]);
    h2 = add64(rotate64(xor64(h2, scramble2(word(bytes, i + 8))), 31), h1);
    h2 = add64(multiply64(h2, five), [0, 0x38495ab5]);
  }
  if (bytes.length !== whole) {
    const tail = Buffer.alloc(16);
    bytes.copy(tail, 0, whole);
    if (bytes.length - whole > 8) h2 = xor64(h2, scramble2(word(tail, 8)));
    h1 = xor64(h1, scramble1(word(tail, 0)));
  }
  const length: U64 = [0, bytes.length];
  h1 = xor64(h1, length);
  h2 = xor64(h2, length);
  h1 = add64(h1, h2);
  h2 = add64(h2, h1);
  h1 = mix64(h1);
  h2 = mix64(h2);
  h1 = add64(h1, h2);
  h2 = add64(h2, h1);
  const out = Buffer.alloc(16);
  for (const [at, half] of [h1[1], h1[0], h2[1], h2[0]].entries()) out.writeUInt32LE(half, at * 4);
  return out;
}

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
  const only = components[0];
  const bytes =
    components.length === 1
      ? componentBytes(only, 0xff)
      : Buffer.concat(components.map((component) => componentBytes(component, 0xff)));
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
  const length = Buffer.byteLength(component);
  const bytes = Buffer.allocUnsafe(length + 2);
  bytes[0] = 0x08;
  bytes.write(component, 1, "utf8");
  bytes[length + 1] = stringSuffix;
  return bytes;
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

/** dst = dst * (bh, bl); registers are pairs [high, low]. */
function multiply(r: Uint32Array, at: number, bh: number, bl: number): void {
  const ah = r[at] as number;
  const al = r[at + 1] as number;
  const a0 = al & 0xffff;
  const a1 = al >>> 16;
  const b0 = bl & 0xffff;
  const b1 = bl >>> 16;
  const p00 = a0 * b0;
  const p01 = a0 * b1;
  const p10 = a1 * b0;
  const mid = (p00 >>> 16) + (p01 & 0xffff) + (p10 & 0xffff);
  r[at + 1] = (mid << 16) | (p00 & 0xffff);
  r[at] = a1 * b1 + (p01 >>> 16) + (p10 >>> 16) + (mid >>> 16) + Math.imul(ah, bl) + Math.imul(al, bh);
}
function rotate(r: Uint32Array, at: number, by: number): void {
  const h = r[at] as number;
  const l = r[at + 1] as number;
  if (by < 32) {
    r[at] = (h << by) | (l >>> (32 - by));
    r[at + 1] = (l << by) | (h >>> (32 - by));
  } else if (by === 32) {
    r[at] = l;
    r[at + 1] = h;
  } else {
    const n = by - 32;
    r[at] = (l << n) | (h >>> (32 - n));
    r[at + 1] = (h << n) | (l >>> (32 - n));
  }
}
function add(r: Uint32Array, at: number, bh: number, bl: number): void {
  const low = (r[at + 1] as number) + bl;
  r[at] = (r[at] as number) + bh + (low > 0xffffffff ? 1 : 0);
  r[at + 1] = low;
}
function xor(r: Uint32Array, at: number, bh: number, bl: number): void {
  r[at] = (r[at] as number) ^ bh;
  r[at + 1] = (r[at + 1] as number) ^ bl;
}
const K = 4;
function scrambleInto(r: Uint32Array, first: boolean, high: number, low: number): void {
  r[K] = high;
  r[K + 1] = low;
  if (first) {
    multiply(r, K, 0x87c37b91, 0x114253d5);
    rotate(r, K, 31);
    multiply(r, K, 0x4cf5ad43, 0x2745937f);
    xor(r, 0, r[K] as number, r[K + 1] as number);
  } else {
    multiply(r, K, 0x4cf5ad43, 0x2745937f);
    rotate(r, K, 33);
    multiply(r, K, 0x87c37b91, 0x114253d5);
    xor(r, 2, r[K] as number, r[K + 1] as number);
  }
}
function mixAt(r: Uint32Array, at: number): void {
  xor(r, at, 0, (r[at] as number) >>> 1);
  multiply(r, at, 0xff51afd7, 0xed558ccd);
  xor(r, at, 0, (r[at] as number) >>> 1);
  multiply(r, at, 0xc4ceb9fe, 0x1a85ec53);
  xor(r, at, 0, (r[at] as number) >>> 1);
}

/** MurmurHash3 x64 128 bit, seed 0; 16 bytes, both lanes little endian. */
function murmur3x64(bytes: Buffer): Buffer {
  const r = new Uint32Array(6);
  const whole = bytes.length & ~15;
  for (let i = 0; i < whole; i += 16) {
    scrambleInto(r, true, bytes.readUInt32LE(i + 4), bytes.readUInt32LE(i));
    rotate(r, 0, 27);
    add(r, 0, r[2] as number, r[3] as number);
    multiply(r, 0, 0, 5);
    add(r, 0, 0, 0x52dce729);
    scrambleInto(r, false, bytes.readUInt32LE(i + 12), bytes.readUInt32LE(i + 8));
    rotate(r, 2, 31);
    add(r, 2, r[0] as number, r[1] as number);
    multiply(r, 2, 0, 5);
    add(r, 2, 0, 0x38495ab5);
  }
  if (bytes.length !== whole) {
    const word = (from: number): number => {
      let value = 0;
      for (let i = 3; i >= 0; i--) value = (value << 8) | (bytes[from + i] ?? 0);
      return value >>> 0;
    };
    if (bytes.length - whole > 8) scrambleInto(r, false, word(whole + 12), word(whole + 8));
    scrambleInto(r, true, word(whole + 4), word(whole));
  }
  xor(r, 0, 0, bytes.length);
  xor(r, 2, 0, bytes.length);
  add(r, 0, r[2] as number, r[3] as number);
  add(r, 2, r[0] as number, r[1] as number);
  mixAt(r, 0);
  mixAt(r, 2);
  add(r, 0, r[2] as number, r[3] as number);
  add(r, 2, r[0] as number, r[1] as number);
  const out = Buffer.allocUnsafe(16);
  out.writeUInt32LE(r[1] as number, 0);
  out.writeUInt32LE(r[0] as number, 4);
  out.writeUInt32LE(r[3] as number, 8);
  out.writeUInt32LE(r[2] as number, 12);
  return out;
}

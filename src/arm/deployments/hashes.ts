/**
 * The deterministic hashes of the template language: `guid` (UUID version 5), `uniqueString`, and the template hash.
 * Names made here become resource names, so they must equal the service's bit by bit.
 */
import { createHash } from "node:crypto";
import { isObject, type Json, type JsonObject } from "../json.ts";

const guidNamespace = Buffer.from("11fb06fb712d4ddd98c7e71bbd588830", "hex");

/** `guid(a, b, ..)`: RFC 9562 version 5 over the arguments joined with hyphens. */
export function templateGuid(parts: readonly string[]): string {
  const digest = createHash("sha1").update(guidNamespace).update(parts.join("-"), "utf8").digest();
  const bytes = digest.subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

const c1 = 0x239b961b;
const c2 = 0xab0e9789;

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function finalMix(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

/** The 64-bit hash behind `uniqueString`: a MurmurHash of two 32-bit lanes, seed zero. */
function hash64(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let h1 = 0;
  let h2 = 0;
  const blocks = bytes.length - (bytes.length % 8);
  for (let at = 0; at < blocks; at += 8) {
    h1 ^= Math.imul(rotateLeft(Math.imul(view.getUint32(at, true), c1), 15), c2);
    h1 = (Math.imul((rotateLeft(h1, 19) + h2) | 0, 5) + 0x561ccd1b) | 0;
    h2 ^= Math.imul(rotateLeft(Math.imul(view.getUint32(at + 4, true), c2), 17), c1);
    h2 = (Math.imul((rotateLeft(h2, 13) + h1) | 0, 5) + 0x0bcaa747) | 0;
  }
  const tail = bytes.subarray(blocks);
  const k1 = littleEndian(tail.subarray(0, 4));
  const k2 = littleEndian(tail.subarray(4));
  h1 ^= Math.imul(rotateLeft(Math.imul(k1, c1), 15), c2);
  h2 ^= Math.imul(rotateLeft(Math.imul(k2, c2), 17), c1);
  h1 ^= bytes.length;
  h2 ^= bytes.length;
  h1 = (h1 + h2) | 0;
  h2 = (h2 + h1) | 0;
  h1 = finalMix(h1);
  h2 = finalMix(h2);
  h1 = (h1 + h2) | 0;
  h2 = (h2 + h1) | 0;
  return (BigInt(h2 >>> 0) << 32n) | BigInt(h1 >>> 0);
}

function littleEndian(bytes: Uint8Array): number {
  let value = 0;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8) | (bytes[i] ?? 0);
  return value;
}

const alphabet = "abcdefghijklmnopqrstuvwxyz234567";

/** `uniqueString(a, b, ..)`: 13 characters of base 32, most significant bits first. */
export function uniqueString(parts: readonly string[]): string {
  const padded = hash64(Buffer.from(parts.join("-"), "utf8")) << 1n;
  let text = "";
  for (let shift = 60n; shift >= 0n; shift -= 5n) text += alphabet[Number((padded >> shift) & 31n)];
  return text;
}

const orders = {
  template: [
    "$schema",
    "contentVersion",
    "parameters",
    "functions",
    "variables",
    "resources",
    "outputs",
    "metadata",
  ],
  resource: [
    "type",
    "apiVersion",
    "name",
    "location",
    "dependsOn",
    "plan",
    "tags",
    "zones",
    "sku",
    "kind",
    "identity",
    "properties",
    "scope",
    "copy",
    "condition",
  ],
  parameter: [
    "defaultValue",
    "minValue",
    "maxValue",
    "allowedValues",
    "minLength",
    "maxLength",
    "type",
    "metadata",
  ],
  output: ["copy", "type", "value", "metadata"],
} as const;

function reorder(object: JsonObject, order: readonly string[]): JsonObject {
  const known = order.flatMap((name) => {
    const value = object[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const rest = Object.entries(object).filter(([name]) => !order.includes(name));
  const last = known.findIndex(([name]) => name === "metadata");
  const before = last < 0 ? known : known.slice(0, last);
  return Object.fromEntries([...before, ...rest, ...(last < 0 ? [] : known.slice(last))]);
}

function reorderEach(value: Json | undefined, order: readonly string[]): Json | undefined {
  if (Array.isArray(value)) {
    return value.map((each: Json) => (isObject(each) ? reorder(each, order) : each));
  }
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, isObject(each) ? reorder(each, order) : each]),
  );
}

function withoutTemplateHash(metadata: Json): Json {
  if (!isObject(metadata)) return metadata;
  const generator = metadata["_generator"];
  if (!isObject(generator)) return metadata;
  const { templateHash: _, ...rest } = generator;
  return { ...metadata, _generator: rest };
}

/** `properties.templateHash` of a deployment: the same hash over the minified, upper-cased, re-ordered template. */
export function templateHash(template: JsonObject): string {
  const sections = [
    ["parameters", orders.parameter],
    ["resources", orders.resource],
    ["outputs", orders.output],
  ] as const;
  const changed = new Map(Object.entries(template));
  for (const [name, order] of sections) {
    const section = reorderEach(template[name], order);
    if (section !== undefined) changed.set(name, section);
  }
  const metadata = template["metadata"];
  if (metadata !== undefined) changed.set("metadata", withoutTemplateHash(metadata));
  const ordered = reorder(Object.fromEntries(changed), orders.template);
  return hash64(Buffer.from(JSON.stringify(ordered).toUpperCase(), "utf8")).toString();
}

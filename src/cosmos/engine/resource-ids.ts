/**
 * The `_rid` of every resource: a binary path, base64 with `/` written as `-`, whose length and type bits tell what
 * it names (layout of the client's ResourceId: database 4 bytes, container 8 with the top bit of byte 4 set, items
 * and other children 16 with their type in the high nibble of byte 15).
 */

export type ChildType =
  | "item"
  | "storedProcedure"
  | "trigger"
  | "userDefinedFunction"
  | "pkRange"
  | "conflict";

const childNibble: Readonly<Record<ChildType, number>> = {
  item: 0x0,
  storedProcedure: 0x8,
  trigger: 0x7,
  userDefinedFunction: 0x6,
  pkRange: 0x5,
  conflict: 0x4,
};

function encode(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replaceAll("/", "-");
}

/** The rid of the account's `number`-th database; 4 bytes, big endian. */
export function databaseRid(number: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return encode(bytes);
}

/** The rid of the `number`-th container of a database. */
export function containerRid(database: string, number: number): string {
  const bytes = Buffer.alloc(8);
  decode(database).copy(bytes, 0, 0, 4);
  bytes.writeUInt32BE((number | 0x80000000) >>> 0, 4);
  return encode(bytes);
}

/** The rid of a child of a container; `number` is below 2^53 and is stored little endian, the type above it. */
export function childRid(container: string, type: ChildType, number: number): string {
  const bytes = Buffer.alloc(16);
  decode(container).copy(bytes, 0, 0, 8);
  bytes.writeUInt32LE(number % 2 ** 32, 8);
  bytes.writeUInt32LE(Math.floor(number / 2 ** 32), 12);
  bytes[15] = (bytes[15] ?? 0) | (childNibble[type] << 4);
  return encode(bytes);
}

/** The rid of the `number`-th user of a database; where a container has its top bit set, a user has it clear. */
export function userRid(database: string, number: number): string {
  const bytes = Buffer.alloc(8);
  decode(database).copy(bytes, 0, 0, 4);
  bytes.writeUInt32BE(number & 0x7fffffff, 4);
  return encode(bytes);
}

/** The rid of a permission of a user. */
export function permissionRid(user: string, number: number): string {
  const bytes = Buffer.alloc(16);
  decode(user).copy(bytes, 0, 0, 8);
  bytes.writeBigUInt64LE(BigInt(number), 8);
  return encode(bytes);
}

/** The rid of a client encryption key: database, four zero bytes, the key's number, and 2 as the type. */
export function clientEncryptionKeyRid(database: string, number: number): string {
  const bytes = Buffer.alloc(16);
  decode(database).copy(bytes, 0, 0, 4);
  bytes.writeUInt32BE(number >>> 0, 8);
  bytes.writeUInt32LE(2, 12);
  return encode(bytes);
}

/** The number that `childRid` put into an item's rid; `undefined` for anything else than an item of the container. */
export function itemNumber(container: string, rid: string): number | undefined {
  const bytes = decode(rid);
  if (bytes.length !== 16 || !bytes.subarray(0, 8).equals(decode(container))) return undefined;
  if ((bytes[15] ?? 0) >> 4 !== childNibble.item) return undefined;
  return bytes.readUInt32LE(8) + (bytes.readUInt32LE(12) & 0x0fffffff) * 2 ** 32;
}

function decode(rid: string): Buffer {
  return Buffer.from(rid.replaceAll("-", "/"), "base64");
}

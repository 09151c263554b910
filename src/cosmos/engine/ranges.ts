/**
 * How the space of effective partition keys is cut into physical ranges: equal parts at creation, halves at a split.
 * Version 2 hashes leave the top two bits of the first byte clear; version 1 keys begin with a 32-bit hash as a number.
 */
import { type PartitionKeyDefinition, v1Boundary, v1Hash } from "./effective-partition-key.ts";
import type { PhysicalRange } from "./records.ts";

const v2Space = 1n << 126n;
const v1Space = 2 ** 32;
const hexDigits = 32;

type Version = Pick<PartitionKeyDefinition, "kind" | "version">;

/** `count` equal ranges from "" to "FF" without a gap. */
export function initialRanges(count: number, definition: Version): readonly PhysicalRange[] {
  const boundary = (at: number): string => {
    if (at === 0) return "";
    if (at === count) return "FF";
    if (isV1(definition)) return v1Boundary(Math.floor((v1Space / count) * at));
    return hex((v2Space / BigInt(count)) * BigInt(at));
  };
  return Array.from({ length: count }, (_, at) => ({
    id: String(at),
    min: boundary(at),
    max: boundary(at + 1),
    parents: [],
    startLsn: 0,
  }));
}

/** The key in the middle of a range, or `undefined` when it cannot be halved any more. */
export function splitPoint({ min, max }: PhysicalRange, definition: Version): string | undefined {
  const middle = isV1(definition) ? v1Middle(min, max) : v2Middle(min, max);
  return middle > min && middle < max ? middle : undefined;
}

function isV1(definition: Version): boolean {
  return definition.kind === "Hash" && definition.version === 1;
}

function v1Middle(min: string, max: string): string {
  const low = min === "" ? 0 : v1Hash(min);
  const high = max === "FF" ? v1Space : v1Hash(max);
  return v1Boundary(Math.floor((low + high) / 2));
}

function v2Middle(min: string, max: string): string {
  const value = (bound: string): bigint => BigInt(`0x${bound.slice(0, hexDigits).padEnd(hexDigits, "0")}`);
  const high = max === "FF" ? v2Space : value(max);
  return hex((value(min) + high) / 2n);
}

function hex(value: bigint): string {
  return value.toString(16).toUpperCase().padStart(hexDigits, "0");
}

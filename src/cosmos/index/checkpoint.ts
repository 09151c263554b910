/**
 * An index on disk: its segments in pieces under the container's keys, and a manifest that names them and says how far
 * the logs were taken in. Segments never change, so a checkpoint only writes new ones; the manifest is replaced in one
 * transaction, and whatever it does not name is garbage. Columns are read back when a query needs them.
 */
import { createHash } from "node:crypto";
import { decodeKey, encodeKey, prefixRange } from "../../storage/keys.ts";
import type { Bytes, Store, Transaction } from "../../storage/port.ts";
import { type ContainerRecord, decodeRecord, encodeRecord } from "../engine/records.ts";
import type { Bits } from "./bits.ts";
import type { Column } from "./column.ts";
import { byteOrder, type ColumnShape, decodeColumn, encodeColumn } from "./column-codec.ts";
import type { PathsState } from "./paths.ts";
import type { Segment } from "./segment.ts";
import { decodeVectors, encodeVectors, sectionSizes, type VectorShape } from "./vector-codec.ts";
import type { VectorColumn } from "./vector-column.ts";

/** Bytes of one piece: a commit that carries it delays others by about a millisecond. */
const pieceBytes = 256 * 1024;
const piecesAtOnce = 8;
const format = 2;

/**
 * Numbers of items and marks of dead documents stand beside the columns, whose places are their slots, and the sections
 * of vector columns.
 */
const numbersPlace = -1;
const deadPlace = -2;
const vectorPlace = (place: number, section: number): number => -16 - place * 16 - section;
/** Longer parts are read and written with pauses. */
const longBytes = 4 * 1024 * 1024;

/** A part of a checkpoint is not what was written: the index must be made anew. */
export class CheckpointDamaged extends Error {
  override readonly name = "CheckpointDamaged";
}

export interface StoredColumn {
  readonly slot: number;
  readonly shape: ColumnShape;
  readonly digest: string;
}

export interface StoredVectors {
  /** Of the index in the policy. */
  readonly place: number;
  readonly shape: VectorShape;
  /** Of each section. */
  readonly digests: readonly string[];
}

export interface StoredSegment {
  readonly id: number;
  readonly documents: number;
  /** Of the item numbers. */
  readonly digest: string;
  readonly dead?: { readonly count: number; readonly digest: string };
  readonly columns: readonly StoredColumn[];
  readonly vectors?: readonly StoredVectors[];
}

export interface Manifest {
  readonly format: number;
  readonly byteOrder: string;
  readonly policy: string;
  readonly paths: PathsState;
  readonly applied: readonly (readonly [range: number, lsn: number])[];
  readonly segments: readonly StoredSegment[];
  readonly nextSegment: number;
}

/** A segment that lies in the store, without the marks of its dead documents, which change. */
export interface KeptSegment {
  readonly stored: Omit<StoredSegment, "dead">;
}

/** Where the checkpoints of one container lie. */
export interface CheckpointPlace {
  readonly store: Store;
  readonly container: Pick<ContainerRecord, "uid" | "number">;
  /** False once the container is deleted: then nothing may be written any more. */
  readonly isCurrent: () => boolean;
}

/** Held by the purge of deleted containers, too: either it finds what is written here, or nothing is written. */
const lock = "cosmos-purge";

type KeyTail = readonly (string | number)[];

function keyParts(
  { container }: Pick<CheckpointPlace, "container">,
  tail: KeyTail,
): readonly (string | number)[] {
  return ["cosmos-i", container.uid, container.number, ...tail];
}

/** The last manifest, if this program can read it. */
export async function readManifest(place: CheckpointPlace): Promise<Manifest | undefined> {
  const bytes = await place.store.get(encodeKey(keyParts(place, ["manifest"])));
  if (bytes === undefined) return undefined;
  try {
    const manifest = decodeRecord<Manifest>(bytes);
    return manifest.format === format && manifest.byteOrder === byteOrder ? manifest : undefined;
  } catch {
    return undefined;
  }
}

export async function readNumbers(
  place: CheckpointPlace,
  { id, documents, digest }: StoredSegment,
): Promise<Float64Array> {
  const bytes = await readPieces(place, id, numbersPlace, documents * 8, digest);
  return new Float64Array(bytes.buffer, bytes.byteOffset, documents);
}

export async function readDead(
  place: CheckpointPlace,
  { id, documents, dead }: StoredSegment,
): Promise<Bits | undefined> {
  if (dead === undefined) return undefined;
  const words = (documents + 31) >>> 5;
  const bytes = await readPieces(place, id, deadPlace, words * 4, dead.digest);
  return new Uint32Array(bytes.buffer, bytes.byteOffset, words);
}

export async function readColumn(
  place: CheckpointPlace,
  id: number,
  { slot, shape, digest }: StoredColumn,
): Promise<Column> {
  return decodeColumn(shape, await readPieces(place, id, slot, shape.bytes, digest));
}

export async function readVectors(
  place: CheckpointPlace,
  id: number,
  { place: index, shape, digests }: StoredVectors,
): Promise<VectorColumn> {
  const sections: Uint8Array[] = [];
  for (const [section, size] of sectionSizes(shape).entries()) {
    sections.push(await readPieces(place, id, vectorPlace(index, section), size, digests[section] ?? ""));
  }
  return decodeVectors(shape, sections);
}

async function readPieces(
  place: CheckpointPlace,
  id: number,
  part: number,
  length: number,
  digest: string,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const hash = createHash("sha1");
  const range = prefixRange(keyParts(place, ["segment", id, part]));
  let { start } = range;
  for (let at = 0; at < length; ) {
    const pieces = await place.store.range({ start, end: range.end }, piecesAtOnce);
    if (pieces.length === 0)
      throw new CheckpointDamaged(`the index checkpoint lacks a piece of segment ${id}, part ${part}`);
    for (const { value } of pieces) {
      bytes.set(value.subarray(0, length - at), at);
      hash.update(value.subarray(0, length - at));
      at += value.length;
    }
    if (length > longBytes) await new Promise((resume) => setImmediate(resume));
    start = encodeKey(keyParts(place, ["segment", id, part, Math.ceil(at / pieceBytes)]));
  }
  if (hash.digest("base64url") === digest) return bytes;
  throw new CheckpointDamaged(
    `the index checkpoint has another segment ${id}, part ${part} than was written`,
  );
}

/** Tells bytes that were cut short, mixed or changed from those that were written; nobody forges them. */
function digestOf(bytes: Uint8Array): string {
  return createHash("sha1").update(bytes).digest("base64url");
}

/**
 * Writes the columns of a segment; it counts for nothing until a manifest names it. `dimensions` are those of the vector
 * indexes. Undefined: the container is gone.
 */
export async function writeSegment(
  place: CheckpointPlace,
  segment: Segment,
  pause: () => Promise<void>,
  dimensions: readonly number[] = [],
): Promise<KeptSegment | undefined> {
  const { id, numbers } = segment;
  const columns: StoredColumn[] = [];
  if (!(await writePieces(place, id, numbersPlace, bytesOf(numbers)))) return undefined;
  for (const [slot, handle] of segment.columns) {
    const { shape, bytes } = encodeColumn(await handle.load());
    if (!(await writePieces(place, id, slot, bytes))) return undefined;
    columns.push({ slot, shape, digest: digestOf(bytes) });
    await pause();
  }
  const vectors: StoredVectors[] = [];
  for (const [index, handle] of segment.vectors) {
    const { shape, sections } = encodeVectors(await handle.load(), dimensions[index] ?? 0);
    const digests: string[] = [];
    for (const [section, bytes] of sections.entries()) {
      if (!(await writePieces(place, id, vectorPlace(index, section), bytes))) return undefined;
      digests.push(await digestInTurns(bytes, pause));
    }
    vectors.push({ place: index, shape, digests });
  }
  const digest = digestOf(bytesOf(numbers));
  const stored = { id, documents: numbers.length, digest, columns };
  return { stored: vectors.length === 0 ? stored : { ...stored, vectors } };
}

async function digestInTurns(bytes: Uint8Array, pause: () => Promise<void>): Promise<string> {
  const hash = createHash("sha1");
  for (let at = 0; at < bytes.length; at += pieceBytes * piecesAtOnce) {
    hash.update(bytes.subarray(at, at + pieceBytes * piecesAtOnce));
    await pause();
  }
  return hash.digest("base64url");
}

/** A kept segment as the manifest names it, with the marks of its dead documents as they are now. */
export function withDead({ stored }: KeptSegment, { dead, deadCount }: Segment): StoredSegment {
  if (dead === undefined) return stored;
  return { ...stored, dead: { count: deadCount, digest: digestOf(bytesOf(dead)) } };
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

async function writePieces(
  place: CheckpointPlace,
  id: number,
  part: number,
  bytes: Uint8Array,
): Promise<boolean> {
  for (let from = 0; from < bytes.length; from += pieceBytes * piecesAtOnce) {
    const written = await write(place, (transaction) =>
      putPieces(place, transaction, id, part, bytes.subarray(from, from + pieceBytes * piecesAtOnce), from),
    );
    if (!written) return false;
  }
  return true;
}

function putPieces(
  place: CheckpointPlace,
  transaction: Transaction,
  id: number,
  part: number,
  bytes: Uint8Array,
  offset: number,
): void {
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const key = encodeKey(keyParts(place, ["segment", id, part, (offset + at) / pieceBytes]));
    transaction.put(key, bytes.subarray(at, at + pieceBytes));
  }
}

/** Runs `put` in a transaction unless the container is gone. */
function write(place: CheckpointPlace, put: (transaction: Transaction) => void): Promise<boolean> {
  return place.store.transact([lock], async (transaction) => {
    if (!place.isCurrent()) return false;
    put(transaction);
    return true;
  });
}

/** Makes `manifest` the checkpoint. `dead` are the marks of its segments that have any. False: the container is gone. */
export function writeManifest(
  place: CheckpointPlace,
  manifest: Omit<Manifest, "format" | "byteOrder">,
  dead: ReadonlyMap<number, Bits>,
): Promise<boolean> {
  return write(place, (transaction) => {
    for (const [id, bits] of dead) putPieces(place, transaction, id, deadPlace, bytesOf(bits), 0);
    const record: Manifest = { format, byteOrder, ...manifest };
    transaction.put(encodeKey(keyParts(place, ["manifest"])), encodeRecord(record));
  });
}

/** Removes everything of these segments, a few pieces at a time. */
export async function removeSegments(place: CheckpointPlace, ids: readonly number[]): Promise<void> {
  for (const id of ids) await removeRange(place.store, keyParts(place, ["segment", id]));
}

/** Removes the segments that no manifest names: what checkpoints that were not finished have left. */
export async function removeOthers(place: CheckpointPlace, named: ReadonlySet<number>): Promise<void> {
  const all = prefixRange(keyParts(place, ["segment"]));
  const { length } = keyParts(place, ["segment"]);
  let { start } = all;
  for (;;) {
    const [first] = await place.store.range({ start, end: all.end }, 1);
    if (first === undefined) return;
    const id = decodeKey(first.key)[length];
    if (typeof id !== "number") throw new Error("a segment of an index has a number");
    if (!named.has(id)) await removeSegments(place, [id]);
    start = prefixRange(keyParts(place, ["segment", id])).end;
  }
}

function removeRange(store: Store, parts: readonly (string | number)[]): Promise<void> {
  const { start, end } = prefixRange(parts);
  return removeBetween(store, start, end);
}

async function removeBetween(store: Store, start: Bytes, end: Bytes): Promise<void> {
  for (;;) {
    const keys = (await store.range({ start, end }, piecesAtOnce)).map(({ key }) => key);
    if (keys.length === 0) return;
    await store.transact([lock], async (transaction) => {
      for (const key of keys) transaction.delete(key);
    });
  }
}

/**
 * Looks at an LMDB data file before the driver does: the driver maps it into memory unseen, and a file that is not
 * LMDB's, or that was cut short, ends the whole process with a signal instead of an error.
 *
 * The file begins with two meta pages that take turns; each is a page header of 24 bytes and the structure
 * `MDB_meta` of LMDB's mdb.c (data version 2, 64-bit, little-endian).
 */
import { type FileHandle, open } from "node:fs/promises";

const META = 24;
const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const META_END = META + 136;

/** Offsets in a meta page. The records of the two trees (free pages, entries) have 48 bytes each. */
const AT = {
  magic: META,
  version: META + 4,
  pageSize: META + 24,
  entries: META + 72,
  transaction: META + 128,
};
const TREE = { branchPages: 8, leafPages: 16, overflowPages: 24, root: 40 };
const NO_ROOT = 2n ** 64n - 1n;

/** What is wrong with the data file `path`, or `undefined` if it can be opened, is empty, or is not there. */
export async function findDamage(path: string): Promise<string | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const { size } = await file.stat();
    if (size === 0) return undefined;
    const first = await readMeta(file, 0);
    if (first === undefined) return "it is not an LMDB file of this format";
    const pageSize = first.readUInt32LE(AT.pageSize);
    const second = await readMeta(file, pageSize);
    if (second === undefined) return "it was cut short";
    const newest = transactionOf(first) > transactionOf(second) ? first : second;
    return pagesNeeded(newest) * BigInt(pageSize) > BigInt(size) ? "it was cut short" : undefined;
  } finally {
    await file.close();
  }
}

async function readMeta(file: FileHandle, position: number): Promise<Buffer | undefined> {
  const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(META_END), position });
  if (bytesRead < META_END || buffer.readUInt32LE(AT.magic) !== MAGIC) return undefined;
  return buffer.readUInt16LE(AT.version) === DATA_VERSION ? buffer : undefined;
}

function transactionOf(meta: Buffer): bigint {
  return meta.readBigUInt64LE(AT.transaction);
}

/**
 * Fewest pages that can hold what `meta` describes: the two metas and the tree of entries, and its root in place.
 * The last page number would say more, but a sound file may end before it.
 */
function pagesNeeded(meta: Buffer): bigint {
  const count = (offset: number): bigint => meta.readBigUInt64LE(AT.entries + offset);
  const tree = 2n + count(TREE.branchPages) + count(TREE.leafPages) + count(TREE.overflowPages);
  const root = count(TREE.root);
  return root === NO_ROOT || root < tree ? tree : root + 1n;
}

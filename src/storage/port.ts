/**
 * The storage port: bytes under bytes, in order. Every adapter (memory, LMDB, PostgreSQL) keeps the laws written
 * here, and `test/storage/laws.ts` checks them on each. The port knows nothing of documents, identities or
 * templates: rooms encode with `keys.ts` and decide what their bytes mean.
 */

export type Bytes = Uint8Array;

/**
 * Longest key in bytes: what a B-tree of PostgreSQL takes with pages of 8 KiB (LMDB takes 4026). `put` throws a `RangeError` for a longer or an empty
 * key; reading or deleting one finds nothing, and range bounds may have any length.
 */
export const MAX_KEY_BYTES = 2692;

export interface Entry {
  readonly key: Bytes;
  readonly value: Bytes;
}

/** Keys `k` with `start <= k < end` in unsigned byte order; `reverse` walks from the end. */
export interface KeyRange {
  readonly start: Bytes;
  readonly end: Bytes;
  readonly reverse?: boolean;
}

export interface Reader {
  /** The value under `key`, or `undefined`. The bytes belong to the caller and do not change later. */
  get(key: Bytes): Promise<Bytes | undefined>;
  /**
   * At most `limit` entries of `range`, in order. Fewer than `limit` means the range is exhausted; to go on, ask
   * again from just after the last key (`keys.after`).
   */
  range(range: KeyRange, limit: number): Promise<readonly Entry[]>;
}

/** Sees one state of the store for as long as it is open, whatever is written meanwhile. */
export interface Snapshot extends Reader {
  /** Frees the snapshot; reading after this throws. */
  close(): void;
}

/** Reads see this transaction's own writes. Nothing is visible outside before the commit, and then all at once. */
export interface Transaction extends Reader {
  /** Takes copies: the caller may change its bytes afterwards. Throws `RangeError` for an impossible key. */
  put(key: Bytes, value: Bytes): void;
  delete(key: Bytes): void;
  /**
   * Runs `callback` once after the durable commit and before `transact` resolves; never after a failure. If it
   * throws, the other callbacks still run and `transact` rejects with its error, but the writes stay.
   */
  afterCommit(callback: () => void): void;
}

export interface Store extends Reader {
  /** A consistent view of everything committed so far. The caller must close it. */
  snapshot(): Promise<Snapshot>;
  /**
   * Runs `fn` and commits its writes atomically and durably, then resolves with its result. If `fn` throws,
   * nothing is written and the error passes through.
   *
   * `locks` are names. Transactions that share a name run strictly one after another, each seeing the writes of
   * all earlier ones; transactions without a common name may overlap, so a transaction must hold a lock for
   * whatever it reads to decide. `fn` may run again if the adapter loses its connection, so it keeps its effects
   * inside the transaction and in `afterCommit`. A transaction must not start another one that shares a lock.
   */
  transact<T>(locks: readonly string[], fn: (transaction: Transaction) => Promise<T>): Promise<T>;
  /** Waits for running transactions, then releases files and sockets. */
  close(): Promise<void>;
}

/** The store cannot be opened or written for a reason the user can mend; `message` says which and how. */
export class StoreUnavailable extends Error {
  override readonly name = "StoreUnavailable";
}

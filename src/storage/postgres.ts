/**
 * The store in a PostgreSQL database, for one server at a time. Transactions read through what waits to be
 * committed, as in the other adapters; many share one statement and one flush to disk. Apart from its session, its
 * writer and its reads, which it puts together.
 */
import { createGroupCommit } from "./group-commit.ts";
import { after } from "./keys.ts";
import { createLocks } from "./locks.ts";
import {
  emptyLayer,
  findIn,
  type Layer,
  scanThrough,
  transactionOver,
} from "./overlay.ts";
import {
  type Bytes,
  type Entry,
  type KeyRange,
  MAX_KEY_BYTES,
  type Reader,
  type Store,
  StoreUnavailable,
  type Transaction,
} from "./port.ts";
import { describeStore, parseAddress, type PostgresAddress } from "./postgres-address.ts";
import { createReads, createSnapshots, type PostgresReads } from "./postgres-reads.ts";
import { statementsFor } from "./postgres-schema.ts";
import { openWriter, type PostgresWriter } from "./postgres-writer.ts";

/** Milliseconds for which reads and transactions wait when the server is gone. */
const PATIENCE = 15_000;

/**
 * Opens the store in the database and schema of `url` (`postgres://USER:PASSWORD@HOST:PORT/DATABASE?schema=NAME`),
 * making it if it is not there. `patience` is the number of milliseconds for which everything waits when the server is
 * gone. Throws `StoreUnavailable` if another server has it open, or if the database cannot be used.
 */
export async function openPostgres(url: string, patience: number = PATIENCE): Promise<Store> {
  const address = parseAddress(url);
  return postgresStore(address, await openWriter(address, statementsFor(address.schema), patience));
}

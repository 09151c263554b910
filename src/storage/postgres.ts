/**
 * The store in a PostgreSQL database, for one server at a time. Transactions read through what waits to be committed,
 * as in the other adapters, and many share one statement and one flush to disk. This file puts together the parts
 * beside it: the session that holds the store, its writer, its reads and its snapshots.
 */
import { type Accepted, createGroupCommit, runInGroup } from "./group-commit.ts";
import { layeredReader, sinkingLayers } from "./layered-reads.ts";
import { createLocks } from "./locks.ts";
import { transactionOver } from "./overlay.ts";
import { type Store, StoreUnavailable, type Transaction } from "./port.ts";
import { describeStore, type PostgresAddress, parseAddress } from "./postgres-address.ts";
import { createReads } from "./postgres-reads.ts";
import { type Statements, statementsFor } from "./postgres-schema.ts";
import { createSnapshots } from "./postgres-snapshots.ts";
import { openWriter, type PostgresWriter } from "./postgres-writer.ts";

/** Milliseconds for which reads and transactions wait when the server is gone. */
const PATIENCE = 15_000;

/**
 * Opens the store in the database and schema that `url` names (`postgres://USER:PASSWORD@HOST:PORT/DATABASE?schema=NAME`),
 * making it if it is not there. `patience` is the number of milliseconds for which everything waits when the server is
 * gone. Throws `StoreUnavailable` if another server has the store open, or if the database cannot be used.
 */
export async function openPostgres(url: string, patience: number = PATIENCE): Promise<Store> {
  const address = parseAddress(url);
  const statements = statementsFor(address.schema);
  const writer = await openWriter(address, statements, patience);
  return postgresStore(address, statements, writer, patience);
}

function postgresStore(
  address: PostgresAddress,
  statements: Statements,
  writer: PostgresWriter,
  patience: number,
): Store {
  const locks = createLocks();
  let acknowledged = 0;
  const reads = createReads(address, statements, writer.ready, patience);
  const snapshots = createSnapshots(address, statements, writer.ready, () => acknowledged, patience);
  const group = createGroupCommit(async (writes) => {
    layers.sink(writes);
    try {
      await writer.commit(writes);
    } catch (error) {
      layers.forget();
      throw error;
    }
    acknowledged++;
  });
  const layers = sinkingLayers(group.layers);
  const running = new Set<Promise<unknown>>();
  let closing: Promise<void> | undefined;
  const checkOpen = (): void => {
    if (closing !== undefined) throw new StoreUnavailable(`${describeStore(address)} is closed.`);
    writer.check();
  };
  /** Counts the read that `start` begins, so that closing waits for it. */
  const reading = async <T>(start: () => Promise<T>): Promise<T> => {
    checkOpen();
    const read = start();
    running.add(read);
    return read.finally(() => running.delete(read));
  };
  const run = async <T>(fn: (transaction: Transaction) => Promise<T>): Promise<Accepted<T>> => {
    // While the session is lost a commit may still be under way in the server, and what is read may change by it.
    await writer.ready();
    return runInGroup(
      group,
      transactionOver((own) => layeredReader(own, layers, reads)),
      fn,
    );
  };
  const shutDown = async (): Promise<void> => {
    await locks.idle();
    await group.idle();
    await Promise.allSettled(running);
    await Promise.all([reads.close(), snapshots.close(), writer.close()]);
  };
  return {
    get: (key) => reading(() => reads.get(key)),
    range: (range, limit) => reading(() => reads.range(range, limit)),
    snapshot: () => reading(() => snapshots.take()),
    async transact(names, fn) {
      checkOpen();
      const { durable, outcome } = await locks.run(names, () => run(fn));
      await durable;
      return outcome();
    },
    close() {
      closing ??= shutDown();
      return closing;
    },
  };
}

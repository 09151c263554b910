/**
 * Snapshots of a PostgreSQL store: read-only transactions that see one state. Apart from the other reads because each
 * keeps a connection for as long as it is open, so they are shared where they can be, and limited.
 */
import type pg from "pg";
import { type Reader, type Snapshot, StoreUnavailable } from "./port.ts";
import { describeStore, explain, type PostgresAddress } from "./postgres-address.ts";
import { newPool, type Query, readerOf, retrying } from "./postgres-reads.ts";
import type { Statements } from "./postgres-schema.ts";

/** Connections for snapshots; those taken between the same two commits share one. */
export const SNAPSHOT_CONNECTIONS = 20;

export interface PostgresSnapshots {
  /** A view of everything committed so far. Rejects with `StoreUnavailable`, also if too many are open for long. */
  take(): Promise<Snapshot>;
  /** Closes all that are open. */
  close(): Promise<void>;
}

/** A read-only transaction through which its users see one state. */
interface View {
  readonly reader: Promise<Reader>;
  /** Whether it shows every commit that has been acknowledged by now. */
  isCurrent(): boolean;
  /** Frees the connection, if it was ever had. */
  end(): Promise<void>;
  users: number;
}

/** What views are made with. */
interface Source {
  readonly address: PostgresAddress;
  readonly statements: Statements;
  readonly pool: pg.Pool;
  acknowledged(): number;
}

/**
 * Snapshots of the store at `address`. `ready` resolves when the server can be expected to answer after connections
 * have been lost; `acknowledged` counts the commits that have been reported as durable;
 * `patience` is the number of milliseconds to wait for a connection.
 */
export function createSnapshots(
  address: PostgresAddress,
  statements: Statements,
  ready: () => Promise<void>,
  acknowledged: () => number,
  patience: number,
): PostgresSnapshots {
  const pool = newPool(address, SNAPSHOT_CONNECTIONS, patience);
  const source: Source = { address, statements, pool, acknowledged };
  const open = new Set<Snapshot>();
  const ending = new Set<Promise<void>>();
  let newest: View | undefined;
  const leave = (view: View): void => {
    view.users--;
    if (view.users > 0) return;
    if (newest === view) newest = undefined;
    const end = view.end().finally(() => ending.delete(end));
    ending.add(end);
  };
  const enter = async (): Promise<readonly [View, Reader]> => {
    if (newest?.isCurrent() !== true) newest = beginView(source);
    const view = newest;
    view.users++;
    try {
      return [view, await view.reader];
    } catch (error) {
      // Whoever comes next tries anew.
      if (newest === view) newest = undefined;
      leave(view);
      throw error;
    }
  };
  return {
    async take() {
      const [view, reader] = await retrying(address, ready, enter);
      const snapshot = snapshotOf(reader, () => {
        open.delete(snapshot);
        leave(view);
      });
      open.add(snapshot);
      return snapshot;
    },
    async close() {
      for (const snapshot of open) snapshot.close();
      await Promise.all(ending);
      await pool.end();
    },
  };
}

function snapshotOf(reader: Reader, onClose: () => void): Snapshot {
  let closed = false;
  const checkOpen = (): void => {
    if (closed) throw new Error("this snapshot is closed");
  };
  return {
    async get(key) {
      checkOpen();
      return reader.get(key);
    },
    async range(range, limit) {
      checkOpen();
      return reader.range(range, limit);
    },
    close() {
      if (closed) return;
      closed = true;
      onClose();
    },
  };
}

function beginView({ address, statements, pool, acknowledged }: Source): View {
  const connection = connect(pool, address);
  let shown: number | undefined;
  let broken = false;
  const onError = (): void => {
    broken = true;
  };
  const query = async (config: pg.QueryConfig): ReturnType<Query> => {
    try {
      return await (await connection).query({ ...config, rowMode: "array" });
    } catch (error) {
      // The transaction is over: its state cannot be seen again.
      broken = true;
      throw explain(address, error);
    }
  };
  const start = async (): Promise<Reader> => {
    const client = await connection;
    client.on("error", onError);
    shown = acknowledged();
    // The state is fixed by the first statement after BEGIN.
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT");
    return readerOf(query, statements);
  };
  return {
    reader: start(),
    // Until its state is fixed, it will show everything up to then.
    isCurrent: () => !broken && (shown === undefined || shown === acknowledged()),
    async end() {
      const client = await connection.catch(() => undefined);
      if (client === undefined) return;
      const failure = await client.query("ROLLBACK").then(
        () => undefined,
        (error: Error) => error,
      );
      client.release(failure);
      client.off("error", onError);
    },
    users: 0,
  };
}

/** A connection for a snapshot; says so if all are taken for too long. */
async function connect(pool: pg.Pool, address: PostgresAddress): Promise<pg.PoolClient> {
  const full = pool.totalCount === SNAPSHOT_CONNECTIONS && pool.idleCount === 0;
  try {
    return await pool.connect();
  } catch (error) {
    if (!full) throw error;
    throw new StoreUnavailable(
      `${describeStore(address)} has ${SNAPSHOT_CONNECTIONS} snapshots open and none was closed in time.`,
      { cause: error },
    );
  }
}

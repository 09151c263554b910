/**
 * Reads of a PostgreSQL store, outside and inside snapshots. Apart from the writer because they run beside it on
 * connections of their own, so that no number of readers can hold a commit up.
 */
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { compareKeys } from "./keys.ts";
import { type Bytes, type Entry, type KeyRange, type Reader, type Snapshot, StoreUnavailable } from "./port.ts";
import { describeStore, explain, isConnectionLoss, type PostgresAddress } from "./postgres-address.ts";
import { encodeArray } from "./postgres-arrays.ts";
import { prepareSession, type Statements } from "./postgres-schema.ts";

/** Connections for reads outside snapshots. */
const READ_CONNECTIONS = 6;
/** Connections for snapshots; those taken between the same two commits share one. */
const SNAPSHOT_CONNECTIONS = 20;
/** Milliseconds after which an unused connection is closed. */
const IDLE_TIMEOUT = 60_000;

/** Most keys that one statement looks up, and how many such statements run at once. */
const KEYS_TOGETHER_MAX = 64;
const LOOK_UPS_MAX = 3;

/** How often a read is tried again after losing its connection, after every how many more milliseconds. */
const RETRIES = 5;
const RETRY_PAUSE = 50;

export interface PostgresReads extends Reader {
  close(): Promise<void>;
}

/**
 * Reads of what is committed. `ready` resolves when the server can be expected to answer again after connections have
 * been lost; reads that fail so are tried again. Reads reject with `StoreUnavailable`.
 */
export function createReads(
  address: PostgresAddress,
  statements: Statements,
  ready: () => Promise<void>,
): PostgresReads {
  const pool = newPool(address, READ_CONNECTIONS);
  const query: Query = async (config) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await pool.query({ ...config, rowMode: "array" });
      } catch (error) {
        if (!isConnectionLoss(error) || attempt > RETRIES) throw explain(address, error);
        await sleep(attempt * RETRY_PAUSE);
        await ready();
      }
    }
  };
  const { range } = readerOf(query, statements);
  return {
    get: gathered((keys) => lookUp(query, statements, keys)),
    range,
    close: () => pool.end(),
  };
}

export interface PostgresSnapshots {
  /** A view of everything committed so far. Rejects with `StoreUnavailable`, also if too many are open for long. */
  take(): Promise<Snapshot>;
  /** Closes all that are open. */
  close(): Promise<void>;
}

/** A read-only transaction that its users see one state through. */
interface View {
  /** How many commits had been acknowledged when its state was fixed; `undefined` before. */
  acknowledged: number | undefined;
  users: number;
  readonly reader: Promise<Reader>;
  /** Frees the connection, if it was ever had. */
  end(): Promise<void>;
}

/** Snapshots; `acknowledged` counts the commits that have been reported as durable. */
export function createSnapshots(
  address: PostgresAddress,
  statements: Statements,
  acknowledged: () => number,
): PostgresSnapshots {
  const pool = newPool(address, SNAPSHOT_CONNECTIONS);
  const open = new Set<Snapshot>();
  const ending = new Set<Promise<void>>();
  let newest: View | undefined;
  const join = (): View => {
    if (newest?.acknowledged !== undefined && newest.acknowledged !== acknowledged()) newest = undefined;
    newest ??= beginView(pool, address, statements, acknowledged);
    newest.users++;
    return newest;
  };
  const part = (view: View): void => {
    view.users--;
    if (view.users > 0) return;
    if (newest === view) newest = undefined;
    const end = view.end().finally(() => ending.delete(end));
    ending.add(end);
  };
  return {
    async take() {
      const view = join();
      let reader: Reader;
      try {
        reader = await view.reader;
      } catch (error) {
        // Whoever comes next tries anew.
        if (newest === view) newest = undefined;
        part(view);
        throw error;
      }
      const snapshot = snapshotOf(reader, () => {
        open.delete(snapshot);
        part(view);
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

function beginView(
  pool: pg.Pool,
  address: PostgresAddress,
  statements: Statements,
  acknowledged: () => number,
): View {
  const onError = (): void => {};
  const connection = connect(pool, address);
  const start = async (): Promise<Reader> => {
    const client = await connection;
    // The next statement tells of it.
    client.on("error", onError);
    view.acknowledged = acknowledged();
    const query: Query = (config) =>
      client.query({ ...config, rowMode: "array" }).catch((error) => Promise.reject(explain(address, error)));
    // The state is fixed by the first statement after BEGIN.
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT");
    return readerOf(query, statements);
  };
  const end = async (): Promise<void> => {
    let client: pg.PoolClient;
    try {
      client = await connection;
    } catch {
      return;
    }
    const failure = await client.query("ROLLBACK").then(
      () => undefined,
      (error: Error) => error,
    );
    client.release(failure);
    client.off("error", onError);
  };
  const reader = start().catch((error) => Promise.reject(explain(address, error)));
  const view: View = { acknowledged: undefined, users: 0, reader, end };
  return view;
}

/** A connection for a snapshot; says so if all are taken for too long. */
async function connect(pool: pg.Pool, address: PostgresAddress): Promise<pg.PoolClient> {
  try {
    return await pool.connect();
  } catch (error) {
    if (pool.totalCount < SNAPSHOT_CONNECTIONS) throw explain(address, error);
    throw new StoreUnavailable(
      `${describeStore(address)} has ${SNAPSHOT_CONNECTIONS} snapshots open and none was closed in time.`,
      { cause: error },
    );
  }
}

type Row = (Buffer | number)[];
type Query = (config: pg.QueryConfig) => Promise<pg.QueryArrayResult<Row>>;

function newPool(address: PostgresAddress, max: number): pg.Pool {
  const pool = new pg.Pool({
    ...address.config,
    max,
    idleTimeoutMillis: IDLE_TIMEOUT,
    allowExitOnIdle: true,
    // Statements are sent without waiting for the answers to earlier ones.
    pipeline: true,
    onConnect: prepareSession,
  });
  // An unused connection that breaks is replaced when one is needed.
  pool.on("error", () => {});
  return pool;
}

function readerOf(query: Query, statements: Statements): Reader {
  return {
    async get(key) {
      const { rows } = await query({ ...statements.get, values: [asBuffer(key)] });
      return rows[0]?.[0] as Buffer | undefined;
    },
    async range({ start, end, reverse = false }, limit): Promise<readonly Entry[]> {
      if (!(limit > 0) || compareKeys(start, end) >= 0) return [];
      const { rows } = await query({
        ...(reverse ? statements.rangeDown : statements.rangeUp),
        values: [asBuffer(start), asBuffer(end), Number.isFinite(limit) ? Math.ceil(limit) : null],
      });
      return rows.map(([key, value]) => ({ key: key as Buffer, value: value as Buffer }));
    },
  };
}

/** The values of `keys`, in their order. */
async function lookUp(
  query: Query,
  statements: Statements,
  keys: readonly Bytes[],
): Promise<(Bytes | undefined)[]> {
  const found = new Array<Bytes | undefined>(keys.length).fill(undefined);
  const { rows } = await query({ ...statements.getMany, values: [encodeArray(keys)] });
  for (const [place, value] of rows) found[(place as number) - 1] = value as Buffer;
  return found;
}

interface Wanted {
  readonly key: Bytes;
  resolve(value: Bytes | undefined): void;
  reject(error: unknown): void;
}

/** Looks up one key at a time by `fetch`, which answers many: what is asked for meanwhile waits and goes together. */
function gathered(fetch: (keys: readonly Bytes[]) => Promise<(Bytes | undefined)[]>): Reader["get"] {
  const waiting: Wanted[] = [];
  let running = 0;
  let scheduled = false;
  const schedule = (): void => {
    if (scheduled || running === LOOK_UPS_MAX || waiting.length === 0) return;
    scheduled = true;
    // After this turn's input: what is asked for together is looked up together.
    setImmediate(() => {
      scheduled = false;
      void send(waiting.splice(0, KEYS_TOGETHER_MAX));
      schedule();
    });
  };
  const send = async (wanted: readonly Wanted[]): Promise<void> => {
    running++;
    try {
      const values = await fetch(wanted.map(({ key }) => key));
      for (const [i, { resolve }] of wanted.entries()) resolve(values[i]);
    } catch (error) {
      for (const { reject } of wanted) reject(error);
    }
    running--;
    schedule();
  };
  return (key) =>
    new Promise((resolve, reject) => {
      waiting.push({ key, resolve, reject });
      schedule();
    });
}

/** The same bytes as the driver takes them. */
function asBuffer(bytes: Bytes): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

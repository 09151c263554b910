/**
 * Reads of what is committed in a PostgreSQL store. Apart from the writer because they run beside it on connections of
 * their own, so that no number of readers can hold a commit up.
 */
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { compareKeys } from "./keys.ts";
import type { Bytes, Entry, Reader } from "./port.ts";
import { explain, isConnectionLoss, type PostgresAddress } from "./postgres-address.ts";
import { encodeArray } from "./postgres-arrays.ts";
import { prepareSession, type Statements } from "./postgres-schema.ts";

/** Connections for reads outside snapshots. */
const READ_CONNECTIONS = 6;
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
 * been lost; reads that fail so are tried again. `patience` is the number of milliseconds to wait for a connection. Reads
 * reject with `StoreUnavailable`.
 */
export function createReads(
  address: PostgresAddress,
  statements: Statements,
  ready: () => Promise<void>,
  patience: number,
): PostgresReads {
  const pool = newPool(address, READ_CONNECTIONS, patience);
  const query: Query = (config) =>
    retrying(address, ready, () => pool.query({ ...config, rowMode: "array" }));
  const { range } = readerOf(query, statements);
  return {
    get: gathered((keys) => lookUp(query, statements, keys)),
    range,
    close: () => pool.end(),
  };
}

/**
 * Runs `attempt`, again when it has lost its connection and the server can be expected to answer. Rejects with
 * `StoreUnavailable`.
 */
export async function retrying<T>(
  address: PostgresAddress,
  ready: () => Promise<void>,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (!isConnectionLoss(error) || tries > RETRIES) throw explain(address, error);
    }
    await sleep(tries * RETRY_PAUSE);
    await ready();
  }
}

type Row = (Buffer | number)[];

/** Sends a statement; rows come as arrays of their columns. */
export type Query = (config: pg.QueryConfig) => Promise<pg.QueryArrayResult<Row>>;

/**
 * At most `max` connections, prepared for the statements of a store; `patience` is the number of milliseconds to wait for
 * one that is free.
 */
export function newPool(address: PostgresAddress, max: number, patience: number): pg.Pool {
  const pool = new pg.Pool({
    ...address.config,
    max,
    connectionTimeoutMillis: patience,
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

/** The reads of the port by `query`. */
export function readerOf(query: Query, statements: Statements): Reader {
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

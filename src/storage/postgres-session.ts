/**
 * The session that holds a PostgreSQL store: one connection with an advisory lock on it, taken up again in the
 * background when it is lost. Apart from the writer because who holds the store is a question of its own.
 *
 * Opening writes a mark of ownership into the store. A lost session comes back only while that mark stands: if another
 * server has opened the store meanwhile, this one is over for good, for what it keeps in memory may be stale.
 */
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { StoreUnavailable } from "./port.ts";
import { describeStore, explain, type PostgresAddress } from "./postgres-address.ts";
import { prepareSchema, prepareSession, type Statements } from "./postgres-schema.ts";

export interface Session {
  readonly client: pg.Client;
  /** What marks the store as this opening's own. */
  readonly owner: string;
  /** Number of the last commit when the session began. */
  readonly committed: number;
}

export interface SessionKeeper {
  /** The session, now or when it is back. Rejects with `StoreUnavailable` if it has been gone for too long. */
  current(): Promise<Session>;
  /** Throws the reason if the store is over for good. */
  check(): void;
  /** Reports that the connection of `session` is of no use any more. */
  lose(session: Session, error: unknown): void;
  /** Gives the store up for `reason`, which it returns. */
  end(reason: StoreUnavailable): StoreUnavailable;
  close(): Promise<void>;
}

/** A server that was killed leaves its session for a moment: how often, and every how many milliseconds, to look. */
const LOCK_ATTEMPTS = 10;
const LOCK_PAUSE = 100;

/** Milliseconds between attempts to connect again: doubled from the first to the last. */
const RECONNECT_PAUSE_MIN = 20;
const RECONNECT_PAUSE_MAX = 1000;

/** Milliseconds that closing waits for the server to take leave. */
const CLOSE_PATIENCE = 1000;

type State =
  | { readonly kind: "held"; readonly session: Session }
  | { readonly kind: "lost"; readonly outage: Outage }
  | { readonly kind: "over"; readonly reason: StoreUnavailable };

interface Outage {
  /** Resolves when the session is back; rejects when that takes too long or will never be. */
  readonly end: Promise<void>;
  resolve(): void;
  reject(reason: StoreUnavailable): void;
}

/**
 * Makes the store at `address` if need be, takes it, and keeps it until `close`. `patience` is the number of
 * milliseconds for which `current` waits for a lost session; `acknowledged` is the number of the last commit that was
 * promised to be durable. Throws `StoreUnavailable`.
 */
export async function keepSession(
  address: PostgresAddress,
  statements: Statements,
  patience: number,
  acknowledged: () => number,
): Promise<SessionKeeper> {
  const first = await startSession(address, statements);
  const stop = new AbortController();
  let state: State = { kind: "held", session: first };
  let reconnecting: Promise<void> | undefined;
  let leaving: Promise<void> | undefined;

  const lose = (session: Session, error: unknown): void => {
    if (state.kind !== "held" || state.session !== session) return;
    void leave(session.client);
    const outage = beginOutage();
    state = { kind: "lost", outage };
    reconnecting = reconnect(outage, error);
  };
  const hold = (session: Session): void => {
    state = { kind: "held", session };
    session.client.on("error", (error) => lose(session, error));
    session.client.on("end", () => lose(session, new Error("Connection terminated")));
  };
  const end = (reason: StoreUnavailable): StoreUnavailable => {
    if (state.kind === "held") leaving = leave(state.session.client);
    if (state.kind === "lost") state.outage.reject(reason);
    state = { kind: "over", reason };
    return reason;
  };
  const reconnect = async (outage: Outage, cause: unknown): Promise<void> => {
    let latest = cause;
    const overdue = setTimeout(() => outage.reject(explain(address, latest)), patience);
    for (let pause = RECONNECT_PAUSE_MIN; state.kind === "lost"; pause *= 2) {
      try {
        const session = await resumeSession(address, statements, first.owner, acknowledged());
        if (stop.signal.aborted) await leave(session.client);
        else hold(session);
        outage.resolve();
      } catch (error) {
        latest = error;
        if (error instanceof StoreUnavailable) end(error);
        else await pauseFor(Math.min(pause, RECONNECT_PAUSE_MAX), stop.signal);
      }
    }
    clearTimeout(overdue);
  };
  hold(first);
  return {
    async current() {
      for (;;) {
        if (state.kind === "held") return state.session;
        if (state.kind === "over") throw state.reason;
        await state.outage.end;
      }
    },
    check() {
      if (state.kind === "over") throw state.reason;
    },
    lose,
    end,
    async close() {
      stop.abort();
      end(new StoreUnavailable(`${describeStore(address)} is closed.`));
      await Promise.all([leaving, reconnecting]);
    },
  };
}

/** That another server owns the store now. */
export function takenOver(address: PostgresAddress): StoreUnavailable {
  return new StoreUnavailable(
    `${describeStore(address)} was opened by another server while the connection was lost: restart this one.`,
  );
}

/** Connects, makes the schema if need be, takes the lock and the store. Throws `StoreUnavailable`. */
async function startSession(address: PostgresAddress, statements: Statements): Promise<Session> {
  const client = newClient(address);
  try {
    await client.connect();
    await prepareSession(client);
    await prepareSchema(client, address);
    for (let attempt = 1; !(await takeLock(client, statements)); attempt++) {
      if (attempt === LOCK_ATTEMPTS) throw await inUse(client, address, statements);
      await sleep(LOCK_PAUSE);
    }
    const { rows } = await client.query<Ownership>(statements.own);
    return newSession(client, rows[0]);
  } catch (error) {
    await leave(client);
    throw explain(address, error);
  }
}

/**
 * Takes the lock and the store up again. Throws `StoreUnavailable` if that can never be, and any other error if it may
 * be possible later.
 */
async function resumeSession(
  address: PostgresAddress,
  statements: Statements,
  owner: string,
  acknowledged: number,
): Promise<Session> {
  const client = newClient(address);
  try {
    await client.connect();
    await prepareSession(client);
    const locked = await takeLock(client, statements);
    const { rows } = await client.query<Ownership>(statements.owned, [owner]);
    if (rows.length === 0) throw takenOver(address);
    // The lost session itself may still hold it.
    if (!locked) throw new Error("its lock is still held by another session");
    const session = newSession(client, rows[0]);
    if (session.committed >= acknowledged) return session;
    throw new StoreUnavailable(
      `${describeStore(address)} has lost writes that it had reported as durable: it has gone back from commit ` +
        `${acknowledged} to ${session.committed}. Restart this server to go on from there.`,
    );
  } catch (error) {
    await leave(client);
    throw error;
  }
}

interface Ownership {
  readonly owner: string;
  readonly commits: string;
}

function newClient(address: PostgresAddress): pg.Client {
  const client = new pg.Client(address.config);
  // An error between two statements shows in the next one; without a listener it would end the process.
  client.on("error", () => {});
  return client;
}

function newSession(client: pg.Client, row: Ownership | undefined): Session {
  if (row === undefined) throw new Error("its table of ownership is empty");
  return { client, owner: row.owner, committed: Number(row.commits) };
}

async function takeLock(client: pg.Client, statements: Statements): Promise<boolean> {
  const { rows } = await client.query<{ taken: boolean }>(statements.lock);
  return rows[0]?.taken === true;
}

async function inUse(
  client: pg.Client,
  address: PostgresAddress,
  statements: Statements,
): Promise<StoreUnavailable> {
  const { rows } = await client.query<{ pid: number; name: string | null }>(statements.holder);
  const holder =
    rows[0] === undefined ? "another server" : `${rows[0].name}, database session ${rows[0].pid}`;
  return new StoreUnavailable(
    `${describeStore(address)} is in use by ${holder}: stop it, or choose another schema with ?schema=NAME.`,
  );
}

/** Waits for so many milliseconds, or less when `signal` is given. */
async function pauseFor(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => {});
}

/** Closes the connection, however it is. */
async function leave(client: pg.Client): Promise<void> {
  await Promise.race([client.end().catch(() => {}), sleep(CLOSE_PATIENCE, undefined, { ref: false })]);
}

function beginOutage(): Outage {
  let resolve = (): void => {};
  let reject = (_: StoreUnavailable): void => {};
  const end = new Promise<void>((resolved, rejected) => {
    resolve = resolved;
    reject = rejected;
  });
  // Nobody may be waiting.
  end.catch(() => {});
  return { end, resolve, reject };
}

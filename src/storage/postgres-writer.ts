/**
 * The one session that writes to a PostgreSQL store. Apart from the reads because it alone must never be two: it
 * holds an advisory lock for as long as it lives, and every commit checks that this opening still owns the store.
 *
 * When the session is lost, it is taken up again in the background. A commit whose answer was lost is then either
 * found by its number or sent once more. If another server has opened the store meanwhile, this one is over for good:
 * what it keeps in memory may be stale.
 */
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { Layer } from "./overlay.ts";
import { StoreUnavailable } from "./port.ts";
import { describeStore, explain, isConnectionLoss, type PostgresAddress } from "./postgres-address.ts";
import { encodeWrites } from "./postgres-arrays.ts";
import { prepareSchema, prepareSession, type Statements } from "./postgres-schema.ts";

export interface PostgresWriter {
  /** Throws the reason if the store is over for good. */
  check(): void;
  /** Resolves when the session is there. Rejects with `StoreUnavailable` if it has been gone for too long. */
  ready(): Promise<void>;
  /**
   * Commits `writes` in one durable transaction; one call at a time. Rejects with `StoreUnavailable`: nothing is
   * written then, unless the session was lost at that moment and is not back in time.
   */
  commit(writes: Layer): Promise<void>;
  close(): Promise<void>;
}

/** A server that was killed leaves its session for a moment: how often, and every how many milliseconds, to look. */
const LOCK_ATTEMPTS = 10;
const LOCK_PAUSE = 100;

/** How often a commit is sent before it counts as the reason why the session is lost. */
const COMMIT_ATTEMPTS = 3;

/** Milliseconds between attempts to connect again: doubled from the first to the last. */
const RECONNECT_PAUSE_MIN = 20;
const RECONNECT_PAUSE_MAX = 1000;

/** A session that holds the lock of the store. */
interface Session {
  readonly client: pg.Client;
  /** What marks the store as this opening's own. */
  readonly owner: string;
  /** Number of the last commit in the database. */
  readonly committed: number;
}

type State =
  | { readonly kind: "held"; readonly client: pg.Client }
  | { readonly kind: "lost"; readonly outage: Outage }
  | { readonly kind: "over"; readonly reason: StoreUnavailable };

interface Outage {
  /** Resolves when the session is back; rejects when that takes too long or will never be. */
  readonly end: Promise<void>;
  resolve(): void;
  reject(reason: StoreUnavailable): void;
}

/**
 * Makes the store at `address` if need be and takes it for this process. `patience` is the number of milliseconds
 * for which `ready` and `commit` wait for a lost session. Throws `StoreUnavailable`.
 */
export async function openWriter(
  address: PostgresAddress,
  statements: Statements,
  patience: number,
): Promise<PostgresWriter> {
  const first = await startSession(address, statements);
  const stop = new AbortController();
  let state: State = { kind: "held", client: first.client };
  let committed = first.committed;
  let issued = first.committed;
  let reconnecting: Promise<void> | undefined;

  const lose = (client: pg.Client, error: unknown): void => {
    if (state.kind !== "held" || state.client !== client) return;
    discard(client);
    const outage = beginOutage();
    state = { kind: "lost", outage };
    reconnecting = reconnect(outage, error);
  };
  const hold = (client: pg.Client): void => {
    state = { kind: "held", client };
    client.on("error", (error) => lose(client, error));
    client.on("end", () => lose(client, new Error("Connection terminated")));
  };
  const end = (reason: StoreUnavailable): StoreUnavailable => {
    if (state.kind === "held") discard(state.client);
    state = { kind: "over", reason };
    return reason;
  };
  const reconnect = async (outage: Outage, cause: unknown): Promise<void> => {
    let latest = cause;
    const overdue = setTimeout(() => outage.reject(explain(address, latest)), patience);
    for (let pause = RECONNECT_PAUSE_MIN; !stop.signal.aborted; pause *= 2) {
      try {
        const session = await resumeSession(address, statements, first.owner, committed);
        if (session instanceof StoreUnavailable) outage.reject(end(session));
        else {
          ({ committed } = session);
          hold(session.client);
          outage.resolve();
        }
        break;
      } catch (error) {
        latest = error;
      }
      await sleep(Math.min(pause, RECONNECT_PAUSE_MAX), undefined, { signal: stop.signal }).catch(() => {});
    }
    clearTimeout(overdue);
  };
  const held = async (): Promise<pg.Client> => {
    for (;;) {
      if (state.kind === "held") return state.client;
      if (state.kind === "over") throw state.reason;
      await state.outage.end;
    }
  };
  hold(first.client);
  return {
    check() {
      if (state.kind === "over") throw state.reason;
    },
    async ready() {
      await held();
    },
    async commit(writes) {
      // Never used again, whatever becomes of this commit: finding it in the database means that this one is there.
      const number = ++issued;
      for (let attempt = 1; ; attempt++) {
        const client = await held();
        if (committed === number) return;
        try {
          if (!(await write(client, statements, writes, number, first.owner))) throw end(takenOver(address));
          committed = number;
          return;
        } catch (error) {
          if (isConnectionLoss(error)) lose(client, error);
          if (!isConnectionLoss(error) || attempt === COMMIT_ATTEMPTS) throw explain(address, error);
        }
      }
    },
    async close() {
      stop.abort();
      end(new StoreUnavailable(`${describeStore(address)} is closed.`));
      await reconnecting;
      end(new StoreUnavailable(`${describeStore(address)} is closed.`));
    },
  };
}

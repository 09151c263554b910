/**
 * Durable commits to a PostgreSQL store. Apart from the session because this part knows what a commit is: writes that
 * put the same values however often they are sent. One whose answer was lost with the connection is sent again, and as
 * nothing else is committed in between, it does not matter whether it had arrived.
 */
import type pg from "pg";
import type { Layer } from "./overlay.ts";
import { explain, isConnectionLoss, type PostgresAddress } from "./postgres-address.ts";
import { encodeWrites, type WriteArrays } from "./postgres-arrays.ts";
import type { Statements } from "./postgres-schema.ts";
import { keepSession, type Session, takenOver } from "./postgres-session.ts";

export interface PostgresWriter {
  /** Throws the reason if the store is over for good. */
  check(): void;
  /** Resolves when the session is there. Rejects with `StoreUnavailable` if it has been gone for too long. */
  ready(): Promise<void>;
  /**
   * Commits `writes` in one durable transaction; one call at a time. Rejects with `StoreUnavailable`; nothing is
   * written then, unless the connection was lost at that moment and did not come back in time.
   */
  commit(writes: Layer): Promise<void>;
  close(): Promise<void>;
}

/** How often a commit is sent before it counts as the reason why the connection is lost. */
const COMMIT_ATTEMPTS = 3;

/** Opens the store at `address` for writing, as `keepSession` does. */
export async function openWriter(
  address: PostgresAddress,
  statements: Statements,
  patience: number,
): Promise<PostgresWriter> {
  let acknowledged = 0;
  const keeper = await keepSession(address, statements, patience, () => acknowledged);
  acknowledged = (await keeper.current()).committed;
  return {
    check: keeper.check,
    async ready() {
      await keeper.current();
    },
    async commit(writes) {
      const arrays = encodeWrites(writes);
      const number = acknowledged + 1;
      for (let attempt = 1; ; attempt++) {
        const session = await keeper.current();
        try {
          if (await write(session, statements, arrays, number)) break;
        } catch (error) {
          const lost = isConnectionLoss(error);
          if (lost) keeper.lose(session, error);
          if (lost && attempt < COMMIT_ATTEMPTS) continue;
          throw explain(address, error);
        }
        throw keeper.end(takenOver(address));
      }
      acknowledged = number;
    },
    close: keeper.close,
  };
}

/** Writes in one transaction; false if the store has another owner, and then nothing is written. */
async function write(
  { client, owner }: Session,
  statements: Statements,
  arrays: readonly WriteArrays[],
  number: number,
): Promise<boolean> {
  const send = ({ deleted, keys, values }: WriteArrays): Promise<pg.QueryResult> =>
    client.query({ ...statements.write, values: [number, owner, deleted, keys, values] });
  const [only, ...more] = arrays;
  // A single statement is a transaction by itself, and one round trip.
  if (only !== undefined && more.length === 0) return (await send(only)).rowCount === 1;
  try {
    await client.query("BEGIN");
    let owned = true;
    for (const part of arrays) owned &&= (await send(part)).rowCount === 1;
    await client.query(owned ? "COMMIT" : "ROLLBACK");
    return owned;
  } catch (error) {
    // If this fails too, the connection is gone, and the transaction with it.
    await client.query("ROLLBACK").catch(() => {});
    throw error;
  }
}

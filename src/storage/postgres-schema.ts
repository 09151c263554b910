/**
 * Every SQL statement of the PostgreSQL store, and the schema they run on. Apart from the adapter so that the whole
 * dialogue with the server is in view at once.
 *
 * `entry` holds the keys and values; `bytea` compares by unsigned bytes whatever the collation. `store` has one row:
 * the version of this layout, which opening owns the data now, and the number of the last commit, by which a database
 * that has lost commits is recognised.
 */
import pg from "pg";
import { StoreUnavailable } from "./port.ts";
import { describeStore, type PostgresAddress } from "./postgres-address.ts";

/** Version of the layout below. */
const LAYOUT_VERSION = 1;

/** The upper half of the advisory locks of all stores ("cele" as bytes); the lower half is the schema's number. */
const LOCK_CLASS = 0x63656c65;

export interface Statements {
  readonly get: pg.QueryConfig;
  readonly getMany: pg.QueryConfig;
  readonly rangeUp: pg.QueryConfig;
  readonly rangeDown: pg.QueryConfig;
  /** `(commit, owner, deleted keys, put keys, put values)`: one row if `owner` still owns the store. */
  readonly write: pg.QueryConfig;
  readonly lock: string;
  /** The session that holds the lock. */
  readonly holder: string;
  /** Makes the store this opening's own and returns its row. */
  readonly own: string;
  /** `(owner)`: the row of the store if `owner` still owns it. */
  readonly owned: string;
}

/** The statements for the store in `schema`. */
export function statementsFor(schema: string): Statements {
  const name = pg.escapeIdentifier(schema);
  const range = `SELECT key, value FROM ${name}.entry WHERE key >= $1 AND key < $2 ORDER BY key`;
  const lockKey = `(${LOCK_CLASS}::bigint << 32 | oid::bigint)`;
  const namespace = `pg_namespace WHERE nspname = ${pg.escapeLiteral(schema)}`;
  return {
    get: { name: "get", text: `SELECT value FROM ${name}.entry WHERE key = $1` },
    getMany: {
      name: "get many",
      text: `SELECT wanted.place::int, entry.value
        FROM unnest($1::bytea[]) WITH ORDINALITY AS wanted (key, place) JOIN ${name}.entry USING (key)`,
    },
    rangeUp: { name: "range up", text: `${range} LIMIT $3` },
    rangeDown: { name: "range down", text: `${range} DESC LIMIT $3` },
    write: {
      name: "write",
      text: `WITH mine AS (UPDATE ${name}.store SET commits = $1 WHERE owner = $2 RETURNING owner),
        deleted AS (DELETE FROM ${name}.entry WHERE key = ANY ($3::bytea[]) AND EXISTS (SELECT FROM mine)),
        put AS (
          INSERT INTO ${name}.entry (key, value)
          SELECT key, value FROM unnest($4::bytea[], $5::bytea[]) AS given (key, value)
          WHERE EXISTS (SELECT FROM mine)
          ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value)
        SELECT owner FROM mine`,
    },
    lock: `SELECT pg_try_advisory_lock${lockKey} AS taken FROM ${namespace}`,
    holder: `SELECT pid, application_name AS name FROM pg_locks JOIN pg_stat_activity USING (pid)
      WHERE locktype = 'advisory' AND granted AND classid = ${LOCK_CLASS} AND objsubid = 1
        AND objid = (SELECT oid FROM ${namespace})
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    own: `UPDATE ${name}.store SET owner = txid_current() RETURNING owner, commits`,
    owned: `SELECT owner, commits FROM ${name}.store WHERE owner = $1`,
  };
}

/**
 * Settings of every session. Durable commits, no time limits that would end the session, and no plan but the walk
 * along the index, which is right for every statement here and does not depend on statistics.
 */
const SETTINGS: readonly (readonly [string, string])[] = [
  ["synchronous_commit", "on"],
  ["default_transaction_isolation", "read committed"],
  ["bytea_output", "hex"],
  ["statement_timeout", "0"],
  ["lock_timeout", "0"],
  ["idle_in_transaction_session_timeout", "0"],
  ["idle_session_timeout", "0"],
  ["transaction_timeout", "0"],
  ["jit", "off"],
  ["plan_cache_mode", "force_generic_plan"],
  ["enable_seqscan", "off"],
  ["enable_bitmapscan", "off"],
  ["enable_hashjoin", "off"],
  ["enable_mergejoin", "off"],
];

/** Prepares a new connection. Settings that this version of PostgreSQL lacks are left out. */
export async function prepareSession(client: pg.ClientBase): Promise<void> {
  await client.query(
    // Where commits are made more durable than `on` (on standby servers too), or for this server only, it stays so.
    `SELECT set_config(name, wanted.setting, false)
      FROM unnest($1::text[], $2::text[]) AS wanted (name, setting) JOIN pg_settings USING (name)
      WHERE name <> 'synchronous_commit' OR pg_settings.setting = 'off'`,
    [SETTINGS.map(([name]) => name), SETTINGS.map(([, setting]) => setting)],
  );
}

/** Makes the schema if it is not there. Throws `StoreUnavailable` if it has another layout, or the driver's error. */
export async function prepareSchema(client: pg.ClientBase, address: PostgresAddress): Promise<void> {
  const name = pg.escapeIdentifier(address.schema);
  if (!(await exists(client, "to_regclass($1)", `${name}.store`))) await createSchema(client, address.schema);
  const { rows } = await client.query<{ version: number }>(`SELECT version FROM ${name}.store`);
  const version = rows[0]?.version;
  if (version === LAYOUT_VERSION) return;
  throw new StoreUnavailable(
    `${describeStore(address)} has layout ${version}, and this version of Celestite reads layout ${LAYOUT_VERSION}: ` +
      "start the version that wrote it, or choose another schema with ?schema=NAME.",
  );
}

async function createSchema(client: pg.ClientBase, schema: string): Promise<void> {
  const name = pg.escapeIdentifier(schema);
  // If anything fails, the caller closes the connection, which undoes all of it.
  await client.query("BEGIN");
  // Two servers may start at once; the one that comes later finds everything made.
  await client.query(`SELECT pg_advisory_xact_lock(${LOCK_CLASS}::bigint << 32)`);
  // Looked up first, because even IF NOT EXISTS asks for the right to create.
  if (!(await exists(client, "to_regnamespace($1)", name))) await client.query(`CREATE SCHEMA ${name}`);
  if (!(await exists(client, "to_regclass($1)", `${name}.store`))) {
    await client.query(
      `CREATE TABLE ${name}.entry (key bytea PRIMARY KEY, value bytea NOT NULL);
       CREATE TABLE ${name}.store (version int NOT NULL, owner bigint NOT NULL, commits bigint NOT NULL);
       INSERT INTO ${name}.store VALUES (${LAYOUT_VERSION}, 0, 0)`,
    );
  }
  await client.query("COMMIT");
}

async function exists(client: pg.ClientBase, lookUp: string, name: string): Promise<boolean> {
  const { rows } = await client.query<{ found: boolean }>(`SELECT ${lookUp} IS NOT NULL AS found`, [name]);
  return rows[0]?.found === true;
}

/**
 * Where a PostgreSQL store is, and what went wrong there in words. Apart from the adapter because every connection
 * needs the one, and every failure of a connection the other.
 */
import { hostname } from "node:os";
import pg from "pg";
import { StoreUnavailable } from "./port.ts";

export interface PostgresAddress {
  /** What the driver needs to connect. */
  readonly config: pg.ClientConfig;
  /** The schema that holds the store, as it is written in the catalogue. */
  readonly schema: string;
  readonly database: string;
  readonly user: string;
  /** Host and port, or the path of the socket. */
  readonly server: string;
}

const DEFAULT_SCHEMA = "celestite";
/** PostgreSQL cuts longer names off. */
const MAX_SCHEMA_BYTES = 63;

/** Milliseconds to wait for a connection and for the answer to one statement; then the connection counts as lost. */
const CONNECT_TIMEOUT = 10_000;
const STATEMENT_TIMEOUT = 60_000;
/** Milliseconds of silence after which a connection is probed, so that a server that vanished is noticed. */
const KEEP_ALIVE_DELAY = 30_000;

/**
 * Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE?schema=NAME`. Everything the driver knows may stand in it
 * (`sslmode`, `host` for a directory of sockets, `application_name`); what is left out comes from the usual
 * variables (`PGPASSWORD` and so on). Throws `StoreUnavailable` if it is malformed, without repeating it: it may
 * hold a password.
 */
export function parseAddress(url: string): PostgresAddress {
  const [base = "", query = ""] = url.split(/\?(.*)/s);
  const options = new URLSearchParams(query);
  const schema = options.get("schema") ?? DEFAULT_SCHEMA;
  if (schema === "" || Buffer.byteLength(schema) > MAX_SCHEMA_BYTES || /^pg_|\0/i.test(schema)) {
    throw new StoreUnavailable(
      `A store's schema has 1 to ${MAX_SCHEMA_BYTES} bytes and does not begin with pg_: correct ?schema= in the address.`,
    );
  }
  options.delete("schema");
  const config: pg.ClientConfig = {
    connectionString: options.size === 0 ? base : `${base}?${options}`,
    fallback_application_name: `celestite (process ${process.pid} on ${hostname()})`,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY,
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    query_timeout: STATEMENT_TIMEOUT,
  };
  try {
    const { host, port, database = "", user = "" } = new pg.Client(config);
    const server = host.startsWith("/") ? `${host}/.s.PGSQL.${port}` : `${host}:${port}`;
    return { config, schema, database, user, server };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new StoreUnavailable(
      `The address of the PostgreSQL store is malformed (${why}): give postgres://USER:PASSWORD@HOST:PORT/DATABASE.`,
    );
  }
}

/** How messages name the store. */
export function describeStore({ database, server, schema }: PostgresAddress): string {
  const where = schema === DEFAULT_SCHEMA ? "" : `, schema ${schema},`;
  return `The store in PostgreSQL database ${database}${where} at ${server}`;
}

/** Advice by SQLSTATE (PostgreSQL, appendix A). */
const ADVICE: Readonly<Record<string, (address: PostgresAddress, message: string) => string>> = {
  "28P01": ({ user, server }) =>
    `PostgreSQL at ${server} refuses the password of user ${user}: correct it in the address.`,
  "28000": ({ user, server }, message) =>
    `PostgreSQL at ${server} does not let user ${user} in (${message}): correct the address, or let the user in.`,
  "3D000": ({ database, server }) =>
    `There is no database ${database} in PostgreSQL at ${server}: create it, or correct the address.`,
  "42501": ({ user, database, schema }, message) =>
    `User ${user} may not use the store in database ${database} (${message}): grant it CREATE on the database, or have ` +
    `its administrator create schema ${schema} with this user as the owner.`,
  "53300": ({ server }, message) =>
    `PostgreSQL at ${server} has no connection left (${message}): raise max_connections, or close others.`,
  "57P03": ({ server }, message) =>
    `PostgreSQL at ${server} cannot be used yet (${message}): try again shortly.`,
  "25006": ({ database, server }) =>
    `Database ${database} in PostgreSQL at ${server} is read-only: give the address of the primary server.`,
  "53100": ({ server }) => `The disk of PostgreSQL at ${server} is full: make room and try again.`,
};

/** `error` as one sentence that says what to do. */
export function explain(address: PostgresAddress, error: unknown): StoreUnavailable {
  if (error instanceof StoreUnavailable) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = codeOf(error);
  const advice = code === undefined ? undefined : ADVICE[code];
  return new StoreUnavailable(advice?.(address, message) ?? explainByMessage(address, code, message), {
    cause: error,
  });
}

function explainByMessage(address: PostgresAddress, code: string | undefined, message: string): string {
  const { server, user } = address;
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") {
    return `The host name in ${server} is not known: correct the address of PostgreSQL.`;
  }
  if (code?.startsWith("E") || message.includes("timeout")) {
    return `No PostgreSQL server answers at ${server} (${code ?? message}): start it, or correct the address.`;
  }
  if (message.startsWith("SASL") && message.includes("password must be a")) {
    return `PostgreSQL at ${server} asks for the password of user ${user}: put it into the address or PGPASSWORD.`;
  }
  return `${describeStore(address)} cannot be used: ${message}.`;
}

/**
 * Whether `error` says that a connection cannot be had or is gone, so that another attempt may succeed. Every other
 * error is the server's verdict on the statement.
 */
export function isConnectionLoss(error: unknown): boolean {
  const code = codeOf(error);
  if (code !== undefined && isSqlState(code)) {
    // Connection exceptions, too many connections, shutdowns, sessions ended for being idle.
    return /^(08...|53300|57P0[1235]|25P0[34])$/.test(code);
  }
  if (code?.startsWith("E")) return true;
  return (
    error instanceof Error &&
    /^(Connection terminated|Client (has|was)|Query read timeout|timeout)/.test(error.message)
  );
}

/** The SQLSTATE of the server's error or the name of the system's. */
function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

function isSqlState(code: string): boolean {
  return /^[0-9A-Z]{5}$/.test(code) && !/^E[A-Z]{4}$/.test(code);
}

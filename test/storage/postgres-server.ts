/**
 * A PostgreSQL server for one test file: made in a temporary directory, listening on a socket in it and nowhere else.
 * The server refuses to run as root, so root runs it as another user.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chown, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import pg from "pg";

export interface PostgresServer {
  /** The address of a schema in a database, as `user`. */
  url(schema: string, options?: { readonly user?: string; readonly database?: string }): string;
  /** Runs SQL as the administrator and returns the rows. */
  query(sql: string): Promise<Record<string, unknown>[]>;
  /** Ends it at once, as a crash does: clients are cut off and nothing is finished. */
  crash(): Promise<void>;
  /** Starts it again after a crash. */
  start(): Promise<void>;
  /** Ends it and removes everything. */
  destroy(): Promise<void>;
}

/** The administrator, and a user that must give a password; everybody else is trusted. */
const ADMINISTRATOR = "postgres";
export const PASSWORD_USER = "needs_password";

/** Milliseconds in which the server must answer. */
const START_TIMEOUT = 15_000;

/** Durability against a power cut is not what tests can show, and waiting for the disk would dominate them. */
const SETTINGS = ["listen_addresses=", "fsync=off", "shared_buffers=32MB", "max_connections=60"];

/** Whose process the server is; nothing for the present user. */
interface User {
  readonly uid?: number;
  readonly gid?: number;
}

/** Why the tests of PostgreSQL cannot run here, for their names; undefined if they can. */
export const whyNoPostgres: string | undefined =
  findBinaries() === undefined
    ? "no initdb and postgres on the PATH or under /usr/lib/postgresql"
    : findUser() === undefined
      ? "PostgreSQL refuses to run as root, and there is no user postgres or nobody"
      : undefined;

/** Makes and starts a server. */
export async function startPostgres(): Promise<PostgresServer> {
  const binaries = findBinaries();
  const user = findUser();
  if (binaries === undefined || user === undefined) throw new Error(`no server: ${whyNoPostgres}`);
  const directory = await mkdtemp(join(tmpdir(), "celestite-pg-"));
  const data = join(directory, "data");
  await give(directory, user);
  await makeDatabase(binaries, data, user);

  let server: ChildProcess | undefined;
  const killAtExit = (): void => {
    server?.kill("SIGQUIT");
  };
  process.once("exit", killAtExit);
  const stop = async (signal: "SIGQUIT" | "SIGINT"): Promise<void> => {
    const running = server;
    server = undefined;
    if (running === undefined || running.exitCode !== null) return;
    running.kill(signal);
    await once(running, "exit");
  };
  const url: PostgresServer["url"] = (
    schema,
    { user: name = ADMINISTRATOR, database = ADMINISTRATOR } = {},
  ) => `postgres://${name}@/${database}?${new URLSearchParams({ host: directory, schema })}`;
  const query: PostgresServer["query"] = async (sql) => {
    const client = new pg.Client({ host: directory, user: ADMINISTRATOR, database: ADMINISTRATOR });
    client.on("error", () => {});
    await client.connect();
    try {
      const { rows = [] } = await client.query<Record<string, unknown>>(sql);
      return rows;
    } finally {
      await client.end();
    }
  };
  const start = async (): Promise<void> => {
    const settings = [...SETTINGS, `unix_socket_directories=${directory}`].flatMap((one) => ["-c", one]);
    server = spawn(join(binaries, "postgres"), ["-D", data, ...settings], {
      ...user,
      cwd: directory,
      stdio: "ignore",
    });
    for (let waited = 0; ; waited += 50) {
      try {
        await query("SELECT 1");
        return;
      } catch (error) {
        if (waited > START_TIMEOUT) throw error;
        await sleep(50);
      }
    }
  };
  await start();
  return {
    url,
    query,
    crash: () => stop("SIGQUIT"),
    start,
    async destroy() {
      await stop("SIGINT");
      process.off("exit", killAtExit);
      await rm(directory, { recursive: true });
    },
  };
}

async function makeDatabase(binaries: string, data: string, user: User): Promise<void> {
  const options = ["-U", ADMINISTRATOR, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"];
  await promisify(execFile)(join(binaries, "initdb"), ["-D", data, ...options], {
    ...user,
    cwd: dirname(data),
  });
  const rules = join(data, "pg_hba.conf");
  await writeFile(rules, `local all ${PASSWORD_USER} scram-sha-256\n${await readFile(rules, "utf8")}`);
}

async function give(path: string, { uid, gid }: User): Promise<void> {
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
}

function findUser(): User | undefined {
  if (process.getuid?.() !== 0) return {};
  const users = existsSync("/etc/passwd") ? readFileSync("/etc/passwd", "utf8") : "";
  const [, uid, gid] = /^(?:postgres|nobody):[^:]*:(\d+):(\d+):/m.exec(users) ?? [];
  return uid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
}

/** The folder of the server's programs: on the PATH, or the newest of a Debian installation. */
function findBinaries(): string | undefined {
  const installed = "/usr/lib/postgresql";
  const versions = existsSync(installed) ? readdirSync(installed) : [];
  const newestFirst = versions
    .sort((a, b) => Number(b) - Number(a))
    .map((one) => join(installed, one, "bin"));
  const path = process.env["PATH"]?.split(delimiter) ?? [];
  return [...path, ...newestFirst].find(
    (folder) => existsSync(join(folder, "initdb")) && existsSync(join(folder, "postgres")),
  );
}

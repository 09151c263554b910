/**
 * The peer: @vercel/cosmosdb-server, an emulator in memory that checks no credential. It is installed from its own
 * lock file when it is missing, and runs twice: as it comes, and with connections kept open, which favours it.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type RequestParts, requireOnce } from "../exchange.ts";
import { type Access, containerName, databaseName } from "../items.ts";
import { type Processes, projectDirectory, type ServerProcess } from "../processes.ts";
import type { Subject } from "./subject.ts";

const directory = join(projectDirectory, "bench/peer");
const installMilliseconds = 300_000;

export type ConnectionHabit = "close" | "keep-alive";

/** Installs the peer unless it is there. Throws when that fails, e.g. without a network. */
export async function installVercel(processes: Processes, say: (text: string) => void): Promise<void> {
  if (existsSync(join(directory, "node_modules/@vercel/cosmosdb-server/package.json"))) return;
  say("installing @vercel/cosmosdb-server ...");
  await processes.run(["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
    program: process.platform === "win32" ? "npm.cmd" : "npm",
    directory,
    timeoutMilliseconds: installMilliseconds,
  });
}

/** Starts the peer with an empty container; requests carry the same bytes as Celestite's. */
export async function startVercel(
  processes: Processes,
  habit: ConnectionHabit,
  model: Access,
): Promise<Subject> {
  const server = startVercelProcess(processes, habit);
  const access: Access = { ...model, target: { port: Number(await server.ready) } };
  await requireOnce(access.target, post("/dbs", { id: databaseName }), 201);
  const partitionKey = { paths: ["/pk"], kind: "Hash" };
  await requireOnce(
    access.target,
    post(`/dbs/${databaseName}/colls`, { id: containerName, partitionKey }),
    201,
  );
  const kept = habit === "keep-alive";
  return {
    name: kept ? "vercel, keep-alive" : "vercel",
    what: `@vercel/cosmosdb-server 1.0.1: in memory, no authorization; ${kept ? "told to keep connections open" : "as it comes, closing each connection"}`,
    pid: server.pid,
    access,
    stop: () => server.stop(),
  };
}

/** Starts the peer's process; it prints its port when it is ready. */
export function startVercelProcess(processes: Processes, habit: ConnectionHabit): ServerProcess {
  return processes.startServer([
    fileURLToPath(new URL("./vercel-server.js", import.meta.url)),
    directory,
    habit,
  ]);
}

function post(path: string, body: object): RequestParts {
  return {
    method: "POST",
    path,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
}

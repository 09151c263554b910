/** A bare `node:https` server that answers with Celestite's own replies, under the same certificate. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Reply } from "../exchange.ts";
import type { Processes, ServerProcess } from "../processes.ts";
import type { CelestiteSubject } from "./celestite.ts";
import type { Subject } from "./subject.ts";

export interface BareReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface BareSettings {
  readonly cert: string;
  readonly key: string;
  /** What is answered, by method. */
  readonly replies: Readonly<Record<string, BareReply>>;
}

/** Written by Node itself, here as there. */
const ownHeaders: ReadonlySet<string> = new Set(["date", "connection", "keep-alive", "content-length"]);

/** A server with the certificate of `model` that answers each method with the reply that `model` gave. */
export async function startBare(
  processes: Processes,
  model: CelestiteSubject,
  replies: Readonly<Record<string, Reply>>,
): Promise<Subject> {
  const settings: BareSettings = {
    cert: await readFile(join(model.dataDirectory, "leaf.pem"), "utf8"),
    key: await readFile(join(model.dataDirectory, "leaf-key.pem"), "utf8"),
    replies: Object.fromEntries(Object.entries(replies).map(([method, reply]) => [method, bareReply(reply)])),
  };
  const file = await writeSettings(processes, settings);
  const server = startBareProcess(processes, file);
  const port = Number(await server.ready);
  return {
    name: "bare node:https",
    what: "node:https alone, answering the same bytes under the same certificate",
    pid: server.pid,
    access: { ...model.access, target: { ...model.access.target, port } },
    stop: () => server.stop(),
  };
}

/** Puts the settings where the server reads them; the file's path. */
export async function writeSettings(processes: Processes, settings: BareSettings): Promise<string> {
  const file = join(await processes.temporaryDirectory(), "bare.json");
  await writeFile(file, JSON.stringify(settings), { mode: 0o600 });
  return file;
}

/** Starts the server; it prints its port when it is ready. */
export function startBareProcess(processes: Processes, settingsFile: string): ServerProcess {
  return processes.startServer([fileURLToPath(new URL("./bare-server.js", import.meta.url)), settingsFile]);
}

function bareReply(reply: Reply): BareReply {
  const headers: Record<string, string> = {};
  for (let i = 0; i + 1 < reply.rawHeaders.length; i += 2) {
    const [name = "", value = ""] = reply.rawHeaders.slice(i, i + 2);
    if (!ownHeaders.has(name.toLowerCase())) headers[name] = value;
  }
  return { status: reply.status, headers, body: reply.body };
}

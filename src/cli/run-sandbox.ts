/**
 * Starting a program in namespaces of its own (Linux, no privileges): what is inside reaches our names, the metadata
 * address and what was allowed, and nothing else. The inside is `front-door/sandbox-init.ts`.
 */
import { spawnSync } from "node:child_process";
import { appendFile, writeFile } from "node:fs/promises";
import { connect, createServer, isIP, type Server } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { splitAuthority } from "../front-door/names.ts";
import type { Forward, SandboxPlan } from "../front-door/sandbox-init.ts";
import type { ServerStatus, Workload } from "../operator/gateway.ts";
import { systemBundles } from "../tls/bundle.ts";
import { CommandError, UsageError } from "./command.ts";

type SandboxDoor = Extract<NonNullable<Workload["door"]>, { front: "sandbox" }>;

const initFile = fileURLToPath(new URL("../front-door/sandbox-init.js", import.meta.url));

/** The command that starts the sandbox, and what must be closed after it. */
export interface PreparedSandbox {
  readonly command: readonly string[];
  close(): void;
}

/** CommandError with one clear line where the system forbids namespaces. */
export function requireNamespaces(): void {
  const probe = spawnSync("unshare", ["--user", "--map-root-user", "--net", "--mount", "true"], {
    encoding: "utf8",
    timeout: 10_000,
  });
  if (probe.status === 0) return;
  const cause = probe.error === undefined ? probe.stderr.trim() : "there is no program 'unshare'";
  throw new CommandError(
    `This system does not allow a sandbox (${cause || "namespaces are forbidden"}). Use --front proxy or --front env.`,
  );
}

/** Writes the plan of the sandbox, and opens the way out for each allowed `host:port`. */
export async function prepareSandbox(options: {
  readonly door: SandboxDoor;
  readonly status: ServerStatus;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly allowed: readonly string[];
}): Promise<PreparedSandbox> {
  const { door, status, command, environment } = options;
  const relays: Server[] = [];
  const forwards: Forward[] = [...door.forwards];
  const addresses: string[] = [];
  for (const [at, text] of options.allowed.entries()) {
    const target = splitAuthority(text, 443);
    if (target === undefined) throw new UsageError(`--allow takes HOST:PORT, not '${text}'.`);
    const socket = join(door.folder, `allow-${at}.sock`);
    const literal = isIP(target.host) === 4;
    const address = literal ? target.host : `127.77.${at >> 8}.${(at & 255) + 1}`;
    if (literal && !target.host.startsWith("127.")) addresses.push(target.host);
    if (!literal) await appendFile(door.hostsFile, `${address} ${target.host}\n`);
    relays.push(await relay(socket, target.host, target.port));
    forwards.push({ address, port: target.port, socket });
  }
  const plan: SandboxPlan = {
    forwards,
    addresses,
    binds: [
      [door.hostsFile, "/etc/hosts"],
      ...systemBundles.map((path) => [status.caBundleFile, path] as const),
    ],
    command,
    environment,
    userId: process.getuid?.() ?? 0,
    groupId: process.getgid?.() ?? 0,
  };
  const planFile = join(door.folder, "plan.json");
  await writeFile(planFile, JSON.stringify(plan), { mode: 0o600 });
  return {
    command: [
      "unshare",
      "--user",
      "--map-root-user",
      "--net",
      "--mount",
      "--",
      process.execPath,
      initFile,
      planFile,
    ],
    close() {
      for (const server of relays) server.close();
    },
  };
}

/** Passes connections to a unix socket on to `host:port`, outside. */
function relay(socket: string, host: string, port: number): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (inner) => {
    const outer = connect({ host, port, allowHalfOpen: true });
    inner.on("error", () => outer.destroy());
    outer.on("error", () => inner.destroy());
    inner.pipe(outer);
    outer.pipe(inner);
  });
  server.unref();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(socket, () => resolve(server));
  });
}

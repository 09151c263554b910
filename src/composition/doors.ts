/**
 * The front doors as a running server has them: the table of its public names, and what is opened for one workload.
 * Nothing of it exists until the first workload asks for a door.
 */
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NameTable } from "../front-door/names.ts";
import type { ListenOptions } from "../http/listen.ts";
import type { Service } from "../http/service.ts";
import type { Workload } from "../operator/gateway.ts";

export type DoorFacts = NonNullable<Workload["door"]>;

export interface OpenDoor {
  readonly facts: DoorFacts;
  close(): Promise<void>;
}

/** What a workload brings to its door. */
export interface DoorRequest {
  /** Its metadata service, behind 169.254.169.254. */
  readonly metadata?: Service;
  /** A further service that its variables name, on this loopback port. */
  readonly managed?: { readonly port: number; readonly service: Service };
  readonly isolated: boolean;
}

export interface Doors {
  openProxy(request: DoorRequest): Promise<OpenDoor>;
  openSandbox(request: DoorRequest): Promise<OpenDoor>;
  close(): Promise<void>;
}

export interface DoorsContext {
  readonly names: NameTable;
  readonly tls: NonNullable<ListenOptions["tls"]>;
  readonly listening: Omit<ListenOptions, "port" | "host" | "service" | "tls">;
}

/** Doors over the names in `context`. */
export function createDoors(context: DoorsContext): Doors {
  const { names, tls, listening } = context;
  let shared: Promise<{ readonly server: Server; readonly port: number }> | undefined;
  /** The TLS server of all names, which also listens on a loopback port for programs that are redirected to it. */
  const namedServer = (): NonNullable<typeof shared> => {
    shared ??= (async () => {
      const room = await import("../front-door/named-server.ts");
      const server = room.namedServer(names, { ...listening, tls });
      await listenOn(server, 0);
      return { server, port: (server.address() as AddressInfo).port };
    })();
    return shared;
  };
  return {
    async openProxy({ metadata, isolated }) {
      const [{ openProxy }, named] = await Promise.all([import("../front-door/proxy.ts"), namedServer()]);
      const proxy = await openProxy({
        names,
        named: named.server,
        isolated,
        onError: listening.onError,
        ...(metadata === undefined ? {} : { metadata }),
      });
      const direct = metadata === undefined ? undefined : await plainServer(context, metadata, 0);
      const metadataPort = direct === undefined ? 0 : (direct.address() as AddressInfo).port;
      return {
        facts: {
          front: "proxy",
          proxyPort: proxy.port,
          tlsPort: named.port,
          metadataPort,
          patterns: names.patterns,
        },
        async close() {
          await proxy.close();
          if (direct !== undefined) await closeServer(direct);
        },
      };
    },
    openSandbox: (request) => openSandbox(context, request),
    async close() {
      if (shared !== undefined) await closeServer((await shared).server);
    },
  };
}

/** Unix sockets in a folder of their own: the only way out of the sandbox. */
async function openSandbox(context: DoorsContext, request: DoorRequest): Promise<OpenDoor> {
  const { namedServer } = await import("../front-door/named-server.ts");
  // A socket's path may have 107 bytes, so it does not go into the data directory.
  const folder = await mkdtemp(join(tmpdir(), "celestite-door-"));
  await chmod(folder, 0o700);
  const servers: Server[] = [];
  const forwards: { address: string; port: number; socket: string }[] = [];
  const add = async (server: Server, address: string, port: number): Promise<void> => {
    const socket = join(folder, `${forwards.length}.sock`);
    servers.push(server);
    await listenOn(server, socket);
    forwards.push({ address, port, socket });
  };
  const { names, tls, listening } = context;
  await add(namedServer(names, { ...listening, tls }), "127.0.0.1", 443);
  if (request.metadata !== undefined) {
    await add(await unlistened(context, request.metadata), "169.254.169.254", 80);
  }
  if (request.managed !== undefined) {
    await add(await unlistened(context, request.managed.service), "127.0.0.1", request.managed.port);
  }
  const hosts = join(folder, "hosts");
  const lines = names.names().map((name) => `127.0.0.1 ${name}\n`);
  await writeFile(hosts, `127.0.0.1 localhost\n::1 localhost\n${lines.join("")}`);
  return {
    facts: { front: "sandbox", forwards, hostsFile: hosts, folder },
    async close() {
      await Promise.all(servers.map(closeServer));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function unlistened({ listening }: DoorsContext, service: Service): Promise<Server> {
  const { unboundServer } = await import("../http/listen.ts");
  return unboundServer({ ...listening, service });
}

async function plainServer(context: DoorsContext, service: Service, port: number): Promise<Server> {
  const server = await unlistened(context, service);
  await listenOn(server, port);
  return server;
}

function listenOn(server: Server, where: number | string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    if (typeof where === "string") server.listen(where, resolve);
    else server.listen(where, "127.0.0.1", resolve);
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** Makes the folder `path` and a writer of small secret files in it. */
export async function secretFolder(path: string): Promise<(name: string, content: string) => Promise<void>> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  return (name, content) => writeFile(join(path, name), content, { mode: 0o600 });
}

/**
 * The composition root: settings to store to services to listeners. Two instances run side by side in one process.
 * Start-up time is a promise of ours: store and certificate authority open while the rooms are still being loaded.
 */
import { join } from "node:path";
import { type Clock, type Entropy, movableClock } from "./clock.ts";
import type { Closers } from "./composition/server.ts";
import type { Settings } from "./config.ts";
import type { Identity } from "./identity/identity.ts";
import type { Recorder } from "./observability/diagnostic-records.ts";
import type { ServerStatus } from "./operator/gateway.ts";
import { makeDirectory } from "./storage/make-directory.ts";
import { type Store, StoreUnavailable } from "./storage/port.ts";
import { openAuthority } from "./tls/authority.ts";

export interface Celestite {
  readonly status: () => Promise<ServerStatus>;
  readonly operatorUrl: string;
  readonly operatorSecret: string;
  readonly identity: Identity;
  readonly recorder: Recorder;
  close(): Promise<void>;
}

export interface Surroundings {
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Told of errors that no service expected; never of a client's mistake. */
  readonly onError: (error: unknown) => void;
  /** Whether what the server was started for is done; at once when absent. */
  readonly ready?: () => boolean;
  /** Instead of the store that the settings name; closed with the server. */
  readonly store?: Store;
}

/**
 * Starts everything and resolves when all sockets listen. Throws StoreUnavailable, AuthorityUnavailable, ListenError
 * or a system error with one clear sentence when something stands in the way; whatever was opened until then is
 * closed again.
 */
export async function startCelestite(settings: Settings, around: Surroundings): Promise<Celestite> {
  const closers: Closers = [];
  const close = async (): Promise<void> => {
    for (const undo of closers.splice(0).reverse()) await undo();
  };
  try {
    const openStore = await storeOf(settings);
    const loading = import("./composition/server.ts");
    await makeDataDirectory(settings.dataDirectory);
    const store = around.store ?? (await openStore());
    closers.push(() => store.close());
    // Only now: the store's lock keeps two servers from making two authorities in one directory.
    const authority = openAuthority({ directory: settings.dataDirectory, ...around, names: [] });
    // Whoever needs it first meets its failure; the lock is held until it is done.
    const settled = authority.then(
      () => {},
      () => {},
    );
    closers.push(() => settled);
    const { compose } = await loading;
    // Certificates of listeners keep the machine's time, by which clients judge them; everything else can be moved.
    const development = settings.development ? movableClock(around.clock) : undefined;
    const moved = development === undefined ? around : { ...around, clock: development };
    const ground = { settings, around: moved, store, authority, closers, development };
    return { ...(await compose(ground)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function makeDataDirectory(directory: string): Promise<void> {
  try {
    await makeDirectory(directory);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new StoreUnavailable(`The data directory ${directory} cannot be made (${why}): choose another.`);
  }
}

/** What opens the store of the settings; only its own driver is loaded. */
async function storeOf({ store, dataDirectory }: Settings): Promise<() => Promise<Store>> {
  if (store === "memory") {
    const { openMemory } = await import("./storage/memory.ts");
    return async () => openMemory();
  }
  const { openStore } = await import("./storage/open.ts");
  return () => openStore(store === "lmdb" ? `lmdb:${join(dataDirectory, "store")}` : store);
}

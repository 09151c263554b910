/**
 * From a store URL to an open store: the one place that knows every adapter. Apart from them so that a new adapter
 * is one line here.
 */
import { openLmdb } from "./lmdb.ts";
import { openMemory } from "./memory.ts";
import { type Store, StoreUnavailable } from "./port.ts";

/** From the scheme of a store URL to what opens the part after the colon. */
const openers: ReadonlyMap<string, (rest: string) => Promise<Store>> = new Map([
  ["memory", async () => openMemory()],
  ["lmdb", openLmdb],
  ["postgres", openPostgresUrl],
  ["postgresql", openPostgresUrl],
]);

/** The driver is loaded only for those who use it. */
async function openPostgresUrl(rest: string): Promise<Store> {
  const { openPostgres } = await import("./postgres.ts");
  return openPostgres(`postgres:${rest}`);
}

/**
 * Opens `memory:`, `lmdb:DIRECTORY`, `postgres://USER:PASSWORD@HOST:PORT/DATABASE?schema=NAME`, or a plain path, which
 * is an LMDB directory. A scheme has two characters or more, so `C:\\data` is a path. Throws `StoreUnavailable` for an
 * unknown scheme and as the adapter does.
 */
export async function openStore(url: string): Promise<Store> {
  const [, scheme = "lmdb", rest = url] = /^([a-z][a-z0-9+.-]+):(.*)$/is.exec(url) ?? [];
  const opener = openers.get(scheme.toLowerCase());
  if (opener === undefined || (rest === "" && opener === openLmdb)) {
    // A mistyped scheme may stand before a password.
    const shown = JSON.stringify(url.replace(/\/\/[^/]*@/, "//...@"));
    throw new StoreUnavailable(
      `${shown} names no known store: give memory:, lmdb:DIRECTORY, postgres://USER:PASSWORD@HOST/DATABASE or the path ` +
        "of a directory.",
    );
  }
  return opener(rest);
}

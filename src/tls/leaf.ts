/**
 * Server certificates of one authority: the standing one, kept on disk, and one for every other name that a client
 * asks for, kept in memory. Apart from the authority because these come and go while it stays for years.
 */
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { createSecureContext, type SecureContext } from "node:tls";
import type { Clock, Entropy } from "../clock.ts";
import { makePrivate, readText, writeFileWhole } from "./files.ts";
import { type Issued, issueLeaf } from "./issue.ts";
import { covers, namesIn, namesToCover, type ServerName, serverName } from "./names.ts";

/** A server certificate is replaced when it has less than this left, in milliseconds. */
const RENEW_BEFORE = 30 * 24 * 3_600_000;

/** Most names kept in memory: a client may ask for any. */
const CACHE_SIZE = 1000;

export interface LeafOptions {
  readonly directory: string;
  readonly authority: Issued;
  readonly names: readonly string[];
  readonly clock: Clock;
  readonly entropy: Entropy;
}

export interface Leaves {
  /** The standing certificate and its key, PEM, for the loopback names and the names given at the start. */
  standing(): Issued;
  /**
   * The TLS context for the name a client sent: the standing certificate if it covers it, else one made for it.
   * Rejects with `RangeError` if it is no host name.
   */
  secureContextFor(name: string): Promise<SecureContext>;
}

interface Kept {
  readonly issued: Issued;
  readonly context: SecureContext;
  /** Bounds of its validity, in milliseconds since the epoch. */
  readonly starts: number;
  readonly expires: number;
}

/**
 * Reads `leaf.pem` and `leaf-key.pem` from the directory, or makes them anew if they are missing, damaged, of
 * another authority, for other names, or near their end. Throws `AuthorityUnavailable` if that cannot be done.
 */
export async function openLeaves(options: LeafOptions): Promise<Leaves> {
  const names = namesToCover(options.names);
  const cache = new Map<string, Promise<Kept>>();
  const isFresh = ({ starts, expires }: Kept): boolean => {
    const now = options.clock.now();
    return starts <= now && expires - now > RENEW_BEFORE;
  };
  const fromDisk = await readLeaf(options, names);
  let standing = fromDisk !== undefined && isFresh(fromDisk) ? fromDisk : await renew(options, names);
  let renewing: Promise<Kept> | undefined;

  const freshStanding = async (): Promise<Kept> => {
    if (isFresh(standing)) return standing;
    renewing ??= renew(options, names).finally(() => {
      renewing = undefined;
    });
    standing = await renewing;
    return standing;
  };
  const madeFor = async (wanted: ServerName): Promise<Kept> => {
    const cached = cache.get(wanted.value);
    if (cached !== undefined) {
      const kept = await cached;
      if (isFresh(kept)) return kept;
      // Another call may have begun to replace it meanwhile.
      const replacement = cache.get(wanted.value);
      if (replacement !== undefined && replacement !== cached) return replacement;
    }
    const made = issue(options, [wanted]);
    cache.delete(wanted.value);
    cache.set(wanted.value, made);
    made.catch(() => cache.delete(wanted.value));
    const [oldest] = cache.keys();
    if (cache.size > CACHE_SIZE && oldest !== undefined) cache.delete(oldest);
    return made;
  };
  return {
    standing: () => standing.issued,
    async secureContextFor(name) {
      const wanted = serverName(name);
      const kept = covers(names, wanted) ? await freshStanding() : await madeFor(wanted);
      return kept.context;
    },
  };
}

async function issue(
  { authority, clock, entropy }: LeafOptions,
  names: readonly ServerName[],
): Promise<Kept> {
  return keep(await issueLeaf(authority, names, clock.now(), entropy));
}

function keep(issued: Issued): Kept {
  const { validFrom, validTo } = new X509Certificate(issued.cert);
  const context = createSecureContext(issued);
  return { issued, context, starts: Date.parse(validFrom), expires: Date.parse(validTo) };
}

async function renew(options: LeafOptions, names: readonly ServerName[]): Promise<Kept> {
  const kept = await issue(options, names);
  const { certificate, key } = pathsIn(options.directory);
  await writeFileWhole(key, kept.issued.key, 0o600);
  await writeFileWhole(certificate, kept.issued.cert, 0o644);
  return kept;
}

/** The leaf on disk if it is whole, signed by this authority and for exactly `names`. */
async function readLeaf(options: LeafOptions, names: readonly ServerName[]): Promise<Kept | undefined> {
  const paths = pathsIn(options.directory);
  const [cert, key] = [await readText(paths.certificate), await readText(paths.key)];
  if (cert === undefined || key === undefined) return undefined;
  await makePrivate(paths.key);
  try {
    const certificate = new X509Certificate(cert);
    if (!certificate.verify(new X509Certificate(options.authority.cert).publicKey)) return undefined;
    if (sorted(namesIn(certificate.subjectAltName)) !== sorted(names)) return undefined;
    // Throws if the two do not belong together.
    return keep({ cert, key });
  } catch {
    // Whatever is wrong with it: the authority can always make another, and nobody has to trust it anew.
    return undefined;
  }
}

function pathsIn(directory: string): { readonly certificate: string; readonly key: string } {
  return { certificate: join(directory, "leaf.pem"), key: join(directory, "leaf-key.pem") };
}

function sorted(names: readonly ServerName[]): string {
  return names
    .map(({ value }) => value)
    .sort()
    .join();
}

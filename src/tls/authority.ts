/**
 * The certificate authority of one data directory, made at its first start and kept from then on, so that trusting
 * it once is enough. It is a room of its own because it serves every listener and none of them knows about keys.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { join } from "node:path";
import type { SecureContext } from "node:tls";
import type { Clock, Entropy } from "../clock.ts";
import { writeBundle } from "./bundle.ts";
import { AuthorityUnavailable, makePrivate, readText, writeFileWhole } from "./files.ts";
import { type Issued, issueAuthority } from "./issue.ts";
import { openLeaves } from "./leaf.ts";

export interface Authority {
  /** The authority's certificate, PEM. */
  readonly caPem: string;
  /** File of the same, for variables that add to a trust store (`NODE_EXTRA_CA_CERTS`). */
  readonly caPath: string;
  /** File with the system's authorities and ours, for variables that replace the trust store. */
  readonly bundlePath: string;
  /** The same as a Java key store with the password of `java-trust-store.ts`. */
  readonly javaTrustStorePath: string;
  /** The standing server certificate and its key, PEM: loopback names and the names given at the start. */
  leaf(): Issued;
  /**
   * The TLS context for the server name a client sent; made when first asked for, if the standing certificate does
   * not cover it. Rejects with `RangeError` for what is no host name.
   */
  secureContextFor(servername: string): Promise<SecureContext>;
}

export interface AuthorityOptions {
  /** Directory that exists; a store in memory passes a temporary one. */
  readonly directory: string;
  /** The machine's clock, not one that users may move: clients judge certificates by their own. */
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** DNS names (`*.example.com` too) and IP addresses beside localhost, 127.0.0.1 and ::1. */
  readonly names: readonly string[];
}

/**
 * Opens the authority in `directory` (`ca.pem`, `ca-key.pem`), making it if there is none. Throws
 * `AuthorityUnavailable`, which says what to do, if its files are damaged, expired or out of reach, and `RangeError`
 * for a name that is no host name.
 */
export async function openAuthority(options: AuthorityOptions): Promise<Authority> {
  const { directory, clock, entropy } = options;
  const caPath = join(directory, "ca.pem");
  const keyPath = join(directory, "ca-key.pem");
  const ca =
    (await readAuthority(caPath, keyPath, clock.now())) ??
    (await makeAuthority(caPath, keyPath, clock, entropy));
  const leaves = await openLeaves({ ...options, authority: ca });
  const bundle = await writeBundle(directory, ca.cert, clock.now());
  return {
    caPem: ca.cert,
    caPath,
    bundlePath: bundle.pemPath,
    javaTrustStorePath: bundle.javaPath,
    leaf: leaves.standing,
    secureContextFor: leaves.secureContextFor,
  };
}

/** The authority on disk, or `undefined` if none was ever finished: the certificate is written last. */
async function readAuthority(caPath: string, keyPath: string, now: number): Promise<Issued | undefined> {
  const [cert, key] = [await readText(caPath), await readText(keyPath)];
  if (cert === undefined) return undefined;
  const advice = `put a copy back, or delete ${caPath} to make a new authority, which has to be trusted again`;
  if (key === undefined) throw new AuthorityUnavailable(`The file ${keyPath} is missing: ${advice}.`);
  await makePrivate(keyPath);
  const certificate = parsed(() => new X509Certificate(cert), caPath, "certificate", advice);
  const privateKey = parsed(() => createPrivateKey(key), keyPath, "private key", advice);
  if (!certificate.ca || !certificate.checkPrivateKey(privateKey)) {
    throw new AuthorityUnavailable(`The files ${caPath} and ${keyPath} do not belong together: ${advice}.`);
  }
  const { validFrom, validTo } = certificate;
  if (now < Date.parse(validFrom) || Date.parse(validTo) <= now) {
    throw new AuthorityUnavailable(
      `The certificate ${caPath} is valid from ${validFrom} to ${validTo}: ${advice}.`,
    );
  }
  return { cert, key };
}

function parsed<T>(parse: () => T, path: string, what: string, advice: string): T {
  try {
    return parse();
  } catch (error) {
    throw new AuthorityUnavailable(`The file ${path} is not a whole ${what}: ${advice}.`, { cause: error });
  }
}

async function makeAuthority(
  caPath: string,
  keyPath: string,
  clock: Clock,
  entropy: Entropy,
): Promise<Issued> {
  const issued = await issueAuthority(clock.now(), entropy);
  await writeFileWhole(keyPath, issued.key, 0o600);
  await writeFileWhole(caPath, issued.cert, 0o644);
  return issued;
}

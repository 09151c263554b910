/**
 * Public keys of federated issuers: the room's only outbound requests. Only issuers that somebody registered in a
 * federated credential are ever asked, and what they answer is bounded in time, size and number.
 */
import type { JsonWebKey, KeyObject } from "node:crypto";
import { createPublicKey } from "node:crypto";
import type { Clock } from "../clock.ts";

const TIMEOUT_MS = 5_000;
const DOCUMENT_BYTES_MAX = 256 * 1024;
const KEYS_MAX = 100;
/** RFC 7518 section 3.3. */
const RSA_BITS_MIN = 2048;
/** A key set is asked for again after this time, so that a key the issuer withdrew does not live on here. */
const FRESH_MS = 3600 * 1000;
/** An unknown key id makes us ask again, but not more often than this. */
const REFETCH_MS_MIN = 10_000;

/** The key `kid` of `issuer`, or in one sentence why it cannot be had. */
export type FederatedKeys = (
  issuer: string,
  kid: string,
) => Promise<
  { readonly ok: true; readonly publicKey: KeyObject } | { readonly ok: false; readonly detail: string }
>;

interface KnownIssuer {
  readonly fetchedAt: number;
  readonly keys: ReadonlyMap<string, KeyObject>;
}

/**
 * Reads key sets through each issuer's OpenID configuration, over https (or http to this machine), without
 * following redirects; `limitMilliseconds` is what one document may take.
 */
export function createFederatedKeys(clock: Clock, limitMilliseconds: number = TIMEOUT_MS): FederatedKeys {
  const known = new Map<string, KnownIssuer>();
  return async (issuer, kid) => {
    const now = clock.now();
    const issuerKeys = known.get(issuer);
    const age = issuerKeys === undefined ? Number.POSITIVE_INFINITY : now - issuerKeys.fetchedAt;
    const cached = age < FRESH_MS ? issuerKeys?.keys.get(kid) : undefined;
    if (cached !== undefined) return { ok: true, publicKey: cached };
    if (age < REFETCH_MS_MIN) return { ok: false, detail: `The issuer has no key '${kid}'.` };
    let keys: ReadonlyMap<string, KeyObject>;
    try {
      keys = await fetchKeys(issuer, limitMilliseconds);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { ok: false, detail: `The keys of the issuer '${issuer}' cannot be read: ${reason}.` };
    }
    known.set(issuer, { fetchedAt: now, keys });
    const publicKey = keys.get(kid);
    return publicKey === undefined
      ? { ok: false, detail: `The issuer has no key '${kid}'.` }
      : { ok: true, publicKey };
  };
}

async function fetchKeys(issuer: string, limit: number): Promise<ReadonlyMap<string, KeyObject>> {
  const metadata = await fetchJson(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`, limit);
  if (metadata["issuer"] !== issuer) throw new Error("its OpenID configuration names another issuer");
  const address = metadata["jwks_uri"];
  if (typeof address !== "string") throw new Error("its OpenID configuration has no jwks_uri");
  // An issuer elsewhere must not choose which port of this machine we ask.
  if (isLoopback(address) && !isLoopback(issuer)) throw new Error("its jwks_uri points to this machine");
  return readKeySet(await fetchJson(address, limit));
}

/** The RSA signing keys of a JSON Web Key Set by `kid`; others are passed over. Throws when it is no key set. */
export function readKeySet({ keys: list }: Readonly<Record<string, unknown>>): Map<string, KeyObject> {
  if (!Array.isArray(list) || list.length > KEYS_MAX) throw new Error("its key set has no usable keys");
  const keys = new Map<string, KeyObject>();
  for (const entry of list as readonly JsonWebKey[]) {
    const kid: unknown = entry["kid"];
    if (entry.kty !== "RSA" || typeof kid !== "string" || entry["use"] === "enc") continue;
    const { n = "", e = "" } = entry;
    const publicKey = createPublicKey({ key: { kty: "RSA", n, e }, format: "jwk" });
    if ((publicKey.asymmetricKeyDetails?.modulusLength ?? 0) >= RSA_BITS_MIN) keys.set(kid, publicKey);
  }
  return keys;
}

async function fetchJson(address: string, limit: number): Promise<Readonly<Record<string, unknown>>> {
  if (!mayAsk(address)) throw new Error(`${address} is neither https nor on this machine`);
  const response = await fetch(address, {
    redirect: "error",
    signal: AbortSignal.timeout(limit),
    headers: { accept: "application/json" },
  });
  if (!response.ok || response.body === null)
    throw new Error(`${address} answered with status ${response.status}`);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > DOCUMENT_BYTES_MAX) throw new Error(`${address} answered with too long a document`);
    chunks.push(chunk);
  }
  const value: unknown = JSON.parse(Buffer.concat(chunks).toString("utf8"));
  if (typeof value !== "object" || value === null)
    throw new Error(`${address} did not answer with an object`);
  return value as Readonly<Record<string, unknown>>;
}

/**
 * The address of cloud metadata services and its neighbours, also as IPv4 in IPv6 clothing, in which any address would
 * pass for another: never an issuer, always a target of forged requests.
 */
const LINK_LOCAL = /^(169\.254\.|\[fe80:|\[fd00:ec2:|\[::ffff:|0\.|\[::\]$)/i;

function mayAsk(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, hostname, username, password } = new URL(address);
  if (LINK_LOCAL.test(hostname) || username !== "" || password !== "") return false;
  return protocol === "https:" || (protocol === "http:" && isLoopback(address));
}

function isLoopback(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { hostname } = new URL(address);
  return hostname === "localhost" || hostname === "[::1]" || /^127\./.test(hostname);
}

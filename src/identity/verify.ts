/**
 * Verifying access tokens: ours and only ours, and for every refusal the exact reason. Apart from issuing so that
 * each side can be read alone; they share nothing but the key set and the issuer's name.
 */
import { verify } from "node:crypto";
import type { AccessTokenClaims, TokenFault, TokenVerdict, TokenVerifier } from "../azure/principal.ts";
import type { Clock } from "../clock.ts";
import { isGuid } from "./directory.ts";
import type { Jws } from "./jws.ts";
import { parseCompactJws } from "./jws.ts";
import type { Revocations } from "./revocations.ts";
import type { SigningKeys } from "./signing-keys.ts";
import { backdatingSeconds, isContinuous, issuerV1 } from "./tokens.ts";

/** Tokens remembered as verified; about 2 KB each. */
const CACHE_ENTRIES_MAX = 10_000;

type Refusal = Extract<TokenVerdict, { ok: false }>;

/**
 * A verifier of the tenant's version 1 tokens. It trusts no key but those in `keys` and never fetches anything a
 * token points to. Times are compared without leeway: issuer and services share one clock, and tokens are dated
 * back by their issuer. Verified tokens are remembered until they expire or a key changes.
 */
export function createTokenVerifier(options: {
  readonly keys: SigningKeys;
  readonly tenantId: string;
  readonly clock: Clock;
  readonly cacheEntriesMax?: number;
  readonly revocations?: Revocations;
}): TokenVerifier {
  const { keys, clock } = options;
  const known = createTokenCache(options.cacheEntriesMax ?? CACHE_ENTRIES_MAX);
  keys.onChange(known.clear);
  options.revocations?.onChange(known.clear);
  return (token) => {
    const now = clock.now() / 1000;
    const remembered = known.get(token);
    if (remembered !== undefined) {
      const fault = checkTimes(remembered.claims, now);
      if (fault === undefined) return remembered;
      known.delete(token);
      return { ok: false, fault, claims: { ...remembered.claims } };
    }
    const verdict = verifyToken(token, options, now, false);
    if (verdict.ok) known.set(token, verdict);
    return verdict;
  };
}

interface VerifyOptions {
  readonly keys: SigningKeys;
  readonly tenantId: string;
  readonly revocations?: Revocations;
}

/**
 * Verifies a token of either version that this authority issued, for whatever audience: what a client presents on
 * behalf of a user. Version 2 names the door through which it was issued, so only its key says that it is ours.
 */
export function verifyIssued(
  token: string,
  options: VerifyOptions & { readonly clock: Clock },
): TokenVerdict {
  return verifyToken(token, options, options.clock.now() / 1000, true);
}

/** The checks in the order of `TokenFault`. `now` in seconds. */
function verifyToken(
  token: string,
  { keys, tenantId, revocations }: VerifyOptions,
  now: number,
  eitherVersion: boolean,
): TokenVerdict {
  const parsed = parseCompactJws(token, true);
  if (!parsed.ok) return { ok: false, fault: { kind: "format", detail: parsed.detail } };
  const { jws } = parsed;
  const refuse = (fault: TokenFault): Refusal => ({ ok: false, fault, claims: jws.payload });

  const headerFault = checkHeader(jws);
  if (headerFault !== undefined) return refuse(headerFault);
  const kid = jws.header["kid"] as string;
  const key = keys.lookup(kid);
  if (key === undefined) return refuse({ kind: "unknownKey", detail: `no key ${kid} in the key set` });
  const signed = Buffer.from(jws.signingInput, "ascii");
  if (!verify("RSA-SHA256", signed, key.publicKey, jws.signature)) {
    return refuse({ kind: "signature", detail: `the signature was not made with key ${kid}` });
  }
  if (key.revoked) return refuse({ kind: "revoked" });
  const claims = readClaims(jws.payload);
  if (typeof claims === "string") return refuse({ kind: "format", detail: claims });
  const timeFault = checkTimes(claims, now);
  if (timeFault !== undefined) return refuse(timeFault);
  const isIssuer =
    claims.iss === issuerV1(tenantId) || (eitherVersion && claims.iss.endsWith(`/${tenantId}/v2.0`));
  if (!isIssuer || claims.tid !== tenantId) {
    return refuse({ kind: "issuer", issuer: claims.iss, tenantId: claims.tid });
  }
  if (!isGuid(claims.oid)) return refuse({ kind: "missingObjectId" });
  const issuedUntil = revocations?.issuedUntil(claims.oid, isContinuous(jws.payload));
  if (issuedUntil !== undefined && claims.iat + backdatingSeconds <= issuedUntil)
    return refuse({ kind: "revoked" });
  return { ok: true, claims };
}

/**
 * Only `RS256` exists here: no other name, whatever key would fit it, and no extension that a reader must
 * understand (RFC 7515 section 4.1.11). Members that point to keys elsewhere are not read at all.
 */
function checkHeader({ header }: Jws): TokenFault | undefined {
  if (header["alg"] !== "RS256") return { kind: "format", detail: "the token's algorithm is not RS256" };
  if (header["typ"] !== "JWT") return { kind: "format", detail: "the token's type is not JWT" };
  if (Object.hasOwn(header, "crit")) {
    return { kind: "format", detail: "the token has critical header extensions" };
  }
  if (typeof header["kid"] !== "string") return { kind: "unknownKey", detail: "the token names no key" };
  return undefined;
}

function checkTimes(claims: AccessTokenClaims, now: number): TokenFault | undefined {
  if (now < claims.nbf) return { kind: "notYetValid", notBefore: claims.nbf };
  if (now >= claims.exp) return { kind: "expired", expiredAt: claims.exp };
  return undefined;
}

/** The claims with their types checked, or what is wrong. A missing `oid` is read as empty: its fault comes last. */
function readClaims(payload: Jws["payload"]): AccessTokenClaims | string {
  const {
    aud,
    iss,
    tid,
    oid = "",
    exp,
    nbf,
    iat,
    appid,
    idtyp,
    upn,
    scp,
    groups,
  } = payload as Record<keyof AccessTokenClaims, unknown>;
  for (const [name, value] of Object.entries({ exp, nbf, iat })) {
    if (!Number.isSafeInteger(value)) return `the claim ${name} is no whole number of seconds`;
  }
  for (const [name, value] of Object.entries({ aud, iss, tid, oid })) {
    if (typeof value !== "string") return `the claim ${name} is no string`;
  }
  for (const [name, value] of Object.entries({ appid, upn, scp })) {
    if (value !== undefined && typeof value !== "string") return `the claim ${name} is no string`;
  }
  if (idtyp !== undefined && idtyp !== "app" && idtyp !== "user")
    return "the claim idtyp is neither app nor user";
  if (
    groups !== undefined &&
    !(Array.isArray(groups) && groups.every((group) => typeof group === "string"))
  ) {
    return "the claim groups is no list of strings";
  }
  // The checks above are the proof of this type; undefined members are left out for its exactness.
  const all = { aud, iss, tid, oid, exp, nbf, iat, appid, idtyp, upn, scp, groups };
  const present = Object.entries(all).filter(([, value]) => value !== undefined);
  return Object.fromEntries(present) as unknown as AccessTokenClaims;
}

type Accepted = Extract<TokenVerdict, { ok: true }>;

interface TokenCache {
  get(token: string): Accepted | undefined;
  set(token: string, verdict: Accepted): void;
  delete(token: string): void;
  clear(): void;
}

/** Characters at the end of a token, in its signature, by which it is found: hashing all of it would take far longer. */
const endLength = 64;

/**
 * Two generations instead of a list of uses: when the young one is half the limit, it becomes the old one, and what
 * was not asked for meanwhile goes. A hit costs one or two look-ups and a comparison with the whole token.
 */
function createTokenCache(entriesMax: number): TokenCache {
  type Known = Map<string, { readonly token: string; readonly verdict: Accepted }>;
  let young: Known = new Map();
  let old: Known = new Map();
  const set = (token: string, verdict: Accepted): void => {
    if (young.size >= entriesMax / 2) {
      old = young;
      young = new Map();
    }
    young.set(token.slice(-endLength), { token, verdict });
  };
  return {
    get(token) {
      const end = token.slice(-endLength);
      const known = young.get(end);
      if (known !== undefined) return known.token === token ? known.verdict : undefined;
      const older = old.get(end);
      if (older?.token !== token) return undefined;
      set(token, older.verdict);
      return older.verdict;
    },
    set,
    delete(token) {
      young.delete(token.slice(-endLength));
      old.delete(token.slice(-endLength));
    },
    clear() {
      young = new Map();
      old = new Map();
    },
  };
}

/**
 * The certificates behind managed identities. As on the platform, a program never sees them: the managed identity
 * endpoints prove an identity with its certificate each time they obtain a token, renew it halfway through its life,
 * and fail as the platform does when it has ended. Apart from the endpoints because they all share it.
 */
import type { JsonWebKey, KeyObject } from "node:crypto";
import { createHash, createPrivateKey, createPublicKey, generateKeyPair, sign, verify } from "node:crypto";
import { promisify } from "node:util";
import type { Principal } from "../azure/principal.ts";
import { uuid } from "../clock.ts";
import { commonName, makeCertificate } from "../x509/certificate.ts";
import type { DirectoryContext } from "./directory.ts";
import { DirectoryError } from "./directory.ts";
import { AuthorityError, faults } from "./errors.ts";
import { encodePart, parseCompactJws } from "./jws.ts";
import type { IdentityCertificateRecord, IdentityCertificatesRecord } from "./records.ts";
import { collection, encodeRecord, readObject, readRecord, recordKey, scanRecords } from "./records.ts";

const DAY_MS = 24 * 3600 * 1000;
const ASSERTION_SECONDS = 600;
/** Old certificates kept until they end; more can only come of rotating by hand. */
const KEPT_MAX = 10;

/** How long certificates live and when they are renewed, in milliseconds. */
export interface CertificateTimes {
  readonly life: number;
  readonly renewAfter: number;
}

/** The platform's: ninety days, renewed after forty-six. */
export const platformTimes: CertificateTimes = { life: 90 * DAY_MS, renewAfter: 46 * DAY_MS };

/** What operators see. Times in milliseconds since the epoch. */
export interface CertificateView {
  readonly principalId: string;
  readonly displayName: string;
  readonly thumbprint: string;
  readonly startsAt: number;
  readonly endsAt: number;
  readonly state: "current" | "previous" | "expired";
}

export interface IdentityCertificates {
  /** Proves the identity with its certificate, made or renewed when due. Throws `AuthorityError` when it has ended. */
  prove(principal: Principal): Promise<void>;
  list(): Promise<readonly CertificateView[]>;
  /** A new certificate at once. Throws `DirectoryError` for what is no managed identity. */
  rotate(principalId: string): Promise<void>;
  /** Ends the certificate at once; nothing renews it but `rotate`. Throws as `rotate`. */
  expire(principalId: string): Promise<void>;
  /** Renews what is due. To be called now and then. */
  maintain(): Promise<void>;
}

/** The certificates of the identities in `context`. */
export function createIdentityCertificates(
  context: DirectoryContext,
  times: CertificateTimes = platformTimes,
): IdentityCertificates {
  const { store, clock } = context;
  const keys = new Map<string, { readonly privateKey: KeyObject; readonly publicKey: KeyObject }>();
  const keysOf = (certificate: IdentityCertificateRecord) => {
    const known = keys.get(certificate.thumbprint);
    if (known !== undefined) return known;
    const { d: _secret, ...publicPart } = certificate.key;
    const loaded = {
      privateKey: createPrivateKey({ key: certificate.key, format: "jwk" }),
      publicKey: createPublicKey({ key: publicPart, format: "jwk" }),
    };
    if (keys.size > 1000) keys.clear();
    keys.set(certificate.thumbprint, loaded);
    return loaded;
  };
  /** Until when the assertion of a certificate, by its thumbprint, still holds. */
  const proven = new Map<string, number>();
  const current = async (principal: Principal): Promise<IdentityCertificateRecord> => {
    const record = await readCertificates(context, principal.objectId);
    const newest = record?.certificates[0];
    if (newest !== undefined && !isDue(newest, times, clock.now())) return newest;
    return renew(context, times, principal.objectId, false);
  };
  return {
    async prove(principal) {
      const certificate = await current(principal);
      const { thumbprint } = certificate;
      // An assertion serves until it ends, as libraries keep theirs; the certificate is judged each time.
      if ((proven.get(thumbprint) ?? 0) <= clock.now()) {
        const { privateKey, publicKey } = keysOf(certificate);
        const assertion = makeAssertion(context, principal, certificate, privateKey);
        checkAssertion(principal, publicKey, assertion);
        if (proven.size > 1000) proven.clear();
        proven.set(thumbprint, clock.now() + ASSERTION_SECONDS * 1000);
      }
      checkLife(principal, certificate, clock.now());
    },
    list: () => listCertificates(context),
    async rotate(principalId) {
      await renew(context, times, principalId, true);
    },
    expire: (principalId) => expireCertificate(context, times, principalId),
    async maintain() {
      const records = await scanRecords<IdentityCertificatesRecord>(store, collection.identityCertificates());
      for (const { principalId, certificates } of records) {
        const [newest] = certificates;
        if (newest !== undefined && isDue(newest, times, clock.now()))
          await renew(context, times, principalId, false);
      }
    },
  };
}

async function listCertificates({ store, clock }: DirectoryContext): Promise<readonly CertificateView[]> {
  const records = await scanRecords<IdentityCertificatesRecord>(store, collection.identityCertificates());
  const views: CertificateView[] = [];
  for (const { principalId, certificates } of records) {
    const displayName = (await readObject(store, principalId))?.displayName ?? principalId;
    for (const [at, { thumbprint, startsAt, endsAt }] of certificates.entries()) {
      const alive = clock.now() < endsAt;
      const state = alive ? (at === 0 ? "current" : "previous") : "expired";
      views.push({ principalId, displayName, thumbprint, startsAt, endsAt, state });
    }
  }
  return views;
}

async function expireCertificate(
  context: DirectoryContext,
  times: CertificateTimes,
  principalId: string,
): Promise<void> {
  await renew(context, times, principalId, false);
  await context.change(async (transaction) => {
    const key = recordKey.identityCertificates(principalId);
    const record = await readRecord<IdentityCertificatesRecord>(transaction, key);
    const [newest, ...older] = record?.certificates ?? [];
    if (newest === undefined) return;
    const ended = { ...newest, endsAt: context.clock.now(), held: true as const };
    transaction.put(key, encodeRecord({ principalId, certificates: [ended, ...older] }));
  });
}

function readCertificates(
  { store }: DirectoryContext,
  principalId: string,
): Promise<IdentityCertificatesRecord | undefined> {
  return readRecord<IdentityCertificatesRecord>(store, recordKey.identityCertificates(principalId));
}

/** One that an operator ended stays ended. */
function isDue({ startsAt, held }: IdentityCertificateRecord, times: CertificateTimes, now: number): boolean {
  return held !== true && now >= startsAt + times.renewAfter;
}

async function requireIdentity({ store }: DirectoryContext, principalId: string): Promise<string> {
  const object = await readObject(store, principalId);
  if (object?.kind !== "servicePrincipal" || object.managedIdentity === undefined) {
    throw new DirectoryError("notFound", `There is no managed identity with the object id ${principalId}.`);
  }
  return object.appId;
}

/** The newest certificate, after making one if it is due or `force` asks for it; older ones live to their end. */
async function renew(
  context: DirectoryContext,
  times: CertificateTimes,
  principalId: string,
  force: boolean,
): Promise<IdentityCertificateRecord> {
  const appId = await requireIdentity(context, principalId);
  const made = await makeIdentityCertificate(context, appId, times.life);
  return context.change(async (transaction) => {
    await requireIdentity(context, principalId);
    const key = recordKey.identityCertificates(principalId);
    const record = await readRecord<IdentityCertificatesRecord>(transaction, key);
    const known = record?.certificates ?? [];
    const [newest] = known;
    const now = context.clock.now();
    // Another request may have renewed it meanwhile.
    if (!force && newest !== undefined && !isDue(newest, times, now)) return newest;
    const alive = known.filter(({ endsAt }) => now < endsAt).slice(0, KEPT_MAX - 1);
    transaction.put(key, encodeRecord({ principalId, certificates: [made, ...alive] }));
    return made;
  });
}

async function makeIdentityCertificate(
  { clock, entropy }: DirectoryContext,
  appId: string,
  life: number,
): Promise<IdentityCertificateRecord> {
  // A small key: it proves the identity at every single token, and never leaves this process.
  const pair = await promisify(generateKeyPair)("ec", { namedCurve: "P-256" });
  const startsAt = clock.now();
  const endsAt = startsAt + life;
  const name = commonName(`CN=${appId}`);
  const der = await makeCertificate(
    {
      serial: entropy.bytes(16),
      issuer: name,
      subject: name,
      notBefore: startsAt,
      notAfter: endsAt,
      publicKey: pair.publicKey.export({ type: "spki", format: "der" }),
    },
    "ecdsa",
    (bytes) => sign("sha256", bytes, pair.privateKey),
  );
  return {
    thumbprint: createHash("sha256").update(der).digest("base64url"),
    certificate: Buffer.from(der).toString("base64"),
    key: pair.privateKey.export({ format: "jwk" }) as JsonWebKey,
    startsAt,
    endsAt,
  };
}

function makeAssertion(
  { clock, entropy, tenantId }: DirectoryContext,
  { appId = "" }: Principal,
  { thumbprint }: IdentityCertificateRecord,
  privateKey: KeyObject,
): string {
  const now = Math.floor(clock.now() / 1000);
  const claims = {
    aud: tenantId,
    iss: appId,
    sub: appId,
    jti: uuid(entropy),
    nbf: now,
    exp: now + ASSERTION_SECONDS,
  };
  const input = `${encodePart({ alg: "ES256", "x5t#S256": thumbprint })}.${encodePart(claims)}`;
  const key = { key: privateKey, dsaEncoding: "ieee-p1363" } as const;
  return `${input}.${sign("sha256", Buffer.from(input, "ascii"), key).toString("base64url")}`;
}

/** What the token endpoint would check: the certificate's key made the assertion of this client. */
function checkAssertion({ appId = "" }: Principal, publicKey: KeyObject, assertion: string): void {
  const parsed = parseCompactJws(assertion, true);
  const key = { key: publicKey, dsaEncoding: "ieee-p1363" } as const;
  const signed =
    parsed.ok && verify("sha256", Buffer.from(parsed.jws.signingInput, "ascii"), key, parsed.jws.signature);
  if (!signed || parsed.jws.payload["sub"] !== appId) {
    throw new AuthorityError(faults.assertionKey("The key was found, but the signature is not its.", appId));
  }
}

function checkLife(
  { appId = "" }: Principal,
  { startsAt, endsAt }: IdentityCertificateRecord,
  now: number,
): void {
  if (now < startsAt || now >= endsAt) {
    throw new AuthorityError(faults.assertionKey("The key used is expired.", appId));
  }
}

/**
 * The tenant's token signing keys: made once, kept in the store, rotated on request. Apart from the tokens because
 * a key outlives them: the next key is published before it signs, and an old one stays accepted until no token
 * signed with it can still be valid.
 *
 * A 2048-bit key takes some hundred milliseconds to find. That work runs in the thread pool and nobody waits for
 * it at start-up; the first token or key-set request does. (It draws on OpenSSL's own generator, not on `Entropy`:
 * a reproducible signing key would be a forgeable one.)
 */
import type { JsonWebKey, KeyObject } from "node:crypto";
import { createPrivateKey, createPublicKey, generateKeyPair, sign } from "node:crypto";
import { promisify } from "node:util";
import type { Clock, Entropy } from "../clock.ts";
import type { Store, Transaction } from "../storage/port.ts";
import { certificateLifetimeMilliseconds, selfSignedCertificate, thumbprint } from "./certificate.ts";
import { collection, encodeRecord, recordKey, scanRecords } from "./records.ts";

const MODULUS_BITS = 2048;
const LOCK = "identity-signing-keys";

/** How long a key that signs no more is accepted: 28 hours, the longest life a token may have. */
export const keyOverlapMilliseconds: number = 28 * 3600 * 1000;

/** A key signs for sixty days; its successor is published two days, more than any token's life, before. */
const keyLifeMilliseconds = 60 * 24 * 3600 * 1000;
const publishAheadMilliseconds = 2 * 24 * 3600 * 1000;

type KeyState = "next" | "current" | "previous" | "revoked";

interface KeyRecord {
  readonly kid: string;
  readonly state: KeyState;
  /** The whole key while it may sign; only the public part afterwards. */
  readonly key: JsonWebKey;
  /** The certificate around the key, DER in base64. */
  readonly certificate: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** For a previous key: when its tokens stop being accepted. */
  readonly acceptedUntil?: number;
  /** Since when it signs; its making for the first key. */
  readonly currentSince?: number;
}

/** Signs tokens; `kid` goes into their header as `kid` and `x5t`. */
export interface SigningKey {
  readonly kid: string;
  /** An RS256 signature over `input`, made in the thread pool. */
  sign(input: string): Promise<Uint8Array>;
}

/** One entry of the key set; `x5c` holds the self-signed certificate whose SHA-1 is `kid`. */
export interface PublishedKey {
  readonly kty: "RSA";
  readonly use: "sig";
  readonly kid: string;
  readonly x5t: string;
  readonly n: string;
  readonly e: string;
  readonly x5c: readonly string[];
}

/** What operators see of a key. Times in milliseconds since the epoch. */
export interface KeyView {
  readonly kid: string;
  readonly state: "next" | "current" | "previous" | "revoked";
  readonly createdAt: number;
  readonly acceptedUntil?: number;
}

export interface SigningKeys {
  /** All keys, the oldest first. */
  list(): readonly KeyView[];
  /** Publishes the next key when the current one is near its end, and rotates when it is there. */
  maintain(now: number): Promise<void>;
  /** The key that signs now; waits for the first key of a new store. */
  current(): Promise<SigningKey>;
  /** The public key under `kid` if we published it; one map look-up. */
  lookup(kid: string): { readonly publicKey: KeyObject; readonly revoked: boolean } | undefined;
  /** All keys whose tokens are or will be accepted; waits for the first key of a new store. */
  published(): Promise<readonly PublishedKey[]>;
  /** Makes and publishes the key that the next rotation will use, unless there is one; its kid. */
  publishNext(): Promise<string>;
  /** From now on the next key signs (a new one if none was published); its kid. Old tokens stay valid. */
  rotate(now: number): Promise<string>;
  /** Refuses every token signed with `kid` at once; false for an unknown key. A new key takes over if needed. */
  revoke(kid: string, now: number): Promise<boolean>;
  /** Calls `listener` after each change of the keys, before the change is visible to any caller. */
  onChange(listener: () => void): void;
  /** Resolves when no key is being made. To be awaited before the store is closed. */
  settled(): Promise<void>;
}

interface LoadedKey {
  readonly record: KeyRecord;
  readonly publicKey: KeyObject;
  readonly published: PublishedKey;
  signer?: SigningKey;
}

/** The keys in memory, in step with the store; changes follow each other. */
interface KeyRing {
  find(kid: string): LoadedKey | undefined;
  all(): readonly LoadedKey[];
  byState(state: KeyState): LoadedKey | undefined;
  /** Runs `step` after every earlier one, so it sees the keys that they left. */
  inTurn<T>(step: () => Promise<T>): Promise<T>;
  /** Writes what `edit` makes of the stored keys. To be called in turn. */
  change(edit: (records: readonly KeyRecord[]) => readonly KeyRecord[]): Promise<void>;
  /** The key in this state, made if there is none. To be called in turn. */
  ensure(state: "current" | "next"): Promise<LoadedKey>;
  onChange(listener: () => void): void;
  settled(): Promise<void>;
}

interface KeyOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly entropy: Entropy;
}

/** Loads the keys in `store`; when there are none, starts making the first one and returns without waiting for it. */
export async function openSigningKeys(options: KeyOptions): Promise<SigningKeys> {
  const ring = await openKeyRing(options);
  const accepted = ({ record }: LoadedKey): boolean =>
    record.acceptedUntil === undefined || options.clock.now() < record.acceptedUntil;
  const ready = async (): Promise<LoadedKey> =>
    ring.byState("current") ?? ring.inTurn(() => ring.ensure("current"));
  const rotate = async (now: number): Promise<string> => {
    await ring.ensure("next");
    await ring.change((records) => rotated(records, now));
    return ring.byState("current")?.record.kid ?? unreachable();
  };
  const revoke = async (kid: string, now: number): Promise<boolean> => {
    const key = ring.find(kid);
    if (key === undefined) return false;
    if (key.record.state === "current") await rotate(now);
    await ring.change((records) =>
      records.map((record) => (record.kid === kid ? revoked(record, now) : record)),
    );
    return true;
  };

  // A failure here comes back to the first caller who needs the key, when it is tried again.
  if (ring.byState("current") === undefined) ready().catch(() => undefined);

  return {
    list: () =>
      ring
        .all()
        .map(({ record: { kid, state, createdAt, acceptedUntil } }) => ({
          kid,
          state,
          createdAt,
          ...(acceptedUntil === undefined ? {} : { acceptedUntil }),
        }))
        .sort((a, b) => a.createdAt - b.createdAt),
    async maintain(now) {
      const record = ring.byState("current")?.record;
      if (record === undefined) return;
      const age = now - (record.currentSince ?? record.createdAt);
      if (age >= keyLifeMilliseconds - publishAheadMilliseconds) {
        await ring.inTurn(() => ring.ensure("next"));
      }
      const next = ring.byState("next")?.record;
      const isKnown = next !== undefined && now - next.createdAt >= publishAheadMilliseconds;
      if (age >= keyLifeMilliseconds && isKnown) await ring.inTurn(() => rotate(now));
    },
    async current() {
      const key = await ready();
      key.signer ??= createSigner(key.record);
      return key.signer;
    },
    lookup(kid) {
      const key = ring.find(kid);
      if (key === undefined || !accepted(key)) return undefined;
      return { publicKey: key.publicKey, revoked: key.record.state === "revoked" };
    },
    async published() {
      await ready();
      const usable = ring.all().filter((key) => key.record.state !== "revoked" && accepted(key));
      return usable.map((key) => key.published);
    },
    publishNext: () => ring.inTurn(async () => (await ring.ensure("next")).record.kid),
    rotate: (now) => ring.inTurn(() => rotate(now)),
    revoke: (kid, now) => ring.inTurn(() => revoke(kid, now)),
    onChange: ring.onChange,
    settled: ring.settled,
  };
}

async function openKeyRing(options: KeyOptions): Promise<KeyRing> {
  const { store } = options;
  let loaded = load(await scanRecords<KeyRecord>(store, collection.signingKeys()));
  let work: Promise<unknown> = Promise.resolve();
  const listeners: (() => void)[] = [];
  const byState = (state: KeyState): LoadedKey | undefined =>
    [...loaded.values()].find((key) => key.record.state === state);
  const change: KeyRing["change"] = (edit) =>
    store.transact([LOCK], async (transaction) => {
      const records = edit(await scanRecords<KeyRecord>(transaction, collection.signingKeys()));
      await replaceAll(transaction, records);
      transaction.afterCommit(() => {
        loaded = load(records);
        for (const listener of listeners) listener();
      });
    });
  return {
    find: (kid) => loaded.get(kid),
    all: () => [...loaded.values()],
    byState,
    change,
    inTurn(step) {
      const result = work.then(step);
      // The failure belongs to whoever asked for this step; the next step must run all the same.
      work = result.catch(() => undefined);
      return result;
    },
    async ensure(state) {
      const existing = byState(state);
      if (existing !== undefined) return existing;
      const fresh = await makeKey(options, state);
      // Another process on the same store may have been faster; then its key is ours too.
      await change((records) =>
        records.some((record) => record.state === state) ? records : [...records, fresh],
      );
      return byState(state) ?? unreachable();
    },
    onChange(listener) {
      listeners.push(listener);
    },
    async settled() {
      await work;
    },
  };
}

/** The keys after a rotation: next signs, current is kept for its tokens, and what nobody needs any more is dropped. */
function rotated(records: readonly KeyRecord[], now: number): readonly KeyRecord[] {
  return records
    .filter((record) => record.acceptedUntil === undefined || now < record.acceptedUntil)
    .map((record) => {
      if (record.state === "next") return { ...record, state: "current", currentSince: now };
      if (record.state !== "current") return record;
      return { ...withoutPrivateKey(record), state: "previous", acceptedUntil: now + keyOverlapMilliseconds };
    });
}

/** A revoked key is remembered as long as its tokens last, so that they are refused for the right reason. */
function revoked(record: KeyRecord, now: number): KeyRecord {
  return { ...withoutPrivateKey(record), state: "revoked", acceptedUntil: now + keyOverlapMilliseconds };
}

function withoutPrivateKey(record: KeyRecord): KeyRecord {
  const { n = "", e = "" } = record.key;
  return { ...record, key: { kty: "RSA", n, e } };
}

async function replaceAll(transaction: Transaction, records: readonly KeyRecord[]): Promise<void> {
  for (const old of await scanRecords<KeyRecord>(transaction, collection.signingKeys())) {
    transaction.delete(recordKey.signingKey(old.kid));
  }
  for (const record of records) transaction.put(recordKey.signingKey(record.kid), encodeRecord(record));
}

function load(records: readonly KeyRecord[]): Map<string, LoadedKey> {
  const keys = new Map<string, LoadedKey>();
  for (const record of records) {
    const { kid, certificate } = record;
    const { n = "", e = "" } = record.key;
    const publicKey = createPublicKey({ key: { kty: "RSA", n, e }, format: "jwk" });
    const published = { kty: "RSA", use: "sig", kid, x5t: kid, n, e, x5c: [certificate] } as const;
    keys.set(kid, { record, publicKey, published });
  }
  return keys;
}

function createSigner(record: KeyRecord): SigningKey {
  const privateKey = createPrivateKey({ key: record.key, format: "jwk" });
  return { kid: record.kid, sign: (input) => signInThreadPool(Buffer.from(input, "ascii"), privateKey) };
}

function signInThreadPool(input: Uint8Array, privateKey: KeyObject): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    sign("RSA-SHA256", input, privateKey, (error, signature) => {
      if (error === null) resolve(signature);
      else reject(error);
    });
  });
}

async function makeKey(
  options: { readonly clock: Clock; readonly entropy: Entropy },
  state: KeyState,
): Promise<KeyRecord> {
  const pair = await promisify(generateKeyPair)("rsa", { modulusLength: MODULUS_BITS });
  const now = options.clock.now();
  const certificate = await selfSignedCertificate(
    {
      commonName: "accounts.accesscontrol.windows.net",
      serial: options.entropy.bytes(16),
      notBefore: now,
      notAfter: now + certificateLifetimeMilliseconds,
      publicKey: pair.publicKey.export({ type: "spki", format: "der" }),
    },
    (bytes) => signInThreadPool(bytes, pair.privateKey),
  );
  return {
    kid: thumbprint(certificate),
    state,
    key: pair.privateKey.export({ format: "jwk" }),
    certificate: Buffer.from(certificate).toString("base64"),
    createdAt: now,
  };
}

function unreachable(): never {
  throw new Error("unreachable: a key that was just written is not there");
}

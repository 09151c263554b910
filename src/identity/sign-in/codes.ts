/**
 * What lives between the steps of a sign-in: pages that wait for a password, authorization codes that wait to be
 * redeemed, device codes that wait for somebody. In memory and bounded: losing them costs one more sign-in.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Clock, Entropy } from "../../clock.ts";
import type { RequestedScopes } from "../grants/scopes.ts";

/** What the client asked for when it sent the user here. */
export interface AuthorizationRequest {
  readonly clientId: string;
  /** Object id of the client's registration; built-in clients have none. */
  readonly registration?: string;
  readonly clientName: string;
  readonly redirectUri: string;
  readonly platform: "web" | "public";
  readonly requested: RequestedScopes;
  readonly responseMode: "query" | "fragment" | "form_post";
  readonly state?: string;
  readonly nonce?: string;
  /** The SHA-256 code challenge (RFC 7636), base64url. */
  readonly codeChallenge?: string;
  readonly loginHint?: string;
}

/** A page that was shown; `proof` is the digest of the cookie that came with it. */
export interface PendingPage {
  readonly request?: AuthorizationRequest;
  readonly proof: string;
  failures: number;
}

/** Who signed in, and under which stamp (see sign-in-stamp.ts). */
export interface SignedIn {
  readonly userId: string;
  readonly stamp: number;
}

export interface RedeemableCode extends SignedIn {
  readonly request: AuthorizationRequest;
  /** Set by the first redemption; the refresh token family that came of it, if any, and that another one was tried. */
  redeemed?: { family?: string; replayed?: true };
}

export interface DeviceRequest {
  readonly userCode: string;
  readonly clientId: string;
  /** As of an `AuthorizationRequest`. */
  readonly registration?: string;
  readonly clientName: string;
  readonly requested: RequestedScopes;
  state: "pending" | "declined" | "redeemed" | SignedIn;
}

/** A map whose entries end by themselves. */
interface Expiring<T> {
  set(key: string, value: T): void;
  /** `expired` for an entry that is remembered only to be refused by its name. */
  get(key: string): { readonly value: T; readonly expired: boolean } | undefined;
  delete(key: string): void;
  values(): IterableIterator<T>;
}

export interface SignIns {
  readonly pages: Expiring<PendingPage>;
  readonly codes: Expiring<RedeemableCode>;
  /** By device code. */
  readonly devices: Expiring<DeviceRequest>;
  /** An unguessable text. */
  secret(): string;
  /** Eight letters that are not mistaken for each other, for people to type. */
  userCode(): string;
}

const PAGE_MS = 10 * 60 * 1000;
const CODE_MS = 10 * 60 * 1000;
/** `expires_in` of a device code. */
export const deviceCodeSeconds = 900;
const ENTRIES_MAX = 5_000;
const LETTERS = "BCDFGHJKLMNPQRSTVWXZ";

/** Empty registries. */
export function createSignIns(options: { readonly clock: Clock; readonly entropy: Entropy }): SignIns {
  const { clock, entropy } = options;
  return {
    pages: expiring(clock, PAGE_MS),
    codes: expiring(clock, CODE_MS),
    devices: expiring(clock, deviceCodeSeconds * 1000),
    secret: () => Buffer.from(entropy.bytes(32)).toString("base64url"),
    userCode: () => {
      let code = "";
      // 240 is the largest multiple of 20 below 256: no letter is likelier than another.
      while (code.length < 8) {
        for (const byte of entropy.bytes(8)) {
          if (byte < 240 && code.length < 8) code += LETTERS[byte % LETTERS.length];
        }
      }
      return code;
    },
  };
}

function expiring<T>(clock: Clock, lifeMilliseconds: number): Expiring<T> {
  const entries = new Map<string, { readonly value: T; readonly endsAt: number }>();
  return {
    set(key, value) {
      const now = clock.now();
      // Insertion order is order of age: what is twice its life old goes, and the oldest when there are too many.
      for (const [old, { endsAt }] of entries) {
        if (now < endsAt + lifeMilliseconds && entries.size < ENTRIES_MAX) break;
        entries.delete(old);
      }
      entries.set(key, { value, endsAt: now + lifeMilliseconds });
    },
    get(key) {
      const entry = entries.get(key);
      return entry === undefined ? undefined : { value: entry.value, expired: clock.now() >= entry.endsAt };
    },
    delete: (key) => void entries.delete(key),
    *values() {
      const now = clock.now();
      for (const entry of entries.values()) if (now < entry.endsAt) yield entry.value;
    },
  };
}

/** SHA-256 in base64url: how secrets are kept here, and the S256 code challenge of RFC 7636 section 4.2. */
export function sha256(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("base64url");
}

/** Compares two texts in a time that depends on their lengths only. */
export function sameSecret(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/**
 * Clock and entropy: the only sources of time and randomness. Every room receives them as arguments from the
 * composition root, so a test can move time by hand and two runs with one seed are identical.
 */
import { randomBytes } from "node:crypto";

export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
}

export interface Entropy {
  /** `length` unpredictable bytes. */
  bytes(length: number): Uint8Array;
}

export const systemClock: Clock = { now: () => Date.now() };

/** Bytes drawn from the system at a time: small requests are frequent and each system call costs microseconds. */
const poolBytes = 4096;

/** The system's randomness; small requests are served from a pool of its own, each byte once. */
export function openEntropy(): Entropy {
  let pool = randomBytes(poolBytes);
  let used = 0;
  return {
    bytes(length) {
      if (length > poolBytes / 4) return randomBytes(length);
      if (used + length > poolBytes) {
        pool = randomBytes(poolBytes);
        used = 0;
      }
      const drawn = Buffer.from(pool.subarray(used, used + length));
      pool.fill(0, used, used + length);
      used += length;
      return drawn;
    },
  };
}

export interface ManualClock extends Clock {
  /** Moves time forward by `milliseconds`. */
  advance(milliseconds: number): void;
}

/** A clock that stands still until it is moved; `start` is in milliseconds since the Unix epoch. */
export function manualClock(start: number): ManualClock {
  let now = start;
  return {
    now: () => now,
    advance(milliseconds) {
      now += milliseconds;
    },
  };
}

/** A clock that runs with `base` and can be moved ahead of it. */
export function movableClock(base: Clock): ManualClock {
  let ahead = 0;
  return {
    now: () => base.now() + ahead,
    advance(milliseconds) {
      ahead += milliseconds;
    },
  };
}

/** A reproducible byte source (splitmix64) for tests; never used where secrets matter. */
export function seededEntropy(seed: number): Entropy {
  let state = BigInt(seed);
  const mask = (1n << 64n) - 1n;
  const next = (): bigint => {
    state = (state + 0x9e3779b97f4a7c15n) & mask;
    let z = state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask;
    return z ^ (z >> 31n);
  };
  return {
    bytes(length) {
      const out = new Uint8Array(length);
      for (let i = 0; i < length; i++) out[i] = Number(next() & 0xffn);
      return out;
    },
  };
}

/** A random (version 4) UUID in lower case, drawn from `entropy`; RFC 9562 section 5.4. */
export function uuid(entropy: Entropy): string {
  const bytes = entropy.bytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString("hex");
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)];
  // Joined into one piece: a chain of pieces is several times as large for as long as the id is kept.
  return parts.join("-");
}

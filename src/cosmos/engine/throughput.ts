/**
 * Holding containers to their provisioned throughput: a bucket of request units for each physical range (or one for a
 * database that shares its throughput), filled at the provisioned rate. A request is let in while the bucket holds
 * anything, and what it cost more than that must be earned back first, as in the service. Off unless the account asks
 * for it; nothing of this is stored.
 */
import type { Clock } from "../../clock.ts";
import type { Reader } from "../../storage/port.ts";
import { tooManyRequests } from "../errors.ts";
import { listOffers } from "./offers.ts";
import type { ContainerRecord, PhysicalRange } from "./records.ts";

/** What one request may use up; obtained before it runs, told of its cost after it. */
export interface Meter {
  charge(units: number): void;
}

export interface ThroughputMeters {
  /** Lets a request of these ranges in; throws 429/3200 with the time to wait when a bucket is empty. */
  admit(account: string, container: ContainerRecord, ranges: readonly PhysicalRange[]): Promise<Meter>;
  /** Must be called when offers of the account have changed. */
  forget(account: string): void;
}

interface Bucket {
  /** Request units that may be spent now; negative is owed. */
  balance: number;
  /** Milliseconds since the epoch of the last filling. */
  filledAt: number;
}

/** Request units per second by rid of container or database. */
type Rates = ReadonlyMap<string, number>;

export function createThroughputMeters(reader: Reader, clock: Clock): ThroughputMeters {
  const rates = new Map<string, Promise<Rates>>();
  const buckets = new Map<string, Bucket>();
  const ratesOf = (account: string): Promise<Rates> => {
    const known = rates.get(account);
    if (known !== undefined) return known;
    const reading = listOffers(reader, account).then(
      (offers) => new Map(offers.map((offer) => [offer.offerResourceId, offer.throughput.value])),
    );
    rates.set(account, reading);
    return reading;
  };
  const filled = (name: string, rate: number): Bucket => {
    const now = clock.now();
    const bucket = buckets.get(name) ?? { balance: rate, filledAt: now };
    const earned = (Math.max(0, now - bucket.filledAt) * rate) / 1000;
    bucket.balance = Math.min(rate, bucket.balance + earned);
    bucket.filledAt = now;
    buckets.set(name, bucket);
    return bucket;
  };
  return {
    async admit(account, container, ranges) {
      const known = await ratesOf(account);
      const own = known.get(container.rid);
      const shared = known.get(container.databaseRid);
      const rate = own === undefined ? shared : own / container.ranges.length;
      if (rate === undefined) return { charge: () => {} };
      const prefix = `${container.uid}/`;
      const names =
        own === undefined
          ? [`${prefix}${container.databaseRid}`]
          : ranges.map(({ id }) => `${prefix}${container.number}/${id}`);
      const all = names.map((name) => filled(name, rate));
      const lowest = Math.min(...all.map(({ balance }) => balance));
      if (lowest <= 0) throw tooManyRequests(Math.floor((-lowest / rate) * 1000) + 1);
      return {
        charge(units) {
          for (const bucket of all) bucket.balance -= units / all.length;
        },
      };
    },
    forget: (account) => void rates.delete(account),
  };
}

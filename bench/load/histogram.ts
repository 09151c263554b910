/** Latencies counted to the microsecond, so that percentiles are exact and counts of several rounds can be added. */

/** Distinct latencies and how often each was seen: `[microseconds, count]`, ascending. */
export type LatencyCounts = readonly (readonly [number, number])[];

/** Anything slower counts as this: a bench with such replies has failed anyway. */
const microsecondsMax = 2_000_000;

export interface Histogram {
  add(milliseconds: number): void;
  counts(): LatencyCounts;
}

export function createHistogram(): Histogram {
  const seen = new Uint32Array(microsecondsMax + 1);
  return {
    add(milliseconds) {
      const at = Math.min(Math.round(milliseconds * 1000), microsecondsMax);
      seen[at] = (seen[at] ?? 0) + 1;
    },
    counts() {
      const pairs: [number, number][] = [];
      for (let at = 0; at < seen.length; at++) {
        const count = seen[at] ?? 0;
        if (count > 0) pairs.push([at, count]);
      }
      return pairs;
    },
  };
}

/** The latency, in milliseconds, that the given share (0 to 1) of all requests did not exceed; 0 when there are none. */
export function percentile(rounds: readonly LatencyCounts[], share: number): number {
  const merged = new Map<number, number>();
  for (const [microseconds, count] of rounds.flat())
    merged.set(microseconds, (merged.get(microseconds) ?? 0) + count);
  const total = [...merged.values()].reduce((sum, count) => sum + count, 0);
  let left = Math.ceil(total * share);
  for (const [microseconds, count] of [...merged].sort((a, b) => a[0] - b[0])) {
    left -= count;
    if (left <= 0) return microseconds / 1000;
  }
  return 0;
}

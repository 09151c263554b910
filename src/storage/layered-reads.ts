/**
 * Reads through layers of writes above a store that answers later. Apart from `overlay.ts`, where the store answers at
 * once: while an answer is on its way, commits go on, and what was above the store may have sunk into it.
 *
 * An answer shows the store at some moment between question and answer. Every write that was not committed when the
 * question was asked, or has been made since, is laid over it. Whatever the answer shows of them already, the result is
 * then the state at the end.
 */
import { after } from "./keys.ts";
import { findIn, type Layer, scanThrough } from "./overlay.ts";
import type { Bytes, Entry, KeyRange, Reader } from "./port.ts";

/** Writes above the store, as time goes by. */
export interface SinkingLayers {
  /** Writes that are not committed now, newest first. */
  now(): readonly Layer[];
  /** From this call on: everything not committed at the call and everything accepted since, newest first. */
  watch(): () => readonly Layer[];
  /** Tells that `writes` begin to sink: the store may show them from now on. */
  sink(writes: Layer): void;
  /** Tells that nothing that has begun to sink is above the store any more, because it failed. */
  forget(): void;
}

/** One commit and the one after it; watchers hold on to where they began, and to nothing before that. */
interface Link {
  readonly writes: Layer | undefined;
  next: Link | undefined;
}

/** Layers over `uncommitted`, which gives the writes that are not committed now, newest first. */
export function sinkingLayers(uncommitted: () => readonly Layer[]): SinkingLayers {
  let newest: Link = { writes: undefined, next: undefined };
  return {
    now: uncommitted,
    watch() {
      // If it is still sinking, it is among the uncommitted; if it has arrived, showing it again changes nothing.
      const first = newest;
      return () => {
        const layers = new Set(uncommitted());
        const sunk: Layer[] = [];
        for (let link: Link | undefined = first; link !== undefined; link = link.next) {
          if (link.writes !== undefined) sunk.push(link.writes);
        }
        for (const layer of sunk.reverse()) layers.add(layer);
        return [...layers];
      };
    },
    sink(writes) {
      newest.next = { writes, next: undefined };
      newest = newest.next;
    },
    forget() {
      newest = { writes: undefined, next: undefined };
    },
  };
}

/** Reads `store` below `layers` and, above them all, `own`. */
export function layeredReader(own: Layer, layers: SinkingLayers, store: Reader): Reader {
  return {
    async get(key) {
      const found = findIn([own, ...layers.now()], key);
      return found === undefined ? store.get(key) : (found ?? undefined);
    },
    async range(range, limit) {
      const current = layers.watch();
      const below: Entry[] = [];
      for (let rest = range, ask = limit; ; ask *= 2) {
        const page = await store.range(rest, ask);
        below.push(...page);
        const last = page.length < ask ? undefined : page.at(-1)?.key;
        // Up to here it is known what lies below.
        const known = last === undefined ? range : upTo(range, last);
        const base = { get: () => undefined, entries: () => below };
        const found = scanThrough([own, ...current()], base, known, limit);
        if (last === undefined || found.length >= limit) return found;
        rest = beyond(range, last);
      }
    },
  };
}

/** The part of `range` that a scan has seen when it has come to `key`. */
function upTo({ start, end, reverse = false }: KeyRange, key: Bytes): KeyRange {
  return reverse ? { start: key, end, reverse } : { start, end: after(key), reverse };
}

/** The part of `range` that a scan has not seen when it has come to `key`. */
function beyond({ start, end, reverse = false }: KeyRange, key: Bytes): KeyRange {
  return reverse ? { start, end: key, reverse } : { start: after(key), end, reverse };
}

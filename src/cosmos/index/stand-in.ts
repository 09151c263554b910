/**
 * Objects put together from columns that stand in for items: they hold what a query reads of an item, and nothing else.
 * Made for many documents in a row, so what can be found once for a segment is.
 */
import { setProperty, type Value } from "../query/values.ts";
import type { CoveredPath } from "./access-plan.ts";
import { type Column, isExact, ordinalValue } from "./column.ts";
import type { SegmentView } from "./segment.ts";

/** The stand-in of a document; undefined when a column does not hold a value whole. */
export type StandIns = (view: SegmentView, document: number) => Value;

/** Columns with no more values keep them as they were first read. */
const valuesKeptMax = 4_096;

/** What a query without any path reads of every item. */
const nothing: Value = Object.freeze({});

export function createStandIns(cover: readonly CoveredPath[]): StandIns {
  let last: SegmentView | undefined;
  let read: (document: number) => Value = () => undefined;
  const readers = new Map<SegmentView, (document: number) => Value>();
  if (cover.length === 0) return () => nothing;
  return (view, document) => {
    if (view !== last) {
      read = readers.get(view) ?? segmentReader(view, cover);
      readers.set(view, read);
      last = view;
    }
    return read(document);
  };
}

interface Part {
  readonly steps: readonly string[];
  readonly ords: Column["ords"];
  /** The value of an ordinal; `inexact` when only the item holds it. */
  readonly read: (ordinal: number) => Value | typeof inexact;
}

const inexact = Symbol("inexact");

function segmentReader(view: SegmentView, cover: readonly CoveredPath[]): (document: number) => Value {
  const parts = cover.flatMap(({ steps, slot }): Part[] => {
    const column = slot === undefined ? undefined : view.column(slot);
    return column === undefined ? [] : [{ steps, ords: column.ords, read: valuesOf(column) }];
  });
  return (document) => {
    const item: Record<string, Value> = {};
    for (const { steps, ords, read } of parts) {
      const value = read(ords[document] as number);
      if (value === inexact) return undefined;
      place(item, steps, value);
    }
    return item;
  };
}

function valuesOf(column: Column): Part["read"] {
  const read = (ordinal: number): Value | typeof inexact =>
    isExact(column, ordinal) ? ordinalValue(column, ordinal) : inexact;
  if (column.ordinals > valuesKeptMax) return read;
  const kept: (Value | typeof inexact)[] = [];
  const known = new Uint8Array(column.ordinals);
  return (ordinal) => {
    if (known[ordinal] === 0) {
      known[ordinal] = 1;
      kept[ordinal] = read(ordinal);
    }
    return kept[ordinal];
  };
}

function place(item: Record<string, Value>, steps: readonly string[], value: Value): void {
  if (value === undefined) return;
  let at = item;
  for (const [i, step] of steps.entries()) {
    if (i === steps.length - 1) {
      setProperty(at, step, value);
      return;
    }
    const known = Object.hasOwn(at, step) ? at[step] : undefined;
    if (typeof known === "object" && known !== null) {
      at = known as Record<string, Value>;
      continue;
    }
    const made: Record<string, Value> = {};
    setProperty(at, step, made);
    at = made;
  }
}

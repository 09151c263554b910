/**
 * The outermost pipeline: like a subquery's, but its rows come from the container one item at a time, from outside.
 * A FROM clause may nest queries over the container (`FROM (SELECT .. FROM c) s`); each feeds the next.
 */
import { boundedValue, type Compilation, type Frame } from "./compilation.ts";
import { compileExpression } from "./evaluate.ts";
import { inputSteps } from "./item-paths.ts";
import { bindValue, compileRows, compileSources, type Emit, slotOf } from "./pipeline.ts";
import type { Query } from "./syntax.ts";
import { element, type Value } from "./values.ts";

export interface Root {
  /** False when no part of the query reads the container. */
  readonly readsItems: boolean;
  readonly begin: () => void;
  /** Offers one item; true means that no more are needed. */
  readonly item: (item: Value) => boolean;
  readonly end: () => void;
}

/** Compiles the outermost query onto `frame`; `distinct` false leaves DISTINCT to the caller. */
export function compileRoot(c: Compilation, query: Query, frame: Frame, distinct: boolean, emit: Emit): Root {
  const rows = compileRows(c, query, distinct, emit);
  const where = query.where === undefined ? undefined : compileExpression(c, query.where);
  const first = query.from?.[0];
  if (first === undefined) {
    const start = compileSources(c, query, 0, where, rows.row);
    return {
      readsItems: false,
      begin: rows.begin,
      item: () => true,
      end: () => {
        if (!start(frame)) rows.end(frame);
      },
    };
  }
  const rest = compileSources(c, query, 1, where, rows.row);
  const bindFirst = bindValue(c, first.iterate, slotOf(c, query, 0), rest);
  const { input } = first;
  if (input.kind === "path") {
    const steps = inputSteps(input);
    return {
      readsItems: true,
      begin: rows.begin,
      item:
        steps.length === 0
          ? (item) => bindFirst(item, frame)
          : (item) => bindFirst(follow(item, steps), frame),
      end: () => rows.end(frame),
    };
  }
  let stopped = false;
  const inner = compileRoot(c, input.query, frame, input.query.distinct, (value) => {
    stopped = bindFirst(boundedValue(value), frame);
    return stopped;
  });
  return {
    readsItems: inner.readsItems,
    begin: () => {
      stopped = false;
      inner.begin();
      rows.begin();
    },
    item: inner.item,
    end: () => {
      if (!stopped) inner.end();
      if (!stopped) rows.end(frame);
    },
  };
}

function follow(value: Value, steps: readonly (string | number)[]): Value {
  let at = value;
  for (const step of steps) at = element(at, step);
  return at;
}

/**
 * Queries to row pipelines: FROM and JOIN as nested loops, WHERE, projection, grouping and DISTINCT. Rows flow by
 * calls from the source outwards; a step answers `true` when it wants no more, which unwinds the loops.
 *
 * A pipeline keeps its state in closures (it is compiled per execution and never re-entered), so a subquery that
 * runs once per row allocates nothing but its results.
 */
import type { Variable } from "./binding.ts";
import { boundedValue, type Compilation, type Evaluate, type Frame, spend } from "./compilation.ts";
import { plainError } from "./error.ts";
import { compileExpression, compileObject, compilePath } from "./evaluate.ts";
import type { Accumulator } from "./functions/aggregate.ts";
import { inputSteps } from "./item-paths.ts";
import {
  asPath,
  type Expression,
  type PathInput,
  type Query,
  type Select,
  type Source,
  type Subquery,
} from "./syntax.ts";
import { canonicalKey, isArray, type Value } from "./values.ts";

/** Takes the row in the frame; true means: no more rows. */
export type Step = (frame: Frame) => boolean;

/** Takes a projected row, with the frame it was computed from. */
export type Emit = (value: Value, frame: Frame) => boolean;

export interface Rows {
  /** Forgets all state, before the first row. */
  readonly begin: () => void;
  readonly row: Step;
  /** Called once after the last row; emits what only the whole input decides. */
  readonly end: (frame: Frame) => void;
}

/** The name of each column of a select list: alias, last path step, or `$n` counting the unnamed ones. */
export function columnNames(
  items: readonly { readonly value: Expression; readonly alias?: string }[],
): string[] {
  let unnamed = 0;
  return items.map(({ value, alias }) => {
    if (alias !== undefined) return alias;
    const path = asPath(value);
    const last = path?.steps.at(-1) ?? path?.root.name;
    if (typeof last === "string") return last;
    if (value.kind === "member") return value.name;
    if (value.kind === "index" && value.index.kind === "literal" && typeof value.index.value === "string") {
      return value.index.value;
    }
    return `$${++unnamed}`;
  });
}

function compileSelect(c: Compilation, query: Query): Evaluate {
  const select: Select = query.select;
  switch (select.kind) {
    case "star": {
      const variable = c.bound.scopes.get(query)?.sources[0];
      const slot = variable?.slot ?? starSlot(c, query);
      return (frame) => frame[slot];
    }
    case "value":
      return compileExpression(c, select.value);
    case "list":
      return compileObject(
        columnNames(select.items),
        select.items.map((item) => compileExpression(c, item.value)),
      );
  }
}

/** Where a source without a name keeps its value, for SELECT * alone: the spare slot after all bound ones. */
function starSlot(c: Compilation, query: Query): number {
  return c.bound.spareSlots.get(query) ?? 0;
}

/** Projection, grouping and DISTINCT over rows in the frame; `distinct` false leaves DISTINCT to the caller. */
export function compileRows(c: Compilation, query: Query, distinct: boolean, emit: Emit): Rows {
  const seen = new Set<string>();
  const sink: Emit = distinct
    ? (value, frame) => {
        if (value === undefined) return false;
        const size = seen.size;
        return seen.add(canonicalKey(value)).size > size && emit(value, frame);
      }
    : emit;
  const project = compileSelect(c, query);
  const scope = c.bound.scopes.get(query);
  if (scope?.grouped !== true) {
    return {
      begin: () => seen.clear(),
      row: (frame) => {
        const value = project(frame);
        return value !== undefined && sink(value, frame);
      },
      end: () => undefined,
    };
  }
  const groups = compileGroups(c, query);
  return {
    begin: () => {
      seen.clear();
      groups.begin();
    },
    row: groups.row,
    end: (frame) => {
      for (const group of groups.end(frame)) {
        const value = project(group);
        if (value !== undefined && sink(value, group)) return;
      }
    },
  };
}

interface Group {
  /** The group's first row: every row of a group agrees on what the select list may use of it. */
  readonly frame: Frame;
  readonly accumulators: readonly Accumulator[];
}

interface Groups {
  readonly begin: () => void;
  readonly row: Step;
  /** One frame per group, aggregate results in their slots. */
  readonly end: (frame: Frame) => readonly Frame[];
}

function compileGroups(c: Compilation, query: Query): Groups {
  const aggregates = c.bound.scopes.get(query)?.aggregates ?? [];
  const inputs = aggregates.map(({ call }) => compileExpression(c, call.args[0] ?? call));
  const keys = query.groupBy?.map((key) => compileExpression(c, key));
  const groups = new Map<string, Group>();
  const open = (frame: Frame): Group => ({
    frame,
    accumulators: aggregates.map(({ aggregate }) => aggregate.start()),
  });
  return {
    begin: () => groups.clear(),
    row: (frame) => {
      let key = "";
      for (const part of keys ?? []) key += canonicalKey(part(frame));
      let group = groups.get(key);
      if (group === undefined) {
        group = open(frame.slice());
        groups.set(key, group);
      }
      for (const [i, accumulator] of group.accumulators.entries()) accumulator.add(inputs[i]?.(frame));
      return false;
    },
    end: (frame) => {
      if (keys === undefined && groups.size === 0) groups.set("", open(frame.slice()));
      return [...groups.values()].map((group) => {
        for (const [i, { slot }] of aggregates.entries()) group.frame[slot] = group.accumulators[i]?.result();
        return group.frame;
      });
    },
  };
}

/** The sources from `index` on, then WHERE, then `last`. */
export function compileSources(
  c: Compilation,
  query: Query,
  index: number,
  filter: Evaluate | undefined,
  last: Step,
): Step {
  const source = query.from?.[index];
  if (source === undefined) {
    return filter === undefined ? last : (frame) => filter(frame) === true && last(frame);
  }
  const next = compileSources(c, query, index + 1, filter, last);
  return compileSource(c, source, slotOf(c, query, index), next);
}

/** Where the variable of a source lives. */
export function slotOf(c: Compilation, query: Query, index: number): number {
  const variable: Variable | undefined = c.bound.scopes.get(query)?.sources[index];
  return variable?.slot ?? starSlot(c, query);
}

function compileSource(c: Compilation, source: Source, slot: number, next: Step): Step {
  const bindOne = bindValue(c, source.iterate, slot, next);
  if (source.input.kind === "path") {
    const read = compileInput(c, source.input);
    return (frame) => bindOne(read(frame), frame);
  }
  return compileQueryRows(c, source.input.query, (value, frame) => bindOne(boundedValue(value), frame));
}

/** Binds one defined value, or with IN each element of an array, and goes on. */
export function bindValue(c: Compilation, iterate: boolean, slot: number, next: Step): Emit {
  const { budget } = c;
  if (!iterate) {
    return (value, frame) => {
      if (value === undefined) return false;
      spend(budget);
      frame[slot] = value;
      return next(frame);
    };
  }
  return (value, frame) => {
    if (!isArray(value)) return false;
    for (const item of value) {
      spend(budget);
      frame[slot] = item;
      if (next(frame)) return true;
    }
    return false;
  };
}

function compileInput(c: Compilation, input: PathInput): Evaluate {
  const slot = c.bound.variables.get(input)?.slot ?? 0;
  return compilePath(slot, inputSteps(input));
}

/** Runs a whole subquery in the frame of the row around it; the emitted rows go to `emit`. */
function compileQueryRows(c: Compilation, query: Query, emit: Emit, filter?: Evaluate): Step {
  let stopped = false;
  let outer: Frame = [];
  const rows = compileRows(c, query, query.distinct, (value) => {
    stopped = emit(value, outer);
    return stopped;
  });
  const where = filter ?? (query.where === undefined ? undefined : compileExpression(c, query.where));
  const scan = compileSources(c, query, 0, where, rows.row);
  return (frame) => {
    stopped = false;
    outer = frame;
    rows.begin();
    scan(frame);
    if (!stopped) rows.end(frame);
    return stopped;
  };
}

/** A subquery as an expression. */
export function compileSubquery(c: Compilation, { form, query }: Subquery): Evaluate {
  let found: Value[] = [];
  const collect = (stop: () => boolean, filter?: Evaluate): Evaluate => {
    const run = compileQueryRows(
      c,
      query,
      (value) => {
        found.push(value);
        return stop();
      },
      filter,
    );
    return (frame) => {
      found = [];
      run(frame);
      return found;
    };
  };
  switch (form) {
    case "array":
      return collect(() => false);
    case "exists": {
      const run = collect(() => true);
      return (frame) => (run(frame) as readonly Value[]).length > 0;
    }
    case "first": {
      const run = collect(() => true);
      return (frame) => (run(frame) as readonly Value[])[0];
    }
    case "last": {
      const run = collect(() => false);
      return (frame) => (run(frame) as readonly Value[]).at(-1);
    }
    case "all": {
      const holds = query.where === undefined ? () => true : compileExpression(c, query.where);
      const run = collect(
        () => true,
        (frame) => holds(frame) === false,
      );
      return (frame) => (run(frame) as readonly Value[]).length === 0;
    }
    case "scalar": {
      const run = collect(() => {
        if (found.length > 1) {
          throw plainError("The cardinality of a scalar subquery result set cannot be greater than one.");
        }
        return false;
      });
      return (frame) => (run(frame) as readonly Value[])[0];
    }
  }
}

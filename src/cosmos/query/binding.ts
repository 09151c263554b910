/**
 * What binding produces and works on: variables, scopes and side tables keyed by syntax nodes. Types apart from the
 * binder because its checks, the compiler and the planner need them without needing each other.
 */
import { type Diagnostic, diagnostic, type Location } from "./error.ts";
import type { Aggregate } from "./functions/aggregate.ts";
import type { Call, Expression, Identifier, PathInput, Query } from "./syntax.ts";

export interface Variable {
  readonly name: string;
  readonly slot: number;
  /** The query whose FROM clause declares it; absent for LET. */
  readonly owner?: Query;
  /** True when it holds whole items of the container. */
  readonly item: boolean;
}

export interface BoundAggregate {
  readonly call: Call;
  readonly aggregate: Aggregate;
  readonly slot: number;
}

export interface QueryScope {
  /** Aggregates of the select list, in text order. */
  readonly aggregates: readonly BoundAggregate[];
  /** GROUP BY or an aggregate: one row per group instead of one per source row. */
  readonly grouped: boolean;
  /** The variable of each source; undefined when the source has neither alias nor a name to infer one from. */
  readonly sources: readonly (Variable | undefined)[];
}

export interface Bound {
  readonly query: Query;
  readonly frameSize: number;
  /** Meaning of identifiers and of the roots of FROM paths; the container itself is not in here. */
  readonly variables: ReadonlyMap<Identifier | PathInput, Variable>;
  readonly lets: ReadonlyMap<Expression, Variable>;
  readonly scopes: ReadonlyMap<Query, QueryScope>;
  readonly aggregates: ReadonlyMap<Call, BoundAggregate>;
  /** FROM paths that name the container. */
  readonly containers: ReadonlySet<PathInput>;
  /** A slot per query for the value of sources without a name, which only SELECT * can reach. */
  readonly spareSlots: ReadonlyMap<Query, number>;
}

export interface Names {
  readonly outer: Names | undefined;
  readonly name: string;
  readonly variable: Variable;
}

export interface BindState {
  readonly errors: Diagnostic[];
  readonly texts: string[];
  readonly variables: Map<Identifier | PathInput, Variable>;
  readonly lets: Map<Expression, Variable>;
  readonly scopes: Map<Query, QueryScope>;
  readonly aggregates: Map<Call, BoundAggregate>;
  readonly containers: Set<PathInput>;
  readonly spareSlots: Map<Query, number>;
  readonly udfExists: (name: string) => boolean;
  slots: number;
  udfCalls: number;
}

/** Adds an error with a place to the list. */
export function report(state: BindState, code: string, message: string, location: Location): void {
  state.errors.push(diagnostic(code, message, location));
}

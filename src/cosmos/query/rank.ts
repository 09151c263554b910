/**
 * ORDER BY RANK and the direction of ORDER BY VectorDistance: scoring rows by text relevance, by vector similarity,
 * or by both fused. Apart from the sorter because text relevance needs the statistics of all rows first.
 */
import type { Compilation, Evaluate, Frame } from "./compilation.ts";
import { compileExpression, constantValue, isConstant, vectorPath } from "./evaluate.ts";
import { bm25, occurrences, termsOf, words } from "./functions/fulltext.ts";
import { type Metric, metricOf } from "./functions/vector.ts";
import { fusionWeights, splitFusion } from "./order-check.ts";
import type { Call, Expression, Query } from "./syntax.ts";
import type { Value } from "./values.ts";

/** Rank constant of reciprocal rank fusion. */
const FUSION_CONSTANT = 60;

/** The metric that a VectorDistance call will use. */
export function vectorMetric(c: Compilation, call: Call): Metric {
  const options = call.args[3];
  const given = options !== undefined && isConstant(c, options) ? constantValue(c, options) : undefined;
  return metricOf(c.context.embeddings, vectorPath(call), given) ?? "cosine";
}

/** The expression as a call of VectorDistance, if it is one. */
export function asVectorDistance(expression: Expression): Call | undefined {
  if (expression.kind !== "call" || expression.udf) return undefined;
  return expression.name.toUpperCase() === "VECTORDISTANCE" ? expression : undefined;
}

/** Most similar first: descending for similarities, ascending for distances. */
export function nearestFirst(metric: Metric): "ASC" | "DESC" {
  return metric === "euclidean" ? "ASC" : "DESC";
}

export interface Ranker {
  add(value: Value, frame: Frame): void;
  /** The rows, best first. */
  drain(): Value[];
}

/** A score for every row, higher is better; undefined scores nothing. */
type Scores = readonly (number | undefined)[];

interface Component {
  add(frame: Frame): void;
  scores(): Scores;
}

/** Ranks by the first item of ORDER BY RANK. Text statistics are those of the rows that the filter keeps. */
export function createRanker(c: Compilation, query: Query): Ranker {
  const item = query.orderBy?.items[0]?.value;
  const fused = item?.kind === "call" && item.name.toUpperCase() === "RRF" ? splitFusion(item) : undefined;
  const calls = fused?.components ?? (item === undefined ? [] : [item]);
  const components = calls.map((call) => createComponent(c, call));
  const weights = fusionWeights(query, c.parameters);
  const rows: Value[] = [];
  return {
    add(value, frame) {
      rows.push(value);
      for (const component of components) component.add(frame);
    },
    drain() {
      const scores = components.map((component) => component.scores());
      const [only] = scores;
      const final = scores.length === 1 && only !== undefined ? only : fuse(scores, weights, rows.length);
      return order(final).map((index) => rows[index]);
    },
  };
}

function createComponent(c: Compilation, call: Expression): Component {
  const vector = asVectorDistance(call);
  if (vector !== undefined) {
    const distance = compileExpression(c, vector);
    const sign = nearestFirst(vectorMetric(c, vector)) === "DESC" ? 1 : -1;
    const found: (number | undefined)[] = [];
    return {
      add(frame) {
        const value = distance(frame);
        found.push(typeof value === "number" ? value * sign : undefined);
      },
      scores: () => found,
    };
  }
  const args = call.kind === "call" ? call.args.map((argument) => compileExpression(c, argument)) : [];
  return createTextComponent(args);
}

/** The arguments are the text and the terms. */
function createTextComponent([text, ...terms]: readonly Evaluate[]): Component {
  const rows: { readonly counts: readonly number[]; readonly length: number; readonly scored: boolean }[] =
    [];
  const hits: number[] = [];
  let documents = 0;
  let total = 0;
  return {
    add(frame) {
      const value = text?.(frame);
      const wanted = termsOf(terms.map((term) => term(frame)));
      const list = typeof value === "string" ? words(value) : [];
      const counts = (wanted ?? []).map((term) => occurrences(list, term));
      rows.push({ counts, length: list.length, scored: typeof value === "string" });
      documents++;
      total += list.length;
      for (const [i, count] of counts.entries()) hits[i] = (hits[i] ?? 0) + Number(count > 0);
    },
    scores: () =>
      rows.map(({ counts, length, scored }) =>
        scored ? bm25(counts, length, { documents, words: total, hits }) : undefined,
      ),
  };
}

/** Reciprocal rank fusion: the sum over components of weight / (60 + rank); equal scores share a rank. */
function fuse(scores: readonly Scores[], weights: readonly number[], rows: number): Scores {
  const fused = new Array<number>(rows).fill(0);
  for (const [i, component] of scores.entries()) {
    let rank = 0;
    let previous: number | undefined | null = null;
    for (const index of order(component)) {
      if (component[index] !== previous) rank++;
      previous = component[index];
      fused[index] = (fused[index] ?? 0) + (weights[i] ?? 1) / (FUSION_CONSTANT + rank);
    }
  }
  return fused;
}

/** Row numbers by falling score; rows without a score last, ties in order of arrival. */
function order(scores: Scores): number[] {
  const worst = Number.NEGATIVE_INFINITY;
  return scores.map((_, index) => index).sort((a, b) => (scores[b] ?? worst) - (scores[a] ?? worst) || a - b);
}

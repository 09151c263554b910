/**
 * VectorDistance by exact computation: a vector index only decides which items it is computed for. Which metric applies comes from the call's
 * options, else from the container's embedding policy for the path, else it is cosine.
 */
import { isArray, isObject, property, type Value } from "../values.ts";
import { type BuiltIn, contextual, type FunctionContext, type VectorEmbedding } from "./signature.ts";

export type Metric = "cosine" | "dotproduct" | "euclidean";

/** The metric of a call on `path` (such as `/v`) with the value of its options argument. */
export function metricOf(
  embeddings: readonly VectorEmbedding[],
  path: string | undefined,
  options: Value,
): Metric | undefined {
  const named = isObject(options) ? property(options, "distanceFunction") : undefined;
  const chosen =
    named ?? embeddings.find((embedding) => embedding.path === path)?.distanceFunction ?? "cosine";
  if (typeof chosen !== "string") return undefined;
  const name = chosen.toLowerCase();
  return name === "cosine" || name === "dotproduct" || name === "euclidean" ? name : undefined;
}

/** The similarity or distance of two vectors of one length; undefined for anything else. */
export function vectorDistance(left: Value, right: Value, metric: Metric): Value {
  if (!isVector(left) || !isVector(right) || left.length !== right.length || left.length === 0)
    return undefined;
  let product = 0;
  let first = 0;
  let second = 0;
  let apart = 0;
  for (let i = 0; i < left.length; i++) {
    const x = left[i] ?? 0;
    const y = right[i] ?? 0;
    product += x * y;
    first += x * x;
    second += y * y;
    apart += (x - y) * (x - y);
  }
  if (metric === "dotproduct") return product;
  if (metric === "euclidean") return Math.sqrt(apart);
  return first === 0 || second === 0 ? 0 : product / (Math.sqrt(first) * Math.sqrt(second));
}

function isVector(value: Value): value is readonly number[] {
  return isArray(value) && value.every((item) => typeof item === "number");
}

/** The function for a call on `path`; the compiler passes the path because the values do not show it. */
export function vectorFunction(
  context: FunctionContext,
  path: string | undefined,
): (...args: Value[]) => Value {
  return (...args) => {
    const [left, right, bruteForce] = args;
    if (args.length > 2 && typeof bruteForce !== "boolean") return undefined;
    const metric = metricOf(context.embeddings, path, args[3]);
    return metric === undefined ? undefined : vectorDistance(left, right, metric);
  };
}

export const vectorFunctions: readonly BuiltIn[] = [
  contextual("VectorDistance", [2, 4], true, (context) => vectorFunction(context, undefined)),
];

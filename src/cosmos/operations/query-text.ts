/**
 * From a query's text and parameters to something that runs. Apart from `query-items.ts`, because scripts send queries
 * too, from threads that know nothing of requests.
 */
import { createHash } from "node:crypto";
import type { ContainerRecord } from "../engine/records.ts";
import { badRequest } from "../errors.ts";
import {
  type ComputedProperty,
  type PrepareOptions,
  prepareQuery,
  type QueryParameter,
} from "../query/prepare.ts";
import { printQuery } from "../query/print.ts";
import { rejectingQuery } from "./operation.ts";
import type { IdentifiedQuery } from "./query-page.ts";

/** The part of the options that the container alone determines. */
export function containerOptions(
  container?: ContainerRecord,
): Pick<PrepareOptions, "computedProperties" | "geospatial" | "vectorEmbeddings"> {
  const properties = container?.properties ?? {};
  const computed = properties["computedProperties"];
  const geospatial = (properties["geospatialConfig"] as { type?: unknown } | undefined)?.type;
  const vectors = (properties["vectorEmbeddingPolicy"] as { vectorEmbeddings?: unknown } | undefined)
    ?.vectorEmbeddings;
  return {
    ...(Array.isArray(computed) ? { computedProperties: computed as readonly ComputedProperty[] } : {}),
    ...(geospatial === "Geometry" ? { geospatial } : {}),
    ...(Array.isArray(vectors)
      ? { vectorEmbeddings: vectors as NonNullable<PrepareOptions["vectorEmbeddings"]> }
      : {}),
  };
}

/** A query ready to run, with the name that its continuation tokens bear; 400 for what is wrong with it. */
export function identifiedQuery(
  text: string,
  parameters: readonly QueryParameter[],
  options: PrepareOptions,
  prefix = "",
): IdentifiedQuery {
  const nameOf = (query: string): string =>
    createHash("sha256")
      .update(JSON.stringify([query, parameters]))
      .digest("base64url")
      .slice(0, 12);
  return rejectingQuery(prefix, () => {
    const prepared = prepareQuery(text, parameters, options);
    const { where, ...unfiltered } = prepared.syntax;
    return { ...prepared, hash: nameOf(text), unfilteredHash: () => nameOf(printQuery(unfiltered)) };
  });
}

export function queryParameters(value: unknown): readonly QueryParameter[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw badRequest("The query's 'parameters' must be an array.");
  return value.map((parameter: unknown) => {
    if (
      typeof parameter !== "object" ||
      parameter === null ||
      !("name" in parameter) ||
      typeof parameter.name !== "string"
    ) {
      throw badRequest("Each of the query's parameters needs a 'name'.");
    }
    return { name: parameter.name, value: "value" in parameter ? parameter.value : undefined };
  });
}

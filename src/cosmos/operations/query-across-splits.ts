/**
 * Paged queries whose pages count rows - grouped, distinct or ranked - when their range splits between two pages. Such a
 * page cannot be resumed in a part of the range, because nobody knows which rows came from that part. So its
 * continuation names the range it began in, the first of the new ranges goes on with the whole of the old one, and the
 * others have nothing to add: clients, which ask all of them with the same continuation, get each row once.
 */
import type { ContainerRecord, PhysicalRange } from "../engine/records.ts";
import { badRequest } from "../errors.ts";
import {
  type Operation,
  type OperationContext,
  type OperationResult,
  requireContainer,
} from "./operation.ts";

/** Stands between a token and the range it began in; tokens themselves are base64url. */
const mark = ".";
const rangeHeader = "x-ms-documentdb-partitionkeyrangeid";
const tokenHeader = "x-ms-continuation";

/** Runs one page of a query, in the range that its continuation began in. */
export async function acrossSplits(context: OperationContext, run: Operation): Promise<OperationResult> {
  const { headers } = context;
  const range = headers[rangeHeader]?.split(",").pop()?.trim();
  const isWholeRange = range !== undefined && headers["x-ms-start-epk"] === undefined;
  const [token, home] = headers[tokenHeader]?.split(mark) ?? [];
  if (!isWholeRange)
    return home === undefined ? run(context) : run(withHeaders(context, { [tokenHeader]: token }));
  if (home === undefined || home === range) {
    const own = home === undefined ? context : withHeaders(context, { [tokenHeader]: token });
    return named(await run(own), range);
  }
  const container = requireContainer(context);
  const old = retiredHome(container, range, home);
  if (container.ranges.find(({ id }) => id === range)?.min !== old.min) return nothing(container);
  const whole = {
    [tokenHeader]: token,
    [rangeHeader]: undefined,
    "x-ms-start-epk": old.min,
    "x-ms-end-epk": old.max,
    "x-ms-read-key-type": "EffectivePartitionKeyRange",
  };
  return named(await run(withHeaders(context, whole)), home);
}

/** The range that a token began in, from which the asked one must come. */
function retiredHome(container: ContainerRecord, range: string, home: string): PhysicalRange {
  const current = container.ranges.find(({ id }) => id === range);
  const old = container.retired.find(({ id }) => id === home);
  if (current === undefined || old === undefined || !current.parents.includes(home))
    throw badRequest("Invalid Continuation Token");
  return old;
}

function withHeaders(
  context: OperationContext,
  headers: Readonly<Record<string, string | undefined>>,
): OperationContext {
  return { ...context, headers: { ...context.headers, ...headers } };
}

/** The result with the range in its continuation, when that counts rows. */
function named(result: OperationResult, home: string): OperationResult {
  const token = result.headers?.[tokenHeader];
  if (token === undefined || !countsRows(token)) return result;
  return { ...result, headers: { ...result.headers, [tokenHeader]: `${token}${mark}${home}` } };
}

/** True for the continuation of a page that is resumed by a number of rows (query/continuation.ts). */
function countsRows(token: string): boolean {
  const value: unknown = JSON.parse(Buffer.from(token, "base64url").toString("utf8"));
  const state: unknown = Array.isArray(value) ? value[3] : undefined;
  return Array.isArray(state) && state[0] === "r";
}

function nothing(container: ContainerRecord): OperationResult {
  const body = `{"_rid":"${container.rid}","Documents":[],"_count":0}`;
  return { status: 200, body, charge: 1, headers: { "x-ms-item-count": "0" } };
}

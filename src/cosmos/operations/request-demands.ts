/**
 * What a request's headers demand of the account and the container before any operation runs: a consistency level that
 * the account can give, a directive that exists, and the very container that the client knows. Apart from the operations, because it holds for
 * all of them alike.
 */
import type { Account } from "../control.ts";
import { badRequest } from "../errors.ts";
import type { RequestHeaders } from "../wire/headers.ts";
import type { OperationContext } from "./operation.ts";

type Level = Account["defaultConsistencyLevel"];

/** Weakest first. */
const levels: readonly Level[] = ["Eventual", "ConsistentPrefix", "Session", "BoundedStaleness", "Strong"];
const indexingDirectives = ["Default", "Include", "Exclude"] as const;
const strategies = ["Eventual", "Session", "LatestCommitted", "GlobalStrong"] as const;

/**
 * 400 when the client demands more than the account's consistency, 400/1024 when the container is not the one that the
 * client remembers (it was made anew under its old name).
 */
export function checkDemands(context: Pick<OperationContext, "account" | "container" | "headers">): void {
  const { headers, container } = context;
  const own = context.account.record.account.defaultConsistencyLevel;
  const wanted = wantedLevel(headers);
  if (wanted !== undefined && levels.indexOf(wanted) > levels.indexOf(own)) {
    throw badRequest(
      `ConsistencyLevel ${wanted} specified in the request is invalid when service is configured with consistency level ${own}. Ensure the request consistency level is not stronger than the service consistency level.`,
    );
  }
  const strategy = wantedStrategy(headers);
  if (strategy === "GlobalStrong" && own !== "Strong") {
    throw badRequest(
      `ReadConsistencyStrategy ${strategy} specified in the request is invalid when service is configured with consistency level ${own}.`,
    );
  }
  // Every item is indexed whatever the directive says (docs/differences.md), but it must be one.
  oneOf(indexingDirectives, headers, "x-ms-indexing-directive");
  const intended = headers["x-ms-cosmos-intended-collection-rid"];
  if (intended !== undefined && container !== undefined && intended !== container.rid) {
    throw badRequest(
      "The resource id of the collection that the client intended does not match the current one.",
      1024,
    );
  }
}

/** The session token that a read must satisfy; none when the read's consistency is not that of sessions. */
export function demandedSession(context: Pick<OperationContext, "account" | "headers">): string | undefined {
  const token = context.headers["x-ms-session-token"];
  if (token === undefined || token === "") return undefined;
  const strategy = wantedStrategy(context.headers);
  const level = wantedLevel(context.headers) ?? context.account.record.account.defaultConsistencyLevel;
  return (strategy ?? level) === "Session" ? token : undefined;
}

function wantedLevel(headers: RequestHeaders): Level | undefined {
  return oneOf(levels, headers, "x-ms-consistency-level");
}

function wantedStrategy(headers: RequestHeaders): (typeof strategies)[number] | undefined {
  const name = "x-ms-cosmos-read-consistency-strategy";
  return headers[name]?.toLowerCase() === "default" ? undefined : oneOf(strategies, headers, name);
}

/** A header's value as one of the allowed, whatever its case; 400 for any other. */
function oneOf<T extends string>(
  allowed: readonly T[],
  headers: RequestHeaders,
  name: string,
): T | undefined {
  const text = headers[name];
  if (text === undefined || text === "") return undefined;
  const found = allowed.find((value) => value === text || value.toLowerCase() === text.toLowerCase());
  if (found === undefined)
    throw badRequest(`The value '${text.slice(0, 40)}' specified for the header '${name}' is invalid.`);
  return found;
}

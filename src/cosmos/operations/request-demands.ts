/**
 * What a request's headers demand of the account and the container before any operation runs: a consistency level that
 * the account can give, a version and a directive that exist, and the very container that the client knows. Apart from the operations, because it holds for
 * all of them alike.
 */
import type { Account } from "../control.ts";
import { badRequest } from "../errors.ts";
import type { RequestHeaders } from "../wire/headers.ts";
import type { OperationContext } from "./operation.ts";

type Level = Account["defaultConsistencyLevel"];

/** Weakest first. */
const levels: readonly Level[] = ["Eventual", "ConsistentPrefix", "Session", "BoundedStaleness", "Strong"];
const priorities = ["High", "Low"] as const;
const indexingDirectives = ["Default", "Include", "Exclude"] as const;
/** Versions of the protocol (REST reference, and those that SDKs send). */
const newestVersion = "2020-11-05";
const versions: ReadonlySet<string> = new Set([
  newestVersion,
  ...["2014-08-21", "2015-04-08", "2015-06-03", "2015-08-06", "2015-12-16", "2016-05-30", "2016-07-11"],
  ...["2016-11-14", "2017-01-19", "2017-02-22", "2017-05-03", "2017-11-15", "2018-06-18", "2018-08-31"],
  ...["2018-09-17", "2018-12-31", "2019-10-14", "2020-06-30", "2020-07-15"],
]);
const strategies = ["Eventual", "Session", "LatestCommitted", "GlobalStrong"] as const;

/**
 * 400 when the client demands more than the account's consistency, 400/1024 when the container is not the one that the
 * client remembers (it was made anew under its old name).
 */
export function checkDemands(context: Pick<OperationContext, "account" | "container" | "headers">): void {
  const { headers, container } = context;
  checkVersion(headers["x-ms-version"]);
  checkContinuationLimit(headers["x-ms-documentdb-responsecontinuationtokenlimitinkb"]);
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
  oneOf(priorities, headers, "x-ms-cosmos-priority-level");
  const intended = headers["x-ms-cosmos-intended-collection-rid"];
  if (intended !== undefined && container !== undefined && intended !== container.rid) {
    throw badRequest("Collection rid provided by the user does not match the existing collection.", 1024);
  }
}

/** 400 for a version of the protocol that never was; one newer than those known here may exist by now. */
function checkVersion(version: string | undefined): void {
  if (version === undefined || versions.has(version)) return;
  if (/^\d{4}-\d\d-\d\d$/.test(version) && version > newestVersion) return;
  throw badRequest(
    "Invalid API version. Ensure a valid x-ms-version header value is passed. Please update to the latest version of Azure Cosmos DB SDK.",
  );
}

/** 400 for a limit that no continuation token keeps to. */
function checkContinuationLimit(text: string | undefined): void {
  if (text === undefined || text === "") return;
  if (!/^\d{1,9}$/.test(text)) {
    throw badRequest(
      `The input continuation token size limit ${text.slice(0, 40)} is invalid. Please pass in a valid continuation token size limit which must be a positive integer.`,
    );
  }
  if (Number(text) === 0)
    throw badRequest("The continuation token limit specified is not large enough for a continuation token.");
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
    throw badRequest(`Value '${text.slice(0, 40)}' specified for the header '${name}' is invalid. `);
  return found;
}

/**
 * Diagnostic records: one entry for every request that any service answered, with the decision that allowed or
 * refused it. Kept in memory, newest last, up to a fixed number; `explain` reads them back. No secret, token or key
 * is ever part of a record.
 */

import { type AccessUse, createAccessUseLog } from "./access-use.ts";
import { createRecordRing } from "./record-ring.ts";

/** The logs of Entra that refused requests for tokens belong to. */
export type SignInCategory =
  | "ManagedIdentitySignInLogs"
  | "ServicePrincipalSignInLogs"
  | "NonInteractiveUserSignInLogs";

export interface DiagnosticRecord {
  readonly time: number;
  readonly activityId: string;
  /** The plane that answered. */
  readonly category: "DataPlaneRequests" | "ControlPlaneRequests" | SignInCategory;
  /** The Cosmos account, or the name of the service. */
  readonly account: string;
  readonly operationName: string;
  readonly method: string;
  readonly resource: string;
  readonly statusCode: number;
  readonly substatus: number;
  /** Milliseconds. */
  readonly duration: number;
  readonly requestCharge: number;
  readonly userAgent: string;
  readonly clientIpAddress: string;
  readonly authTokenType: string;
  readonly principalId?: string | undefined;
  /** The access decision, a plain value of `authz/decision.ts`; absent when the request failed before one was made. */
  readonly decision?: object | undefined;
  /** What was wrong before a decision could be made, a plain value of `authz/diagnosis.ts`. */
  readonly diagnosis?: object | undefined;
  /** The public message of a failure. */
  readonly message?: string | undefined;
  /** The denial that audit mode let pass. */
  readonly wouldDeny?:
    | { readonly statusCode: number; readonly substatus: number; readonly message: string }
    | undefined;
  /** What only requests of the data plane have. */
  readonly data?: DataPlanePlace;
  /** What only requests of the control plane have. */
  readonly control?: ControlPlanePlace;
  /** What only requests for tokens have. */
  readonly signIn?: SignInPlace;
}

/** Longest text that a record keeps of what a caller chose: beyond any name that a service takes. */
const textLengthMax = 4096;

/** The first `max` characters, in memory of their own: a mere slice would keep the whole of a long text alive. */
export function clipped(text: string, max: number): string {
  return Buffer.from(text.slice(0, max), "utf16le").toString("utf16le");
}

/** The record with nothing too long in it, so that strange requests cost no more memory than others. */
function bounded(entry: DiagnosticRecord): DiagnosticRecord {
  const { resource, userAgent, message = "", operationName } = entry;
  const longest = Math.max(resource.length, userAgent.length, message.length, operationName.length);
  if (longest <= textLengthMax) return entry;
  return {
    ...entry,
    resource: clipped(resource, textLengthMax),
    userAgent: clipped(userAgent, textLengthMax),
    operationName: clipped(operationName, textLengthMax),
    ...(entry.message === undefined ? {} : { message: clipped(message, textLengthMax) }),
  };
}

/** Whether a record is of a request for a token; only refused ones are recorded. */
export function isSignIn({ category }: Pick<DiagnosticRecord, "category">): boolean {
  return category.endsWith("SignInLogs");
}

/** Who asked for a token for what, as it was sent. */
export interface SignInPlace {
  /** The number of the error, or its name. */
  readonly resultType: string;
  readonly appId?: string;
  /** Scope or resource. */
  readonly resource?: string;
  readonly grantType?: string;
}

/** Where in an account a request went, and how much it carried (bytes). */
export interface DataPlanePlace {
  readonly accountId: string;
  readonly region: string;
  /** As keys sign it: `docs`, `colls`, ... */
  readonly resourceType: string;
  readonly requestLength: number;
  readonly responseLength: number;
  readonly databaseName?: string | undefined;
  readonly collectionName?: string | undefined;
  readonly databaseRid?: string | undefined;
  readonly collectionRid?: string | undefined;
  readonly partitionId?: string | undefined;
  /** The data actions of a request that needs several. */
  readonly actions?: readonly string[] | undefined;
  /** The partition key header of a request that a resource token did not cover. */
  readonly partitionKey?: string | undefined;
  /** Id and partition key paths of the database or container that a refused request would have created. */
  readonly wanted?: { readonly id: string; readonly paths?: readonly string[] } | undefined;
}

export interface ControlPlanePlace {
  readonly correlationId: string;
  /** The part of the request's body that is safe to keep, as JSON. */
  readonly details?: string;
}

/** How often a kind of client had an operation answered with a status, since the start. */
export interface UsageCount {
  readonly category: DiagnosticRecord["category"];
  readonly operationName: string;
  /** The product at the head of the user agent, e.g. `azsdk-js-cosmos`. */
  readonly client: string;
  readonly statusCode: number;
  readonly count: number;
}

export interface Recorder {
  record(entry: DiagnosticRecord): void;
  /** The newest record that `matches`, or the newest of all. */
  last(matches?: (entry: DiagnosticRecord) => boolean): DiagnosticRecord | undefined;
  find(activityId: string): DiagnosticRecord | undefined;
  usage(): readonly UsageCount[];
  /** Who used which rights of the data plane. */
  accessUse(): readonly AccessUse[];
  /** The newest records that `matches`, oldest first; up to `max`. */
  recent(max: number, matches: (entry: DiagnosticRecord) => boolean): readonly DiagnosticRecord[];
  /** Calls `listener` with every record from now on; the returned function stops it. */
  listen(listener: (entry: DiagnosticRecord) => void): () => void;
}

/** Kinds of use that are counted apart; what goes beyond is not counted, so that strange user agents cost no memory. */
const usageKindsMax = 5000;

/** Records kept; at some hundred bytes each at most this stays within a few megabytes. */
const capacityDefault = 5000;

export function createRecorder(capacity: number = capacityDefault): Recorder {
  const ring = createRecordRing(capacity);
  const counts = new Map<string, { -readonly [K in keyof UsageCount]: UsageCount[K] }>();
  // A program's requests mostly have the user agent of the one before.
  let latest = { userAgent: "", client: "" };
  const count = ({ category, operationName, userAgent, statusCode }: DiagnosticRecord): void => {
    if (latest.userAgent !== userAgent) latest = { userAgent, client: clientOf(userAgent) };
    const { client } = latest;
    const key = `${category} ${operationName} ${client} ${statusCode}`;
    const known = counts.get(key);
    if (known !== undefined) known.count++;
    else if (counts.size < usageKindsMax)
      counts.set(key, { category, operationName, client, statusCode, count: 1 });
  };
  const uses = createAccessUseLog();
  const listeners = new Set<(entry: DiagnosticRecord) => void>();
  return {
    usage: () => [...counts.values()],
    accessUse: uses.list,
    recent(max, matches) {
      const found: DiagnosticRecord[] = [];
      for (const entry of ring.newestFirst()) {
        if (found.length >= max) break;
        if (matches(entry)) found.push(entry);
      }
      return found.reverse();
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    record(given) {
      const entry = bounded(given);
      ring.add(entry);
      count(entry);
      uses.observe(entry);
      for (const listener of listeners) listener(entry);
    },
    last(matches = () => true) {
      for (const entry of ring.newestFirst()) if (matches(entry)) return entry;
      return undefined;
    },
    find: ring.find,
  };
}

/** The SDK's own product: some put an application's name or other products before it. */
function clientOf(userAgent: string): string {
  return (
    /azsdk-[a-z]+-[a-z]+|azure-cosmos-js/i.exec(userAgent)?.[0].toLowerCase() ??
    userAgent.split(/[ /]/, 1)[0] ??
    ""
  );
}

/**
 * What the data plane tells of a request that it answered. Apart from the gateway, which only says what it learned on
 * the way; nothing here can see a credential.
 */
import { plainAddress } from "../authz/network.ts";
import type { Reply, Request } from "../http/service.ts";
import type { DiagnosticRecord } from "../observability/diagnostic-records.ts";
import type { AccountView, DatabaseView } from "./engine/catalog.ts";
import type { ContainerRecord } from "./engine/records.ts";
import type { CosmosError } from "./errors.ts";
import type { OperationResult } from "./operations/operation.ts";
import type { Address } from "./wire/address.ts";
import type { Access } from "./wire/authorize.ts";
import type { OperationRow } from "./wire/operations.ts";

/** What is known of a request so far; the record is written from it whatever happens. */
export interface Progress {
  row?: OperationRow;
  address?: Address;
  access?: Access;
  /** The denial that audit mode let pass. */
  audited?: CosmosError;
  account?: AccountView;
  database?: DatabaseView | undefined;
  container?: ContainerRecord | undefined;
}

export interface Outcome {
  readonly request: Request;
  readonly progress: Progress;
  /** Milliseconds since the epoch. */
  readonly started: number;
  readonly ended: number;
  readonly activityId: string;
  readonly account: string;
  readonly reply: Reply;
  readonly failure: CosmosError | undefined;
  readonly result: OperationResult | undefined;
}

export function diagnosticRecord(outcome: Outcome): DiagnosticRecord {
  const { request, progress, failure, started } = outcome;
  const decision = progress.access?.decision;
  const diagnosis = failure?.diagnosis;
  return {
    time: started,
    activityId: outcome.activityId,
    category: "DataPlaneRequests",
    account: outcome.account,
    operationName: progress.row?.name ?? "Unknown",
    method: request.method,
    resource: withoutQuery(request.target),
    statusCode: outcome.reply.status,
    substatus: failure?.substatus ?? 0,
    duration: outcome.ended - started,
    requestCharge: outcome.result?.charge ?? Number(outcome.reply.headers["x-ms-request-charge"] ?? 0),
    userAgent: request.headers["x-ms-useragent"] ?? request.headers["user-agent"] ?? "",
    clientIpAddress: plainAddress(request.remoteAddress),
    authTokenType: progress.access?.authTokenType ?? "",
    principalId: decision?.credential.kind === "aad" ? decision.credential.principalId : undefined,
    decision,
    diagnosis,
    message: failure?.message,
    wouldDeny: progress.audited === undefined ? undefined : denialOf(progress.audited),
    data: placeOf(outcome),
  };
}

function withoutQuery(target: string): string {
  const at = target.indexOf("?");
  return at < 0 ? target : target.slice(0, at);
}

function denialOf({ status, substatus, message }: CosmosError): NonNullable<DiagnosticRecord["wouldDeny"]> {
  return { statusCode: status, substatus, message };
}

function placeOf({ progress, request, reply, result }: Outcome): NonNullable<DiagnosticRecord["data"]> {
  const { address, database, container, account } = progress;
  const databaseName = database?.record.id ?? address?.database;
  const collectionName = container?.id ?? address?.container;
  return {
    accountId: account?.record.account.resourceId ?? "",
    region: account?.record.account.location ?? "",
    resourceType: address?.resourceType ?? "",
    requestLength: request.body.length,
    responseLength: lengthOf(reply.body),
    databaseName,
    collectionName,
    databaseRid: database?.record.rid,
    collectionRid: container?.rid,
    partitionId: result?.partition?.range.id,
    actions: progress.access?.actions,
    wanted: wantedOf(progress, request),
    partitionKey: askedPartition(progress, request),
  };
}

/** Longest partition key that a record keeps; longer ones are cut. */
const partitionKeyLengthMax = 200;

function askedPartition({ access }: Progress, { headers }: Request): string | undefined {
  const decision = access?.decision;
  const header = headers["x-ms-documentdb-partitionkey"];
  if (header === undefined || decision === undefined || decision.allowed) return undefined;
  if (decision.reason !== "outsideResourceToken") return undefined;
  return header.slice(0, partitionKeyLengthMax);
}

/** Bodies of definitions are short; a longer one is not looked into. */
const definitionBytesMax = 65_536;

/** What a refused request wanted to create, so that the way round can be shown. */
function wantedOf(
  { row, access }: Progress,
  { body }: Request,
): NonNullable<DiagnosticRecord["data"]>["wanted"] {
  const isCreate = row?.name === "CreateDatabase" || row?.name === "CreateContainer";
  if (!isCreate || access?.decision.allowed !== false || body.length > definitionBytesMax) return undefined;
  try {
    const { id, partitionKey } = JSON.parse(Buffer.from(body).toString("utf8")) as {
      id?: unknown;
      partitionKey?: { paths?: unknown };
    };
    if (typeof id !== "string") return undefined;
    const paths = partitionKey?.paths;
    return { id, ...(Array.isArray(paths) ? { paths: paths.map(String) } : {}) };
  } catch {
    return undefined;
  }
}

function lengthOf(body: Reply["body"]): number {
  if (body === undefined) return 0;
  return typeof body === "string" ? Buffer.byteLength(body) : body.length;
}

/**
 * True when the account only watches, and what refuses is a lock of the account or a missing role. What a credential
 * itself is not for - a read-only key, a resource token's limits, a principal that is gone - stays refused.
 */
export function auditLetsPass(
  account: AccountView,
  { decision, unlocked = decision, gone }: Access,
): boolean {
  if (account.record.account.authorization !== "audit" || decision.allowed || gone === true) return false;
  if (unlocked.allowed) return true;
  return unlocked.reason === "noMatchingAssignment" || unlocked.reason === "notPossibleWithAad";
}

/** Marks a reply that enforcement would have refused. */
export function auditHeader({ status, substatus }: CosmosError): Readonly<Record<string, string>> {
  return { "x-celestite-audit": `would-deny ${status}${substatus === 0 ? "" : `/${substatus}`}` };
}

/**
 * Records in the form of Azure's diagnostic logs: one JSON object per line, with the names, and values as texts, that
 * the service writes to a storage account. Pure; where the lines go is `sinks.ts`.
 */
import { type DiagnosticRecord, isSignIn, type SignInCategory } from "./diagnostic-records.ts";

export type LogCategory = "DataPlaneRequests" | "ControlPlaneRequests" | "Administrative" | SignInCategory;

export interface LogLine {
  readonly category: LogCategory;
  readonly text: string;
}

/** The members of a decision that logs show; the type itself is of another room. */
interface DecisionFacts {
  readonly allowed: boolean;
  readonly action: string;
  readonly reason?: string;
  readonly appliedAssignmentId?: string;
  readonly credential: {
    readonly kind: string;
    readonly principalId?: string;
    readonly permission?: string;
    readonly mode?: string;
    readonly userRid?: string;
  };
}

/** The lines of a record: one, or a pair for what starts and completes. */
export function logLines(record: DiagnosticRecord): readonly LogLine[] {
  if (record.category === "DataPlaneRequests") {
    return [{ category: "DataPlaneRequests", text: JSON.stringify(dataPlane(record)) }];
  }
  if (isSignIn(record)) return [{ category: record.category, text: JSON.stringify(signIn(record)) }];
  const known = controlOperation(record);
  if (known === undefined)
    return [{ category: "Administrative", text: JSON.stringify(administrative(record)) }];
  const names = known.isPair ? [`${known.name}Start`, `${known.name}Complete`] : [known.name];
  return names.map((name) => ({
    category: "ControlPlaneRequests",
    text: JSON.stringify(controlPlane(record, name)),
  }));
}

function signIn(record: DiagnosticRecord): object {
  const { resultType, appId = "", resource = "", grantType = "" } = record.signIn ?? { resultType: "" };
  return {
    time: new Date(record.time).toISOString(),
    operationName: "Sign-in activity",
    category: record.category,
    resultType,
    resultDescription: record.message ?? "",
    durationMs: record.duration,
    callerIpAddress: record.clientIpAddress,
    correlationId: record.activityId,
    properties: { appId, resource, grantType, userAgent: record.userAgent },
  };
}

const resourceTypes: Readonly<Record<string, string>> = {
  "": "DatabaseAccount",
  dbs: "Database",
  colls: "DocumentCollection",
  docs: "Document",
  pkranges: "PartitionKeyRange",
  sprocs: "StoredProcedure",
  triggers: "Trigger",
  udfs: "UserDefinedFunction",
  conflicts: "Conflict",
  users: "User",
  permissions: "Permission",
  offers: "Offer",
  partitionkey: "PartitionKey",
  clientencryptionkeys: "ClientEncryptionKey",
};

/** The service's verb for an operation: its name up to the resource. */
function verbOf(operationName: string): string {
  if (/^(ExecuteStoredProcedure|ExecuteBatch)$/.test(operationName)) return operationName;
  if (/^List|^ReadItemFeed$|^ReadChangeFeed$/.test(operationName)) return "ReadFeed";
  return /^(Create|Read|Replace|Upsert|Patch|Delete|Query)/.exec(operationName)?.[1] ?? operationName;
}

function dataPlane(record: DiagnosticRecord): object {
  const { data } = record;
  const decision = record.decision as DecisionFacts | undefined;
  const credential = decision?.credential;
  return {
    time: new Date(record.time).toISOString(),
    resourceId: (data?.accountId ?? "").toUpperCase(),
    category: "DataPlaneRequests",
    operationName: verbOf(record.operationName),
    properties: {
      activityId: record.activityId,
      requestResourceType: resourceTypes[data?.resourceType ?? ""] ?? data?.resourceType ?? "",
      requestResourceId: record.resource,
      collectionRid: data?.collectionRid ?? "",
      databaseRid: data?.databaseRid ?? "",
      statusCode: String(record.statusCode),
      subStatusCode: String(record.substatus),
      duration: record.duration.toFixed(6),
      userAgent: record.userAgent,
      clientIpAddress: record.clientIpAddress,
      requestCharge: record.requestCharge.toFixed(6),
      requestLength: String(data?.requestLength ?? 0),
      responseLength: String(data?.responseLength ?? 0),
      resourceTokenPermissionId: credential?.permission?.split("/").pop() ?? "",
      resourceTokenPermissionMode: credential?.mode?.toLowerCase() ?? "",
      resourceTokenUserRid: credential?.userRid ?? "",
      region: data?.region ?? "",
      partitionId: data?.partitionId ?? "",
      aadAppliedRoleAssignmentId: decision?.appliedAssignmentId ?? "",
      aadPrincipalId: credential?.principalId ?? "",
      authTokenType: record.authTokenType,
      keyType: record.authTokenType.endsWith("Key") ? record.authTokenType : "",
      connectionMode: "Gateway",
      subscriptionId: /^\/subscriptions\/([^/]+)/i.exec(data?.accountId ?? "")?.[1] ?? "",
      databaseName: data?.databaseName ?? "",
      collectionName: data?.collectionName ?? "",
      denialReason: decision?.allowed === false ? (decision.reason ?? "") : "",
      auditOutcome:
        record.wouldDeny === undefined
          ? ""
          : `would-deny ${record.wouldDeny.statusCode}/${record.wouldDeny.substatus}`,
    },
  };
}

interface ControlOperation {
  readonly name: string;
  /** Whether the service logs start and completion apart. */
  readonly isPair: boolean;
}

const accountVerbs: Readonly<Record<string, string>> = {
  PUT: "AccountCreate",
  PATCH: "AccountUpdate",
  DELETE: "AccountDelete",
};
const verbs: Readonly<Record<string, string>> = { PUT: "Create", PATCH: "Update", DELETE: "Delete" };

/** The log's name for a change of an account or of something in it; `undefined` for reads and other services. */
function controlOperation({
  operationName,
  method,
  resource,
}: DiagnosticRecord): ControlOperation | undefined {
  if (!/^Microsoft\.DocumentDB\/databaseAccounts\//i.test(operationName)) return undefined;
  if (/regenerateKey\/action$/i.test(operationName)) return { name: "AccountKeyRegenerate", isPair: true };
  const verb = verbs[method];
  const types = /\/databaseAccounts\/[^/]+(?:\/(.*))?$/i.exec(resource)?.[1];
  if (verb === undefined || /\/read$/i.test(operationName)) return undefined;
  const account = accountVerbs[method];
  if (types === undefined) return account === undefined ? undefined : { name: account, isPair: true };
  return { name: `Sql${childType(types)}${verb}`, isPair: false };
}

/** `sqlDatabases/D/containers/C` becomes `Containers`, as the log calls it. */
function childType(path: string): string {
  const type =
    path
      .split("/")
      .filter((_, at) => at % 2 === 0)
      .pop() ?? "";
  const short = type.replace(/^sql/i, "");
  return short.slice(0, 1).toUpperCase() + short.slice(1);
}

function controlPlane(record: DiagnosticRecord, operationName: string): object {
  const decision = record.decision as DecisionFacts | undefined;
  const accountId = /^.*?\/databaseAccounts\/[^/]+/i.exec(record.resource)?.[0] ?? record.resource;
  const isComplete = !operationName.endsWith("Start");
  return {
    time: new Date(isComplete ? record.time + record.duration : record.time).toISOString(),
    resourceId: accountId.toUpperCase(),
    category: "ControlPlaneRequests",
    operationName,
    properties: {
      activityId: record.activityId,
      correlationId: record.control?.correlationId ?? "",
      accountName: accountId.split("/").pop() ?? "",
      apiKind: "Sql",
      apiKindResourceType: resourceKind(record.resource),
      operationType: record.method,
      resourceUri: record.resource,
      resourceDetails: record.control?.details ?? "",
      associatedRoleDefinitionId: roleDefinitionOf(record.control?.details),
      aadPrincipalId: decision?.credential.principalId ?? record.principalId ?? "",
      clientIpAddress: record.clientIpAddress,
      userAgent: record.userAgent,
      ...(isComplete
        ? {
            httpStatusCode: String(record.statusCode),
            durationMs: String(record.duration),
            result: resultOf(record),
          }
        : {}),
    },
  };
}

function resourceKind(resource: string): string {
  const rest = /\/databaseAccounts\/[^/]+\/(.*)$/i.exec(resource)?.[1];
  return rest === undefined ? "DatabaseAccount" : childType(rest);
}

function roleDefinitionOf(details: string | undefined): string {
  if (details === undefined) return "";
  const { properties } = JSON.parse(details) as { properties?: { roleDefinitionId?: unknown } };
  return typeof properties?.roleDefinitionId === "string" ? properties.roleDefinitionId : "";
}

function resultOf({ statusCode }: DiagnosticRecord): string {
  return statusCode < 400 ? "OK" : "Failed";
}

/** An entry of the activity log: every other call of Azure Resource Manager. */
function administrative(record: DiagnosticRecord): object {
  return {
    time: new Date(record.time).toISOString(),
    resourceId: record.resource.toUpperCase(),
    category: "Administrative",
    operationName: record.operationName,
    resultType: record.statusCode < 400 ? "Success" : "Failure",
    resultSignature: String(record.statusCode),
    durationMs: String(record.duration),
    callerIpAddress: record.clientIpAddress,
    correlationId: record.control?.correlationId ?? record.activityId,
    properties: {
      activityId: record.activityId,
      aadPrincipalId: record.principalId ?? "",
      userAgent: record.userAgent,
      requestBody: record.control?.details ?? "",
    },
  };
}

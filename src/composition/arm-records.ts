/** Control-plane requests as diagnostic records. */
import type { ArmRecord } from "../arm/render.ts";
import type { DiagnosticRecord } from "../observability/diagnostic-records.ts";

/** `now` is the time at which the request ended. A refusal is judged by its last decision, the one that failed. */
export function armDiagnosticRecord(entry: ArmRecord, now: number): DiagnosticRecord {
  const decision = entry.decisions.find((candidate) => !candidate.allowed) ?? entry.decisions[0];
  return {
    time: entry.time,
    activityId: entry.requestId,
    category: "ControlPlaneRequests",
    account: "Azure Resource Manager",
    operationName: entry.operation ?? "Unknown",
    method: entry.method,
    resource: entry.path,
    statusCode: entry.status,
    substatus: 0,
    duration: now - entry.time,
    requestCharge: 0,
    userAgent: "",
    clientIpAddress: entry.remoteAddress,
    authTokenType: entry.caller === undefined ? "" : "AadToken",
    ...(decision?.credential.kind === "aad" ? { principalId: decision.credential.principalId } : {}),
    ...(decision === undefined ? {} : { decision }),
    ...(entry.error === undefined ? {} : { message: entry.error.message }),
  };
}

/** The operator's operations about access: decisions without a request, who used what, and the records as they come. */

import { decideCosmos, scopeBelow } from "../authz/cosmos-rbac.ts";
import type { Decision } from "../authz/decision.ts";
import type { Principal } from "../azure/principal.ts";
import type { Engine } from "../cosmos/engine/engine.ts";
import type { Identity } from "../identity/identity.ts";
import type { DiagnosticRecord, Recorder } from "../observability/diagnostic-records.ts";
import { type OperatorCall, OperatorError, type OperatorRoute } from "../operator/gateway.ts";
import { explainRecord } from "./explanation.ts";

interface AccessContext {
  readonly identity: Identity;
  readonly engine: Engine;
  readonly recorder: Recorder;
  readonly findPrincipal: (name: string) => Promise<Principal | undefined>;
}

/** Most records that one call returns. */
const recordsMax = 1000;

/** Operations under `METHOD name`, for `OperatorParts.routes`. */
export function accessRoutes(context: AccessContext): Readonly<Record<string, OperatorRoute>> {
  const { recorder } = context;
  return {
    "GET access-use": async () => ({ uses: recorder.accessUse() }),
    "GET records": async ({ query }) => recordsSince(recorder, query),
    "POST can-i": async ({ body }) => decideWithoutRequest(context, body),
  };
}

/** Records in their order: the newest ones, or those after the one that the caller has seen last. */
function recordsSince(recorder: Recorder, query: URLSearchParams): { records: readonly DiagnosticRecord[] } {
  const after = query.get("after");
  const wanted = Math.min(Number(query.get("max") ?? recordsMax) || recordsMax, recordsMax);
  if (after === null) return { records: recorder.recent(wanted, () => true) };
  const all = recorder.recent(recordsMax, () => true);
  const at = all.findLastIndex(({ time, activityId }) => `${time}/${activityId}` === after);
  return { records: at < 0 ? all.slice(-wanted) : all.slice(at + 1) };
}

/** What a decision needs, answered in the shape of an explained record so that one renderer serves both. */
async function decideWithoutRequest(context: AccessContext, body: OperatorCall["body"]): Promise<unknown> {
  const { principal: name, action, scope, account } = body;
  if (typeof name !== "string" || typeof action !== "string" || typeof scope !== "string") {
    throw new OperatorError("A decision needs 'principal', 'action' and 'scope'.");
  }
  const principal = await context.findPrincipal(name);
  if (principal === undefined) throw new OperatorError(`There is no principal '${name}'.`);
  const decision =
    typeof account === "string"
      ? await decideData(context, principal, action, scope, account)
      : await decideControl(context, principal, action, scope);
  return explainRecord(
    context,
    recordOf(principal, decision, typeof account === "string" ? account : undefined),
  );
}

async function decideData(
  { engine, identity }: AccessContext,
  { objectId }: Principal,
  action: string,
  scope: string,
  account: string,
): Promise<Decision> {
  const view = engine.catalog.find(account);
  if (view === undefined) throw new OperatorError(`There is no Cosmos account '${account}'.`);
  const id = view.record.account.resourceId;
  const at = scopeBelow(id, `${id}${scope === "/" ? "" : scope}`);
  if (at === undefined) {
    throw new OperatorError(`'${scope}' is no scope: say /, /dbs/DATABASE or /dbs/DATABASE/colls/CONTAINER.`);
  }
  return decideCosmos(view.policy(), {
    principalId: objectId,
    principalExists: true,
    groups: await identity.directory.groupsOf(objectId),
    action,
    scope: at,
    resource: scope === "/" ? "/" : scope.replace(/^\//, ""),
  });
}

async function decideControl(
  { engine, identity }: AccessContext,
  { objectId }: Principal,
  action: string,
  scope: string,
): Promise<Decision> {
  const { loadRights } = await import("../arm/role-assignments.ts");
  return (await loadRights(engine.store, identity.directory, objectId, engine.clock.now())).decide(
    action,
    scope,
  );
}

function recordOf(
  { objectId }: Principal,
  decision: Decision,
  account: string | undefined,
): DiagnosticRecord {
  return {
    time: 0,
    activityId: "",
    category: account === undefined ? "ControlPlaneRequests" : "DataPlaneRequests",
    account: account ?? "Azure Resource Manager",
    operationName: decision.action,
    method: "",
    resource: decision.resource,
    statusCode: decision.allowed ? 200 : 403,
    substatus: 0,
    duration: 0,
    requestCharge: 0,
    userAgent: "",
    clientIpAddress: "",
    authTokenType: "AadToken",
    principalId: objectId,
    decision,
  };
}

/**
 * Microsoft.Resources/deployments at every scope: starting, watching, validating and removing them.
 * A run that succeeds quickly is answered as finished, which every poller accepts; one that fails or takes longer
 * is answered as accepted, because pollers read the reason of a failure only from the polling URL.
 */
import { ArmError } from "../../azure/arm-error.ts";
import { normalizeResourceId } from "../../azure/resource-id.ts";
import type { RunResult } from "../deployments/apply.ts";
import { type LenientDocument, parseLenient } from "../deployments/lenient-json.ts";
import { shownLink } from "../deployments/links.ts";
import type { PreparedDeployment } from "../deployments/prepare.ts";
import {
  clearOperations,
  type DeploymentLinks,
  type DeploymentRecord,
  deleteDeployment,
  getDeployment,
  getTemplate,
  listDeployments,
  listOperations,
  putDeployment,
  putTemplate,
} from "../deployments/records.ts";
import {
  describeDependencies,
  describeProviders,
  renderDeployment,
  renderOperation,
} from "../deployments/render.ts";
import { type DeploymentTarget, deploymentId, resolveTarget, scopeIdOf } from "../deployments/target.ts";
import { clip } from "../errors.ts";
import { readIdentityBlock, requireAssignRights } from "../identity-block.ts";
import { decodeBody, objectMember, stringMember } from "../json.ts";
import { normalizeLocation } from "../locations.ts";
import { type Call, type Operation, type Outcome, parameter } from "../operation.ts";
import { armLock } from "../records.ts";
import { requireGroup } from "../resource-groups.ts";

const type = "Microsoft.Resources/deployments";
const group = "/subscriptions/{subscription}/resourceGroups/{group}";
const managementGroup = "/providers/Microsoft.Management/managementGroups/{managementGroup}";
/** The last one is the tenant's. */
const scopes = [group, "/subscriptions/{subscription}", managementGroup, ""];

function rowsAt(scope: string): readonly Operation[] {
  const all = `${scope}/providers/Microsoft.Resources/deployments`;
  const one = `${all}/{name}`;
  return [
    { method: "PUT", path: one, action: `${type}/write`, rawBody: true, handler: putHandler },
    { method: "GET", path: one, action: `${type}/read`, handler: readHandler },
    { method: "HEAD", path: one, action: `${type}/read`, handler: headHandler },
    { method: "DELETE", path: one, action: `${type}/delete`, handler: deleteHandler },
    { method: "GET", path: all, action: `${type}/read`, scope, handler: listHandler },
    {
      method: "POST",
      path: `${one}/validate`,
      action: `${type}/validate/action`,
      rawBody: true,
      handler: validateHandler,
    },
    { method: "POST", path: `${one}/cancel`, action: `${type}/cancel/action`, handler: cancelHandler },
    {
      method: "POST",
      path: `${one}/whatIf`,
      action: `${type}/whatIf/action`,
      rawBody: true,
      handler: whatIfHandler,
    },
    {
      method: "POST",
      path: `${one}/exportTemplate`,
      action: `${type}/exportTemplate/action`,
      handler: exportHandler,
    },
    {
      method: "GET",
      path: `${one}/operationStatuses/{status}`,
      action: `${type}/operationstatuses/read`,
      handler: statusHandler,
    },
    ...[`${one}/operations`, `${scope}/deployments/{name}/operations`].flatMap((path): Operation[] => [
      { method: "GET", path, action: `${type}/operations/read`, handler: operationsHandler },
      {
        method: "GET",
        path: `${path}/{operation}`,
        action: `${type}/operations/read`,
        handler: operationHandler,
      },
    ]),
  ];
}

export const deploymentOperations: readonly Operation[] = scopes.flatMap(rowsAt);

function targetOf({ plane, parameters }: Call): Promise<DeploymentTarget> {
  return resolveTarget(plane.store, plane.tenantId, parameters.get("name") ?? "", {
    subscription: parameters.get("subscription"),
    group: parameters.get("group"),
    managementGroup: parameters.get("managementGroup"),
  });
}

const nameLengthMax = 64;

function checkName(name: string): void {
  const bad = [...new Set(name.replace(/[\w().-]/g, ""))].join("");
  if (name.length <= nameLengthMax && bad === "" && !name.endsWith(".")) return;
  const why =
    bad === ""
      ? `is longer than '${nameLengthMax}' characters or ends with a period`
      : `has these invalid characters: '${bad}'`;
  throw new ArmError(
    400,
    "InvalidDeployment",
    `The provided deployment name '${clip(name)}' ${why}. The name can only be a letter, digit, '-', '.' or '_'.`,
  );
}

/** The body of a nested deployment was never text; all others may be anything that the lenient reader takes. */
function documentOf(call: Call): LenientDocument {
  if (call.nested) return { value: call.body ?? null, positionOf: () => undefined };
  return parseLenient(decodeBody(call.rawBody));
}

async function prepare(call: Call): Promise<PreparedDeployment> {
  const target = await targetOf(call);
  checkName(target.name);
  // The template engine is loaded by the first deployment: a server that only answers starts without it.
  const [{ loadDeployment, requireIncremental }, { prepareDeployment }, { preflight }] = await Promise.all([
    import("../deployments/template.ts"),
    import("../deployments/prepare.ts"),
    import("../deployments/preflight.ts"),
  ]);
  const document = documentOf(call);
  await requireAssignRights(call, readIdentityBlock(document.value));
  const request = await loadDeployment(call, document);
  if (call.nested) requireIncremental(request, target.name);
  if (target.group === undefined && request.location === undefined && !call.nested) {
    throw new ArmError(
      400,
      "LocationRequired",
      `The 'location' property must be specified for '${clip(target.name)}'. Please see https://aka.ms/deploy-to-subscription for usage details.`,
    );
  }
  if (target.group === undefined && request.mode === "Complete") {
    throw new ArmError(
      400,
      "InvalidDeployment",
      "The deployment mode 'Complete' is not supported at this scope; only deployments to a resource group delete what they do not list.",
    );
  }
  const prepared = await prepareDeployment(call, target, request);
  // What is inside a nested one was asked about with the outermost one.
  await preflight(call, prepared, !call.nested);
  return prepared;
}

async function putHandler(call: Call): Promise<Outcome> {
  const prepared = await prepare(call);
  const { active } = call.plane.running;
  const key = normalizeResourceId(prepared.id);
  if (active.has(key)) throw deploymentActive(prepared.id);
  const control = { canceled: false, finished: Promise.resolve() };
  active.set(key, control);
  let started: { readonly record: DeploymentRecord; readonly isNew: boolean };
  try {
    started = await startRecord(call, prepared);
  } catch (error) {
    active.delete(key);
    throw error;
  }
  const running = runToEnd(call, prepared, started.record, () => control.canceled).finally(() =>
    active.delete(key),
  );
  active.set(key, Object.assign(control, { finished: running.then(() => undefined) }));
  const done = call.nested ? await running : await within(running, call.plane.inlineMilliseconds);
  if (call.nested && done !== undefined && done.state !== "Succeeded") throw nestedFailure(done);
  const finished = done?.state === "Succeeded";
  const shown = finished ? done : { ...started.record, state: "Accepted" as const };
  return {
    status: started.isNew ? 201 : 200,
    body: renderDeployment(shown),
    headers: finished ? {} : pollingHeaders(call, started.record),
  };
}

/** The value of `work` if it is there within `milliseconds`, else `undefined`; the work goes on. */
async function within<T>(work: Promise<T>, milliseconds: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), milliseconds);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/** Seconds between polls; zero would make Python's pollers fall back to thirty. */
const retryAfterSeconds = "1";

function pollingHeaders(call: Call, record: DeploymentRecord): Record<string, string> {
  const path = encodeURI(`${record.id}/operationStatuses/${record.statusId}`);
  return {
    "azure-asyncoperation": `${call.origin}${path}?api-version=${call.apiVersion}`,
    "retry-after": retryAfterSeconds,
  };
}

function deploymentActive(id: string): ArmError {
  return new ArmError(
    409,
    "DeploymentActive",
    `The deployment with resource id '${id}' cannot be saved, because this would overwrite an existing deployment which is still active. Please see https://aka.ms/arm-deploy for usage details.`,
  );
}

function nestedFailure(record: DeploymentRecord): ArmError {
  const { code, message, ...rest } = record.error ?? { code: "DeploymentCanceled", message: "Canceled." };
  return new ArmError(409, code, message, rest);
}

function linksOf({ request: { templateLink, parametersLink } }: PreparedDeployment): DeploymentLinks {
  return {
    ...(templateLink === undefined ? {} : { templateLink: shownLink(templateLink) }),
    ...(parametersLink === undefined ? {} : { parametersLink: shownLink(parametersLink) }),
  };
}

async function startRecord(
  call: Call,
  prepared: PreparedDeployment,
): Promise<{ readonly record: DeploymentRecord; readonly isNew: boolean }> {
  const { plane } = call;
  const { target, request, scopeId } = prepared;
  const { renderParameters } = await import("../deployments/prepare.ts");
  const now = plane.clock.now();
  const record: DeploymentRecord = {
    id: prepared.id,
    name: target.name,
    scopeId,
    state: "Running",
    mode: request.mode,
    ...(request.location === undefined ? {} : { location: normalizeLocation(request.location) }),
    ...(request.tags === undefined ? {} : { tags: request.tags }),
    templateHash: prepared.templateHash,
    ...linksOf(prepared),
    parameters: renderParameters(prepared),
    outputResources: [],
    providers: describeProviders(prepared.instances),
    dependencies: describeDependencies(prepared.graph),
    correlationId: call.correlationId,
    statusId: BigInt(`0x${Buffer.from(plane.entropy.bytes(8)).toString("hex")}`)
      .toString()
      .padStart(20, "0"),
    startedAt: now,
    changedAt: now,
  };
  return plane.store.transact([armLock], async (transaction) => {
    if (target.group !== undefined) {
      await requireGroup(transaction, target.group.subscriptionId, target.group.name);
    }
    const before = await getDeployment(transaction, scopeId, target.name);
    checkLocation(before, record);
    await clearOperations(transaction, scopeId, target.name);
    putDeployment(transaction, record);
    putTemplate(transaction, record, call.shownTemplate ?? request.template.document);
    return { record, isNew: before === undefined };
  });
}

/** The location of a deployment outside of groups is where its history is kept: it stays. */
function checkLocation(before: DeploymentRecord | undefined, next: DeploymentRecord): void {
  const [was, is] = [before?.location, next.location];
  if (was === undefined || is === undefined || normalizeLocation(was) === normalizeLocation(is)) return;
  throw new ArmError(
    409,
    "InvalidDeploymentLocation",
    `Invalid deployment location '${clip(is)}'. The deployment '${next.name}' already exists in location '${was}'.`,
  );
}

/** The finished record. A fault of ours ends the run as failed; it never leaves a deployment running for ever. */
async function runToEnd(
  call: Call,
  prepared: PreparedDeployment,
  record: DeploymentRecord,
  isCanceled: () => boolean,
): Promise<DeploymentRecord> {
  const { plane } = call;
  let result: RunResult;
  if (!call.nested) beginSpending(call);
  try {
    const { applyDeployment } = await import("../deployments/apply.ts");
    result = await applyDeployment(call, prepared, record, isCanceled);
  } catch (fault) {
    call.reportFault(fault);
    const error = { code: "InternalServerError", message: "The server encountered an internal error." };
    result = { state: "Failed", error, outputResources: [] };
  } finally {
    if (!call.nested) endSpending(call);
  }
  const done: DeploymentRecord = { ...record, ...result, changedAt: plane.clock.now() };
  await plane.store.transact([armLock], async (transaction) => {
    const present = await getDeployment(transaction, record.scopeId, record.name);
    if (present?.statusId === record.statusId) putDeployment(transaction, done);
  });
  return done;
}

function beginSpending({ plane, correlationId }: Call): void {
  const { spent } = plane.running;
  const present = spent.get(correlationId);
  if (present === undefined) spent.set(correlationId, { roots: 1, writes: 0 });
  else present.roots++;
}

function endSpending({ plane, correlationId }: Call): void {
  const { spent } = plane.running;
  const present = spent.get(correlationId);
  if (present !== undefined && --present.roots === 0) spent.delete(correlationId);
}

async function requireDeployment(call: Call): Promise<DeploymentRecord> {
  const target = await targetOf(call);
  const record = await getDeployment(call.plane.store, scopeIdOf(target), target.name);
  if (record === undefined) {
    throw new ArmError(404, "DeploymentNotFound", `Deployment '${clip(target.name)}' could not be found.`);
  }
  return record;
}

async function readHandler(call: Call): Promise<Outcome> {
  return { status: 200, body: renderDeployment(await requireDeployment(call)) };
}

async function headHandler(call: Call): Promise<Outcome> {
  const target = await targetOf(call);
  const record = await getDeployment(call.plane.store, scopeIdOf(target), target.name);
  return { status: record === undefined ? 404 : 204 };
}

async function listHandler(call: Call): Promise<Outcome> {
  const records = await listDeployments(call.plane.store, scopeIdOf(await targetOf(call)));
  return { status: 200, body: { value: records.map(renderDeployment) } };
}

async function deleteHandler(call: Call): Promise<Outcome> {
  const target = await targetOf(call);
  const id = deploymentId(target);
  if (call.plane.running.active.has(normalizeResourceId(id))) throw deploymentActive(id);
  await call.plane.store.transact([armLock], (transaction) =>
    deleteDeployment(transaction, scopeIdOf(target), target.name),
  );
  return { status: 204 };
}

async function validateHandler(call: Call): Promise<Outcome> {
  const prepared = await prepare(call);
  const { renderParameters } = await import("../deployments/prepare.ts");
  const { target, request } = prepared;
  return {
    status: 200,
    body: {
      id: prepared.id,
      name: target.name,
      type,
      properties: {
        templateHash: prepared.templateHash,
        ...linksOf(prepared),
        parameters: renderParameters(prepared),
        mode: request.mode,
        provisioningState: "Succeeded",
        timestamp: new Date(call.plane.clock.now()).toISOString(),
        duration: "PT0S",
        correlationId: call.correlationId,
        providers: describeProviders(prepared.instances),
        dependencies: describeDependencies(prepared.graph),
        validatedResources: prepared.instances
          .filter((instance) => instance.enabled && !instance.existing)
          .map((instance) => ({ id: instance.id })),
      },
    },
  };
}

/** Answers with all changes, or with their ids alone when `whatIfSettings.resultFormat` asks for that. */
async function whatIfHandler(call: Call): Promise<Outcome> {
  const format = stringMember(
    objectMember(objectMember(documentOf(call).value, "properties"), "whatIfSettings"),
    "resultFormat",
  );
  const { predictChanges } = await import("../deployments/what-if.ts");
  const changes = await predictChanges(call, await prepare(call));
  const shown =
    format?.toLowerCase() === "resourceidonly"
      ? changes.map(({ resourceId, changeType }) => ({ resourceId, changeType }))
      : changes;
  return {
    status: 200,
    body: { status: "Succeeded", properties: { correlationId: call.correlationId, changes: shown } },
  };
}

async function exportHandler(call: Call): Promise<Outcome> {
  const record = await requireDeployment(call);
  const template = await getTemplate(call.plane.store, record.scopeId, record.name);
  return { status: 200, body: { template: template ?? {} } };
}

async function cancelHandler(call: Call): Promise<Outcome> {
  const record = await requireDeployment(call);
  const running = call.plane.running.active.get(normalizeResourceId(record.id));
  if (running === undefined) {
    throw new ArmError(
      409,
      "DeploymentCannotBeCancelled",
      `The deployment '${record.name}' cannot be cancelled, because it is not running; its provisioning state is '${record.state}'.`,
    );
  }
  running.canceled = true;
  return { status: 204 };
}

async function statusHandler(call: Call): Promise<Outcome> {
  const record = await requireDeployment(call);
  if (record.statusId !== parameter(call, "status")) {
    throw new ArmError(404, "DeploymentOperationNotFound", "The operation status could not be found.");
  }
  return {
    status: 200,
    body: { status: record.state, ...(record.error === undefined ? {} : { error: record.error }) },
    headers: record.state === "Running" ? { "retry-after": retryAfterSeconds } : {},
  };
}

async function operationsHandler(call: Call): Promise<Outcome> {
  const record = await requireDeployment(call);
  const operations = await listOperations(call.plane.store, record.scopeId, record.name);
  return { status: 200, body: { value: operations.map((each) => renderOperation(record, each)) } };
}

async function operationHandler(call: Call): Promise<Outcome> {
  const record = await requireDeployment(call);
  const wanted = parameter(call, "operation").toLowerCase();
  const operations = await listOperations(call.plane.store, record.scopeId, record.name);
  const found = operations.find((each) => each.operationId.toLowerCase() === wanted);
  if (found === undefined) {
    throw new ArmError(
      404,
      "DeploymentOperationNotFound",
      `The deployment operation '${clip(wanted)}' could not be found.`,
    );
  }
  return { status: 200, body: renderOperation(record, found) };
}

/**
 * Runs a prepared deployment: each resource in its order, as a write of the caller through the gateway. A failure
 * stops only what depends on it. Every step is recorded as it ends, so a reader sees how far the run is.
 */

import { newestVersion } from "../../azure/api-versions.ts";
import { ArmError, type ArmErrorDetail } from "../../azure/arm-error.ts";
import { normalizeResourceId } from "../../azure/resource-id.ts";
import { isObject, type Json, type JsonObject, member, objectMember, stringMember } from "../json.ts";
import type { Call } from "../operation.ts";
import { armLock } from "../records.ts";
import { isTracked, listResources } from "../resources.ts";
import { expandInput } from "./evaluate.ts";
import { ExpressionError } from "./expressions.ts";
import type { ResourceInstance } from "./instances.ts";
import { resolveRelative } from "./links.ts";
import { followReference, isUntyped, readType, typeOfValue } from "./parameters.ts";
import { bodyOf, isNestedDeployment, type PreparedDeployment } from "./prepare.ts";
import {
  type DeploymentOperationRecord,
  type DeploymentRecord,
  getDeployment,
  putOperation,
} from "./records.ts";
import { evaluateRunning, evaluateShown } from "./runtime-values.ts";
import { shownValue } from "./secure-values.ts";
import { deploymentFailed, resourceExpressionFailed } from "./template-errors.ts";

export interface RunResult {
  readonly state: "Succeeded" | "Failed" | "Canceled";
  readonly error?: ArmErrorDetail;
  readonly outputs?: JsonObject;
  readonly outputResources: readonly string[];
}

interface Run {
  readonly call: Call;
  readonly prepared: PreparedDeployment;
  readonly record: DeploymentRecord;
  readonly isCanceled: () => boolean;
  /** Resources that failed or were left out because something they need failed. */
  readonly failed: Set<ResourceInstance>;
  readonly succeeded: string[];
  readonly errors: ArmErrorDetail[];
  operations: number;
}

/** Resources that one request may write with all its nested deployments; each template by itself may have 800. */
const writesMax = 2000;

/** Loops of nested deployments multiply: this is what keeps a small template from running for hours. */
function spendWrite({ plane, correlationId }: Call): void {
  const spent = plane.running.spent.get(correlationId);
  if (spent === undefined || ++spent.writes <= writesMax) return;
  throw new ArmError(
    400,
    "DeploymentResourceLimitExceeded",
    `The deployment with its nested deployments has more than the allowed ${writesMax} resources.`,
  );
}

/** Runs to the end, whatever fails on the way; throws only for faults of ours. */
export async function applyDeployment(
  call: Call,
  prepared: PreparedDeployment,
  record: DeploymentRecord,
  isCanceled: () => boolean,
): Promise<RunResult> {
  const run: Run = {
    call,
    prepared,
    record,
    isCanceled,
    failed: new Set(),
    succeeded: [],
    errors: [],
    operations: 0,
  };
  for (const instance of prepared.graph.order) {
    if (run.isCanceled()) return { state: "Canceled", outputResources: run.succeeded };
    await applyInstance(run, instance);
  }
  if (run.errors.length === 0 && prepared.request.mode === "Complete") await deleteUnlisted(run);
  if (run.errors.length > 0) {
    const error = deploymentFailed(prepared.id, run.errors);
    return { state: "Failed", error, outputResources: run.succeeded };
  }
  return withOutputs(run);
}

async function withOutputs(run: Run): Promise<RunResult> {
  const failures: ArmErrorDetail[] = [];
  const outputs = new Map<string, Json>();
  for (const [name, declared] of Object.entries(run.prepared.request.template.outputs)) {
    try {
      const output = await evaluateOutput(run, name, declared);
      if (output !== undefined) outputs.set(name, output);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (!(error instanceof ExpressionError) && !(error instanceof ArmError)) throw error;
      failures.push({
        code: "DeploymentOutputEvaluationFailed",
        target: name,
        message: `The template output '${name}' is not valid: ${message}`,
      });
    }
  }
  const outputResources = run.succeeded;
  if (failures.length === 0)
    return { state: "Succeeded", outputs: Object.fromEntries(outputs), outputResources };
  const names = failures.map((failure) => failure.target ?? "").join(",");
  const error = {
    code: "DeploymentOutputEvaluationFailed",
    message: `Unable to evaluate template outputs: '${names}'. Please see error details and deployment operations. Please see https://aka.ms/arm-common-errors for usage details.`,
    details: failures,
  };
  return { state: "Failed", error, outputResources };
}

async function evaluateOutput(run: Run, name: string, declared: Json): Promise<Json | undefined> {
  if (!isObject(declared)) throw new ExpressionError("an output must be an object.");
  const { call, prepared } = run;
  const evaluate = (value: Json): Promise<Json> =>
    evaluateRunning(call, prepared.index, value, prepared.environment);
  if ((await evaluate(member(declared, "condition") ?? true)) === false) return undefined;
  const { template } = prepared.request;
  const schema = followReference(declared, template.definitions);
  const declaredType = isUntyped(schema, template) ? undefined : readType(schema, `the output '${name}'`);
  const copy = objectMember(declared, "copy");
  const value =
    copy === undefined ? await evaluate(member(declared, "value") ?? null) : await loop(run, name, copy);
  const type = declaredType ?? typeOfValue(value);
  const shown = shownValue(value, schema, template.definitions).value;
  return shown === undefined ? { type } : { type, value: shown };
}

/** An output loop is a property loop of one name, so that reads inside it work alike. */
async function loop(run: Run, name: string, copy: JsonObject): Promise<Json> {
  const { call, prepared } = run;
  const wrapped = { copy: [{ name, count: copy["count"] ?? 0, input: copy["input"] ?? null }] };
  const value = await evaluateRunning(call, prepared.index, wrapped, prepared.environment);
  return member(value, name) ?? expandInput(name, 0, null, prepared.environment);
}

async function applyInstance(run: Run, instance: ResourceInstance): Promise<void> {
  if (!instance.enabled || instance.existing) return;
  const needed = run.prepared.graph.dependencies.get(instance) ?? new Set();
  if ([...needed].some((each) => run.failed.has(each))) {
    run.failed.add(instance);
    return;
  }
  const startedAt = run.call.plane.clock.now();
  let status = 500;
  let error: ArmErrorDetail | undefined;
  try {
    spendWrite(run.call);
    const body = await makeBody(run.call, run.prepared, instance);
    const outcome = await run.call.dispatch({
      method: "PUT",
      id: instance.id,
      apiVersion: instance.apiVersion,
      body,
      ...(await shownAs(run, instance)),
    });
    status = outcome.status;
    run.succeeded.push(writtenId(outcome.body) ?? instance.id);
  } catch (cause) {
    const failure = asArmError(run.call, instance, cause);
    status = failure.status;
    error = failure.detail;
    run.failed.add(instance);
    run.errors.push({ ...failure.detail, target: failure.detail.target ?? instance.id });
  }
  const { id, type, name } = instance;
  await recordOperation(run, startedAt, status, "Create", { id, type, name }, error);
}

async function shownAs(
  run: Run,
  instance: ResourceInstance,
): Promise<{ readonly shownTemplate?: JsonObject }> {
  const shown = await shownTemplate(run.call, run.prepared, instance);
  return isObject(shown) ? { shownTemplate: shown } : {};
}

function writtenId(body: unknown): string | undefined {
  return stringMember(body as Json | undefined, "id");
}

/** What a step failed with. A fault of ours is shown without its inside, and the run goes on with what it can. */
function asArmError(call: Call, instance: ResourceInstance, cause: unknown): ArmError {
  if (cause instanceof ArmError) return cause;
  if (cause instanceof ExpressionError) {
    return resourceExpressionFailed(instance.id, instance.position, cause.message);
  }
  call.reportFault(cause);
  return new ArmError(500, "InternalServerError", "The server encountered an internal error.");
}

async function recordOperation(
  run: Run,
  startedAt: number,
  status: number,
  operation: DeploymentOperationRecord["operation"],
  target: DeploymentOperationRecord["target"],
  error: ArmErrorDetail | undefined,
): Promise<void> {
  const { plane } = run.call;
  const index = run.operations++;
  const done: DeploymentOperationRecord = {
    operationId: Buffer.from(plane.entropy.bytes(8)).toString("hex").toUpperCase(),
    operation,
    state: error === undefined ? "Succeeded" : "Failed",
    startedAt,
    finishedAt: plane.clock.now(),
    status,
    target,
    ...(error === undefined ? {} : { error }),
  };
  const { scopeId, name, statusId } = run.record;
  await plane.store.transact([armLock], async (transaction) => {
    // The group may have been deleted meanwhile, and its deployments with it.
    const present = await getDeployment(transaction, scopeId, name);
    if (present?.statusId === statusId) putOperation(transaction, run.record, index, done);
  });
}

/** True for a nested deployment whose template is evaluated by itself, not as part of the one around it. */
function isInner(properties: JsonObject): boolean {
  const options = objectMember(properties, "expressionEvaluationOptions");
  return stringMember(options, "scope")?.toLowerCase() === "inner";
}

/**
 * The template of a nested deployment as it may be shown, when it is evaluated as part of the one around it: with the
 * expressions that read secrets left as they are. Undefined when nothing has to be hidden.
 */
export async function shownTemplate(
  call: Call,
  prepared: PreparedDeployment,
  instance: ResourceInstance,
): Promise<Json | undefined> {
  const { shownFunctions: functions } = prepared;
  if (functions === undefined || !isNestedDeployment(instance)) return undefined;
  const properties = objectMember(bodyOf(instance), "properties") ?? {};
  const template = member(properties, "template");
  if (template === undefined || isInner(properties)) return undefined;
  return escapeExpressions(
    await evaluateShown(call, prepared.index, template, { ...instance.environment, functions }),
  );
}

/**
 * The body of the write that a resource stands for, evaluated; of a nested deployment only what is outside. `evaluate`
 * reads what only the running deployment knows, unless told otherwise.
 */
export async function makeBody(
  call: Call,
  prepared: PreparedDeployment,
  instance: ResourceInstance,
  evaluate: (value: Json) => Promise<Json> = (value) =>
    evaluateRunning(call, prepared.index, value, instance.environment),
): Promise<Json> {
  const body = bodyOf(instance);
  if (!isNestedDeployment(instance)) return evaluate(body);
  const properties = objectMember(body, "properties") ?? {};
  const template = member(properties, "template") ?? null;
  const outside = { ...body, properties: { ...properties, template: null } };
  const evaluated = await evaluate(outside);
  const own = isInner(properties) ? template : escapeExpressions(await evaluate(template));
  const { template: _, ...rest } = objectMember(evaluated, "properties") ?? {};
  const link = objectMember(rest, "templateLink");
  const content =
    link === undefined
      ? { template: own }
      : { templateLink: resolveRelative(link, prepared.request.templateLink) };
  return { ...(isObject(evaluated) ? evaluated : {}), properties: { ...rest, ...content } };
}

/** The values of an outer-scope template are final: the inner run must not take them for expressions. */
function escapeExpressions(value: Json): Json {
  if (typeof value === "string") return value.startsWith("[") ? `[${value}` : value;
  if (Array.isArray(value)) return value.map(escapeExpressions);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      name.startsWith("[") ? `[${name}` : name,
      escapeExpressions(each),
    ]),
  );
}

/** Adds what the nested deployments among `ids` have written, to any depth. */
async function addNested(call: Call, ids: readonly string[], listed: Set<string>): Promise<void> {
  for (const id of ids) {
    const [scopeId = "", name] = id.split(/\/providers\/Microsoft\.Resources\/deployments\//i);
    if (name === undefined) continue;
    const { outputResources = [] } = (await getDeployment(call.plane.store, scopeId, name)) ?? {};
    const fresh = outputResources.filter((each) => !listed.has(normalizeResourceId(each)));
    for (const each of fresh) listed.add(normalizeResourceId(each));
    await addNested(call, fresh, listed);
  }
}

/**
 * Complete mode: what the group has and neither the template nor those inside it list goes, children before their parents
 * ("Azure Resource Manager deployment modes", nested templates).
 */
async function deleteUnlisted(run: Run): Promise<void> {
  const { call, prepared } = run;
  const listed = new Set(
    prepared.instances
      .filter((instance) => instance.enabled || instance.existing)
      .map((instance) => normalizeResourceId(instance.id)),
  );
  await addNested(call, run.succeeded, listed);
  const present = (await listResources(call.plane.store, prepared.scopeId)).filter(isTracked);
  for (const resource of present.reverse()) {
    if (listed.has(normalizeResourceId(resource.id))) continue;
    const startedAt = call.plane.clock.now();
    const { id, type, name } = resource;
    const apiVersion = newestVersion(type);
    try {
      const { status } = await call.dispatch({ method: "DELETE", id, apiVersion });
      await recordOperation(run, startedAt, status, "Delete", { id, type, name }, undefined);
    } catch (cause) {
      if (!(cause instanceof ArmError)) throw cause;
      run.errors.push({ ...cause.detail, target: id });
      await recordOperation(run, startedAt, cause.status, "Delete", { id, type, name }, cause.detail);
    }
  }
}

/** Deployments and their operations in the store. A deployment belongs to its group and goes with it. */
import type { ArmErrorDetail } from "../../azure/arm-error.ts";
import { normalizeResourceId } from "../../azure/resource-id.ts";
import type { Reader, Transaction } from "../../storage/port.ts";
import type { Json, JsonObject } from "../json.ts";
import type { ControlPlane } from "../operation.ts";
import { armLock, deleteRecord, deleteRecords, getRecord, listRecords, putRecord } from "../records.ts";

export type DeploymentState = "Accepted" | "Running" | "Succeeded" | "Failed" | "Canceled";

/** Where the template and the parameters of a deployment came from, when they were not sent along. */
export interface DeploymentLinks {
  readonly templateLink?: JsonObject;
  readonly parametersLink?: JsonObject;
}

export interface DeploymentRecord extends DeploymentLinks {
  readonly id: string;
  readonly name: string;
  /** The id of group, subscription or management group; empty for the tenant. */
  readonly scopeId: string;
  readonly state: DeploymentState;
  readonly mode: "Incremental" | "Complete";
  readonly location?: string;
  readonly tags?: JsonObject;
  readonly templateHash: string;
  /** `{name: {type, value}}` without the values of secure parameters. */
  readonly parameters: JsonObject;
  readonly outputs?: JsonObject;
  readonly outputResources: readonly string[];
  readonly providers: readonly Json[];
  readonly dependencies: readonly Json[];
  readonly correlationId: string;
  /** The last segment of the polling URL of this run. */
  readonly statusId: string;
  /** Milliseconds since the Unix epoch. */
  readonly startedAt: number;
  readonly changedAt: number;
  readonly error?: ArmErrorDetail;
}

export interface DeploymentOperationRecord {
  readonly operationId: string;
  readonly operation: "Create" | "Read" | "Delete";
  readonly state: "Succeeded" | "Failed";
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly status: number;
  readonly target: { readonly id: string; readonly type: string; readonly name: string };
  readonly error?: ArmErrorDetail;
}

/** Separates the scope from the deployment's name, so that a group's deployments are no prefix of others. */
const mark = "#";

function scopeKey(kind: string, scopeId: string): readonly string[] {
  return [kind, ...normalizeResourceId(scopeId).split("/").slice(1)];
}

function deploymentKey(kind: string, scopeId: string, name: string): readonly string[] {
  return [...scopeKey(kind, scopeId), mark, name.toLowerCase()];
}

export async function getDeployment(
  reader: Reader,
  scopeId: string,
  name: string,
): Promise<DeploymentRecord | undefined> {
  return getRecord(reader, deploymentKey("deployment", scopeId, name));
}

export async function listDeployments(reader: Reader, scopeId: string): Promise<DeploymentRecord[]> {
  return listRecords(reader, [...scopeKey("deployment", scopeId), mark]);
}

export function putDeployment(transaction: Transaction, record: DeploymentRecord): void {
  putRecord(transaction, deploymentKey("deployment", record.scopeId, record.name), record);
}

/** The template of the newest run, kept apart from the record because only an export reads it. */
export function putTemplate(transaction: Transaction, record: DeploymentRecord, template: JsonObject): void {
  putRecord(transaction, deploymentKey("deploymentTemplate", record.scopeId, record.name), template);
}

export async function getTemplate(
  reader: Reader,
  scopeId: string,
  name: string,
): Promise<JsonObject | undefined> {
  return getRecord(reader, deploymentKey("deploymentTemplate", scopeId, name));
}

export async function deleteDeployment(
  transaction: Transaction,
  scopeId: string,
  name: string,
): Promise<void> {
  deleteRecord(transaction, deploymentKey("deployment", scopeId, name));
  deleteRecord(transaction, deploymentKey("deploymentTemplate", scopeId, name));
  await clearOperations(transaction, scopeId, name);
}

export async function clearOperations(
  transaction: Transaction,
  scopeId: string,
  name: string,
): Promise<void> {
  await deleteRecords(transaction, deploymentKey("deploymentOperation", scopeId, name));
}

export function putOperation(
  transaction: Transaction,
  deployment: DeploymentRecord,
  index: number,
  operation: DeploymentOperationRecord,
): void {
  const key = deploymentKey("deploymentOperation", deployment.scopeId, deployment.name);
  putRecord(transaction, [...key, String(index).padStart(6, "0")], operation);
}

export async function listOperations(
  reader: Reader,
  scopeId: string,
  name: string,
): Promise<DeploymentOperationRecord[]> {
  return listRecords(reader, deploymentKey("deploymentOperation", scopeId, name));
}

/** Removes the deployments of a group with their operations. */
export async function deleteDeploymentsUnder(transaction: Transaction, scopeId: string): Promise<void> {
  await deleteRecords(transaction, scopeKey("deployment", scopeId));
  await deleteRecords(transaction, scopeKey("deploymentTemplate", scopeId));
  await deleteRecords(transaction, scopeKey("deploymentOperation", scopeId));
}

/** Ends what a stopped process left running; nothing would ever finish it, and its name would stay taken. */
export async function failInterrupted(plane: Pick<ControlPlane, "store" | "clock">): Promise<void> {
  await plane.store.transact([armLock], async (transaction) => {
    for (const record of await listRecords<DeploymentRecord>(transaction, ["deployment"])) {
      if (record.state !== "Accepted" && record.state !== "Running") continue;
      const error = {
        code: "DeploymentInterrupted",
        message: "The control plane stopped while the deployment was running. Deploy again to finish it.",
      };
      putDeployment(transaction, { ...record, state: "Failed", error, changedAt: plane.clock.now() });
    }
  });
}

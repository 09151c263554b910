/**
 * Records of diagnostic settings: which logs of which resource go where. Kept beside the resources themselves, so that
 * all of them can be read at a start without looking through every resource.
 */
import { normalizeResourceId } from "../azure/resource-id.ts";
import type { Reader, Transaction } from "../storage/port.ts";
import { deleteRecord, listRecords, putRecord } from "./records.ts";

export interface DiagnosticSetting {
  /** Id of the setting. */
  readonly id: string;
  /** Id of the resource that it is set on. */
  readonly resourceId: string;
  /** Log categories that are on; groups are spelled out. */
  readonly categories: readonly string[];
  /** Ids of the resources that the logs go to. */
  readonly destinations: readonly string[];
}

function keyOf(id: string): readonly string[] {
  return ["diagnosticSetting", ...normalizeResourceId(id).split("/").slice(1)];
}

export function putDiagnosticSetting(transaction: Transaction, setting: DiagnosticSetting): void {
  putRecord(transaction, keyOf(setting.id), setting);
}

export function deleteDiagnosticSetting(transaction: Transaction, id: string): void {
  deleteRecord(transaction, keyOf(id));
}

export async function listDiagnosticSettings(reader: Reader): Promise<DiagnosticSetting[]> {
  return listRecords(reader, ["diagnosticSetting"]);
}

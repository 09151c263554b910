/** The user-defined functions that a query may call. */
import { type ChildRecord, listChildren } from "../engine/child-resources.ts";
import type { ContainerRecord } from "../engine/records.ts";
import { accountNameOf, type OperationContext } from "./operation.ts";
import { scriptPlace } from "./script-place.ts";

/** The container's functions, when the text may call any. */
export async function calledFunctions(
  context: OperationContext,
  container: ContainerRecord,
  text: string,
): Promise<readonly ChildRecord[]> {
  if (!/\budf\s*\./i.test(text)) return [];
  const place = scriptPlace(accountNameOf(context), container, "userDefinedFunction");
  return listChildren(context.engine.store, place);
}

/** Stored procedures, triggers and user-defined functions as resources. Running them is `scripts/`. */
import type { Engine } from "../engine/engine.ts";
import type { ScriptKind } from "../engine/records.ts";
import { badRequest } from "../errors.ts";
import { checkScript } from "../scripts/execute.ts";
import { type ChildOperations, childOperations, oneOf, ownProperties } from "./child-family.ts";
import { accountNameOf, type JsonObject, requireContainer } from "./operation.ts";
import { scriptPlace } from "./script-place.ts";

/** What triggers may be registered for. */
const triggerOperations = ["All", "Create", "Update", "Delete", "Replace", "Upsert"];

export const storedProcedures: ChildOperations = family("StoredProcedures", "storedProcedure");

export const triggers: ChildOperations = family("Triggers", "trigger");

export const userDefinedFunctions: ChildOperations = family("UserDefinedFunctions", "userDefinedFunction");

function family(feedName: string, kind: ScriptKind): ChildOperations {
  return childOperations({
    feedName,
    place: async (context) => scriptPlace(accountNameOf(context), requireContainer(context), kind),
    properties: (context, resource) => scriptProperties(context.engine, kind, resource),
  });
}

/** Checks a script that a client sent, compiles it, and returns the properties to keep; 400 for what is wrong. */
export async function scriptProperties(
  engine: Engine,
  kind: ScriptKind,
  resource: JsonObject,
): Promise<JsonObject> {
  const own = {
    ...ownProperties(resource),
    ...(kind === "trigger" ? triggerProperties(resource) : {}),
    body: bodyOf(resource),
  };
  await checkScript(engine, String(resource["id"]), own.body);
  return own;
}

function triggerProperties(resource: JsonObject): JsonObject {
  return {
    triggerType: oneOf(resource, "triggerType", ["Pre", "Post"]),
    triggerOperation: oneOf(resource, "triggerOperation", triggerOperations),
  };
}

function bodyOf(resource: JsonObject): string {
  const { body } = resource as { readonly body?: unknown };
  if (typeof body !== "string" || body.trim() === "") {
    throw badRequest("The input content is invalid because the required properties - 'body; ' - are missing");
  }
  return body;
}

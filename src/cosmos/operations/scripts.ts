/** Stored procedures, triggers and user-defined functions as resources. Running them is `scripts/`. */
import type { ScriptKind } from "../engine/records.ts";
import { badRequest } from "../errors.ts";
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
    properties: (_, resource) => scriptProperties(kind, resource),
  });
}

/**
 * Checks a script that a client sent and returns the properties to keep; 400 for what is wrong. Like the service it does
 * not compile the body: a script that is no JavaScript fails when it is run.
 */
export function scriptProperties(kind: ScriptKind, resource: JsonObject): JsonObject {
  if (kind === "trigger") checkTrigger(resource);
  return { ...ownProperties(resource), body: bodyOf(resource) };
}

/** In any casing, and kept in the client's. */
function checkTrigger(resource: JsonObject): void {
  oneOf(resource, "triggerType", ["Pre", "Post"]);
  oneOf(resource, "triggerOperation", triggerOperations);
}

function bodyOf(resource: JsonObject): string {
  const { body } = resource as { readonly body?: unknown };
  if (typeof body !== "string" || body.trim() === "") {
    throw badRequest("The input content is invalid because the required properties - 'body; ' - are missing");
  }
  return body;
}

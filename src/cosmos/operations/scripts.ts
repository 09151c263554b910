/** Stored procedures, triggers and user-defined functions as resources. Running them is `scripts/`. */
import type { ScriptKind } from "../engine/records.ts";
import { badRequest } from "../errors.ts";
import { checkScript } from "../scripts/execute.ts";
import { type ChildOperations, childOperations, oneOf, ownProperties } from "./child-family.ts";
import { accountNameOf, type JsonObject, requireContainer } from "./operation.ts";
import { scriptPlace } from "./script-place.ts";

/** What triggers may be registered for. */
const triggerOperations = ["All", "Create", "Update", "Delete", "Replace", "Upsert"];

export const storedProcedures: ChildOperations = family("StoredProcedures", "storedProcedure", () => ({}));

export const triggers: ChildOperations = family("Triggers", "trigger", (resource) => ({
  triggerType: oneOf(resource, "triggerType", ["Pre", "Post"]),
  triggerOperation: oneOf(resource, "triggerOperation", triggerOperations),
}));

export const userDefinedFunctions: ChildOperations = family(
  "UserDefinedFunctions",
  "userDefinedFunction",
  () => ({}),
);

function family(
  feedName: string,
  kind: ScriptKind,
  more: (resource: JsonObject) => JsonObject,
): ChildOperations {
  return childOperations({
    feedName,
    place: async (context) => scriptPlace(accountNameOf(context), requireContainer(context), kind),
    async properties(context, resource) {
      const own = { ...ownProperties(resource), ...more(resource), body: bodyOf(resource) };
      await checkScript(context.engine, String(resource["id"]), own.body);
      return own;
    },
  });
}

function bodyOf(resource: JsonObject): string {
  const { body } = resource as { readonly body?: unknown };
  if (typeof body !== "string" || body.trim() === "") {
    throw badRequest("The input content is invalid because the required properties - 'body; ' - are missing");
  }
  return body;
}

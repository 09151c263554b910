/** The grant in which an application speaks for itself (RFC 6749 section 4.4). */
import { AuthorityError, faults } from "../errors.ts";
import type { AuthorityCall } from "../operations.ts";
import { audienceOfScope } from "../resources.ts";
import type { Grant } from "./grant.ts";
import { isReservedScope } from "./scopes.ts";
import { acceptsChallenges } from "./user-tokens.ts";

/** A token whose subject is the client. */
export const clientCredentials: Grant = async (context, { call, client, form }) => {
  if (client.subject === undefined) throw new AuthorityError(faults.clientProofRequired());
  const requested = readAudience(call, form);
  const resource = await context.resources(requested);
  if (resource === undefined) throw new AuthorityError(faults.resourceNotFound(requested, context.domain));
  const issued = await context.tokens.issue(client.subject, resource, call.request.origin, {
    continuous: acceptsChallenges(form),
  });
  return { issued, resource };
};

/** Version 1 names the resource; version 2 names it by its `.default` scope, one resource at a time. */
function readAudience(call: AuthorityCall, form: ReadonlyMap<string, string>): string {
  if (call.version === 1) {
    const resource = form.get("resource");
    if (resource === undefined || resource === "")
      throw new AuthorityError(faults.missingParameter("resource"));
    return resource;
  }
  // One library sends the reserved names along; without a user they mean nothing, as in the cloud.
  const given = form
    .get("scope")
    ?.split(" ")
    .filter((name) => name !== "" && !isReservedScope(name));
  const scope = given?.join(" ");
  if (scope === undefined || scope === "") throw new AuthorityError(faults.missingParameter("scope"));
  if (scope.includes(" ")) throw new AuthorityError(faults.invalidScope(scope));
  const audience = audienceOfScope(scope);
  if (audience === undefined) throw new AuthorityError(faults.scopeWithoutDefault(scope));
  return audience;
}

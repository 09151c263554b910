/**
 * Tokens of a signed-in developer for the `az` and `azd` shims of a workload. Nothing like it exists in Azure: there
 * the real tools hold a refresh token; here the workload's secret stands for the sign-in.
 */
import { json } from "../../http/reply.ts";
import type { Service } from "../../http/service.ts";
import { describe, faults } from "../errors.ts";
import { parseParameters, splitTarget } from "../parameters.ts";
import { developerClientId } from "../tokens.ts";
import type { ManagedIdentityContext } from "./select-identity.ts";

/** The path that the shims ask. */
export const developerPath = "/msi/developer";

/** `GET /msi/developer?resource=..` with the workload's secret; 401 without a signed-in user, 400 for a resource it may not have. */
export function createDeveloperEndpoint(context: ManagedIdentityContext): Service {
  return async (request) => {
    const workload = context.workloads.findBySecret(request.headers["secret"] ?? "");
    const user =
      workload?.userObjectId === undefined ? undefined : await context.directory.find(workload.userObjectId);
    if (user?.type !== "User") return json(401, { error: "Nobody is signed in." });
    const stamp = await context.passwords.stampOf(user.objectId);
    if ((workload?.userStamp ?? stamp) !== stamp)
      return json(401, { error: describe(faults.grantRevoked()) });
    const query = parseParameters(splitTarget(request.target)?.query ?? "");
    const audience = query.ok ? (query.values.get("resource") ?? "") : "";
    const resource = await context.resources(audience);
    if (resource === undefined) {
      return json(400, { error: describe(faults.resourceNotFound(audience, context.directory.domain)) });
    }
    if (!(await context.consents.has(developerClientId, audience, user.objectId, ["user_impersonation"]))) {
      return json(400, { error: describe(faults.consentRequired(developerClientId, "Microsoft Azure CLI")) });
    }
    const subject = { kind: "user", principal: user, clientId: developerClientId } as const;
    const issued = await context.tokens.issue(subject, resource, "https://login.microsoftonline.com");
    return json(200, {
      accessToken: issued.accessToken,
      expiresOn: issued.expiresOn,
      tenant: context.directory.tenantId,
      user: user.userPrincipalName,
    });
  };
}

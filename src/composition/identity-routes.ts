/**
 * The operator's operations on identity: issuers and their tokens. Apart from `operator-parts.ts` because these only
 * pass on to the identity room; its complaints become the operator's.
 */
import type { Principal } from "../azure/principal.ts";
import { DirectoryError } from "../identity/directory.ts";
import type { Identity } from "../identity/identity.ts";
import { type OperatorCall, OperatorError, type OperatorRoute } from "../operator/gateway.ts";

export interface IdentityRoutesContext {
  readonly identity: Identity;
  readonly findPrincipal: (name: string) => Promise<Principal | undefined>;
}

/** Operations under `METHOD name`, for `OperatorParts.routes`. */
export function identityRoutes({ identity }: IdentityRoutesContext): Readonly<Record<string, OperatorRoute>> {
  const { issuers } = identity;
  return mendable({
    "GET issuers": async () => ({ issuers: await issuers.list() }),
    "POST issuers": ({ body }) => issuers.add(text(body, "issuer"), body["jwks"]),
    "DELETE issuers": async ({ query }) => {
      const issuer = query.get("issuer") ?? "";
      if (!(await issuers.remove(issuer))) throw new OperatorError(`No issuer '${issuer}' is kept here.`);
    },
    "POST issuer-tokens": ({ body }) =>
      issuers.mint({
        subject: text(body, "subject"),
        ...optional(body, "cluster"),
        ...optional(body, "audience"),
        ...(typeof body["lifetimeSeconds"] === "number" ? { lifetimeSeconds: body["lifetimeSeconds"] } : {}),
      }),
    "POST issuer-rotations": async ({ body }) => ({
      kid: await issuers.rotateCluster(text(body, "cluster")),
    }),
  });
}

/** The same operations, with what the directory refuses said in the operator's way. */
function mendable(routes: Readonly<Record<string, OperatorRoute>>): Readonly<Record<string, OperatorRoute>> {
  const wrap =
    (route: OperatorRoute): OperatorRoute =>
    async (call: OperatorCall) => {
      try {
        return await route(call);
      } catch (error) {
        if (error instanceof DirectoryError) throw new OperatorError(error.message);
        throw error;
      }
    };
  return Object.fromEntries(Object.entries(routes).map(([name, route]) => [name, wrap(route)]));
}

/** The text member `name`; OperatorError when there is none. */
export function text(body: OperatorCall["body"], name: string): string {
  const value = body[name];
  if (typeof value !== "string" || value === "") throw new OperatorError(`'${name}' is missing.`);
  return value;
}

/** An object with the text member `name` if the body has it, for spreading. */
export function optional<Name extends string>(
  body: OperatorCall["body"],
  name: Name,
): Partial<Record<Name, string>> {
  const value = body[name];
  return typeof value === "string" ? ({ [name]: value } as Record<Name, string>) : {};
}

/**
 * The operator's operations on identity: issuers, users, applications, keys. Apart from `operator-parts.ts` because these only
 * pass on to the identity room; its complaints become the operator's.
 */
import type { Principal } from "../azure/principal.ts";
import { everyone } from "../identity/consents.ts";
import { DirectoryError } from "../identity/directory.ts";
import type { Identity } from "../identity/identity.ts";
import { exchangeAudience } from "../identity/issuers.ts";
import { type OperatorCall, OperatorError, type OperatorRoute } from "../operator/gateway.ts";

export interface IdentityRoutesContext {
  readonly identity: Identity;
  readonly findPrincipal: (name: string) => Promise<Principal | undefined>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Operations under `METHOD name`, for `OperatorParts.routes`. */
export function identityRoutes(context: IdentityRoutesContext): Readonly<Record<string, OperatorRoute>> {
  return mendable({
    ...issuerRoutes(context),
    ...userRoutes(context),
    ...applicationRoutes(context),
    ...keyRoutes(context),
    ...certificateRoutes(context),
  });
}

type Routes = Readonly<Record<string, OperatorRoute>>;

function issuerRoutes({ identity: { issuers } }: IdentityRoutesContext): Routes {
  return {
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
  };
}

function userRoutes({ identity, findPrincipal }: IdentityRoutesContext): Routes {
  const { directory, passwords, refreshTokens, revocations } = identity;
  return {
    "GET users": async () => ({ users: await allOf(identity, "User") }),
    "POST users": async ({ body }) => {
      const name = text(body, "userPrincipalName");
      const user = await directory.addUser({ userPrincipalName: name, ...optional(body, "displayName") });
      const { password } = optional(body, "password");
      if (password === undefined) return user;
      try {
        await passwords.set(name, password);
      } catch (error) {
        // A user without the wanted password is not what was asked for.
        await directory.deletePrincipal(user.objectId);
        throw error;
      }
      return user;
    },
    "DELETE users": async ({ segments: [name = ""] }) => {
      const user = await findPrincipal(name);
      if (user?.type !== "User") throw new OperatorError(`There is no user '${name}'.`);
      await directory.deletePrincipal(user.objectId);
    },
    "POST passwords": ({ body }) =>
      passwords.set(text(body, "userPrincipalName"), optional(body, "password").password),
    "POST revocations": async ({ body }) => {
      const name = text(body, "principal");
      const principal = await findPrincipal(name);
      if (principal === undefined) throw new OperatorError(`There is no principal '${name}'.`);
      await revocations.revoke(principal.objectId);
      await refreshTokens.revokeUser(principal.objectId);
      return principal;
    },
  };
}

function applicationRoutes({ identity, findPrincipal }: IdentityRoutesContext): Routes {
  const { applications, consents } = identity;
  return {
    "GET applications": async () => ({
      applications: (await allOf(identity, "ServicePrincipal")).filter(
        ({ managedIdentity }) => managedIdentity === undefined,
      ),
    }),
    "POST applications": ({ body }) =>
      applications.add({
        displayName: text(body, "displayName"),
        ...optional(body, "appId"),
        identifierUris: texts(body, "identifierUris"),
        redirectUris: texts(body, "redirectUris").map((uri) => ({
          uri,
          platform: body["publicClient"] === true ? "public" : "web",
        })),
        publicClient: body["publicClient"] === true,
      }),
    "POST application-secrets": ({ body }) => {
      const lifetimeSeconds = body["lifetimeSeconds"];
      return applications.addSecret(
        text(body, "appId"),
        typeof lifetimeSeconds === "number" ? { lifetimeSeconds } : {},
      );
    },
    "POST application-certificates": ({ body }) =>
      applications.addCertificate(text(body, "appId"), text(body, "certificate")),
    "POST federated-credentials": ({ body }) =>
      applications.putFederatedCredential(text(body, "appId"), {
        name: text(body, "name"),
        issuer: text(body, "issuer"),
        subject: text(body, "subject"),
        audiences: [optional(body, "audience").audience ?? exchangeAudience],
      }),
    "POST consents": async ({ body }) => {
      const { user } = optional(body, "user");
      const found = user === undefined ? undefined : await findPrincipal(user);
      if (user !== undefined && found?.type !== "User")
        throw new OperatorError(`There is no user '${user}'.`);
      await consents.grant(text(body, "appId"), text(body, "resource"), found?.objectId ?? everyone);
    },
  };
}

function keyRoutes({ identity: { keys }, now }: IdentityRoutesContext): Routes {
  return {
    "GET keys": async () => {
      await keys.published();
      return { keys: keys.list() };
    },
    "POST key-publications": async () => ({ kid: await keys.publishNext() }),
    "POST key-rotations": async () => ({ kid: await keys.rotate(now()) }),
    "POST key-revocations": async ({ body }) => {
      const kid = text(body, "kid");
      if (!(await keys.revoke(kid, now()))) throw new OperatorError(`There is no key '${kid}'.`);
    },
  };
}

function certificateRoutes({ identity, findPrincipal }: IdentityRoutesContext): Routes {
  const { certificates } = identity;
  const idOf = async (body: OperatorCall["body"]): Promise<string> => {
    const name = text(body, "principal");
    const principal = await findPrincipal(name);
    if (principal === undefined) throw new OperatorError(`There is no principal '${name}'.`);
    return principal.objectId;
  };
  return {
    "GET certificates": async () => ({ certificates: await certificates.list() }),
    "POST certificate-rotations": async ({ body }) => certificates.rotate(await idOf(body)),
    "POST certificate-expiries": async ({ body }) => certificates.expire(await idOf(body)),
  };
}

/** At most this many principals are listed. */
const listedMax = 10_000;

async function allOf(identity: Identity, type: Principal["type"]): Promise<readonly Principal[]> {
  const { principals } = await identity.directory.list(listedMax);
  return principals.filter((principal) => principal.type === type);
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

/** The texts of the list member `name`; none when it is missing. */
function texts(body: OperatorCall["body"], name: string): readonly string[] {
  const value = body[name];
  return Array.isArray(value) ? value.filter((entry) => typeof entry === "string") : [];
}

/** An object with the text member `name` if the body has it, for spreading. */
export function optional<Name extends string>(
  body: OperatorCall["body"],
  name: Name,
): Partial<Record<Name, string>> {
  const value = body[name];
  return typeof value === "string" ? ({ [name]: value } as Record<Name, string>) : {};
}

/**
 * Who the client is, and the proof: a secret in the form or in HTTP Basic, or a signed assertion. Several grants
 * need it, so it stands beside them.
 */
import { timingSafeEqual } from "node:crypto";
import type { ClientIdentity } from "../applications.ts";
import { hashSecret } from "../applications.ts";
import { AuthorityError, faults } from "../errors.ts";
import type { AuthorityCall, AuthorityContext } from "../operations.ts";
import { decodeFormText } from "../parameters.ts";
import { findPublicClient } from "../public-clients.ts";
import type { ApplicationObject } from "../records.ts";
import { toPrincipal } from "../records.ts";
import { checkAssertion } from "./client-assertion.ts";
import type { AuthenticatedClient } from "./grant.ts";

const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

interface PresentedCredentials {
  readonly clientId: string;
  readonly secret?: string;
  readonly assertion?: string;
}

/**
 * Authenticates the client; `any` lets a public one pass without proof. Throws `AuthorityError` for an unknown client,
 * a missing proof, or one that fails.
 */
export async function authenticateClient(
  context: AuthorityContext,
  call: AuthorityCall,
  form: ReadonlyMap<string, string>,
  wanted: "proven" | "any",
): Promise<AuthenticatedClient> {
  const presented = readCredentials(call.request.headers["authorization"], form);
  const bare = presented.assertion === undefined && presented.secret === undefined;
  const builtIn = findPublicClient(presented.clientId);
  if (builtIn !== undefined) {
    if (bare && wanted === "any") return { appId: builtIn.appId, proof: "none" };
    throw new AuthorityError(bare ? faults.clientProofRequired() : faults.publicClientWithProof());
  }
  const client = await context.applications.findClient(presented.clientId);
  // A system-assigned identity has no credentials that could be presented here.
  if (client === undefined || client.servicePrincipal.managedIdentity === "system") {
    throw new AuthorityError(faults.applicationNotFound(presented.clientId, context.domain));
  }
  const { application } = client;
  // Which redirect addresses a client without proof may use is the code's own business (authorization-code.ts).
  if (bare && wanted === "any" && application !== undefined && mayBePublic(application)) {
    return { appId: application.appId, proof: "none", application };
  }
  if (presented.assertion !== undefined) await checkAssertion(context, call, client, presented.assertion);
  else if (presented.secret !== undefined) checkSecret(context, client, presented.secret);
  else throw new AuthorityError(wanted === "any" ? faults.notPublicClient() : faults.clientProofRequired());
  const proof = presented.assertion === undefined ? "secret" : "assertion";
  return authenticated(context, client, proof);
}

function authenticated(
  context: AuthorityContext,
  client: ClientIdentity,
  proof: "secret" | "assertion",
): AuthenticatedClient {
  const principal = toPrincipal(client.servicePrincipal, context.tenantId);
  if (principal === undefined) throw new Error("unreachable: a service principal is a principal");
  const { appId } = client.servicePrincipal;
  const { application } = client;
  if (application === undefined) return { appId, proof, subject: { kind: "managedIdentity", principal } };
  return { appId, proof, application, subject: { kind: "application", principal, proof } };
}

/** A client with a public redirect address redeems its codes without proof; `publicClient` opens the other grants. */
function mayBePublic({ publicClient, redirectUris = [] }: ApplicationObject): boolean {
  return publicClient === true || redirectUris.some(({ platform }) => platform === "public");
}

/** One method at a time (RFC 6749 section 2.3); `client_id` may come in both places if they agree. */
function readCredentials(
  authorization: string | undefined,
  form: ReadonlyMap<string, string>,
): PresentedCredentials {
  const basic = authorization === undefined ? undefined : readBasic(authorization);
  const clientId = basic?.clientId ?? form.get("client_id");
  if (clientId === undefined || clientId === "")
    throw new AuthorityError(faults.missingParameter("client_id"));
  const assertion = form.get("client_assertion");
  const secret = basic?.secret ?? form.get("client_secret");
  const proofs = [basic?.secret, form.get("client_secret"), assertion].filter((proof) => proof !== undefined);
  if (proofs.length > 1 || clientId.toLowerCase() !== (form.get("client_id") ?? clientId).toLowerCase()) {
    throw new AuthorityError(faults.malformedRequest());
  }
  if (assertion !== undefined && form.get("client_assertion_type") !== ASSERTION_TYPE) {
    throw new AuthorityError(faults.missingParameter("client_assertion_type"));
  }
  return {
    clientId,
    ...(secret === undefined ? {} : { secret }),
    ...(assertion === undefined ? {} : { assertion }),
  };
}

/** Both halves are form-encoded before base64 (RFC 6749 section 2.3.1). */
function readBasic(authorization: string): { readonly clientId: string; readonly secret: string } {
  const [, encoded] = /^basic ([A-Za-z0-9+/]+={0,2})$/i.exec(authorization) ?? [];
  const pair = encoded === undefined ? "" : Buffer.from(encoded, "base64").toString("utf8");
  const colon = pair.indexOf(":");
  const clientId = decodeFormText(pair.slice(0, Math.max(colon, 0)));
  const secret = decodeFormText(pair.slice(colon + 1));
  if (colon < 0 || clientId === undefined || secret === undefined) {
    throw new AuthorityError(faults.malformedRequest());
  }
  return { clientId, secret };
}

/** Compares digests in constant time; an expired secret is told apart only from who knows it. */
function checkSecret(context: AuthorityContext, client: ClientIdentity, secretText: string): void {
  const { appId } = client.servicePrincipal;
  const given = Buffer.from(hashSecret(secretText));
  const matching = (client.application?.secrets ?? []).filter((secret) =>
    timingSafeEqual(Buffer.from(secret.hash), given),
  );
  const now = context.clock.now();
  if (matching.some((secret) => now >= secret.startsAt && now < secret.endsAt)) return;
  throw new AuthorityError(matching.length > 0 ? faults.expiredSecret(appId) : faults.wrongSecret(appId));
}

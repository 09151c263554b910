/**
 * Client assertions (RFC 7523): a JWT in place of a secret. Signed with a certificate of the application, or issued
 * by somebody the application or user-assigned identity trusts through a federated credential: for an application that
 * may also be a managed identity.
 */
import type { KeyObject } from "node:crypto";
import { constants, createPublicKey, verify } from "node:crypto";
import type { ClientIdentity } from "../applications.ts";
import { AuthorityError, faults } from "../errors.ts";
import { exchangeAudience } from "../issuers.ts";
import type { Jws } from "../jws.ts";
import { parseCompactJws } from "../jws.ts";
import type { AuthorityCall, AuthorityContext } from "../operations.ts";
import { assertionOrigins } from "../own-origins.ts";
import type { CertificateRecord, FederatedCredentialRecord } from "../records.ts";
import { tokenExchangeAppId } from "../resources.ts";
import { issuerV1, issuerV2 } from "../tokens.ts";
import { verifyIssued } from "../verify.ts";

/** A client's clock may be ahead of ours by this much; its assertions may not outlive their own `exp`. */
const CLOCK_SKEW_SECONDS = 300;

/** Accepts the assertion as the client's, or throws `AuthorityError`. */
export async function checkAssertion(
  context: AuthorityContext,
  call: AuthorityCall,
  client: ClientIdentity,
  assertion: string,
): Promise<void> {
  const parsed = parseCompactJws(assertion, false);
  if (!parsed.ok) throw new AuthorityError(faults.malformedAssertion(parsed.detail));
  const { jws } = parsed;
  if (Object.hasOwn(jws.header, "crit")) {
    throw new AuthorityError(faults.malformedAssertion("critical header extensions are not supported"));
  }
  const { iss } = jws.payload;
  if (isOwnIssuer(context, iss)) await checkIdentityAssertion(context, call, client, assertion, jws);
  else if (isCertificateAssertion(client, jws)) checkCertificateAssertion(context, call, client, jws);
  else await checkFederatedAssertion(context, client, jws);
}

/** A thumbprint names the client's certificate, unless an issuer that the client trusts names its own by one. */
function isCertificateAssertion({ federatedCredentials }: ClientIdentity, { header, payload }: Jws): boolean {
  if (header["x5t"] === undefined && header["x5t#S256"] === undefined) return false;
  return !federatedCredentials.some(({ issuer }) => issuer === payload["iss"]);
}

function checkCertificateAssertion(
  context: AuthorityContext,
  call: AuthorityCall,
  client: ClientIdentity,
  jws: Jws,
): void {
  const { appId } = client.servicePrincipal;
  const certificate = findCertificate(client, jws);
  if (certificate === undefined)
    throw new AuthorityError(faults.assertionKey("The key was not found.", appId));
  const publicKey = createPublicKey({ key: certificate.publicKey, format: "jwk" });
  if (!isSigned(jws, publicKey, ["RS256", "PS256"])) {
    throw new AuthorityError(faults.assertionKey("The key was found, but the signature is not its.", appId));
  }
  const now = context.clock.now();
  if (now < certificate.startsAt || now >= certificate.endsAt) {
    throw new AuthorityError(faults.assertionKey("The key used is expired.", appId));
  }
  const { iss, sub, aud } = jws.payload;
  if (!sameText(iss, appId) || !sameText(sub, appId)) throw new AuthorityError(faults.assertionNotOfClient());
  if (!audiences(aud).some((audience) => isOurEndpoint(context, call, audience))) {
    throw new AuthorityError(faults.assertionAudience());
  }
  checkTimes(context, jws);
}

function findCertificate(client: ClientIdentity, { header }: Jws): CertificateRecord | undefined {
  return client.application?.certificates.find((certificate) =>
    header["x5t#S256"] === undefined
      ? thumbprintText(header["x5t"]) === certificate.sha1
      : thumbprintText(header["x5t#S256"]) === certificate.sha256,
  );
}

/** Some SDKs pad the thumbprint or write it in plain base64, against RFC 7515 section 2; it is the same thumbprint. */
function thumbprintText(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  return value
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/={1,2}$/, "");
}

/** The token endpoint in either version, under one of our addresses, by tenant id or domain. */
function isOurEndpoint(context: AuthorityContext, call: AuthorityCall, audience: string): boolean {
  const known = assertionOrigins(context, call.request.origin).flatMap((authority) =>
    [context.tenantId, context.domain].flatMap((tenant) => [
      `${authority}/${tenant}/oauth2/v2.0/token`,
      `${authority}/${tenant}/oauth2/token`,
      issuerV2(authority, tenant),
    ]),
  );
  return [...known, issuerV1(context.tenantId)].some((name) => name.toLowerCase() === audience.toLowerCase());
}

/** Issuer, then subject, then audience must match one credential; then the issuer's key must have signed. */
async function checkFederatedAssertion(
  context: AuthorityContext,
  client: ClientIdentity,
  jws: Jws,
): Promise<void> {
  const { iss, sub, aud } = jws.payload;
  if (typeof iss !== "string" || typeof sub !== "string") {
    throw new AuthorityError(faults.malformedAssertion("the assertion has no issuer or no subject"));
  }
  matchFederatedCredential(client.federatedCredentials, [iss], sub, audiences(aud));
  const kid = jws.header["kid"];
  if (typeof kid !== "string")
    throw new AuthorityError(faults.federatedSignature("The assertion names no key."));
  const key = await context.federatedKeys(iss, kid);
  if (!key.ok) throw new AuthorityError(faults.federatedSignature(key.detail));
  if (!isSigned(jws, key.publicKey, ["RS256"])) {
    throw new AuthorityError(faults.federatedSignature("The key was found, but the signature is not its."));
  }
  checkTimes(context, jws);
}

function isOwnIssuer({ tenantId }: AuthorityContext, issuer: unknown): issuer is string {
  if (typeof issuer !== "string") return false;
  return issuer === issuerV1(tenantId) || issuer.endsWith(`/${tenantId}/v2.0`);
}

/**
 * A token of ours as an assertion: only that of a user-assigned identity, made for the exchange, and only for an
 * application (Entra documentation, "Configure an application to trust a managed identity"). The credential may name the
 * authority by its public address or by the one that the client uses.
 */
async function checkIdentityAssertion(
  context: AuthorityContext,
  call: AuthorityCall,
  client: ClientIdentity,
  assertion: string,
  jws: Jws,
): Promise<void> {
  const verdict = verifyIssued(assertion, context);
  if (!verdict.ok) {
    checkTimes(context, jws);
    throw new AuthorityError(
      faults.federatedSignature("The token is not one of this authority's, or was revoked."),
    );
  }
  const { aud, iss, oid } = verdict.claims;
  const refuse = (detail: string): AuthorityError => new AuthorityError(faults.federatedOwnToken(detail));
  if (aud !== tokenExchangeAppId) throw refuse(`the token is not for ${exchangeAudience}`);
  if (client.application === undefined) throw refuse("only an application may trust a managed identity");
  const principal = await context.directory.find(oid);
  if (principal?.managedIdentity !== "user")
    throw refuse("the token is not of a user-assigned managed identity");
  const origins = assertionOrigins(context, call.request.origin);
  const names = origins.map((name) => issuerV2(name, context.tenantId));
  matchFederatedCredential(client.federatedCredentials, [iss, ...names], oid, [exchangeAudience, aud]);
}

function matchFederatedCredential(
  credentials: readonly FederatedCredentialRecord[],
  issuers: readonly [string, ...string[]],
  subject: string,
  presented: readonly string[],
): void {
  const ofIssuer = credentials.filter((credential) => issuers.includes(credential.issuer));
  if (ofIssuer.length === 0) throw new AuthorityError(faults.federatedIssuer(issuers[0]));
  const ofSubject = ofIssuer.filter((credential) => credential.subject === subject);
  if (ofSubject.length === 0) {
    const almost = ofIssuer.some((credential) => sameText(credential.subject, subject));
    throw new AuthorityError(
      almost ? faults.federatedSubjectCase(subject) : faults.federatedSubject(subject),
    );
  }
  if (!ofSubject.some((credential) => credential.audiences.some((name) => presented.includes(name)))) {
    throw new AuthorityError(faults.federatedAudience(presented.join(" ")));
  }
}

function isSigned(jws: Jws, publicKey: KeyObject, algorithms: readonly string[]): boolean {
  const { alg } = jws.header;
  if (typeof alg !== "string" || !algorithms.includes(alg)) {
    throw new AuthorityError(faults.malformedAssertion(`the algorithm is none of ${algorithms.join(", ")}`));
  }
  const input = Buffer.from(jws.signingInput, "ascii");
  if (alg === "RS256") return verify("RSA-SHA256", input, publicKey, jws.signature);
  const pss = { key: publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  return verify("RSA-SHA256", input, pss, jws.signature);
}

/** `exp` is required; some libraries write fractions of seconds. */
function checkTimes(context: AuthorityContext, { payload }: Jws): void {
  const { exp, nbf = payload["iat"] ?? 0 } = payload;
  if (typeof exp !== "number" || typeof nbf !== "number") {
    throw new AuthorityError(faults.malformedAssertion("exp or nbf is no number"));
  }
  const now = context.clock.now() / 1000;
  if (now < exp && now >= nbf - CLOCK_SKEW_SECONDS) return;
  throw new AuthorityError(faults.assertionTime(isoSeconds(now), isoSeconds(nbf), isoSeconds(exp)));
}

/** `2026-01-01T00:00:00.0000000Z`; a time beyond the calendar is shown as its number. */
function isoSeconds(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString().replace("Z", "0000Z");
}

function audiences(aud: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  return list.filter((entry) => typeof entry === "string");
}

function sameText(a: unknown, b: string): boolean {
  return typeof a === "string" && a.toLowerCase() === b.toLowerCase();
}

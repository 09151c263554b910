/**
 * From a request's credential to a decision, and from a denial to the service's words. The judging itself is in
 * `authz/`; this file gathers its facts.
 */
import { decideAccountKey, signingKey, textToSign } from "../../authz/account-key.ts";
import { decideCosmos } from "../../authz/cosmos-rbac.ts";
import type { Decision } from "../../authz/decision.ts";
import { cosmosActions } from "../../azure/cosmos-actions.ts";
import type { AccessTokenClaims, PrincipalDirectory, TokenVerifier } from "../../azure/principal.ts";
import type { Clock } from "../../clock.ts";
import type { AccountView } from "../engine/catalog.ts";
import { badRequest, type CosmosError, forbidden, unauthorized } from "../errors.ts";
import type { Address } from "./address.ts";
import { actionsOf, type BatchPart } from "./batch-body.ts";
import { parseCredential, signatureDate, tokenFault, wrongAudience, wrongSignature } from "./credential.ts";
import type { RequestHeaders } from "./headers.ts";
import type { OperationRow } from "./operations.ts";

export interface AccessParts {
  readonly verifier: TokenVerifier;
  readonly directory: PrincipalDirectory;
  readonly clock: Clock;
}

/** The request as the access check sees it; names are those of the resolved resources, or as sent when none exist. */
export interface AccessRequest {
  readonly account: AccountView;
  readonly row: OperationRow;
  readonly address: Address;
  readonly headers: RequestHeaders;
  readonly method: string;
  readonly target: string;
  readonly database?: string;
  readonly container?: string;
  /** True when database or container were addressed by rid. */
  readonly byRid: boolean;
  /** The parts of a batch, whose rights are needed all. */
  readonly batch: () => readonly BatchPart[];
}

export interface Access {
  readonly decision: Decision;
  readonly authTokenType: string;
  readonly claims?: AccessTokenClaims;
}

const keyTokenTypes = {
  primary: "PrimaryMasterKey",
  secondary: "SecondaryMasterKey",
  primaryReadonly: "PrimaryReadonlyMasterKey",
  secondaryReadonly: "SecondaryReadonlyMasterKey",
} as const;

/** Checks the credential and decides; throws 401 (or 403 for a signature's date) when the credential itself is bad. */
export async function decideAccess(parts: AccessParts, request: AccessRequest): Promise<Access> {
  const credential = parseCredential(request.headers);
  if (credential.kind === "aad") return decideToken(parts, request, credential.token);
  if (request.account.record.account.disableLocalAuth) throw localAuthDisabled();
  if (credential.kind === "resource") {
    throw unauthorized("Resource tokens are not implemented by this server.");
  }
  return decideKey(parts, request, credential.signature);
}

async function decideToken(parts: AccessParts, request: AccessRequest, token: string): Promise<Access> {
  const verdict = await parts.verifier(token);
  if (!verdict.ok) throw tokenFault(verdict.fault, parts.clock.now());
  const { claims } = verdict;
  const accepted = request.account.audiences;
  if (!accepted.includes(claims.aud.toLowerCase())) throw wrongAudience(claims.aud, accepted);
  checkMetadataLock(request);
  const [principal, memberOf] = await Promise.all([
    parts.directory.find(claims.oid),
    parts.directory.groupsOf(claims.oid),
  ]);
  const facts = {
    principalId: claims.oid,
    principalExists: principal !== undefined,
    groups: [...new Set([...memberOf, ...(claims.groups ?? [])])],
    scope: scopeOf(request),
    anyScope: request.row.at === "anyScope",
    resource: resourceName(request),
  };
  const policy = request.account.policy();
  const decisions = neededActions(request).map((action) => decideCosmos(policy, { ...facts, action }));
  // INVARIANT: at least one action is always needed, so there is a decision, and one refusal refuses the request.
  const decision = decisions.find((one) => !one.allowed) ?? decisions[0];
  if (decision === undefined) throw new Error("a request needs at least one action");
  return { decision, authTokenType: "AadToken", claims };
}

/** The data actions of a request: one, or those of a batch's parts; `undefined` stands for what no role allows. */
function neededActions({ row, batch }: AccessRequest): readonly (string | undefined)[] {
  if (row.action === "notWithAad") return [undefined];
  if (row.action !== "actionsOfParts") return [cosmosActions[row.action]];
  const actions = actionsOf(batch()).map((action) => cosmosActions[action]);
  if (actions.length === 0) throw badRequest("The batch request has no operations.");
  return actions;
}

function decideKey(parts: AccessParts, request: AccessRequest, signature: string): Access {
  const { account, row } = request;
  const date = signatureDate(request.headers, parts.clock.now());
  const links = signedLinks(request.address);
  const types =
    request.address.kind === "partitionKeyDelete"
      ? ["partitionkey", "colls"]
      : [request.address.resourceType];
  const facts = {
    verb: request.method,
    resourceTypes: types,
    resourceLinks: links,
    date: date.text,
    plainDate: date.plain,
  };
  const payload = textToSign(request.method, types[0] ?? "", links[0] ?? "", date.text, date.plain);
  const key = signingKey(facts, signature, account.keys);
  if (key === undefined) throw wrongSignature(payload);
  const settings = account.record.account;
  const decision = decideAccountKey({
    key,
    action:
      row.action === "notWithAad" || row.action === "actionsOfParts" ? row.name : cosmosActions[row.action],
    resource: resourceName(request),
    access: row.access,
    metadataWrite: row.metadataWrite,
    disableLocalAuth: settings.disableLocalAuth,
    disableKeyBasedMetadataWriteAccess: settings.disableKeyBasedMetadataWriteAccess,
  });
  if (!decision.allowed && decision.reason === "readOnlyKey") throw wrongSignature(payload);
  return { decision, authTokenType: keyTokenTypes[key] };
}

/**
 * The spellings of the resource link that clients sign: of a feed its owner's link, of anything else its own;
 * decoded, as sent, and for rid addressing the last rid in lower case.
 */
function signedLinks(address: Address): readonly string[] {
  if (address.kind === "offer") return [(address.id ?? "").toLowerCase()];
  if (address.kind === "addresses") {
    const target = new URLSearchParams(address.query).get("$resolveFor") ?? "";
    return [target, target.toLowerCase()];
  }
  const drop = address.kind === "partitionKeyDelete" ? 2 : address.kind.endsWith("Feed") ? 1 : 0;
  const cut = (link: string): string =>
    link
      .split("/")
      .slice(0, drop === 0 ? undefined : -drop)
      .join("/");
  const own = cut(address.link);
  const last = own.split("/").pop() ?? "";
  return [...new Set([own, cut(address.rawLink), last.toLowerCase()])];
}

function scopeOf(request: AccessRequest): { readonly database?: string; readonly container?: string } {
  const { at } = request.row;
  const { database, container } = request;
  if (at === "anyScope" || at === "account" || database === undefined) return {};
  return at === "database" || container === undefined ? { database } : { database, container };
}

/** The resource as denials name it. */
function resourceName(request: AccessRequest): string {
  const scope = scopeOf(request);
  if (scope.database === undefined) return "/";
  return scope.container === undefined
    ? `dbs/${scope.database}`
    : `dbs/${scope.database}/colls/${scope.container}`;
}

function localAuthDisabled(): CosmosError {
  return unauthorized("Local Authorization is disabled. Use an AAD token to authorize all requests.", 5202);
}

/** `disableKeyBasedMetadataWriteAccess` stops Entra callers as well, before any role is looked at. */
function checkMetadataLock(request: AccessRequest): void {
  const locked = request.account.record.account.disableKeyBasedMetadataWriteAccess;
  if (locked && request.row.metadataWrite) throw metadataLocked(request);
}

function metadataLocked(request: AccessRequest): CosmosError {
  return forbidden(
    `Operation '${request.method}' on resource '${request.address.resourceType}' is not allowed through Azure Cosmos DB endpoint. Please switch on such operations for your account, or perform this operation through Azure Resource Manager, Azure Portal, Azure CLI or Azure Powershell`,
  );
}

const learnMore = "Learn more: https://aka.ms/cosmos-native-rbac.";

/** The wire form of a decision that refuses. */
export function renderDenial(request: AccessRequest, access: Access): CosmosError {
  const { decision } = access;
  if (decision.allowed) throw new Error("only a refusal can be rendered as a denial");
  const blocked = `Request blocked by Auth ${request.account.record.account.name} : `;
  switch (decision.reason) {
    case "notPossibleWithAad": {
      const path = request.target.split("?")[0] ?? "";
      return forbidden(
        `${blocked}The given request [${request.method} ${path}] cannot be authorized by AAD token in data plane. ${learnMore}`,
        5300,
      );
    }
    case "localAuthDisabled":
      return localAuthDisabled();
    case "keyMetadataWriteDisabled":
      return metadataLocked(request);
    case "readOnlyKey":
    case "denyAssignment":
    case "principalDeleted":
    case "noMatchingAssignment": {
      const principal = decision.credential.kind === "aad" ? decision.credential.principalId : "";
      const groups =
        access.claims?.idtyp === "user"
          ? "This could be because the user's group memberships were not present in the AAD token."
          : "";
      const dataCode = request.byRid ? 5303 : 5302;
      return forbidden(
        `${blocked}Request is blocked because principal [${principal}] does not have required RBAC permissions to perform action [${decision.action}] on resource [${decision.resource}]. ${learnMore}${groups}`,
        request.row.action === "readMetadata" ? 5301 : dataCode,
      );
    }
  }
}

/**
 * From a request's credential to a decision. The judging itself is in `authz/`; this file and those named after it
 * gather the facts and speak the service's words.
 */

import { type CosmosPolicy, decideCosmos } from "../../authz/cosmos-rbac.ts";
import type { Decision } from "../../authz/decision.ts";
import { claimedIdentity } from "../../authz/diagnosis.ts";
import { networkAllows, plainAddress } from "../../authz/network.ts";
import { decideResourceToken } from "../../authz/resource-token.ts";
import { cosmosActions } from "../../azure/cosmos-actions.ts";
import type {
  AccessTokenClaims,
  Principal,
  PrincipalDirectory,
  TokenVerdict,
  TokenVerifier,
} from "../../azure/principal.ts";
import type { Clock } from "../../clock.ts";
import type { Reader } from "../../storage/port.ts";
import type { AccountView } from "../engine/catalog.ts";
import { badRequest, type CosmosError } from "../errors.ts";
import type { Address } from "./address.ts";
import { networkDenied } from "./authorize-denials.ts";
import { decideKey } from "./authorize-key.ts";
import { actionName, noLocks, resourceName, scopeOf } from "./authorize-names.ts";
import { requireTokenRights, tokenRequest } from "./authorize-resource-token.ts";
import { actionsOf, type BatchPart } from "./batch-body.ts";
import { parseCredential, tokenFault, wrongAudience } from "./credential.ts";
import type { RequestHeaders } from "./headers.ts";
import type { OperationRow } from "./operations.ts";

export interface AccessParts {
  readonly engine: { readonly store: Reader };
  readonly verifier: TokenVerifier;
  readonly directory: PrincipalDirectory;
  readonly clock: Clock;
  /** The well-known key of Microsoft's emulator, where it is taken as every account's primary key. */
  readonly emulatorKey?: Buffer;
  /** Where decisions are remembered; absent where each is made anew. */
  readonly latest?: LatestDecisions;
}

/** The request as the access check sees it; names are those of the resolved resources, or as sent when none exist. */
export interface AccessRequest {
  readonly account: AccountView;
  readonly row: OperationRow;
  readonly address: Address;
  readonly headers: RequestHeaders;
  readonly method: string;
  readonly target: string;
  readonly remoteAddress: string;
  readonly database?: string | undefined;
  readonly container?: string | undefined;
  /** Rid of the container, when it exists. */
  readonly containerRid?: string | undefined;
  /** True when database or container were addressed by rid. */
  readonly byRid: boolean;
  /** The parts of a batch, whose rights are needed all. */
  readonly batch: () => readonly BatchPart[];
}

export interface Access {
  readonly decision: Decision;
  /** What would be decided if the account had no locks; absent where locks have no part in the decision. */
  readonly unlocked?: Decision | undefined;
  /** The data actions, when there are several. */
  readonly actions?: readonly string[] | undefined;
  /** Set for a principal that the directory does not have: audit mode lets nothing of it pass. */
  readonly gone?: true | undefined;
  readonly authTokenType: string;
  readonly claims?: AccessTokenClaims;
  /** The text under a key's signature, which some denials show. */
  readonly payload?: string;
}

/**
 * Checks address and credential and decides; throws 403 for a client from the wrong network and 401 (or 403 for a
 * signature's date) when the credential itself is bad.
 */
export async function decideAccess(parts: AccessParts, request: AccessRequest): Promise<Access> {
  checkNetwork(request);
  const credential = parseCredential(request.headers);
  if (credential.kind === "aad") return decideToken(parts, request, credential.token);
  if (credential.kind === "resource") return decideResource(parts, request, credential.token);
  return decideKey(parts, request, credential.signature);
}

function checkNetwork({ account, remoteAddress }: AccessRequest): void {
  const { network } = account.record.account;
  if (network === undefined || networkAllows(network, remoteAddress)) return;
  throw networkDenied(plainAddress(remoteAddress), network);
}

async function decideToken(parts: AccessParts, request: AccessRequest, token: string): Promise<Access> {
  const verdict = await parts.verifier(token);
  if (!verdict.ok) throw refusedToken(parts, request, verdict);
  const { claims } = verdict;
  const { account, row, database, container } = request;
  const accepted = account.audiences;
  if (!accepted.includes(claims.aud.toLowerCase())) throw wrongAudience(claims, accepted);
  const principal = await parts.directory.find(claims.oid);
  const groups = await parts.directory.groupsOf(claims.oid);
  const policy = account.policy();
  const grounds: Grounds = { account, policy, claims, principal, groups, database, container };
  // What a batch needs is in its body.
  if (row.action === "actionsOfParts") return judgeToken(request, grounds);
  const latest = parts.latest?.get(row);
  if (latest !== undefined && sameGrounds(latest.grounds, grounds)) return latest.access;
  const access = judgeToken(request, grounds);
  parts.latest?.set(row, { grounds, access });
  return access;
}

/** All that an operation's decision about a token follows from. */
interface Grounds {
  readonly account: AccountView;
  readonly policy: CosmosPolicy;
  readonly claims: AccessTokenClaims;
  readonly principal: Principal | undefined;
  readonly groups: readonly string[];
  readonly database: string | undefined;
  readonly container: string | undefined;
}

/**
 * Of each operation the last decision about a token, with its grounds: programs ask for the same again and again. A
 * decision is taken from here only while everything that it follows from is the very same; each change of accounts,
 * roles, tokens or the directory makes new objects of them.
 */
export type LatestDecisions = Map<OperationRow, { readonly grounds: Grounds; readonly access: Access }>;

function sameGrounds(a: Grounds, b: Grounds): boolean {
  return (
    a.account === b.account &&
    a.policy === b.policy &&
    a.claims === b.claims &&
    a.principal === b.principal &&
    a.groups === b.groups &&
    a.database === b.database &&
    a.container === b.container
  );
}

function judgeToken(request: AccessRequest, { policy, claims, principal, groups }: Grounds): Access {
  const facts = {
    principalId: claims.oid,
    principalExists: principal !== undefined,
    groups: claims.groups === undefined ? groups : [...new Set([...groups, ...claims.groups])],
    scope: scopeOf(request),
    anyScope: request.row.at === "anyScope",
    resource: resourceName(request),
  };
  const needed = neededActions(request);
  const decisions = needed.map((action) => decideCosmos(policy, { ...facts, action }));
  // INVARIANT: at least one action is always needed, so there is a decision, and one refusal refuses the request.
  const decision = decisions.find((one) => !one.allowed) ?? decisions[0];
  if (decision === undefined) throw new Error("a request needs at least one action");
  const locked = metadataLock(request, facts);
  return {
    decision: locked ?? decision,
    unlocked: locked === undefined ? undefined : decision,
    authTokenType: "AadToken",
    claims,
    gone: facts.principalExists ? undefined : true,
    actions: needed.length < 2 ? undefined : needed.map((action) => action ?? request.row.name),
  };
}

/** 401 in the words for what is wrong with the token. One of another tenant is called so, although its key is unknown, too. */
function refusedToken(
  { clock }: AccessParts,
  { account }: AccessRequest,
  { fault, claims }: Extract<TokenVerdict, { ok: false }>,
): CosmosError {
  const accountTenantId = account.record.account.tenantId;
  const claimed = claimedIdentity(claims);
  const isForeign =
    fault.kind === "unknownKey" && claimed.tenantId !== undefined && claimed.tenantId !== accountTenantId;
  const told = isForeign
    ? ({ kind: "issuer", issuer: claimed.tenantId ?? "", tenantId: accountTenantId } as const)
    : fault;
  return tokenFault(told, clock.now(), { kind: "token", fault: told.kind, claimed, accountTenantId });
}

/** `disableKeyBasedMetadataWriteAccess` stops Entra callers as well, before any role is looked at. */
function metadataLock(
  { account, row }: AccessRequest,
  facts: { readonly principalId: string; readonly groups: readonly string[]; readonly resource: string },
): Decision | undefined {
  if (!account.record.account.disableKeyBasedMetadataWriteAccess || !row.metadataWrite) return undefined;
  const { principalId, groups, resource } = facts;
  return {
    credential: { kind: "aad", principalId, groups },
    action: actionName(row),
    resource,
    considered: [],
    allowed: false,
    reason: "keyMetadataWriteDisabled",
  };
}

/** The data actions of a request: one, or those of a batch's parts; `undefined` stands for what no role allows. */
function neededActions({ row, batch }: AccessRequest): readonly (string | undefined)[] {
  if (row.action === "notWithAad") return [undefined];
  if (row.action !== "actionsOfParts") return [cosmosActions[row.action]];
  const actions = actionsOf(batch()).map((action) => cosmosActions[action]);
  if (actions.length === 0) throw badRequest("Batch request has no operations.");
  return actions;
}

async function decideResource(parts: AccessParts, request: AccessRequest, token: string): Promise<Access> {
  const { account, row, address, headers, containerRid } = request;
  const { disableLocalAuth, disableKeyBasedMetadataWriteAccess } = account.record.account;
  const rights = await requireTokenRights(
    { clock: parts.clock, store: parts.engine.store, disableLocalAuth },
    account,
    token,
  );
  const facts = {
    operation: row.name,
    headers,
    ...(containerRid === undefined ? {} : { containerRid }),
    ...(address.id === undefined ? {} : { id: address.id }),
    ...(address.itemNumber === undefined ? {} : { number: address.itemNumber }),
  };
  const asked = {
    ...tokenRequest(facts),
    action: actionName(row),
    resource: resourceName(request),
    metadataWrite: row.metadataWrite,
  };
  const locks = { disableLocalAuth, disableKeyBasedMetadataWriteAccess };
  const decision = decideResourceToken(rights, { ...asked, ...locks });
  const unlocked = decideResourceToken(rights, { ...asked, ...noLocks });
  return { decision, unlocked, authTokenType: "ResourceToken" };
}

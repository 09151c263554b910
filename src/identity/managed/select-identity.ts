/**
 * Choosing one of a workload's identities and making its token: the part of managed identity that is the same
 * behind every kind of endpoint. The endpoints differ in how they ask and how they say no.
 */
import type { Principal } from "../../azure/principal.ts";
import { sameResourceId } from "../../azure/resource-id.ts";
import type { Consents } from "../consents.ts";
import type { ManagedIdentityRecord } from "../control.ts";
import type { Directory } from "../directory.ts";
import type { AuthorityFault } from "../errors.ts";
import { AuthorityError, faults } from "../errors.ts";
import type { IdentityCertificates } from "../identity-certificates.ts";
import type { Passwords } from "../passwords.ts";
import type { ResourceResolver } from "../resources.ts";
import type { IssuedToken, TokenIssuer } from "../tokens.ts";
import type { CarriedIdentities, Workload, Workloads } from "./workloads.ts";

/** What the managed identity endpoints work with. */
export interface ManagedIdentityContext {
  readonly workloads: Workloads;
  readonly directory: Directory;
  readonly resources: ResourceResolver;
  readonly tokens: TokenIssuer;
  readonly certificates: IdentityCertificates;
  readonly passwords: Pick<Passwords, "stampOf">;
  readonly consents: Pick<Consents, "has">;
}

/** How a caller names a user-assigned identity. */
export interface Selector {
  readonly by: "clientId" | "objectId" | "resourceId";
  readonly value: string;
}

type Selection =
  | { readonly ok: true; readonly identity: ManagedIdentityRecord }
  /** `none`: nothing to choose from or not assigned; `ambiguous`: several, and no selector. */
  | { readonly ok: false; readonly reason: "none" | "ambiguous" };

/**
 * The identity that a request means. With a selector: that one if the workload carries it, the host's own included.
 * Without: the system-assigned one, else, where `soleUserAssigned` allows, the only user-assigned one.
 */
function selectIdentity(
  carried: CarriedIdentities,
  selector: Selector | undefined,
  soleUserAssigned: boolean,
): Selection {
  if (selector !== undefined) return selectNamed(carried, selector);
  if (carried.systemAssigned !== undefined) return { ok: true, identity: carried.systemAssigned };
  const [only, ...others] = carried.userAssigned;
  if (!soleUserAssigned || only === undefined) return { ok: false, reason: "none" };
  return others.length === 0 ? { ok: true, identity: only } : { ok: false, reason: "ambiguous" };
}

function selectNamed(carried: CarriedIdentities, { by, value }: Selector): Selection {
  const own = carried.systemAssigned === undefined ? [] : [carried.systemAssigned];
  const identity =
    by === "resourceId"
      ? carried.userAssigned.find((candidate) => sameResourceId(candidate.resourceId, value))
      : [...own, ...carried.userAssigned].find(
          (candidate) =>
            (by === "clientId" ? candidate.clientId : candidate.principalId) === value.toLowerCase(),
        );
  return identity === undefined ? { ok: false, reason: "none" } : { ok: true, identity };
}

export type ManagedToken =
  | {
      readonly ok: true;
      readonly issued: IssuedToken;
      readonly identity: ManagedIdentityRecord;
      readonly audience: string;
    }
  | { readonly ok: false; readonly reason: "none" | "ambiguous" }
  /** `resource`: no such resource; `proof`: the identity's certificate does not prove it any more. */
  | { readonly ok: false; readonly reason: "resource" | "proof"; readonly fault: AuthorityFault };

/** The token of the chosen identity for `audience`; the resource must exist. */
export async function issueManagedToken(
  context: ManagedIdentityContext,
  workload: Workload,
  request: {
    readonly audience: string;
    readonly selector?: Selector;
    readonly soleUserAssigned: boolean;
    readonly authority: string;
  },
): Promise<ManagedToken> {
  const carried = await context.workloads.identitiesOf(workload);
  const selection = selectIdentity(carried, request.selector, request.soleUserAssigned);
  if (!selection.ok) return selection;
  const { identity } = selection;
  const resource = await context.resources(request.audience);
  if (resource === undefined) {
    const fault = faults.resourceNotFound(request.audience, context.directory.domain);
    return { ok: false, reason: "resource", fault };
  }
  const principal = await context.directory.find(identity.principalId);
  if (principal === undefined) return { ok: false, reason: "none" };
  const fault = await proofFault(context, principal);
  if (fault !== undefined) return { ok: false, reason: "proof", fault };
  const { hostResourceId } = carried;
  const subject = {
    kind: "managedIdentity",
    principal,
    ...(hostResourceId === undefined ? {} : { hostResourceId }),
  } as const;
  const issued = await context.tokens.issue(subject, resource, request.authority);
  return { ok: true, issued, identity, audience: resource.audience };
}

/** Obtains the platform's own proof of the identity; what is wrong with it, or nothing. */
async function proofFault(
  { certificates }: ManagedIdentityContext,
  principal: Principal,
): Promise<AuthorityFault | undefined> {
  try {
    await certificates.prove(principal);
    return undefined;
  } catch (error) {
    if (error instanceof AuthorityError) return error.fault;
    throw error;
  }
}

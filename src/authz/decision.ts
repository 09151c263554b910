/**
 * The one value that an access check produces. The wire denial, the diagnostic record, `explain`, `can-i` and
 * `suggest-role` are renderings of it, so none of them can tell a different story. Plain JSON data throughout.
 */

/** How one assignment fared against the request; `failed` lists every condition that did not hold. */
export interface ConsideredAssignment {
  readonly assignmentId: string;
  readonly roleDefinitionId: string;
  readonly roleName: string;
  readonly principalId: string;
  readonly scope: string;
  readonly grants: boolean;
  /** `pending` is an assignment that was made and has no effect yet, `condition` one whose condition is not fulfilled. */
  readonly failed: readonly (
    | "principal"
    | "scope"
    | "action"
    | "definitionMissing"
    | "pending"
    | "condition"
  )[];
}

export type Credential =
  | { readonly kind: "aad"; readonly principalId: string; readonly groups: readonly string[] }
  | {
      readonly kind: "accountKey";
      readonly key: "primary" | "secondary" | "primaryReadonly" | "secondaryReadonly";
    }
  | {
      readonly kind: "resourceToken";
      /** The permission's path: `dbs/D/users/U/permissions/P`. */
      readonly permission: string;
      readonly userRid: string;
      readonly mode: "All" | "Read";
      /** What the permission is about, as it was written. */
      readonly resource: string;
      readonly partitionKey?: readonly unknown[];
    };

export type DenialReason =
  /** No assignment grants the action at the scope. */
  | "noMatchingAssignment"
  /** A deny assignment covers the request. */
  | "denyAssignment"
  /** The directory no longer has the principal. */
  | "principalDeleted"
  /** No role can ever allow this with an Entra token in the data plane. */
  | "notPossibleWithAad"
  /** A read-only key was used for a write. */
  | "readOnlyKey"
  /** Keys are switched off for the account. */
  | "localAuthDisabled"
  /** Keys may not change metadata on this account. */
  | "keyMetadataWriteDisabled"
  /** The permission behind a resource token is for something else, or for less. */
  | "outsideResourceToken";

interface DecisionFacts {
  readonly credential: Credential;
  readonly action: string;
  /** The resource in the notation of the plane that decides: `/`, `dbs/D/colls/C`, or an ARM id. */
  readonly resource: string;
  readonly considered: readonly ConsideredAssignment[];
}

export type Decision =
  | (DecisionFacts & { readonly allowed: true; readonly appliedAssignmentId?: string })
  | (DecisionFacts & {
      readonly allowed: false;
      readonly reason: DenialReason;
      /** How many assignments further off are left out of `considered`. */
      readonly notShown?: number;
      /** The deny assignment that covers the request. */
      readonly deny?: { readonly id: string; readonly displayName: string; readonly scope: string };
    });

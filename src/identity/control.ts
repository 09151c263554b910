/**
 * What the control plane may do in the directory: make and remove managed identities and say which host carries
 * which. Every call takes the caller's transaction, so an ARM resource and its identity are born and die together.
 */
import type { Principal } from "../azure/principal.ts";
import type { Reader, Transaction } from "../storage/port.ts";

/** The lock (see storage/port.ts) that a transaction must hold to change the directory. */
export const directoryLock = "directory";

export interface ManagedIdentityRecord {
  /** The identity resource (user-assigned) or the host resource (system-assigned), in the caller's casing. */
  readonly resourceId: string;
  readonly kind: "system" | "user";
  readonly principalId: string;
  readonly clientId: string;
  readonly tenantId: string;
}

/** The `identity` block of a host resource, as the directory keeps it. */
export interface HostIdentities {
  readonly hostResourceId: string;
  readonly systemAssigned?: ManagedIdentityRecord;
  readonly userAssigned: readonly ManagedIdentityRecord[];
}

/** Tokens of another issuer that are as good as a secret of the identity; name unique without regard to case. */
export interface FederatedCredential {
  readonly name: string;
  readonly issuer: string;
  readonly subject: string;
  readonly audiences: readonly string[];
}

export interface IdentityControl {
  readonly tenantId: string;
  /** Creates the identity's service principal, or returns the one that exists. */
  putUserAssigned(transaction: Transaction, resourceId: string, name: string): Promise<ManagedIdentityRecord>;
  /** Removes the identity and its principal and detaches it from every host; false when there was none. */
  deleteUserAssigned(transaction: Transaction, resourceId: string): Promise<boolean>;
  getUserAssigned(reader: Reader, resourceId: string): Promise<ManagedIdentityRecord | undefined>;
  /** The federated credentials of a user-assigned identity in order of name; empty when there is no such identity. */
  listFederatedCredentials(reader: Reader, resourceId: string): Promise<readonly FederatedCredential[]>;
  /**
   * Writes a federated credential of a user-assigned identity; true when it is new. Throws ArmError 400 for what no
   * credential can be, 404 without the identity and 409 when another has the same issuer and subject or there are 20.
   */
  putFederatedCredential(
    transaction: Transaction,
    resourceId: string,
    credential: FederatedCredential,
  ): Promise<boolean>;
  /** False when there was none. */
  deleteFederatedCredential(transaction: Transaction, resourceId: string, name: string): Promise<boolean>;
  /**
   * Makes the host carry exactly these identities: creates or removes its system-assigned identity and records the
   * user-assigned ones. Throws ArmError 400 `FailedIdentityOperation` when a user-assigned identity does not exist.
   */
  putHostIdentities(
    transaction: Transaction,
    hostResourceId: string,
    wanted: { readonly systemAssigned: boolean; readonly userAssigned: readonly string[] },
  ): Promise<HostIdentities>;
  /** Ends the host's system-assigned identity and forgets its attachments; user-assigned identities live on. */
  deleteHost(transaction: Transaction, hostResourceId: string): Promise<void>;
  getHost(reader: Reader, hostResourceId: string): Promise<HostIdentities | undefined>;
  /** The `iss` of the service-account tokens of a cluster, which this system mints. */
  clusterIssuer(cluster: string): string;
  findPrincipal(reader: Reader, objectId: string): Promise<Principal | undefined>;
  /** The service principal with this application (client) id; used to recognise a clientId given as principalId. */
  findByAppId(reader: Reader, appId: string): Promise<Principal | undefined>;
  /** True for the object id of an application registration, which is no principal; a common mix-up worth its own message. */
  isApplication(reader: Reader, objectId: string): Promise<boolean>;
}

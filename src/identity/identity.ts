/**
 * The identity room as a whole: opens it on a store and hands out its parts. This is the only place where they are
 * put together; the composition root and the tests both start here.
 */
import type { TokenVerifier } from "../azure/principal.ts";
import type { Clock, Entropy } from "../clock.ts";
import { lazyService } from "../http/lazy-service.ts";
import type { Service } from "../http/service.ts";
import type { Store } from "../storage/port.ts";
import type { Applications } from "./applications.ts";
import { createApplications } from "./applications.ts";
import type { Consents } from "./consents.ts";
import { createConsents } from "./consents.ts";
import type { IdentityControl } from "./control.ts";
import type { Directory } from "./directory.ts";
import { DirectoryError, openDirectory } from "./directory.ts";
import type { CertificateTimes, IdentityCertificates } from "./identity-certificates.ts";
import { createIdentityCertificates } from "./identity-certificates.ts";
import type { FederatedKeys } from "./issuer-keys.ts";
import { createFederatedKeys } from "./issuer-keys.ts";
import type { Issuers } from "./issuers.ts";
import { createIssuers } from "./issuers.ts";
import type { ImdsOptions } from "./managed/imds.ts";
import type { NmiOptions } from "./managed/nmi.ts";
import type { ManagedIdentityContext } from "./managed/select-identity.ts";
import type { Workloads } from "./managed/workloads.ts";
import { createWorkloads } from "./managed/workloads.ts";
import { createIdentityControl } from "./managed-identities.ts";
import type { AuthorityContext } from "./operations.ts";
import type { Passwords } from "./passwords.ts";
import { createPasswords } from "./passwords.ts";
import type { RefreshTokens } from "./refresh-tokens.ts";
import { createRefreshTokens } from "./refresh-tokens.ts";
import type { ResourceResolver } from "./resources.ts";
import { createResourceResolver } from "./resources.ts";
import type { Revocations } from "./revocations.ts";
import { openRevocations } from "./revocations.ts";
import { createSignIns } from "./sign-in/codes.ts";
import type { SigningKeys } from "./signing-keys.ts";
import { openSigningKeys } from "./signing-keys.ts";
import type { IssuedToken, TokenIssuer, TokenSubject } from "./tokens.ts";
import { createTokenIssuer, developerClientId } from "./tokens.ts";
import { createTokenVerifier } from "./verify.ts";

export interface IdentityOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** A GUID; needed only to choose it at the first open, random otherwise. */
  readonly tenantId?: string;
  /** The tenant's domain, e.g. `celestite.onmicrosoft.com`. */
  readonly domain: string;
  /**
   * Whether tokens can be asked for this resource, beside the platform's own services and the tenant's
   * applications. Gets scheme and host in lower case and no trailing slash.
   */
  readonly knownResource: (audience: string) => boolean;
  /** Where this machine reaches the authority, e.g. `https://localhost:8072`: for people and as audiences of Graph. */
  readonly ownOrigins?: () => readonly string[];
  /** The certificate authority of our listeners, PEM, for programs that the admission webhook prepares. */
  readonly caPem?: () => Promise<string>;
  /** Further hosts (`name` or `name:port`) under which the authority is reached. */
  readonly authorityHosts?: readonly string[];
  /** How long the certificates of managed identities live; the platform's times unless told. */
  readonly certificateTimes?: CertificateTimes;
  /** Where keys of federated issuers come from; the network unless told. */
  readonly federatedKeys?: FederatedKeys;
}

export interface Identity {
  readonly tenantId: string;
  readonly domain: string;
  readonly control: IdentityControl;
  /** Users, groups and all look-ups; also the `PrincipalDirectory` of access checks. */
  readonly directory: Directory;
  readonly applications: Applications;
  readonly passwords: Passwords;
  readonly consents: Consents;
  readonly refreshTokens: RefreshTokens;
  readonly revocations: Revocations;
  /** Federated issuers whose keys are kept here, and the clusters that this system plays. */
  readonly issuers: Issuers;
  readonly keys: SigningKeys;
  /** The certificates behind managed identities. */
  readonly certificates: IdentityCertificates;
  readonly verifier: TokenVerifier;
  /** The Microsoft Graph subset; `authority` serves it, too, for callers without the public names. */
  readonly graph: Service;
  /** The Entra endpoints. */
  readonly authority: Service;
  readonly managed: {
    readonly workloads: Workloads;
    /** Serves `appServicePath` for every workload; the secret header says which. */
    readonly appService: Service;
    /** The same and all further endpoints that a workload's own secret opens. */
    readonly endpoints: Service;
    /** The endpoint of an Arc server; `writeKey` puts a secret where the workload alone can read it. */
    arc(workloadId: string, writeKey: (name: string, content: string) => Promise<void>): Service;
    /** The metadata service of one workload. */
    imds(workloadId: string, options?: ImdsOptions): Service;
    /** The one of a pod with pod identity (version 1); the workload is its node. */
    nmi(workloadId: string, options: NmiOptions): Service;
  };
  /**
   * A token for any user or service principal, for the operator's own tools. Throws `DirectoryError` when there is
   * no such principal or it is a group, `AuthorityError` (AADSTS500011) for an unknown resource.
   */
  issueFor(objectId: string, audience: string): Promise<IssuedToken>;
  /** Renews what is near its end: signing keys, certificates. To be called now and then. */
  maintain(): Promise<void>;
  /** Waits for work in the background; to be awaited before the store is closed. */
  close(): Promise<void>;
}

/**
 * Opens identity on `store`, making the tenant, its first user and (in the background) its signing key when there
 * are none. Throws `StoreUnavailable` when the store belongs to another tenant.
 */
export async function openIdentity(options: IdentityOptions): Promise<Identity> {
  const { store, clock, entropy } = options;
  const { directory, context } = await openDirectory(options);
  // After the first write: finding the first key keeps a processor busy, which the store's thread needs to begin.
  const [keys, revocations] = await Promise.all([openSigningKeys(options), openRevocations(options)]);
  const { tenantId, domain } = directory;
  const applications = createApplications(context);
  const issuers = createIssuers(context, options.federatedKeys ?? createFederatedKeys(clock));
  const control = createIdentityControl(context, issuers.clusterIssuer);
  const resources = createResourceResolver(applications, options.knownResource);
  const tokens = createTokenIssuer({ keys, tenantId, clock, entropy, issuedUntil: revocations.issuedUntil });
  const verifier = createTokenVerifier({ keys, tenantId, clock, revocations });
  const signingIn = {
    passwords: createPasswords(context, revocations),
    consents: createConsents(context),
    refreshTokens: createRefreshTokens(options),
    revocations,
  };
  const workloads = createWorkloads({ store, control, entropy });
  const certificates = createIdentityCertificates(context, options.certificateTimes);
  const managed = { workloads, directory, resources, tokens, certificates, ...signingIn };
  const authority: AuthorityContext = {
    tenantId,
    domain,
    clock,
    entropy,
    directory,
    applications,
    keys,
    tokens,
    resources,
    federatedKeys: issuers.federatedKeys,
    verifier,
    ...signingIn,
    signIns: createSignIns({ clock, entropy }),
    authorityHosts: options.authorityHosts ?? [],
    ownOrigins: options.ownOrigins ?? (() => []),
  };
  const graph = lazyService(async () =>
    (await import("./graph/gateway.ts")).createGraph({ ...authority, store }),
  );
  const admission = lazyService(async () => {
    const caPem = (await options.caPem?.()) ?? "";
    return (await import("./admission.ts")).createAdmission({ store, tenantId, caPem });
  });
  return {
    tenantId,
    domain,
    control,
    graph,
    directory,
    applications,
    ...signingIn,
    issuers,
    keys,
    verifier,
    authority: authorityAndOthers(graph, admission, authority),
    managed: managedServices(managed, entropy),
    issueFor: (objectId, audience) => issueFor({ directory, resources, tokens }, objectId, audience),
    certificates,
    async maintain() {
      await keys.maintain(clock.now());
      await certificates.maintain();
    },
    close: () => keys.settled(),
  };
}

/** Where tools find the two beside the authority: versions of Graph, and the webhook that Azure's own also serves. */
const graphPath = /^\/{1,2}(v1\.0|beta)\//i;
const admissionPath = "/mutate-v1-pod";

/** What the authority's address serves besides: Graph, and the webhook that clusters call. */
function authorityAndOthers(graph: Service, admission: Service, context: AuthorityContext): Service {
  const authority = lazyService(async () => (await import("./gateway.ts")).createAuthority(context));
  return (request) => {
    if (graphPath.test(request.target)) return graph(request);
    return request.target.startsWith(admissionPath) ? admission(request) : authority(request);
  };
}

function managedServices(managed: ManagedIdentityContext, entropy: Entropy): Identity["managed"] {
  return {
    workloads: managed.workloads,
    appService: lazyService(async () =>
      (await import("./managed/app-service.ts")).createAppServiceEndpoint(managed),
    ),
    endpoints: lazyService(async () =>
      (await import("./managed/endpoints.ts")).createManagedEndpoints(managed),
    ),
    arc: (workloadId, writeKey) =>
      lazyService(async () =>
        (await import("./managed/arc.ts")).createArcEndpoint(managed, workloadId, entropy, writeKey),
      ),
    imds: (workloadId, imdsOptions) =>
      lazyService(async () =>
        (await import("./managed/imds.ts")).createImds(managed, workloadId, imdsOptions),
      ),
    nmi: (workloadId, nmiOptions) =>
      lazyService(async () => (await import("./managed/nmi.ts")).createNmi(managed, workloadId, nmiOptions)),
  };
}

/** Version 2 tokens issued by hand name the public authority, as there is no request to take an address from. */
const OPERATOR_AUTHORITY = "https://login.microsoftonline.com";

async function issueFor(
  parts: {
    readonly directory: Directory;
    readonly resources: ResourceResolver;
    readonly tokens: TokenIssuer;
  },
  objectId: string,
  audience: string,
): Promise<IssuedToken> {
  const principal = await parts.directory.find(objectId);
  if (principal === undefined) throw new DirectoryError("notFound", `There is no principal ${objectId}.`);
  if (principal.type === "Group") throw new DirectoryError("invalid", "A group has no tokens.");
  const resource = await parts.resources(audience);
  if (resource === undefined) {
    const { AuthorityError, faults } = await import("./errors.ts");
    throw new AuthorityError(faults.resourceNotFound(audience, parts.directory.domain));
  }
  let subject: TokenSubject;
  if (principal.type === "User") subject = { kind: "user", principal, clientId: developerClientId };
  else if (principal.managedIdentity === undefined)
    subject = { kind: "application", principal, proof: "secret" };
  else subject = { kind: "managedIdentity", principal };
  return parts.tokens.issue(subject, resource, OPERATOR_AUTHORITY);
}

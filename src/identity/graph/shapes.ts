/** Directory objects in the forms of Microsoft Graph, and its errors. */
import type { DirectoryObject } from "../records.ts";

/** A request to Graph that cannot be granted; rendered by the gateway. */
export class GraphError extends Error {
  override readonly name = "GraphError";
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export function notFound(id: string): GraphError {
  return new GraphError(
    404,
    "Request_ResourceNotFound",
    `Resource '${id.slice(0, 200)}' does not exist or one of its queried reference-property objects are not present.`,
  );
}

export function badRequest(message: string): GraphError {
  return new GraphError(400, "Request_BadRequest", message);
}

export type Shape = Readonly<Record<string, unknown>> & { readonly id: string };

const time = (milliseconds: number): string => new Date(milliseconds).toISOString();

/** The object as Graph shows it; `withType` adds `@odata.type`, as lists of mixed objects need. */
export function shapeOf(object: DirectoryObject, tenantId: string, withType = false): Shape {
  const { kind, id, displayName } = object;
  return {
    ...(withType ? { "@odata.type": `#microsoft.graph.${kind}` } : {}),
    id,
    displayName,
    createdDateTime: time(object.createdAt),
    ...ownMembers(object, tenantId),
  };
}

/** What is shown of an object to those who may not read it: its type and id, and nothing else but names of members. */
export function limited(shape: Shape): Shape {
  const { "@odata.type": type, id, ...others } = shape;
  const hidden = Object.fromEntries(Object.keys(others).map((name) => [name, null]));
  return { "@odata.type": type, id, ...hidden };
}

function ownMembers(object: DirectoryObject, tenantId: string): Readonly<Record<string, unknown>> {
  switch (object.kind) {
    case "user":
      return {
        userPrincipalName: object.userPrincipalName,
        mail: object.userPrincipalName,
        accountEnabled: true,
        userType: "Member",
      };
    case "group":
      return { securityEnabled: true, mailEnabled: false, groupTypes: [] };
    case "servicePrincipal":
      return {
        appId: object.appId,
        appDisplayName: object.displayName,
        appOwnerOrganizationId: tenantId,
        accountEnabled: true,
        servicePrincipalNames: [object.appId],
        servicePrincipalType: object.managedIdentity === undefined ? "Application" : "ManagedIdentity",
        alternativeNames:
          object.resourceId === undefined
            ? []
            : [`isExplicit=${object.managedIdentity === "user" ? "True" : "False"}`, object.resourceId],
      };
    case "application":
      return applicationMembers(object);
  }
}

function applicationMembers(
  object: Extract<DirectoryObject, { kind: "application" }>,
): Readonly<Record<string, unknown>> {
  const redirects = object.redirectUris ?? [];
  const of = (platform: string): readonly string[] =>
    redirects.filter((redirect) => redirect.platform === platform).map(({ uri }) => uri);
  return {
    appId: object.appId,
    identifierUris: object.identifierUris,
    signInAudience: "AzureADMyOrg",
    isFallbackPublicClient: object.publicClient === true,
    api: { requestedAccessTokenVersion: object.accessTokenVersion === 2 ? 2 : null },
    web: { redirectUris: of("web") },
    publicClient: { redirectUris: of("public") },
    passwordCredentials: object.secrets.map((secret) => ({
      keyId: secret.keyId,
      displayName: secret.displayName,
      startDateTime: time(secret.startsAt),
      endDateTime: time(secret.endsAt),
      secretText: null,
    })),
    keyCredentials: object.certificates.map((certificate) => ({
      keyId: certificate.keyId,
      displayName: certificate.displayName,
      customKeyIdentifier: certificate.sha1,
      type: "AsymmetricX509Cert",
      usage: "Verify",
      startDateTime: time(certificate.startsAt),
      endDateTime: time(certificate.endsAt),
      key: null,
    })),
  };
}

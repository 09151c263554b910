/**
 * The persistent form of the directory: which records exist, under which keys, as JSON bytes. It is apart from
 * the logic so that the whole key layout can be read on one page; nothing else in the room encodes a key.
 */

import type { JsonWebKey } from "node:crypto";
import { createHash } from "node:crypto";
import type { Principal } from "../azure/principal.ts";
import { normalizeResourceId } from "../azure/resource-id.ts";
import type { KeyPart } from "../storage/keys.ts";
import { after, encodeKey, prefixRange } from "../storage/keys.ts";
import type { Bytes, Reader } from "../storage/port.ts";

const ROOT = "identity";
const SCAN_PAGE = 256;

/** Made once, at the first open; `tenantId` is in lower case. */
export interface TenantRecord {
  readonly tenantId: string;
  readonly domain: string;
  readonly bootstrapUserId: string;
}

interface ObjectFacts {
  /** Object id, a lower-case GUID. */
  readonly id: string;
  readonly displayName: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

export interface UserObject extends ObjectFacts {
  readonly kind: "user";
  readonly userPrincipalName: string;
  /** Salt and scrypt hash (see passwords.ts); a user without one cannot sign in. */
  readonly passwordHash?: string;
  /** How often the user's sign-ins were ended (see sign-in-stamp.ts); never when absent. */
  readonly signInStamp?: number;
}

export interface GroupObject extends ObjectFacts {
  readonly kind: "group";
}

/** `resourceId` and `managedIdentity` are there for managed identities, `applicationId` for applications. */
export interface ServicePrincipalObject extends ObjectFacts {
  readonly kind: "servicePrincipal";
  readonly appId: string;
  readonly applicationId?: string;
  readonly managedIdentity?: "system" | "user";
  readonly resourceId?: string;
}

/** A client secret: only its SHA-256 is kept; generated secrets carry 256 bits, so no slow hash is needed. */
export interface SecretRecord {
  readonly keyId: string;
  readonly displayName: string;
  /** SHA-256 of the secret, base64url. */
  readonly hash: string;
  /** Milliseconds since the epoch. */
  readonly startsAt: number;
  readonly endsAt: number;
}

export interface CertificateRecord {
  readonly keyId: string;
  readonly displayName: string;
  /** SHA-1 and SHA-256 of the DER, base64url: the `x5t` and `x5t#S256` of assertion headers. */
  readonly sha1: string;
  readonly sha256: string;
  readonly publicKey: JsonWebKey;
  /** Milliseconds since the epoch. */
  readonly startsAt: number;
  readonly endsAt: number;
}

/** Where the authority may send people back to: `web` needs the client's proof, `public` PKCE instead. */
export interface RedirectUri {
  readonly uri: string;
  readonly platform: "web" | "public";
}

/** An application registration; its service principal is the principal that may hold roles. */
export interface ApplicationObject extends ObjectFacts {
  readonly kind: "application";
  readonly appId: string;
  readonly servicePrincipalId: string;
  readonly identifierUris: readonly string[];
  /** The version of tokens that others get *for* this application (`requestedAccessTokenVersion`). */
  readonly accessTokenVersion: 1 | 2;
  readonly redirectUris?: readonly RedirectUri[];
  /** May sign users in without a proof of its own (device code, password). */
  readonly publicClient?: boolean;
  readonly secrets: readonly SecretRecord[];
  readonly certificates: readonly CertificateRecord[];
}

export type PrincipalObject = UserObject | GroupObject | ServicePrincipalObject;
export type DirectoryObject = PrincipalObject | ApplicationObject;

export interface FederatedCredentialRecord {
  readonly name: string;
  readonly issuer: string;
  readonly subject: string;
  readonly audiences: readonly string[];
}

/** One sign-in that goes on by refresh tokens; only the newest of them counts. */
export interface RefreshFamilyRecord {
  readonly family: string;
  readonly clientId: string;
  readonly userId: string;
  /** SHA-256 of the newest token's secret. */
  readonly current: string;
  /** Milliseconds since the epoch. */
  readonly rotatedAt: number;
  readonly expiresAt: number;
  readonly revoked?: true;
  /** The client proved who it is; whoever refreshes must, too. */
  readonly proven?: true;
  /** Object id of the client's registration: another one under the same client id is another client. */
  readonly registration?: string;
  /** The stamp that the user's sign-ins had. */
  readonly stamp?: number;
}

/** A user (or `*`, an administrator for all) lets a client act for them at a resource. */
export interface ConsentRecord {
  readonly clientId: string;
  readonly resource: string;
  readonly userId: string;
  /** Permissions in lower case; absent for all of them. */
  readonly names?: readonly string[];
  /** Milliseconds since the epoch. */
  readonly grantedAt: number;
}

/** Tokens of a principal that were issued up to these seconds (since the epoch) are refused. */
export interface RevocationRecord {
  readonly objectId: string;
  /** Of all tokens; 0 when none are. */
  readonly issuedUntil: number;
  /** Of the long tokens of clients that understand challenges, where that is later. */
  readonly continuousUntil?: number;
}

/** A certificate that proves a managed identity; the key never leaves the store. */
export interface IdentityCertificateRecord {
  /** SHA-256 of the DER, base64url. */
  readonly thumbprint: string;
  /** DER in base64. */
  readonly certificate: string;
  readonly key: JsonWebKey;
  /** Milliseconds since the epoch. */
  readonly startsAt: number;
  readonly endsAt: number;
  /** An operator ended it; it is not renewed by itself. */
  readonly held?: true;
}

/** All living certificates of one managed identity, the newest first. */
export interface IdentityCertificatesRecord {
  readonly principalId: string;
  readonly certificates: readonly IdentityCertificateRecord[];
}

/** A federated issuer whose keys are kept here: uploaded, or of one of our own token-minting clusters. */
export interface IssuerRecord {
  /** The `iss` claim, exactly. */
  readonly issuer: string;
  /** Name of the cluster that this system plays; absent for an uploaded key set. */
  readonly cluster?: string;
  /** Public keys with their `kid`. */
  readonly keys: readonly JsonWebKey[];
  /** The key that signs for `cluster`, and its kid. */
  readonly signing?: { readonly kid: string; readonly key: JsonWebKey };
  /** Milliseconds since the epoch. */
  readonly addedAt: number;
}

/** What a host carries; user-assigned identities by their resource id in the caller's casing. */
export interface HostRecord {
  readonly hostResourceId: string;
  readonly systemAssignedId?: string;
  readonly userAssigned: readonly string[];
}

/**
 * A resource id as a key part. Nested names can make ids longer than the key limit of some stores, so a long one
 * is replaced by its digest; nothing scans these keys by a part of the id.
 */
function resourcePart(resourceId: string): string {
  const normalized = normalizeResourceId(resourceId);
  if (normalized.length <= 512) return normalized;
  return createHash("sha256").update(normalized).digest("hex");
}

/** A text of any length as a key part of fixed length, for what is only ever looked up whole. */
function digestPart(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("base64url");
}

/** Keys of single records. */
export const recordKey = {
  tenant: (): Bytes => encodeKey([ROOT, "tenant"]),
  object: (id: string): Bytes => encodeKey([ROOT, "object", id.toLowerCase()]),
  /** -> object id of the service principal. */
  appId: (appId: string): Bytes => encodeKey([ROOT, "appId", appId.toLowerCase()]),
  /** -> object id of the application. */
  identifierUri: (uri: string): Bytes => encodeKey([ROOT, "identifierUri", uri]),
  /** -> object id of the user. */
  upn: (upn: string): Bytes => encodeKey([ROOT, "upn", upn.toLowerCase()]),
  /** -> object id of the managed identity of this identity resource or host. */
  resource: (resourceId: string): Bytes => encodeKey([ROOT, "resource", resourcePart(resourceId)]),
  name: (displayName: string, id: string): Bytes => encodeKey([ROOT, "name", displayName.toLowerCase(), id]),
  member: (groupId: string, memberId: string): Bytes => encodeKey([ROOT, "member", groupId, memberId]),
  memberOf: (memberId: string, groupId: string): Bytes => encodeKey([ROOT, "memberOf", memberId, groupId]),
  host: (hostResourceId: string): Bytes => encodeKey([ROOT, "host", resourcePart(hostResourceId)]),
  /** -> resource id of a host that carries the user-assigned identity with this object id. */
  attachment: (identityId: string, hostResourceId: string): Bytes =>
    encodeKey([ROOT, "attachment", identityId, resourcePart(hostResourceId)]),
  federated: (objectId: string, name: string): Bytes =>
    encodeKey([ROOT, "federated", objectId, name.toLowerCase()]),
  signingKey: (kid: string): Bytes => encodeKey([ROOT, "signingKey", kid]),
  identityCertificates: (principalId: string): Bytes =>
    encodeKey([ROOT, "identityCertificate", principalId.toLowerCase()]),
  refreshFamily: (family: string): Bytes => encodeKey([ROOT, "refreshFamily", family]),
  consent: (clientId: string, resource: string, userId: string): Bytes =>
    encodeKey([ROOT, "consent", clientId.toLowerCase(), digestPart(resource), userId]),
  revocation: (objectId: string): Bytes => encodeKey([ROOT, "revocation", objectId.toLowerCase()]),
  issuer: (issuer: string): Bytes => encodeKey([ROOT, "issuer", digestPart(issuer)]),
};

/** Tuples that start all keys of one collection, for `scan`. */
export const collection = {
  objects: (): readonly KeyPart[] => [ROOT, "object"],
  named: (displayName: string): readonly KeyPart[] => [ROOT, "name", displayName.toLowerCase()],
  members: (groupId: string): readonly KeyPart[] => [ROOT, "member", groupId],
  memberships: (memberId: string): readonly KeyPart[] => [ROOT, "memberOf", memberId],
  attachments: (identityId: string): readonly KeyPart[] => [ROOT, "attachment", identityId],
  federated: (objectId: string): readonly KeyPart[] => [ROOT, "federated", objectId],
  signingKeys: (): readonly KeyPart[] => [ROOT, "signingKey"],
  identityCertificates: (): readonly KeyPart[] => [ROOT, "identityCertificate"],
  refreshFamilies: (): readonly KeyPart[] => [ROOT, "refreshFamily"],
  consents: (): readonly KeyPart[] => [ROOT, "consent"],
  revocations: (): readonly KeyPart[] => [ROOT, "revocation"],
  issuers: (): readonly KeyPart[] => [ROOT, "issuer"],
};

export function encodeRecord(value: unknown): Bytes {
  return new TextEncoder().encode(JSON.stringify(value));
}

export function decodeRecord<T>(bytes: Bytes): T {
  return JSON.parse(new TextDecoder().decode(bytes)) as T;
}

/** The record under `key`, or `undefined`. */
export async function readRecord<T>(reader: Reader, key: Bytes): Promise<T | undefined> {
  const bytes = await reader.get(key);
  return bytes === undefined ? undefined : decodeRecord<T>(bytes);
}

/** Every record of a collection in key order, read in pages. */
export async function scanRecords<T>(reader: Reader, prefix: readonly KeyPart[]): Promise<T[]> {
  const found: T[] = [];
  let range = prefixRange(prefix);
  for (;;) {
    const page = await reader.range(range, SCAN_PAGE);
    for (const entry of page) found.push(decodeRecord<T>(entry.value));
    const last = page.at(-1);
    if (last === undefined || page.length < SCAN_PAGE) return found;
    range = { start: after(last.key), end: range.end };
  }
}

/** The directory object with this id, whatever its kind. */
export function readObject(reader: Reader, id: string): Promise<DirectoryObject | undefined> {
  return readRecord<DirectoryObject>(reader, recordKey.object(id));
}

/** The object that an index entry under `key` points to. */
export async function readIndexed(reader: Reader, key: Bytes): Promise<DirectoryObject | undefined> {
  const id = await readRecord<string>(reader, key);
  return id === undefined ? undefined : readObject(reader, id);
}

/** The public view of an object that may hold roles; `undefined` for an application, which may not. */
export function toPrincipal(object: DirectoryObject | undefined, tenantId: string): Principal | undefined {
  if (object === undefined || object.kind === "application") return undefined;
  const facts = { objectId: object.id, tenantId, displayName: object.displayName };
  switch (object.kind) {
    case "user":
      return { ...facts, type: "User", userPrincipalName: object.userPrincipalName };
    case "group":
      return { ...facts, type: "Group" };
    case "servicePrincipal":
      return {
        ...facts,
        type: "ServicePrincipal",
        appId: object.appId,
        ...(object.resourceId === undefined ? {} : { resourceId: object.resourceId }),
        ...(object.managedIdentity === undefined ? {} : { managedIdentity: object.managedIdentity }),
      };
  }
}

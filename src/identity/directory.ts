/**
 * The tenant and who is in it: users, groups and service principals, with the look-ups that every access check and
 * every token needs. Applications with their credentials are in `applications.ts`, managed identities in
 * `managed-identities.ts`; both write through the same records, and a removed principal is gone for all at once.
 */

import type { Principal, PrincipalDirectory } from "../azure/principal.ts";
import type { Clock, Entropy } from "../clock.ts";
import { uuid } from "../clock.ts";
import { after, prefixRange } from "../storage/keys.ts";
import type { Reader, Store, Transaction } from "../storage/port.ts";
import { StoreUnavailable } from "../storage/port.ts";
import { directoryLock } from "./control.ts";
import { insertObject, removeObject } from "./objects.ts";
import { createPrincipalCache } from "./principal-cache.ts";
import type { DirectoryObject, PrincipalObject, TenantRecord, UserObject } from "./records.ts";
import {
  collection,
  decodeRecord,
  encodeRecord,
  readIndexed,
  readObject,
  readRecord,
  recordKey,
  scanRecords,
  toPrincipal,
} from "./records.ts";

/** What the files that write the directory share. */
export interface DirectoryContext {
  readonly store: Store;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly tenantId: string;
  readonly domain: string;
  /** Runs `fn` in a transaction that holds the directory lock and renews what is cached after the commit. */
  change<T>(fn: (transaction: Transaction) => Promise<T>): Promise<T>;
  /** Registers the renewal of caches with a transaction that somebody else started. */
  touch(transaction: Transaction): void;
}

/** A directory change that cannot be made; `message` is public text. */
export class DirectoryError extends Error {
  override readonly name = "DirectoryError";
  readonly kind: "invalid" | "conflict" | "notFound";

  constructor(kind: "invalid" | "conflict" | "notFound", message: string) {
    super(message);
    this.kind = kind;
  }
}

export interface Directory extends PrincipalDirectory {
  readonly tenantId: string;
  readonly domain: string;
  /** Object id of the user made at the first open, `admin@<domain>`; it may have been deleted since. */
  readonly bootstrapUserId: string;
  /** The service principal of an application or managed identity. */
  findByAppId(appId: string): Promise<Principal | undefined>;
  findByUserPrincipalName(name: string): Promise<Principal | undefined>;
  /** The managed identity of an identity resource, or the system-assigned one of a host. */
  findByResourceId(resourceId: string): Promise<Principal | undefined>;
  /** All principals with this display name, without regard to letter case; names need not be unique. */
  findByDisplayName(displayName: string): Promise<readonly Principal[]>;
  /** At most `limit` principals in order of object id, from just after `afterObjectId`; `next` when there are more. */
  list(limit: number, afterObjectId?: string): Promise<PrincipalPage>;
  /** `userPrincipalName` must end with the tenant's domain. Throws `DirectoryError`. */
  addUser(user: { readonly userPrincipalName: string; readonly displayName?: string }): Promise<Principal>;
  addGroup(group: { readonly displayName: string; readonly members?: readonly string[] }): Promise<Principal>;
  /** Adds a principal (object ids) to a group; adding twice is no error. Throws `DirectoryError`. */
  addMember(groupId: string, memberId: string): Promise<void>;
  /** False when it was no direct member. */
  removeMember(groupId: string, memberId: string): Promise<boolean>;
  /** The direct members of a group. */
  membersOf(groupId: string): Promise<readonly Principal[]>;
  /**
   * Deletes a user or group; false when there is none. Service principals go with their application or identity
   * resource, so for them it throws `DirectoryError`.
   */
  deletePrincipal(objectId: string): Promise<boolean>;
}

export interface PrincipalPage {
  readonly principals: readonly Principal[];
  /** Pass as `afterObjectId` to go on. */
  readonly next?: string;
}

const DISPLAY_NAME_MAX = 256;
const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const DOMAIN = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$/;
const UPN_LOCAL_PART = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}$/;

/** True for the 8-4-4-4-12 form, in either letter case. */
export function isGuid(text: string): boolean {
  return GUID.test(text);
}

/** The name as given, if it can be a display name. Throws `DirectoryError` otherwise. */
export function checkDisplayName(name: string): string {
  if (name.trim() === "" || name.length > DISPLAY_NAME_MAX) {
    throw new DirectoryError("invalid", `A display name has 1 to ${DISPLAY_NAME_MAX} characters.`);
  }
  return name;
}

/**
 * Opens the directory in `store`, making the tenant and its bootstrap user at the first open. A later open may
 * leave `tenantId` out. Throws `StoreUnavailable` when the store belongs to another tenant or domain.
 */
export async function openDirectory(options: {
  readonly store: Store;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly tenantId?: string;
  readonly domain: string;
}): Promise<{ readonly directory: Directory; readonly context: DirectoryContext }> {
  const tenant = await openTenant(options);
  const cache = createPrincipalCache(options.store, tenant.tenantId);
  const context: DirectoryContext = {
    store: options.store,
    clock: options.clock,
    entropy: options.entropy,
    tenantId: tenant.tenantId,
    domain: tenant.domain,
    change: (fn) =>
      options.store.transact([directoryLock], (transaction) => {
        transaction.afterCommit(cache.clear);
        return fn(transaction);
      }),
    touch: (transaction) => transaction.afterCommit(cache.clear),
  };
  const directory: Directory = {
    tenantId: tenant.tenantId,
    domain: tenant.domain,
    bootstrapUserId: tenant.bootstrapUserId,
    find: cache.find,
    groupsOf: cache.groupsOf,
    ...lookups(options.store, tenant.tenantId),
    addUser: (user) => addUser(context, user),
    addGroup: (group) => addGroup(context, group),
    addMember: (groupId, memberId) =>
      context.change((transaction) => addMember(transaction, groupId, memberId)),
    removeMember: (groupId, memberId) =>
      context.change((transaction) => removeMember(transaction, groupId, memberId)),
    deletePrincipal: (objectId) => context.change((transaction) => deletePrincipal(transaction, objectId)),
  };
  return { directory, context };
}

async function openTenant(options: {
  readonly store: Store;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly tenantId?: string;
  readonly domain: string;
}): Promise<TenantRecord> {
  const domain = options.domain.toLowerCase();
  const wantedId = options.tenantId?.toLowerCase();
  if (!DOMAIN.test(domain))
    throw new StoreUnavailable(`The tenant's domain "${options.domain}" is no DNS name.`);
  if (wantedId !== undefined && !isGuid(wantedId)) {
    throw new StoreUnavailable(`The tenant id "${options.tenantId}" is no GUID.`);
  }
  const known = await readRecord<TenantRecord>(options.store, recordKey.tenant());
  const tenant =
    known ??
    (await options.store.transact([directoryLock], async (transaction) => {
      const raced = await readRecord<TenantRecord>(transaction, recordKey.tenant());
      return raced ?? makeTenant(transaction, options, wantedId ?? uuid(options.entropy), domain);
    }));
  if (wantedId !== undefined && wantedId !== tenant.tenantId) {
    throw new StoreUnavailable(
      `The store belongs to tenant ${tenant.tenantId}, not ${wantedId}. Start with that tenant id, or with another store.`,
    );
  }
  if (tenant.domain !== domain) {
    throw new StoreUnavailable(
      `The store's tenant has the domain ${tenant.domain}, not ${domain}. Start with that domain, or with another store.`,
    );
  }
  return tenant;
}

function makeTenant(
  transaction: Transaction,
  options: { readonly clock: Clock; readonly entropy: Entropy },
  tenantId: string,
  domain: string,
): TenantRecord {
  const admin: UserObject = {
    kind: "user",
    id: uuid(options.entropy),
    displayName: "Administrator",
    userPrincipalName: `admin@${domain}`,
    createdAt: options.clock.now(),
  };
  insertObject(transaction, admin);
  const tenant: TenantRecord = { tenantId, domain, bootstrapUserId: admin.id };
  transaction.put(recordKey.tenant(), encodeRecord(tenant));
  return tenant;
}

function lookups(
  store: Store,
  tenantId: string,
): Pick<
  Directory,
  "findByAppId" | "findByUserPrincipalName" | "findByResourceId" | "findByDisplayName" | "list" | "membersOf"
> {
  const one = async (key: Uint8Array): Promise<Principal | undefined> =>
    toPrincipal(await readIndexed(store, key), tenantId);
  const many = async (ids: readonly string[]): Promise<Principal[]> => {
    const objects = await Promise.all(ids.map((id) => readObject(store, id)));
    return objects.map((object) => toPrincipal(object, tenantId)).filter((found) => found !== undefined);
  };
  return {
    findByAppId: (appId) => one(recordKey.appId(appId)),
    findByUserPrincipalName: (name) => one(recordKey.upn(name)),
    findByResourceId: (resourceId) => one(recordKey.resource(resourceId)),
    findByDisplayName: async (displayName) =>
      many(await scanRecords<string>(store, collection.named(displayName))),
    list: (limit, afterObjectId) => listPrincipals(store, tenantId, limit, afterObjectId),
    membersOf: async (groupId) =>
      many(await scanRecords<string>(store, collection.members(groupId.toLowerCase()))),
  };
}

async function listPrincipals(
  reader: Reader,
  tenantId: string,
  limit: number,
  afterObjectId: string | undefined,
): Promise<PrincipalPage> {
  const principals: Principal[] = [];
  let range = prefixRange(collection.objects());
  if (afterObjectId !== undefined) range = { ...range, start: after(recordKey.object(afterObjectId)) };
  for (;;) {
    const page = await reader.range(range, limit + 1);
    for (const entry of page) {
      const principal = toPrincipal(decodeRecord<DirectoryObject>(entry.value), tenantId);
      if (principal === undefined) continue;
      const last = principals.at(-1);
      if (principals.length === limit && last !== undefined) return { principals, next: last.objectId };
      principals.push(principal);
    }
    const last = page.at(-1);
    if (last === undefined || page.length <= limit) return { principals };
    range = { ...range, start: after(last.key) };
  }
}

async function addUser(
  context: DirectoryContext,
  user: { readonly userPrincipalName: string; readonly displayName?: string },
): Promise<Principal> {
  const at = user.userPrincipalName.lastIndexOf("@");
  const localPart = user.userPrincipalName.slice(0, Math.max(at, 0));
  if (
    !UPN_LOCAL_PART.test(localPart) ||
    user.userPrincipalName.slice(at + 1).toLowerCase() !== context.domain
  ) {
    throw new DirectoryError("invalid", `A user principal name has the form name@${context.domain}.`);
  }
  const displayName = checkDisplayName(user.displayName ?? localPart);
  return context.change(async (transaction) => {
    if ((await transaction.get(recordKey.upn(user.userPrincipalName))) !== undefined) {
      throw new DirectoryError(
        "conflict",
        `Another object with the user principal name ${user.userPrincipalName} exists.`,
      );
    }
    return insertPrincipal(context, transaction, {
      kind: "user",
      id: uuid(context.entropy),
      displayName,
      userPrincipalName: user.userPrincipalName,
      createdAt: context.clock.now(),
    });
  });
}

async function addGroup(
  context: DirectoryContext,
  group: { readonly displayName: string; readonly members?: readonly string[] },
): Promise<Principal> {
  const displayName = checkDisplayName(group.displayName);
  return context.change(async (transaction) => {
    const id = uuid(context.entropy);
    const principal = insertPrincipal(context, transaction, {
      kind: "group",
      id,
      displayName,
      createdAt: context.clock.now(),
    });
    for (const member of group.members ?? []) await addMember(transaction, id, member);
    return principal;
  });
}

function insertPrincipal(
  context: DirectoryContext,
  transaction: Transaction,
  object: PrincipalObject,
): Principal {
  insertObject(transaction, object);
  const principal = toPrincipal(object, context.tenantId);
  if (principal === undefined) throw new Error("unreachable: a principal object is a principal");
  return principal;
}

async function addMember(transaction: Transaction, groupId: string, memberId: string): Promise<void> {
  const group = await readObject(transaction, groupId);
  if (group?.kind !== "group") throw new DirectoryError("notFound", `There is no group ${groupId}.`);
  const member = await readObject(transaction, memberId);
  if (member === undefined || member.kind === "application") {
    throw new DirectoryError("notFound", `There is no principal ${memberId}.`);
  }
  if (member.id === group.id) throw new DirectoryError("invalid", "A group cannot be a member of itself.");
  transaction.put(recordKey.member(group.id, member.id), encodeRecord(member.id));
  transaction.put(recordKey.memberOf(member.id, group.id), encodeRecord(group.id));
}

async function removeMember(transaction: Transaction, groupId: string, memberId: string): Promise<boolean> {
  const [group, member] = [groupId.toLowerCase(), memberId.toLowerCase()];
  if ((await transaction.get(recordKey.member(group, member))) === undefined) return false;
  transaction.delete(recordKey.member(group, member));
  transaction.delete(recordKey.memberOf(member, group));
  return true;
}

async function deletePrincipal(transaction: Transaction, objectId: string): Promise<boolean> {
  const object = await readObject(transaction, objectId);
  if (object === undefined) return false;
  if (object.kind !== "user" && object.kind !== "group") {
    throw new DirectoryError(
      "invalid",
      "A service principal is deleted with its application, identity resource or host.",
    );
  }
  await removeObject(transaction, object);
  return true;
}

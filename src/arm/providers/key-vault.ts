/**
 * Microsoft.KeyVault: vaults with their access policies and secrets as Azure Resource Manager knows them. A deleted
 * vault keeps its name until it is purged, and comes back with what it held.
 */
import { ArmError } from "../../azure/arm-error.ts";
import { sameResourceId } from "../../azure/resource-id.ts";
import { directoryLock } from "../../identity/control.ts";
import type { Reader, Transaction } from "../../storage/port.ts";
import { clip } from "../errors.ts";
import {
  isArray,
  isObject,
  type Json,
  type JsonObject,
  member,
  objectMember,
  stringMember,
  without,
} from "../json.ts";
import { normalizeLocation } from "../locations.ts";
import { type Call, type Operation, type Outcome, type Provider, parameter } from "../operation.ts";
import { armLock, deleteRecord, getRecord, listRecords, putRecord } from "../records.ts";
import {
  getResource,
  listResources,
  locationOf,
  propertiesOf,
  putResource,
  requireResource,
  resolveResource,
  type StoredResource,
} from "../resources.ts";
import { objectBody, writeResource } from "./generic.ts";

const type = "Microsoft.KeyVault/vaults";
const root = "/subscriptions/{subscription}/providers/Microsoft.KeyVault";
const one = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.KeyVault/vaults/{name}";
const deleted = `${root}/locations/{location}/deletedVaults/{name}`;

const operations: readonly Operation[] = [
  { method: "PUT", path: one, action: `${type}/write`, handler: (call) => writeVault(call, false) },
  { method: "PATCH", path: one, action: `${type}/write`, handler: (call) => writeVault(call, true) },
  {
    method: "PUT",
    path: `${one}/accessPolicies/{kind}`,
    action: `${type}/accessPolicies/write`,
    handler: changePolicies,
  },
  {
    method: "PUT",
    path: `${one}/secrets/{secret}`,
    action: `${type}/secrets/write`,
    handler: (call) => writeSecret(call, false),
  },
  {
    method: "PATCH",
    path: `${one}/secrets/{secret}`,
    action: `${type}/secrets/write`,
    handler: (call) => writeSecret(call, true),
  },
  {
    method: "GET",
    path: `${root}/deletedVaults`,
    action: "Microsoft.KeyVault/deletedVaults/read",
    scope: "/subscriptions/{subscription}",
    handler: listDeleted,
  },
  {
    method: "GET",
    path: deleted,
    action: "Microsoft.KeyVault/locations/deletedVaults/read",
    scope: "/subscriptions/{subscription}",
    handler: readDeleted,
  },
  {
    method: "POST",
    path: `${deleted}/purge`,
    action: "Microsoft.KeyVault/locations/deletedVaults/purge/action",
    scope: "/subscriptions/{subscription}",
    handler: purge,
  },
];

export const keyVaultProvider: Provider = {
  operations,
  removals: {
    [type]: {
      locks: () => [],
      remove: (plane, transaction, vault) => keepDeleted(transaction, vault, plane.clock.now()),
    },
  },
};

/** A vault after its deletion, with the resources below it. */
interface DeletedVault {
  readonly vault: StoredResource;
  readonly below: readonly StoredResource[];
  readonly deletedAt: number;
}

/** Vault names are host names: one of each, in all subscriptions. */
function deletedKey(name: string): readonly string[] {
  return ["deletedVault", name.toLowerCase()];
}

/** True while the name belongs to a vault that was deleted and not purged. */
export async function isVaultDeleted(reader: Reader, name: string): Promise<boolean> {
  return (await getRecord(reader, deletedKey(name))) !== undefined;
}

async function keepDeleted(
  transaction: Transaction,
  vault: StoredResource,
  deletedAt: number,
): Promise<void> {
  if (member(propertiesOf(vault), "enableSoftDelete") === false) return;
  const below = (await listResources(transaction, vault.id)).filter(({ id }) => id !== vault.id);
  const record: DeletedVault = { vault, below, deletedAt };
  putRecord(transaction, deletedKey(vault.name), record);
}

const nameInvalid = /^(?![a-z](?:-?[a-z0-9])*$)|^.{25,}$|^.{0,2}$/i;

async function writeVault(call: Call, patching: boolean): Promise<Outcome> {
  const name = parameter(call, "name");
  if (nameInvalid.test(name)) {
    throw new ArmError(
      400,
      "VaultNameNotValid",
      `The vault name '${clip(name)}' is invalid. A vault's name must be between 3-24 alphanumeric characters. The name must begin with a letter, end with a letter or digit, and not contain consecutive hyphens. Follow this link for more information: https://go.microsoft.com/fwlink/?linkid=2147742`,
    );
  }
  const sent = objectMember(objectBody(call), "properties");
  const mode = stringMember(sent, "createMode")?.toLowerCase();
  const { store } = call.plane;
  const seen = await getResource(store, (await resolveResource(store, call.address.path)).id);
  if (seen !== undefined && changesModel(seen, sent, patching)) {
    await call.require("Microsoft.Authorization/roleAssignments/write", seen.id);
  }
  return writeResource(call, patching, async (transaction, vault) => {
    const before = await getRecord<DeletedVault>(transaction, deletedKey(name));
    if (before === undefined) {
      const present = await getResource(transaction, vault.id);
      if (present === undefined) await rejectTakenName(transaction, vault.name);
      else if (isByRoles(present) !== (seen === undefined ? undefined : isByRoles(seen)))
        throw changedMeanwhile(name);
      return { ...vault, body: protectedBody(vault, present) };
    }
    // A vault comes back where it was: who may write elsewhere has no say there.
    if (mode !== "recover" || !sameResourceId(before.vault.id, vault.id)) throw nameOfDeleted();
    for (const resource of before.below) putResource(transaction, resource);
    deleteRecord(transaction, deletedKey(name));
    return before.vault;
  });
}

/** One vault of each name, so that none takes another's place among the deleted ones. */
async function rejectTakenName(reader: Reader, name: string): Promise<void> {
  const isTaken = (await listResources(reader, "/subscriptions")).some(
    (each) => each.type === type && each.name.toLowerCase() === name.toLowerCase(),
  );
  if (!isTaken) return;
  throw new ArmError(
    409,
    "VaultAlreadyExists",
    `The vault name '${clip(name)}' is already in use. Vault names are globally unique so it is possible that the name is already taken.`,
  );
}

/** True when roles decide about the vault's data, and not its access policies. */
function isByRoles(vault: StoredResource): boolean {
  return member(propertiesOf(vault), "enableRbacAuthorization") === true;
}

/**
 * True for a write after which something else decides about the vault's data: whoever may do that gives himself the
 * data, so it takes the right to assign roles (Key Vault documentation, "permission model").
 */
function changesModel(before: StoredResource, sent: JsonObject | undefined, patching: boolean): boolean {
  const wanted = member(sent, "enableRbacAuthorization");
  return !(patching && wanted === undefined) && (wanted === true) !== isByRoles(before);
}

function changedMeanwhile(name: string): ArmError {
  return new ArmError(
    409,
    "ConflictError",
    `The vault '${clip(name)}' was changed by another request; please retry.`,
  );
}

/** What protects a vault from its deletion can be switched on and never off; a write that does not say keeps it. */
function protectedBody(vault: StoredResource, before: StoredResource | undefined): JsonObject {
  const own = propertiesOf(vault);
  const was = before === undefined ? {} : propertiesOf(before);
  if (before !== undefined && member(own, "enableSoftDelete") === false) {
    if (member(was, "enableSoftDelete") !== false) throw irreversible("enableSoftDelete", "soft delete");
  }
  if (member(was, "enablePurgeProtection") !== true) return vault.body;
  if (member(own, "enablePurgeProtection") === false)
    throw irreversible("enablePurgeProtection", "purge protection");
  const properties = { ...without(own, ["enablePurgeProtection"]), enablePurgeProtection: true };
  return { ...without(vault.body, ["properties"]), properties };
}

function irreversible(property: string, feature: string): ArmError {
  return new ArmError(
    400,
    "BadRequest",
    `The property "${property}" cannot be set to false. Enabling the ${feature} for a vault is an irreversible action.`,
  );
}

function nameOfDeleted(): ArmError {
  return new ArmError(
    409,
    "ConflictError",
    "A vault with the same name already exists in deleted state. You need to either recover or purge existing key vault. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete.",
  );
}

/** `add` and `remove` merge by principal and application; `replace` sets the policies as a whole. */
async function changePolicies(call: Call): Promise<Outcome> {
  const kind = parameter(call, "kind").toLowerCase();
  const sent = member(objectMember(objectBody(call), "properties"), "accessPolicies");
  if (!["add", "replace", "remove"].includes(kind) || !isArray(sent)) {
    throw new ArmError(400, "BadRequest", "Access policies are added, replaced or removed, as a list.");
  }
  const { store } = call.plane;
  const path = call.address.path.replace(/\/accessPolicies\/[^/]+$/i, "");
  return store.transact([armLock, directoryLock], async (transaction) => {
    const vault = await requireResource(transaction, await resolveResource(transaction, path));
    const known = member(propertiesOf(vault), "accessPolicies");
    const accessPolicies = mergePolicies(isArray(known) ? known : [], sent, kind);
    const properties = { ...propertiesOf(vault), accessPolicies };
    const next = { ...vault, body: { ...vault.body, properties } };
    putResource(transaction, next);
    const body = {
      id: `${vault.id}/accessPolicies/`,
      type: "Microsoft.KeyVault/vaults/accessPolicies",
      location: locationOf(vault) ?? "",
      properties: { accessPolicies },
    };
    return { status: 200, body };
  });
}

const permissionKinds = ["keys", "secrets", "certificates", "storage"];

function mergePolicies(known: readonly Json[], sent: readonly Json[], kind: string): Json[] {
  if (kind === "replace") return [...sent];
  const policies = new Map(known.map((policy) => [holderOf(policy), policy]));
  for (const policy of sent) {
    const holder = holderOf(policy);
    const before = policies.get(holder);
    const merged = mergePermissions(before, policy, kind === "add");
    if (merged === undefined) policies.delete(holder);
    else policies.set(holder, merged);
  }
  return [...policies.values()];
}

function holderOf(policy: Json): string {
  const names = ["tenantId", "objectId", "applicationId"];
  return names.map((name) => (stringMember(policy, name) ?? "").toLowerCase()).join("/");
}

/** `undefined` when nothing is left. */
function mergePermissions(before: Json | undefined, policy: Json, adds: boolean): Json | undefined {
  const names = (of: Json | undefined, kind: string): readonly string[] => {
    const list = member(objectMember(of, "permissions"), kind);
    return isArray(list) ? list.filter((each) => typeof each === "string") : [];
  };
  const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();
  const permissions = permissionKinds.map((kind): readonly [string, readonly string[]] => {
    const had = names(before, kind);
    const given = names(policy, kind);
    const kept = had.filter((name) => !given.some((each) => same(each, name)));
    return [kind, adds ? [...kept, ...given] : kept];
  });
  if (!adds && permissions.every(([, list]) => list.length === 0)) return undefined;
  const base = isObject(before) ? before : isObject(policy) ? policy : {};
  return { ...base, permissions: Object.fromEntries(permissions) };
}

const versionBytes = 16;

/** Each value that is written becomes a version of its own; only the newest is kept. */
function writeSecret(call: Call, patching: boolean): Promise<Outcome> {
  const value = member(objectMember(objectBody(call), "properties"), "value");
  if (!patching && typeof value !== "string") {
    throw new ArmError(400, "BadRequest", "The secret's property 'value' is required and must be a text.");
  }
  return writeResource(call, patching, async (transaction, secret) => {
    const before = await getResource(transaction, secret.id);
    const kept = before === undefined ? undefined : stringMember(propertiesOf(before), "version");
    const fresh = Buffer.from(call.plane.entropy.bytes(versionBytes)).toString("hex");
    const version = value === undefined ? (kept ?? fresh) : fresh;
    return { ...secret, body: { ...secret.body, properties: { ...propertiesOf(secret), version } } };
  });
}

async function deletedOf(call: Call): Promise<DeletedVault> {
  const name = parameter(call, "name");
  const record = await getRecord<DeletedVault>(call.plane.store, deletedKey(name));
  const location = normalizeLocation(parameter(call, "location"));
  if (
    record === undefined ||
    !isIn(record, call) ||
    normalizeLocation(locationOf(record.vault) ?? "") !== location
  ) {
    throw new ArmError(
      404,
      "DeletedVaultNotFound",
      `The specified deleted vault '${clip(name)}' does not exist. Follow this link for more information: https://go.microsoft.com/fwlink/?linkid=2147741`,
    );
  }
  return record;
}

function isIn({ vault }: DeletedVault, call: Call): boolean {
  const prefix = `/subscriptions/${parameter(call, "subscription")}/`.toLowerCase();
  return vault.id.toLowerCase().startsWith(prefix);
}

async function listDeleted(call: Call): Promise<Outcome> {
  const all = await listRecords<DeletedVault>(call.plane.store, ["deletedVault"]);
  const value = all.filter((record) => isIn(record, call)).map(renderDeleted);
  return { status: 200, body: { value } };
}

async function readDeleted(call: Call): Promise<Outcome> {
  return { status: 200, body: renderDeleted(await deletedOf(call)) };
}

const dayMilliseconds = 86_400_000;
const retentionDaysDefault = 90;

function renderDeleted({ vault, deletedAt }: DeletedVault): JsonObject {
  const subscription = vault.id.split("/")[2] ?? "";
  const own = propertiesOf(vault);
  const location = normalizeLocation(locationOf(vault) ?? "");
  const days = member(own, "softDeleteRetentionInDays");
  const kept = typeof days === "number" ? days : retentionDaysDefault;
  const protection = member(own, "enablePurgeProtection");
  return {
    id: `/subscriptions/${subscription}/providers/Microsoft.KeyVault/locations/${location}/deletedVaults/${vault.name}`,
    name: vault.name,
    type: "Microsoft.KeyVault/deletedVaults",
    properties: {
      vaultId: vault.id,
      location,
      tags: objectMember(vault.body, "tags") ?? {},
      deletionDate: new Date(deletedAt).toISOString(),
      scheduledPurgeDate: new Date(deletedAt + kept * dayMilliseconds).toISOString(),
      ...(protection === true ? { purgeProtectionEnabled: true } : {}),
    },
  };
}

async function purge(call: Call): Promise<Outcome> {
  const { vault } = await deletedOf(call);
  if (member(propertiesOf(vault), "enablePurgeProtection") === true) {
    throw new ArmError(
      405,
      "MethodNotAllowed",
      "Operation 'DeletedVaultPurge' is not allowed because purge protection is enabled for this vault.",
    );
  }
  await call.plane.store.transact([armLock], async (transaction) => {
    deleteRecord(transaction, deletedKey(vault.name));
  });
  return { status: 200 };
}

/**
 * The `identity` block of a host resource: reading what a request wants, asking whether the caller may assign the
 * identities, applying it to the directory within the resource's own transaction, and showing the result. The
 * directory is the only place that knows which identities a host carries; the resource record has no copy.
 */
import { ArmError } from "../azure/arm-error.ts";
import { normalizeResourceId, parseResourceId } from "../azure/resource-id.ts";
import type { HostIdentities } from "../identity/control.ts";
import type { Reader, Transaction } from "../storage/port.ts";
import { clip, linkedAuthorizationFailed } from "./errors.ts";
import { isObject, type Json, type JsonObject, member } from "./json.ts";
import type { Call, ControlPlane } from "./operation.ts";

/** What a request says about identities; `undefined` when it says nothing and the host keeps what it has. */
export interface WantedIdentity {
  readonly system: boolean;
  readonly user: boolean;
  /** Identity ids to carry, and ids to remove (written as `null`). */
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

const assignAction = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action";

/** Reads `body.identity`. Throws ArmError 400 for unknown types, ids that are no identities, or wrong values. */
export function readIdentityBlock(body: Json | undefined): WantedIdentity | undefined {
  const block = member(body, "identity");
  if (block === undefined || block === null) return undefined;
  if (!isObject(block)) throw invalidIdentity("The 'identity' property must be an object.");
  const type = member(block, "type") ?? "None";
  const kinds = typeof type === "string" ? type.split(",").map((kind) => kind.trim().toLowerCase()) : [];
  const known = ["systemassigned", "userassigned", "none"];
  if (kinds.length === 0 || kinds.some((kind) => !known.includes(kind))) {
    throw invalidIdentity(
      `The identity type '${clip(String(type))}' is not valid. Supported types are 'None', 'SystemAssigned', 'UserAssigned' and 'SystemAssigned, UserAssigned'.`,
    );
  }
  const user = kinds.includes("userassigned");
  const { add, remove } = readIdentityIds(member(block, "userAssignedIdentities"));
  if (!user && add.length > 0) {
    throw invalidIdentity(
      "User assigned identities were given, but the identity type has no 'UserAssigned'.",
    );
  }
  return { system: kinds.includes("systemassigned"), user, add, remove };
}

function readIdentityIds(ids: Json | undefined): { add: string[]; remove: string[] } {
  const add: string[] = [];
  const remove: string[] = [];
  if (ids === undefined || ids === null) return { add, remove };
  if (!isObject(ids))
    throw invalidIdentity("'userAssignedIdentities' must be an object keyed by identity ids.");
  for (const [id, value] of Object.entries(ids)) {
    const parsed = parseResourceId(id);
    if (parsed?.namespace?.toLowerCase() !== "microsoft.managedidentity") {
      throw new ArmError(
        400,
        "LinkedInvalidPropertyId",
        `Property id '${clip(id)}' at path 'identity.userAssignedIdentities' is invalid. Expect fully qualified resource Id that start with '/subscriptions/{subscriptionId}' or '/providers/{resourceProviderNamespace}/'.`,
      );
    }
    if (value === null) remove.push(id);
    else if (isObject(value)) add.push(id);
    else {
      throw invalidIdentity(
        `Invalid value for the identities '${clip(id)}'. The 'UserAssigned' identity keys should only be empty json objects, null or the resource exisiting property.`,
      );
    }
  }
  return { add, remove };
}

function invalidIdentity(message: string): ArmError {
  return new ArmError(400, "InvalidIdentityValues", message);
}

/** Throws ArmError 403 `LinkedAuthorizationFailed` unless the caller may assign every identity that is wanted. */
export async function requireAssignRights(call: Call, wanted: WantedIdentity | undefined): Promise<void> {
  const refused: string[] = [];
  for (const id of wanted?.add ?? []) {
    const decision = await call.decide(assignAction, id);
    if (!decision.allowed) refused.push(id);
  }
  if (refused.length > 0) {
    throw linkedAuthorizationFailed(call.caller, call.requirement, assignAction, refused);
  }
}

/**
 * Brings the host's identities to what is wanted. With `merge` (PATCH) the named user-assigned identities join those
 * the host has; otherwise (PUT) they replace them. A host that never had an identity and wants none stays unknown to
 * the directory.
 */
export async function applyIdentity(
  plane: ControlPlane,
  transaction: Transaction,
  hostId: string,
  wanted: WantedIdentity | undefined,
  merge: boolean,
): Promise<void> {
  if (wanted === undefined) return;
  const current = await plane.identity.getHost(transaction, hostId);
  const kept = merge && current !== undefined ? current.userAssigned.map((each) => each.resourceId) : [];
  const dropped = new Set(wanted.remove.map(normalizeResourceId));
  const user = new Map([...kept, ...wanted.add].map((id) => [normalizeResourceId(id), id]));
  for (const id of dropped) user.delete(id);
  if (wanted.user && user.size === 0 && dropped.size === 0) {
    throw new ArmError(
      400,
      "MissingIdentityIds",
      "The identity ids must not be null or empty for 'UserAssigned' identity type.",
    );
  }
  const userAssigned = wanted.user ? [...user.values()] : [];
  if (current === undefined && !wanted.system && userAssigned.length === 0) return;
  if (!wanted.system && userAssigned.length === 0) {
    await plane.identity.deleteHost(transaction, hostId);
    return;
  }
  await plane.identity.putHostIdentities(transaction, hostId, {
    systemAssigned: wanted.system,
    userAssigned,
  });
}

/** The block as answers show it, or `undefined` for a host without identities. */
export async function renderIdentity(
  plane: ControlPlane,
  reader: Reader,
  hostId: string,
  separator: ", " | "," = ", ",
): Promise<JsonObject | undefined> {
  const host = await plane.identity.getHost(reader, hostId);
  return host === undefined ? undefined : renderHost(host, separator);
}

function renderHost(host: HostIdentities, separator: string): JsonObject | undefined {
  const system = host.systemAssigned;
  const user = Object.fromEntries(
    host.userAssigned.map((identity) => [
      identity.resourceId,
      { principalId: identity.principalId, clientId: identity.clientId },
    ]),
  );
  const kinds = [
    ...(system === undefined ? [] : ["SystemAssigned"]),
    ...(host.userAssigned.length === 0 ? [] : ["UserAssigned"]),
  ];
  if (kinds.length === 0) return undefined;
  return {
    type: kinds.join(separator),
    ...(system === undefined ? {} : { principalId: system.principalId, tenantId: system.tenantId }),
    ...(host.userAssigned.length === 0 ? {} : { userAssignedIdentities: user }),
  };
}

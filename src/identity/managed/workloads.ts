/**
 * Which running programs may ask for managed identity tokens, and with what secret. In memory only: a workload ends
 * with the process it stands for, and its secret is worth nothing afterwards.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { normalizeResourceId } from "../../azure/resource-id.ts";
import type { Entropy } from "../../clock.ts";
import { uuid } from "../../clock.ts";
import type { Store } from "../../storage/port.ts";
import type { IdentityControl, ManagedIdentityRecord } from "../control.ts";

const SECRET_BYTES = 32;

/** A program that has been given managed identities. Without a host it is anonymous and carries only `identities`. */
export interface Workload {
  readonly id: string;
  readonly hostResourceId?: string;
  /** Resource ids of user-assigned identities, beside those of the host. */
  readonly identities: readonly string[];
  /** Their object ids in the same order: one that is made later under the same resource id was not given to it. */
  readonly principalIds?: readonly string[];
  /** The developer who is signed in to its command line tools. */
  readonly userObjectId?: string;
  /** The stamp of that sign-in (see sign-in-stamp.ts). */
  readonly userStamp?: number;
}

/** What a workload carries at this moment. */
export interface CarriedIdentities {
  /** The host as the directory spells it, if it carries anything. */
  readonly hostResourceId?: string;
  readonly systemAssigned?: ManagedIdentityRecord;
  readonly userAssigned: readonly ManagedIdentityRecord[];
}

export interface Workloads {
  /** Starts a workload; `secret` goes into its environment and nowhere else. */
  register(workload: Partial<Omit<Workload, "id">>): { readonly id: string; readonly secret: string };
  /** Ends a workload; from then on its secret opens nothing. False when there is none. */
  release(id: string): boolean;
  find(id: string): Workload | undefined;
  /** The workload with this secret. */
  findBySecret(secret: string): Workload | undefined;
  list(): readonly Workload[];
  /** Looked up anew each time, so detaching an identity or deleting the host takes effect at once. */
  identitiesOf(workload: Workload): Promise<CarriedIdentities>;
}

/** An empty registry. Identities are resolved through `control` in `store`. */
export function createWorkloads(options: {
  readonly store: Store;
  readonly control: IdentityControl;
  readonly entropy: Entropy;
}): Workloads {
  const workloads = new Map<string, { readonly workload: Workload; readonly digest: string }>();
  const byDigest = new Map<string, Workload>();
  return {
    register(given) {
      const workload: Workload = { identities: [], ...given, id: uuid(options.entropy) };
      const secret = Buffer.from(options.entropy.bytes(SECRET_BYTES)).toString("base64url");
      const digest = digestOf(secret);
      workloads.set(workload.id, { workload, digest });
      byDigest.set(digest, workload);
      return { id: workload.id, secret };
    },
    release(id) {
      const entry = workloads.get(id);
      if (entry === undefined) return false;
      workloads.delete(id);
      byDigest.delete(entry.digest);
      return true;
    },
    find: (id) => workloads.get(id)?.workload,
    // The map compares digests, whose bytes a caller cannot steer, so its timing says nothing about a secret; the
    // final comparison is over the whole digest in constant time.
    findBySecret(secret) {
      const digest = digestOf(secret);
      const workload = byDigest.get(digest);
      const known = workload === undefined ? undefined : workloads.get(workload.id)?.digest;
      if (known === undefined) return undefined;
      return timingSafeEqual(Buffer.from(known), Buffer.from(digest)) ? workload : undefined;
    },
    list: () => [...workloads.values()].map((entry) => entry.workload),
    identitiesOf: (workload) => resolve(options.store, options.control, workload),
  };
}

function digestOf(secret: string): string {
  return createHash("sha256").update(secret, "utf8").digest("base64url");
}

async function resolve(
  store: Store,
  control: IdentityControl,
  workload: Workload,
): Promise<CarriedIdentities> {
  const host =
    workload.hostResourceId === undefined ? undefined : await control.getHost(store, workload.hostResourceId);
  const userAssigned = new Map<string, ManagedIdentityRecord>();
  for (const identity of host?.userAssigned ?? []) {
    userAssigned.set(normalizeResourceId(identity.resourceId), identity);
  }
  for (const [at, resourceId] of workload.identities.entries()) {
    const identity = await control.getUserAssigned(store, resourceId);
    const given = workload.principalIds?.[at] ?? identity?.principalId;
    if (identity !== undefined && identity.principalId === given)
      userAssigned.set(normalizeResourceId(resourceId), identity);
  }
  return {
    userAssigned: [...userAssigned.values()],
    ...(host === undefined ? {} : { hostResourceId: host.hostResourceId }),
    ...(host?.systemAssigned === undefined ? {} : { systemAssigned: host.systemAssigned }),
  };
}

/**
 * Pods of AKS pod identity (version 1): what a `run` says about its pod, together with the cluster's own profile in
 * Resource Manager, makes the metadata service that the pod sees.
 */
import { getResource, propertiesOf } from "../arm/resources.ts";
import type { Service } from "../http/service.ts";
import type { Identity } from "../identity/identity.ts";
import {
  fromPodIdentityProfile,
  type PodIdentity,
  PodIdentityError,
  type PodIdentityObjects,
  readPodIdentityObjects,
} from "../identity/managed/pod-identity.ts";
import { OperatorError, type PodRequest } from "../operator/gateway.ts";
import type { Reader } from "../storage/port.ts";

const clusterId = /\/Microsoft\.ContainerService\/managedClusters\/[^/]+$/i;

export interface PodsContext {
  readonly identity: Identity;
  readonly store: Reader;
}

export interface PodPlace {
  /** The workload that stands for the pod's node. */
  readonly workloadId: string;
  /** Id of the cluster, if it is one of Resource Manager. */
  readonly cluster?: string;
  /** True where the program was told of the place by a variable. */
  readonly redirected: boolean;
}

/** OperatorError for a host that is no cluster of ours, and where a pod has nothing that could bind it. */
export async function requireCluster(
  { store }: PodsContext,
  host: string | undefined,
  pod: PodRequest,
): Promise<string | undefined> {
  if (host === undefined || host === "pod") {
    if (pod.objects.length > 0) return undefined;
    throw new OperatorError(
      "A pod needs --pod-identity FILE with its AzureIdentity and AzureIdentityBinding, or --as CLUSTER-ID.",
    );
  }
  const found = clusterId.test(host) ? await getResource(store, host) : undefined;
  if (found === undefined) throw new OperatorError(`There is no cluster '${host}'.`);
  return found.id;
}

/** The metadata service of the pod. OperatorError for objects that cannot be of pod identity. */
export function podService({ identity, store }: PodsContext, pod: PodRequest, place: PodPlace): Service {
  const { workloadId, cluster, redirected } = place;
  const own = readObjects(pod.objects);
  /** A profile may name an identity by its resource alone. */
  const completed = async (bound: PodIdentity): Promise<PodIdentity> => {
    if (bound.clientId !== "") return bound;
    const record = await identity.control.getUserAssigned(store, bound.resourceId);
    return { ...bound, clientId: record?.clientId ?? "" };
  };
  const objects = async (): Promise<PodIdentityObjects> => {
    const found = cluster === undefined ? undefined : await getResource(store, cluster);
    const profile = found === undefined ? undefined : propertiesOf(found)["podIdentityProfile"];
    const managed = fromPodIdentityProfile(profile);
    return {
      identities: [...own.identities, ...(await Promise.all(managed.identities.map(completed)))],
      bindings: [...own.bindings, ...managed.bindings],
      exceptions: [...own.exceptions, ...managed.exceptions],
    };
  };
  return identity.managed.nmi(workloadId, { pod, objects, answerWithoutHeader: redirected });
}

function readObjects(objects: readonly unknown[]): PodIdentityObjects {
  try {
    return readPodIdentityObjects(objects);
  } catch (error) {
    if (error instanceof PodIdentityError) throw new OperatorError(error.message);
    throw error;
  }
}

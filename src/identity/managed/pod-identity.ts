/**
 * AKS pod identity, version 1 (aad-pod-identity): which identities a pod is bound to. Pure, and apart from the endpoint
 * that hands out the tokens, as the objects come from files or from a cluster's `podIdentityProfile`.
 */

/** A pod as a `run` describes it. */
export interface Pod {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** An `AzureIdentity` of type 0: a user-assigned managed identity. */
export interface PodIdentity {
  readonly namespace: string;
  readonly name: string;
  readonly resourceId: string;
  readonly clientId: string;
  /** Bound to pods of its own namespace only. */
  readonly namespaced: boolean;
}

/** An `AzureIdentityBinding`: pods whose label is `selector` get the identity of that name in the binding's namespace. */
export interface PodIdentityBinding {
  readonly namespace: string;
  readonly identity: string;
  readonly selector: string;
}

/** An `AzurePodIdentityException`: pods with all of these labels speak to the node's own metadata service. */
export interface PodIdentityException {
  readonly namespace: string;
  readonly podLabels: Readonly<Record<string, string>>;
}

export interface PodIdentityObjects {
  readonly identities: readonly PodIdentity[];
  readonly bindings: readonly PodIdentityBinding[];
  readonly exceptions: readonly PodIdentityException[];
}

/** The label by which a pod names the selector of its bindings. */
export const bindingLabel = "aadpodidbinding";

/** An object that cannot be one of pod identity; the message is for the person who wrote it. */
export class PodIdentityError extends Error {
  override readonly name = "PodIdentityError";
}

/** The identities bound to `pod`, in the order of the bindings. Names, selectors and labels are compared as they are. */
export function boundIdentities(pod: Pod, objects: PodIdentityObjects): readonly PodIdentity[] {
  const label = pod.labels[bindingLabel];
  if (label === undefined || label === "") return [];
  const found = objects.bindings
    .filter(({ selector }) => selector === label)
    .flatMap((binding) =>
      objects.identities.filter(
        ({ name, namespace, namespaced }) =>
          name === binding.identity &&
          namespace === binding.namespace &&
          (!namespaced || namespace === pod.namespace),
      ),
    );
  return [...new Set(found)];
}

/** True for a pod that an exception of its own namespace lets pass. */
export function isExcepted(pod: Pod, { exceptions }: PodIdentityObjects): boolean {
  return exceptions.some(
    ({ namespace, podLabels }) =>
      namespace === pod.namespace &&
      Object.keys(podLabels).length > 0 &&
      Object.entries(podLabels).every(([name, value]) => pod.labels[name] === value),
  );
}

/**
 * Kubernetes objects, lists of them included, as pod identity understands them; those of other kinds are passed over.
 * Throws PodIdentityError.
 */
export function readPodIdentityObjects(given: readonly unknown[]): PodIdentityObjects {
  const objects = given.flatMap((value) => {
    const items = member(value, "items");
    return Array.isArray(items) ? (items as readonly unknown[]) : [value];
  });
  const ofKind = (kind: string): readonly unknown[] =>
    objects.filter(
      (value) =>
        member(value, "kind") === kind &&
        String(member(value, "apiVersion")).startsWith("aadpodidentity.k8s.io/"),
    );
  return {
    identities: ofKind("AzureIdentity").map(readIdentity),
    bindings: ofKind("AzureIdentityBinding").map((value) => {
      const [spec, where] = specOf(value);
      return {
        namespace: where.namespace,
        identity: text(spec, "azureIdentity", where),
        selector: text(spec, "selector", where),
      };
    }),
    exceptions: ofKind("AzurePodIdentityException").map((value) => {
      const [spec, { namespace }] = specOf(value);
      return { namespace, podLabels: texts(member(spec, "podLabels")) };
    }),
  };
}

function readIdentity(value: unknown): PodIdentity {
  const [spec, where] = specOf(value);
  const type = member(spec, "type") ?? 0;
  if (Number(type) !== 0) {
    throw new PodIdentityError(
      `AzureIdentity ${where.namespace}/${where.name}: only type 0, a user-assigned identity, is supported.`,
    );
  }
  const annotations = texts(member(member(value, "metadata"), "annotations"));
  return {
    namespace: where.namespace,
    name: where.name,
    resourceId: text(spec, "resourceID", where),
    clientId: text(spec, "clientID", where),
    namespaced: annotations["aadpodidentity.k8s.io/Behavior"]?.toLowerCase() === "namespaced",
  };
}

/** What a cluster's `podIdentityProfile` (ARM) amounts to; the service enforces namespaces. */
export function fromPodIdentityProfile(profile: unknown): PodIdentityObjects {
  const none: PodIdentityObjects = { identities: [], bindings: [], exceptions: [] };
  if (member(profile, "enabled") !== true) return none;
  const entries = (name: string): readonly unknown[] => {
    const value = member(profile, name);
    return Array.isArray(value) ? value : [];
  };
  const assigned = entries("userAssignedIdentities").flatMap((entry) => {
    const [name, namespace] = [member(entry, "name"), member(entry, "namespace")];
    const identity = member(entry, "identity");
    const [resourceId, clientId] = [member(identity, "resourceId"), member(identity, "clientId")];
    if (typeof name !== "string" || typeof namespace !== "string" || typeof resourceId !== "string")
      return [];
    const selector = member(entry, "bindingSelector");
    return [
      {
        identity: {
          name,
          namespace,
          resourceId,
          clientId: typeof clientId === "string" ? clientId : "",
          namespaced: true,
        },
        binding: { namespace, identity: name, selector: typeof selector === "string" ? selector : name },
      },
    ];
  });
  return {
    identities: assigned.map(({ identity }) => identity),
    bindings: assigned.map(({ binding }) => binding),
    exceptions: entries("userAssignedIdentityExceptions").map((entry) => ({
      namespace: String(member(entry, "namespace")),
      podLabels: texts(member(entry, "podLabels")),
    })),
  };
}

interface Where {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

function specOf(value: unknown): readonly [spec: unknown, where: Where] {
  const metadata = member(value, "metadata");
  const [name, namespace] = [member(metadata, "name"), member(metadata, "namespace")];
  if (typeof name !== "string" || name === "") {
    throw new PodIdentityError(`An object of kind ${String(member(value, "kind"))} has no metadata.name.`);
  }
  return [
    member(value, "spec"),
    {
      kind: String(member(value, "kind")),
      name,
      namespace: typeof namespace === "string" && namespace !== "" ? namespace : "default",
    },
  ];
}

function text(spec: unknown, name: string, { kind, namespace, name: object }: Where): string {
  const value = member(spec, name);
  if (typeof value === "string" && value !== "") return value;
  throw new PodIdentityError(`${kind} ${namespace}/${object}: spec.${name} is missing.`);
}

function texts(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== "object" || value === null) return {};
  const entries = Object.entries(value).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  return Object.fromEntries(entries);
}

/** A member of an object of unknown shape; member names of these objects are written in one way only. */
function member(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}

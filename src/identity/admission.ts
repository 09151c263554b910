/**
 * The admission webhook of workload identity (AdmissionReview v1): a labelled pod gets the variables, the token volume
 * and our certificate authority, as Azure's own webhook would set them up for the public cloud. Azure's cannot, because
 * it knows no custom authority. The client id comes from the pod's annotation or from the identity that trusts the
 * pod's service account.
 */
import { createHash } from "node:crypto";
import { json } from "../http/reply.ts";
import type { Reply, Service } from "../http/service.ts";
import type { Reader } from "../storage/port.ts";
import { exchangeAudience } from "./issuers.ts";
import type { FederatedCredentialRecord } from "./records.ts";
import { collection, readObject, scanRecords } from "./records.ts";

const prefix = "azure.workload.identity";
const tokenFolder = "/var/run/secrets/azure/wi";
const tokenPath = "token/azure-identity-token";
const caFolder = "/var/run/secrets/celestite";
const caAnnotation = "celestite.dev/ca";
const caVolume = "celestite-ca";
const lifetimeDefault = 3600;
const lifetimeMax = 86_400;
/** Kubernetes sends far less; pods of this size do not exist. */
const variableNameMax = 63;

export interface AdmissionContext {
  readonly store: Reader;
  readonly tenantId: string;
  /** The certificate authority that pods must trust, PEM; empty for none. */
  readonly caPem: string;
}

interface Container {
  readonly name?: string;
  readonly env?: readonly { readonly name?: string }[];
  readonly volumeMounts?: readonly { readonly mountPath?: string }[];
}

interface Pod {
  readonly metadata?: {
    readonly name?: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: {
    readonly serviceAccountName?: string;
    readonly containers?: readonly Container[];
    readonly initContainers?: readonly Container[];
    readonly volumes?: readonly { readonly name?: string }[];
  };
}

/** One step of a JSON patch (RFC 6902). */
export interface PatchStep {
  readonly op: "add";
  readonly path: string;
  readonly value: unknown;
}

interface Review {
  readonly apiVersion?: unknown;
  readonly kind?: unknown;
  readonly request?: { readonly uid?: unknown; readonly namespace?: unknown; readonly object?: Pod };
}

/** `POST /mutate-v1-pod`. What is no review of a pod is refused with 400; a pod without the label is left alone. */
export function createAdmission(context: AdmissionContext): Service {
  return async (request) => {
    const review = readReview(request.body);
    const uid = review?.request?.uid;
    if (request.method !== "POST" || typeof uid !== "string") {
      return json(400, { error: "This takes an AdmissionReview of admission.k8s.io/v1 by POST." });
    }
    const pod = review?.request?.object ?? {};
    if (!isPod(pod)) return denied(uid, "the object is no Pod");
    const namespace = String(review?.request?.namespace ?? pod.metadata?.namespace ?? "default");
    if (pod.metadata?.labels?.[`${prefix}/use`] !== "true") return allowed(uid, []);
    const lifetime = readLifetime(pod);
    if (lifetime === undefined) {
      return denied(uid, `${prefix}/service-account-token-expiration is 3600 to ${lifetimeMax} seconds`);
    }
    const account = pod.spec?.serviceAccountName ?? "default";
    const variables = {
      AZURE_CLIENT_ID:
        pod.metadata.annotations?.[`${prefix}/client-id`] ??
        (await clientIdFor(context, `system:serviceaccount:${namespace}:${account}`)) ??
        "",
      AZURE_TENANT_ID: pod.metadata.annotations?.[`${prefix}/tenant-id`] ?? context.tenantId,
      AZURE_FEDERATED_TOKEN_FILE: `${tokenFolder}/${tokenPath}`,
      AZURE_AUTHORITY_HOST: `${authorityOf(request.target) ?? request.origin}/`,
    };
    return allowed(uid, patchOf(pod, variables, lifetime, context.caPem));
  };
}

function readReview(body: Uint8Array): Review | undefined {
  try {
    const value = JSON.parse(Buffer.from(body).toString("utf8")) as Review | null;
    return value?.kind === "AdmissionReview" && value.apiVersion === "admission.k8s.io/v1"
      ? value
      : undefined;
  } catch {
    // Not JSON: the caller refuses it.
    return undefined;
  }
}

type Members = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isList = (value: unknown, isEntry: (entry: unknown) => boolean): boolean =>
  value === undefined || value === null || (Array.isArray(value) && value.every(isEntry));
const areTexts = (value: unknown): boolean =>
  value === undefined || (isObject(value) && Object.values(value).every((text) => typeof text === "string"));
const isContainer = (value: unknown): boolean =>
  isObject(value) && isList(value["env"], isObject) && isList(value["volumeMounts"], isObject);

/** Whether what is looked at here has the form that it has in a pod: the API server sees to that, others need not. */
function isPod(value: unknown): value is Pod {
  if (!isObject(value)) return false;
  const { metadata = {}, spec = {} } = value;
  if (!isObject(metadata) || !isObject(spec)) return false;
  const { name = "", labels, annotations } = metadata;
  return (
    typeof name === "string" &&
    areTexts(labels) &&
    areTexts(annotations) &&
    isList(spec["volumes"], isObject) &&
    isList(spec["containers"], isContainer) &&
    isList(spec["initContainers"], isContainer)
  );
}

/** The address under which pods reach the authority, where it is another than the API server's. */
function authorityOf(target: string): string | undefined {
  const given = new URL(target, "https://webhook").searchParams.get("authority");
  return given !== null && /^https:\/\/[\w.-]+(:\d+)?$/.test(given) ? given : undefined;
}

/** 3600 unless the pod says otherwise; `undefined` for what no token can live. */
function readLifetime(pod: Pod): number | undefined {
  const text = pod.metadata?.annotations?.[`${prefix}/service-account-token-expiration`];
  if (text === undefined) return lifetimeDefault;
  const seconds = Number(text);
  return Number.isInteger(seconds) && seconds >= lifetimeDefault && seconds <= lifetimeMax
    ? seconds
    : undefined;
}

/** The client id of the only identity or application that trusts this subject, whatever its cluster. */
async function clientIdFor({ store }: AdmissionContext, subject: string): Promise<string | undefined> {
  const found = new Set<string>();
  for (const object of await scanRecords<{ readonly id: string; readonly kind: string }>(
    store,
    collection.objects(),
  )) {
    if (object.kind !== "servicePrincipal") continue;
    const credentials = await scanRecords<FederatedCredentialRecord>(store, collection.federated(object.id));
    if (credentials.some((credential) => credential.subject === subject)) found.add(object.id);
  }
  const [only, ...others] = found;
  const principal = only === undefined || others.length > 0 ? undefined : await readObject(store, only);
  return principal?.kind === "servicePrincipal" ? principal.appId : undefined;
}

/** The reserved volume name of Azure's webhook: a digest of the pod's name, cut to what Kubernetes allows. */
function tokenVolume(pod: Pod): string {
  const digest = createHash("sha256")
    .update(pod.metadata?.name ?? "")
    .digest("hex");
  return `azure-workload-identity-reserved-${digest}`.slice(0, variableNameMax);
}

function patchOf(
  pod: Pod,
  variables: Readonly<Record<string, string>>,
  lifetime: number,
  caPem: string,
): readonly PatchStep[] {
  const steps: PatchStep[] = [];
  const add = (path: string, value: unknown): void => void steps.push({ op: "add", path, value });
  const token = {
    name: tokenVolume(pod),
    projected: {
      sources: [
        { serviceAccountToken: { path: tokenPath, expirationSeconds: lifetime, audience: exchangeAudience } },
      ],
    },
  };
  // The certificate travels in the pod itself, so that no object has to exist in its namespace.
  const ca = {
    name: caVolume,
    downwardAPI: {
      items: [{ path: "ca.pem", fieldRef: { fieldPath: `metadata.annotations['${caAnnotation}']` } }],
    },
  };
  const volumes = caPem === "" ? [token] : [token, ca];
  const known = new Set((pod.spec?.volumes ?? []).map(({ name }) => name));
  const fresh = volumes.filter(({ name }) => !known.has(name));
  if (pod.spec?.volumes === undefined) add("/spec/volumes", fresh);
  else for (const volume of fresh) add("/spec/volumes/-", volume);
  if (caPem !== "") {
    if (pod.metadata?.annotations === undefined) add("/metadata/annotations", { [caAnnotation]: caPem });
    else add(`/metadata/annotations/${caAnnotation.replace("/", "~1")}`, caPem);
  }
  const caVariables =
    caPem === ""
      ? {}
      : {
          NODE_EXTRA_CA_CERTS: `${caFolder}/ca.pem`,
          SSL_CERT_FILE: `${caFolder}/ca.pem`,
          REQUESTS_CA_BUNDLE: `${caFolder}/ca.pem`,
        };
  const mounts = [
    { name: token.name, mountPath: tokenFolder, readOnly: true },
    ...(caPem === "" ? [] : [{ name: caVolume, mountPath: caFolder, readOnly: true }]),
  ];
  const skipped = new Set(
    (pod.metadata?.annotations?.[`${prefix}/skip-containers`] ?? "").split(";").map((name) => name.trim()),
  );
  for (const kind of ["initContainers", "containers"] as const) {
    for (const [at, container] of (pod.spec?.[kind] ?? []).entries()) {
      if (skipped.has(container.name ?? "")) continue;
      steps.push(
        ...containerSteps(`/spec/${kind}/${at}`, container, { ...variables, ...caVariables }, mounts),
      );
    }
  }
  return steps;
}

/** Only variables that the container does not set itself and that have a value; only mounts whose place is free. */
function containerSteps(
  path: string,
  container: Container,
  variables: Readonly<Record<string, string>>,
  mounts: readonly { readonly mountPath: string }[],
): readonly PatchStep[] {
  const named = new Set((container.env ?? []).map(({ name }) => name));
  const env = Object.entries(variables)
    .filter(([name, value]) => !named.has(name) && value !== "")
    .map(([name, value]) => ({ name, value }));
  const taken = new Set((container.volumeMounts ?? []).map(({ mountPath }) => mountPath));
  const free = mounts.filter(({ mountPath }) => !taken.has(mountPath));
  return [
    ...listSteps(`${path}/env`, container.env === undefined, env),
    ...listSteps(`${path}/volumeMounts`, container.volumeMounts === undefined, free),
  ];
}

function listSteps(path: string, isMissing: boolean, values: readonly unknown[]): readonly PatchStep[] {
  if (values.length === 0) return [];
  if (isMissing) return [{ op: "add", path, value: values }];
  return values.map((value) => ({ op: "add", path: `${path}/-`, value }));
}

function allowed(uid: string, steps: readonly PatchStep[]): Reply {
  const patch =
    steps.length === 0
      ? {}
      : { patchType: "JSONPatch", patch: Buffer.from(JSON.stringify(steps)).toString("base64") };
  return answer({ uid, allowed: true, ...patch });
}

function denied(uid: string, message: string): Reply {
  return answer({ uid, allowed: false, status: { code: 400, message } });
}

function answer(response: Readonly<Record<string, unknown>>): Reply {
  return json(200, { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response });
}

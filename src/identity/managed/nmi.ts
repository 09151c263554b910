/**
 * The token endpoint of AKS pod identity, version 1 (NMI): it stands at the metadata address of a pod and gives the
 * tokens of the identities that are bound to it. There NMI knows a pod by its address; here each pod has its own.
 * Refusals are plain text: 403 where nothing is bound, and 404, which clients repeat, while a bound identity does not
 * exist yet, as NMI says of one that is still being assigned.
 */
import { sameResourceId } from "../../azure/resource-id.ts";
import { json } from "../../http/reply.ts";
import type { Reply, Request, Service } from "../../http/service.ts";
import { describe } from "../errors.ts";
import { parseParameters, splitTarget } from "../parameters.ts";
import { createImds, type ImdsOptions, isSentToPublicName } from "./imds.ts";
import {
  boundIdentities,
  isExcepted,
  type Pod,
  type PodIdentity,
  type PodIdentityObjects,
} from "./pod-identity.ts";
import type { ManagedIdentityContext, ManagedToken } from "./select-identity.ts";
import { issueManagedToken } from "./select-identity.ts";

const metadataPath = "/metadata/identity/oauth2/token";
/** For programs on the node's own network, which name the pod that they act for. */
const hostPath = "/host/token";

export interface NmiOptions extends ImdsOptions {
  readonly pod: Pod;
  /** Looked up anew each time, so that a change of the cluster acts at once. */
  readonly objects: () => Promise<PodIdentityObjects>;
}

/** The endpoint of one pod; the workload `workloadId` is its node, for pods that are excepted. */
export function createNmi(context: ManagedIdentityContext, workloadId: string, options: NmiOptions): Service {
  const node = createImds(context, workloadId, options);
  return async (request) => {
    const parts = splitTarget(request.target);
    const path = `/${(parts?.segments ?? []).join("/")}`.toLowerCase();
    if (parts === undefined || (path !== metadataPath && path !== hostPath)) return node(request);
    if (request.method !== "GET") return refuse(405, `the method ${request.method} is not allowed`);
    const objects = await options.objects();
    if (path === metadataPath && isExcepted(options.pod, objects)) return node(request);
    if (isSentToPublicName(request))
      return refuse(400, "requests are sent to an address, not to a public name");
    const problem = path === hostPath ? checkNamedPod(request, options.pod) : checkHeader(request, options);
    if (problem !== undefined) return problem;
    const query = parseParameters(parts.query);
    if (!query.ok) return refuse(400, `parameter ${query.name} is ${query.fault}`);
    const resource = query.values.get("resource") ?? "";
    if (resource === "") return refuse(400, "parameter resource cannot be empty");
    const bound = choose(boundIdentities(options.pod, objects), query.values);
    if (bound === undefined) {
      const { namespace, name } = options.pod;
      const asked = query.values.get("client_id") ?? "";
      return refuse(403, `no azure identity found for request clientID ${asked} of pod ${namespace}/${name}`);
    }
    const token = await tokenOf(context, bound, resource, request.origin);
    return path === hostPath ? renderForHost(token) : render(token);
  };
}

/** As on the platform; a client that was told of a place of its own may do without. */
function checkHeader({ headers }: Request, { answerWithoutHeader = false }: NmiOptions): Reply | undefined {
  if (headers["metadata"]?.trim().toLowerCase() === "true") return undefined;
  if (answerWithoutHeader && headers["metadata"] === undefined) return undefined;
  return json(400, {
    error: "invalid_request",
    error_description: "Required metadata header not specified",
  });
}

function checkNamedPod({ headers }: Request, pod: Pod): Reply | undefined {
  const [namespace, name] = [headers["podns"] ?? "", headers["podname"] ?? ""];
  if (namespace === "" || name === "")
    return refuse(400, "missing 'podname' and 'podns' from request header");
  if (namespace === pod.namespace && name === pod.name) return undefined;
  return refuse(403, `no azure identity found for pod ${namespace}/${name}`);
}

/** The first that fits what was asked for; the first of all when nothing was. */
function choose(bound: readonly PodIdentity[], query: ReadonlyMap<string, string>): PodIdentity | undefined {
  const clientId = query.get("client_id")?.toLowerCase();
  const resourceId = query.get("mi_res_id") ?? query.get("msi_res_id");
  return bound.find(
    (identity) =>
      (clientId === undefined || identity.clientId.toLowerCase() === clientId) &&
      (resourceId === undefined || sameResourceId(identity.resourceId, resourceId)),
  );
}

type PodToken =
  | Extract<ManagedToken, { ok: true }>
  | { readonly ok: false; readonly status: 403 | 404; readonly text: string };

async function tokenOf(
  context: ManagedIdentityContext,
  bound: PodIdentity,
  audience: string,
  authority: string,
): Promise<PodToken> {
  const workload = { id: "", identities: [bound.resourceId] };
  const [identity] = (await context.workloads.identitiesOf(workload)).userAssigned;
  if (identity === undefined) {
    const text = `azure identity ${bound.namespace}/${bound.name}: there is no ${bound.resourceId}`;
    return { ok: false, status: 404, text };
  }
  if (identity.clientId !== bound.clientId.toLowerCase()) {
    const text = `azure identity ${bound.namespace}/${bound.name}: its client id is not that of ${bound.resourceId}`;
    return { ok: false, status: 403, text };
  }
  const token = await issueManagedToken(context, workload, { audience, soleUserAssigned: true, authority });
  if (token.ok) return token;
  const text = "fault" in token ? describe(token.fault) : "Identity not found";
  return { ok: false, status: 403, text };
}

function render(token: PodToken): Reply {
  return token.ok ? json(200, fields(token)) : refuse(token.status, token.text);
}

function renderForHost(token: PodToken): Reply {
  if (!token.ok) return refuse(token.status, token.text);
  return json(200, { token: fields(token), clientid: token.identity.clientId });
}

function fields({ issued, audience }: Extract<ManagedToken, { ok: true }>): Readonly<Record<string, string>> {
  return {
    access_token: issued.accessToken,
    refresh_token: "",
    expires_in: String(issued.expiresIn),
    expires_on: String(issued.expiresOn),
    not_before: String(issued.notBefore),
    resource: audience,
    token_type: "Bearer",
  };
}

function refuse(status: number, text: string): Reply {
  return { status, headers: { "content-type": "text/plain; charset=utf-8" }, body: `${text}\n` };
}

/** What the running server lends to the operator interface, assembled from the rooms. */

import type { Principal } from "../azure/principal.ts";
import type { Engine } from "../cosmos/engine/engine.ts";
import type { Listener } from "../http/listen.ts";
import type { Service } from "../http/service.ts";
import type { Identity } from "../identity/identity.ts";
import type { DiagnosticRecord, Recorder } from "../observability/diagnostic-records.ts";
import {
  type Explanation,
  OperatorError,
  type OperatorParts,
  type ServerStatus,
  type Workload,
  type WorkloadRequest,
} from "../operator/gateway.ts";

export interface OperatorContext {
  readonly secret: string;
  readonly identity: Identity;
  readonly engine: Engine;
  readonly recorder: Recorder;
  readonly status: () => Promise<ServerStatus>;
  /** Opens a metadata service (IMDS) of its own for a workload on a virtual machine. */
  readonly openMetadata: (service: Service) => Promise<Listener>;
}

export function operatorParts(context: OperatorContext): OperatorParts {
  const { identity, recorder, secret, status } = context;
  const metadata = new Map<string, Listener>();
  return {
    secret,
    recorder,
    status,
    addWorkload: (request) => addWorkload(context, metadata, request),
    async removeWorkload(id) {
      identity.managed.workloads.release(id);
      await metadata.get(id)?.close();
      metadata.delete(id);
    },
    async operatorToken() {
      const issued = await identity.issueFor(
        identity.directory.bootstrapUserId,
        "https://management.azure.com",
      );
      return issued.accessToken;
    },
    explain: (record) => explain(context, record),
    findPrincipal: (name) => findPrincipal(identity, name),
  };
}

async function addWorkload(
  context: OperatorContext,
  metadata: Map<string, Listener>,
  request: WorkloadRequest,
): Promise<Workload> {
  const { identity } = context;
  const named = await Promise.all(request.identities.map((name) => findIdentity(context, name)));
  const host = request.host === undefined ? undefined : await findHost(context, request.host);
  if (host === undefined && named.length === 0) {
    throw new OperatorError("A workload needs --identity NAME or --as HOST.");
  }
  const { id, secret } = identity.managed.workloads.register({
    identities: named.map((principal) => principal.resourceId ?? ""),
    ...(host === undefined ? {} : { hostResourceId: host }),
  });
  const [only, ...others] = named;
  // As in Azure, DefaultAzureCredential needs the client id of a user-assigned identity; with one there is no doubt.
  const clientId =
    host === undefined && only?.appId !== undefined && others.length === 0
      ? { AZURE_CLIENT_ID: only.appId }
      : {};
  if (host !== undefined && isVirtualMachine(host)) {
    const listener = await context.openMetadata(identity.managed.imds(id, { answerWithoutHeader: true }));
    metadata.set(id, listener);
    return { id, environment: { AZURE_POD_IDENTITY_AUTHORITY_HOST: `http://127.0.0.1:${listener.port}` } };
  }
  const status = await context.status();
  const endpoint = { IDENTITY_ENDPOINT: status.endpoints.managedIdentity, IDENTITY_HEADER: secret };
  return { id, environment: { ...endpoint, ...clientId } };
}

/** Virtual machines and their scale sets have the instance metadata service; other hosts the App Service endpoint. */
function isVirtualMachine(host: string): boolean {
  return /\/providers\/Microsoft\.Compute\/virtualMachine(s|ScaleSets)\/[^/]+$/i.test(host);
}

/** The user-assigned identity with this name, resource id, client id or object id. */
async function findIdentity(context: OperatorContext, name: string): Promise<Principal> {
  const { directory } = context.identity;
  const found = await findPrincipal(context.identity, name);
  const candidates = found === undefined ? [] : [found, ...(await directory.findByDisplayName(name))];
  const identities = candidates.filter((candidate) => candidate.managedIdentity === "user");
  const distinct = [...new Map(identities.map((identity) => [identity.objectId, identity])).values()];
  if (distinct.length > 1) {
    const ids = distinct.map((identity) => identity.resourceId).join("\n  ");
    throw new OperatorError(`Several identities are called '${name}'; use the resource id of one:\n  ${ids}`);
  }
  const [identity] = distinct;
  if (identity === undefined) {
    throw new OperatorError(
      `There is no user-assigned identity '${name}'. Deploy a template that has one, e.g. 'celestite deploy main.json -g my-group'.`,
    );
  }
  return identity;
}

async function findHost(context: OperatorContext, host: string): Promise<string> {
  const { control } = context.identity;
  const record = await control.getHost(context.engine.store, host);
  if (record === undefined) {
    throw new OperatorError(
      `No host resource '${host}' carries an identity. Give the full resource id of a deployed resource with an identity block.`,
    );
  }
  return record.hostResourceId;
}

async function findPrincipal(identity: Identity, name: string): Promise<Principal | undefined> {
  const { directory } = identity;
  if (name.startsWith("/")) return directory.findByResourceId(name);
  return (
    (await directory.find(name.toLowerCase())) ??
    (await directory.findByAppId(name.toLowerCase())) ??
    (await directory.findByUserPrincipalName(name)) ??
    (await directory.findByDisplayName(name))[0]
  );
}

async function explain(context: OperatorContext, record: DiagnosticRecord): Promise<Explanation> {
  const principal =
    record.principalId === undefined ? undefined : await context.identity.directory.find(record.principalId);
  const account = context.engine.catalog.find(record.account)?.record.account;
  return {
    record,
    ...(principal === undefined ? {} : { principal }),
    ...(account === undefined ? {} : { accountId: account.resourceId }),
  };
}

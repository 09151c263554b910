/**
 * Opens the control plane over a store: makes the default subscription and its first owner when there is none yet,
 * and hands out the service. The only place that puts the room's parts together.
 */
import type { Decision } from "../authz/decision.ts";
import type { PrincipalDirectory, TokenVerifier } from "../azure/principal.ts";
import { ownerRoleName } from "../azure/roles.ts";
import { type Clock, type Entropy, uuid } from "../clock.ts";
import type { CosmosControl } from "../cosmos/control.ts";
import type { Service } from "../http/service.ts";
import type { IdentityControl } from "../identity/control.ts";
import type { DiagnosticRecord } from "../observability/diagnostic-records.ts";
import type { Store } from "../storage/port.ts";
import { definitionId, putAssignment } from "./assignment-records.ts";
import { failInterrupted } from "./deployments/records.ts";
import { type DiagnosticSetting, listDiagnosticSettings } from "./diagnostic-settings.ts";
import { createService, type Gateway } from "./gateway.ts";
import type { Download, Endpoints, PlaneGround } from "./operation.ts";
import { armLock, putRecord } from "./records.ts";
import { getSubscription, type SubscriptionRecord, subscriptionKey } from "./resource-groups.ts";

export interface ArmOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly identity: IdentityControl;
  /** Called once, with the first request that has a caller. */
  readonly cosmos: () => Promise<CosmosControl>;
  readonly verifier: TokenVerifier;
  readonly directory: PrincipalDirectory;
  /** The default subscription, made at the first open. */
  readonly subscriptionId: string;
  readonly subscriptionName: string;
  readonly tenantId: string;
  readonly tenantName: string;
  /** Object id of the user who owns the default subscription from the first open on. */
  readonly bootstrapObjectId: string;
  /** Where the other services are for a caller who came through `origin`. */
  readonly endpoints: (origin: string) => Endpoints;
  /** Our own addresses, e.g. `https://localhost:8073`: audiences of the tokens we take. */
  readonly ownOrigins: () => readonly string[];
  /**
   * Called for every decision of a request (once for a request without any) when its answer is known; the decision
   * to explain comes last. Must not throw.
   */
  readonly record: (entry: DiagnosticRecord) => void;
  /** Called with whatever is thrown that is no refusal: a fault of ours, answered as 500. Must not throw. */
  readonly reportFault: (fault: unknown) => void;
  /**
   * A deployment that succeeds within this time is answered as finished; a longer one, or one that fails, is answered
   * as accepted and polled. Default 5000.
   */
  readonly inlineMilliseconds?: number;
  /** Milliseconds until a change of a role assignment takes effect; none when absent. */
  readonly roleDelay?: number;
  /** Fetches linked templates; without it there are none. */
  readonly download?: Download;
  /** Called with all diagnostic settings when the control plane is open, and after each change. Must not throw. */
  readonly diagnosticSettings?: (settings: readonly DiagnosticSetting[]) => void;
  /** Refuses resources of namespaces that we do not know; otherwise they are kept as they were sent. */
  readonly strict?: boolean;
}

export interface Arm {
  readonly service: Service;
  /** Decides without a request, for `can-i` and `explain`. */
  readonly decide: (principalId: string, action: string, scope: string) => Promise<Decision>;
  /** Resolves when no deployment is running any more. */
  readonly close: () => Promise<void>;
}

const inlineMillisecondsDefault = 5000;

/** Opens the control plane; safe to repeat on the same store. */
export async function openArm(options: ArmOptions): Promise<Arm> {
  const { store, clock, entropy, identity, directory, tenantId, tenantName, endpoints, ownOrigins } = options;
  const plane: PlaneGround = {
    store,
    clock,
    entropy,
    identity,
    directory,
    tenantId,
    tenantName,
    bootstrapObjectId: options.bootstrapObjectId,
    endpoints,
    ownOrigins,
    running: { active: new Map(), spent: new Map() },
    download: options.download ?? (async () => ({ refused: "this server fetches nothing" })),
    inlineMilliseconds: options.inlineMilliseconds ?? inlineMillisecondsDefault,
    roleDelay: options.roleDelay ?? 0,
    diagnosticSettingsChanged: followSettings(options),
  };
  await makeFirstSubscription(options);
  await failInterrupted(plane);
  await plane.diagnosticSettingsChanged();
  const { verifier, record, reportFault } = options;
  const perform = lazyPerform({ plane, record, reportFault }, options);
  return {
    service: createService({ plane, perform, verifier, record, reportFault }),
    async decide(principalId, action, scope) {
      const { loadRights } = await import("./role-assignments.ts");
      return (await loadRights(store, directory, principalId, clock.now())).decide(action, scope);
    },
    async close() {
      await Promise.all([...plane.running.active.values()].map((run) => run.finished));
    },
  };
}

/** Tells of the settings as they are, one reading after the other, so that the newest comes last. */
function followSettings({ store, diagnosticSettings, reportFault }: ArmOptions): () => Promise<void> {
  if (diagnosticSettings === undefined) return async () => {};
  let following: Promise<void> = Promise.resolve();
  return () => {
    following = following
      .then(async () => diagnosticSettings(await listDiagnosticSettings(store)))
      .catch(reportFault);
    return following;
  };
}

/** Deciding and handling need most of this room, which is loaded with the first request that has a caller. */
function lazyPerform(
  parts: Pick<Gateway, "plane" | "record" | "reportFault">,
  { cosmos, strict }: Pick<ArmOptions, "cosmos" | "strict">,
): Gateway["perform"] {
  let loading: Promise<Gateway["perform"]> | undefined;
  const load = async (): Promise<Gateway["perform"]> => {
    const [{ createPerform }, control] = await Promise.all([import("./perform.ts"), cosmos()]);
    return createPerform(parts, control, strict);
  };
  return async (job) => {
    loading ??= load();
    return (await loading)(job);
  };
}

/** The owner's assignment is a stored one like any other: it can be listed, explained and taken away. */
async function makeFirstSubscription(options: ArmOptions): Promise<void> {
  const { store, clock, entropy, subscriptionId, tenantId, bootstrapObjectId } = options;
  await store.transact([armLock], async (transaction) => {
    if ((await getSubscription(transaction, subscriptionId)) !== undefined) return;
    const record: SubscriptionRecord = { subscriptionId, displayName: options.subscriptionName, tenantId };
    putRecord(transaction, subscriptionKey(subscriptionId), record);
    const scope = `/subscriptions/${subscriptionId}`;
    const name = uuid(entropy);
    const now = new Date(clock.now()).toISOString();
    putAssignment(transaction, {
      id: `${scope}/providers/Microsoft.Authorization/roleAssignments/${name}`,
      name,
      scope,
      roleDefinitionId: definitionId(scope, ownerRoleName),
      principalId: bootstrapObjectId,
      principalType: "User",
      description: "Owner of the subscription from its beginning",
      createdOn: now,
      updatedOn: now,
      createdBy: bootstrapObjectId,
      updatedBy: bootstrapObjectId,
    });
  });
}

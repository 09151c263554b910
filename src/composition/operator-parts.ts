/** What the running server lends to the operator interface, assembled from the rooms. */

import type { Principal } from "../azure/principal.ts";
import type { Clock, Entropy, ManualClock } from "../clock.ts";
import type { Engine } from "../cosmos/engine/engine.ts";
import type { Listener } from "../http/listen.ts";
import type { Service } from "../http/service.ts";
import type { Identity } from "../identity/identity.ts";
import type { Recorder } from "../observability/diagnostic-records.ts";
import type { Faults } from "../operator/faults.ts";
import type { OperatorParts, ServerStatus } from "../operator/gateway.ts";
import type { SignIns } from "../operator/sign-ins.ts";
import { accessRoutes } from "./access-routes.ts";
import { developmentRoutes } from "./development-routes.ts";
import type { Doors } from "./doors.ts";
import { explainRecord } from "./explanation.ts";
import { identityRoutes } from "./identity-routes.ts";
import { queryRoutes } from "./query-routes.ts";
import type { KeptTokenFile } from "./token-files.ts";
import { createRunningWorkloads } from "./workloads.ts";

export interface OperatorContext {
  readonly secret: string;
  readonly identity: Identity;
  readonly engine: Engine;
  readonly recorder: Recorder;
  readonly status: () => Promise<ServerStatus>;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly faults: Faults;
  readonly signIns: SignIns;
  readonly doors: Doors;
  /** The clock where it can be moved. */
  readonly development: ManualClock | undefined;
  /** Keeps tokens of a service account, by its subject, in a file. */
  readonly keepToken: (id: string, subject: string) => Promise<KeptTokenFile>;
  /** Opens a metadata service (IMDS) of its own for a workload on a virtual machine. */
  readonly openMetadata: (service: Service) => Promise<Listener>;
}

export function operatorParts(context: OperatorContext): OperatorParts {
  const { identity, recorder, secret, status } = context;
  const find = (name: string): Promise<Principal | undefined> => findPrincipal(identity, name);
  const workloads = createRunningWorkloads({ ...context, store: context.engine.store, findPrincipal: find });
  return {
    secret,
    routes: {
      ...identityRoutes({ identity, findPrincipal: find, now: context.clock.now }),
      ...developmentRoutes(context),
      ...accessRoutes({ ...context, findPrincipal: find }),
      ...queryRoutes(context.engine),
    },
    recorder,
    status,
    addWorkload: workloads.add,
    removeWorkload: workloads.remove,
    async operatorToken() {
      const issued = await identity.issueFor(
        identity.directory.bootstrapUserId,
        "https://management.azure.com",
      );
      return issued.accessToken;
    },
    explain: (record) => explainRecord(context, record),
    findPrincipal: find,
  };
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

/** A data plane on a real socket, for the unmodified SDK with an account key: memory store, any number of ranges. */
import { CosmosClient } from "@azure/cosmos";
import { openEntropy, systemClock } from "../../src/clock.ts";
import { type AccountSettings, cosmosLock, createCosmosControl } from "../../src/cosmos/control.ts";
import { type Engine, openEngine } from "../../src/cosmos/engine/engine.ts";
import { accountService } from "../../src/cosmos/gateway.ts";
import type { IndexSizes } from "../../src/cosmos/index/indexes.ts";
import type { ScriptLimits } from "../../src/cosmos/scripts/protocol.ts";
import { listen } from "../../src/http/listen.ts";
import type { DiagnosticRecord } from "../../src/observability/diagnostic-records.ts";
import type { Store } from "../../src/storage/port.ts";
import { patientLimits } from "./fixture.ts";

export interface SdkFixture {
  readonly client: CosmosClient;
  readonly engine: Engine;
  /** What was answered, oldest first. */
  readonly records: readonly DiagnosticRecord[];
  close(): Promise<void>;
}

const name = "acct";

export async function openSdkFixture(
  store: Store,
  rangesDefault: number,
  settings: Partial<AccountSettings> = {},
  indexSizes: IndexSizes = {},
  scriptLimits: ScriptLimits = patientLimits,
): Promise<SdkFixture> {
  const around = { clock: systemClock, entropy: openEntropy() };
  const engine = await openEngine({ store, ...around, rangesDefault, indexSizes, scriptLimits });
  const records: DiagnosticRecord[] = [];
  const service = accountService(
    {
      engine,
      ...around,
      verifier: () => ({ ok: false, fault: { kind: "format", detail: "keys only" } }),
      directory: { find: async () => undefined, groupsOf: async () => [] },
      record: (entry) => void records.push(entry),
    },
    name,
  );
  const faults: unknown[] = [];
  const listener = await listen({
    port: 0,
    host: "127.0.0.1",
    service,
    bodyBytesMax: 5 << 20,
    onError: (fault) => faults.push(fault),
  });
  const endpoint = `http://localhost:${listener.port}/`;
  const control = createCosmosControl(engine, {
    open: async () => listener.port,
    close: () => {},
    url: () => endpoint,
  });
  await store.transact([cosmosLock(name)], (transaction) =>
    control.putAccount(
      transaction,
      {
        name,
        resourceId: `/subscriptions/s/resourceGroups/g/providers/Microsoft.DocumentDB/databaseAccounts/${name}`,
        tenantId: "t",
        location: "West Europe",
        disableLocalAuth: false,
        disableKeyBasedMetadataWriteAccess: false,
        defaultConsistencyLevel: "Session",
        serverless: true,
        ...settings,
      },
      listener.port,
    ),
  );
  const key = (await control.listKeys(store, name))?.primaryMasterKey ?? "";
  const client = new CosmosClient({
    endpoint,
    key,
    connectionPolicy: { enableBackgroundEndpointRefreshing: false },
  });
  return {
    client,
    engine,
    records,
    async close() {
      client.dispose();
      await listener.close();
      if (faults.length > 0) throw faults[0];
    },
  };
}

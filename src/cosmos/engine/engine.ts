/** The parts of the storage engine that operations work with, opened once by the composition root. */
import type { Clock, Entropy } from "../../clock.ts";
import type { Store } from "../../storage/port.ts";
import { createIndexes, type Indexes, type IndexSizes } from "../index/indexes.ts";
import { openScripts, type ScriptPool } from "../scripts/pool.ts";
import type { ScriptLimits } from "../scripts/protocol.ts";
import type { EngineParts } from "./accounts.ts";
import { type AccessDelays, openCatalog } from "./catalog.ts";
import { openPartitions, type Partitions } from "./partitions.ts";
import { createThroughputMeters } from "./throughput.ts";

export interface Engine extends EngineParts {
  readonly store: Store;
  readonly partitions: Partitions;
  readonly indexes: Indexes;
  /** Where server-side JavaScript runs; starts nothing before the first script. */
  readonly scripts: ScriptPool;
  /** Offers, by account and id, whose new throughput is being put into effect. */
  readonly offersInReplacement: Set<string>;
}

/** Loads the catalog of accounts; items are read when they are asked for. */
export async function openEngine(options: {
  readonly store: Store;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly rangesDefault?: number;
  /** Whether indexes are kept in the store: of no use when the store itself forgets. */
  readonly keepsIndexes?: boolean;
  readonly indexSizes?: IndexSizes;
  readonly scriptLimits?: ScriptLimits;
  /** How long changes of roles and keys wait for their effect; not at all when absent. */
  readonly accessDelays?: AccessDelays;
}): Promise<Engine> {
  const { store, clock, entropy, rangesDefault = 1, keepsIndexes: keeps = false, indexSizes } = options;
  const catalog = await openCatalog(store, clock, options.accessDelays);
  const partitions = openPartitions(store);
  const indexes = createIndexes({ store, partitions, catalog, keeps, ...indexSizes });
  const scripts = openScripts(options.scriptLimits);
  const offersInReplacement = new Set<string>();
  return {
    store,
    clock,
    entropy,
    rangesDefault,
    catalog,
    partitions,
    indexes,
    scripts,
    throughput: createThroughputMeters(store, clock),
    offersInReplacement,
  };
}

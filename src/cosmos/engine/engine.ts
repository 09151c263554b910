/** The parts of the storage engine that operations work with, opened once by the composition root. */
import type { Clock, Entropy } from "../../clock.ts";
import type { Store } from "../../storage/port.ts";
import type { EngineParts } from "./accounts.ts";
import { openCatalog } from "./catalog.ts";
import { openPartitions, type Partitions } from "./partitions.ts";

export interface Engine extends EngineParts {
  readonly store: Store;
  readonly partitions: Partitions;
}

/** Loads the catalog of accounts; items are read when they are asked for. */
export async function openEngine(options: {
  readonly store: Store;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly rangesDefault?: number;
}): Promise<Engine> {
  const { store, clock, entropy, rangesDefault = 1 } = options;
  return {
    store,
    clock,
    entropy,
    rangesDefault,
    catalog: await openCatalog(store),
    partitions: openPartitions(store),
  };
}

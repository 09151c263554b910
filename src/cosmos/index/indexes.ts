/**
 * The indexes of all containers: found by container, made anew when an indexing policy changes, forgotten with their
 * container, kept up in the background. The composition root schedules `maintain`; queries work without it, only that
 * large containers are scanned until it has run.
 */
import type { Store } from "../../storage/port.ts";
import type { Catalog } from "../engine/catalog.ts";
import type { Partitions } from "../engine/partitions.ts";
import type { ContainerRecord } from "../engine/records.ts";
import { type ColumnCache, createColumnCache } from "./column-cache.ts";
import type { ContainerIndex } from "./container-index.ts";
import { compilePolicy, type IndexPolicy } from "./policy.ts";
import type { VectorKernel } from "./vector-kernel.ts";

/** With fewer items ever created, a container is scanned: an index would not be faster. */
const itemsMinDefault = 200;
const partitionItemsMinDefault = 200;
/** From this many items on, an index is made before anybody asks for it. */
const backgroundItemsMin = 2_000;

export interface Indexes {
  /** A logical partition with fewer items is read as a whole. */
  readonly partitionItemsMin: number;
  /** The container's index; undefined when its policy has none, or when it is too small to need one. */
  of(container: ContainerRecord): Promise<ContainerIndex | undefined>;
  policyOf(container: ContainerRecord): IndexPolicy;
  /** How far the index of the container is made after a change of its policy: whole percents, 100 at the end. */
  progress(container: ContainerRecord): Promise<number>;
  /** Follows the logs, merges segments, forgets indexes of deleted containers. Safe to repeat and to interrupt. */
  maintain(): Promise<void>;
  /** Makes `maintain` end soon. */
  stop(): void;
}

/** Sizes that tests make small. */
export interface IndexSizes {
  /** Containers with fewer items are scanned. */
  readonly itemsMin?: number;
  /** A logical partition with fewer items is read as a whole. */
  readonly partitionItemsMin?: number;
  /** Rows of the smallest segments. */
  readonly headRows?: number;
  /** Columns in memory, of those that are in the store, too. */
  readonly cacheBytes?: number;
  /** Changes after which a checkpoint is written when no more come. */
  readonly changesWhenIdle?: number;
}

export interface IndexesParts extends IndexSizes {
  readonly store: Store;
  readonly partitions: Partitions;
  readonly catalog: Catalog;
  /** Whether indexes are kept in the store, so that they are there after a restart. */
  readonly keeps: boolean;
}

interface Known {
  /** Of the container; while they are the same object, so is the policy. */
  properties: ContainerRecord["properties"];
  readonly policyText: string;
  readonly policy: IndexPolicy;
  /** Made when it is first asked for. */
  index: ContainerIndex | undefined;
}

/** What is known of the containers so far. */
interface Shelf extends IndexesParts {
  readonly cache: ColumnCache;
  readonly known: Map<string, Known>;
  /** What compares packed vectors, made for the first container that has any. */
  vectorKernel: VectorKernel | undefined;
}

export function createIndexes(parts: IndexesParts): Indexes {
  const { partitions, catalog, itemsMin = itemsMinDefault } = parts;
  const known = new Map<string, Known>();
  const shelf: Shelf = {
    ...parts,
    cache: createColumnCache(parts.cacheBytes),
    known,
    vectorKernel: undefined,
  };
  let stopped = false;
  const created = async (container: ContainerRecord): Promise<number> => {
    const open = await Promise.all(container.ranges.map((range) => partitions.open(container, range)));
    const retired = container.retired.reduce((sum, { endLsn }) => sum + endLsn, 0);
    return open.reduce((sum, { allocatedNumber }) => sum + allocatedNumber, retired);
  };
  return {
    partitionItemsMin: parts.partitionItemsMin ?? partitionItemsMinDefault,
    async of(container) {
      return (await created(container)) < itemsMin ? undefined : indexOf(shelf, container);
    },
    policyOf: (container) => find(shelf, container).policy,
    async progress(container) {
      const items = await created(container);
      // Small containers are indexed while a query waits, so nobody can see them half done.
      return items < backgroundItemsMin ? 100 : ((await indexOf(shelf, container))?.progress(items) ?? 100);
    },
    async maintain() {
      const living = new Set<string>();
      const faults: unknown[] = [];
      for (const container of containersOf(catalog)) {
        if (stopped) return;
        living.add(nameOf(container));
        const asked = known.has(nameOf(container));
        if ((await created(container)) < (asked ? itemsMin : backgroundItemsMin)) continue;
        const index = await indexOf(shelf, container);
        // What is wrong with one container must not keep the others waiting.
        await index?.maintain(container).catch((error: unknown) => faults.push(error));
      }
      for (const [name, { index }] of known) {
        if (living.has(name)) continue;
        index?.stop();
        known.delete(name);
      }
      if (faults.length > 0) throw faults[0];
    },
    stop() {
      stopped = true;
      for (const { index } of known.values()) index?.stop();
    },
  };
}

/** The container with its policy, as they are now. */
function find({ known }: Shelf, container: ContainerRecord): Known {
  const name = nameOf(container);
  const { properties } = container;
  const old = known.get(name);
  if (old?.properties === properties) return old;
  const { indexingPolicy = null, vectorEmbeddingPolicy } = properties;
  const policy = compilePolicy(indexingPolicy, vectorEmbeddingPolicy);
  // Only vector indexes depend on the vector policy: others stay as they are when it is named.
  const policyText = JSON.stringify(
    policy.vectors.length === 0 ? indexingPolicy : [indexingPolicy, vectorEmbeddingPolicy],
  );
  if (old?.policyText === policyText) {
    old.properties = properties;
    return old;
  }
  old?.index?.stop();
  const made: Known = { properties, policyText, policy, index: undefined };
  known.set(name, made);
  return made;
}

/** What makes indexes is loaded with the first container that is large enough to have one. */
async function indexOf(shelf: Shelf, container: ContainerRecord): Promise<ContainerIndex | undefined> {
  const ready = find(shelf, container).index;
  if (ready !== undefined) return ready;
  const [{ createContainerIndex }, { createVectorKernel }] = await Promise.all([
    import("./container-index.ts"),
    import("./vector-kernel.ts"),
  ]);
  const entry = find(shelf, container);
  const { store, partitions, catalog, cache, keeps, headRows, changesWhenIdle } = shelf;
  const { policy, policyText } = entry;
  if (!policy.indexes) return undefined;
  const name = nameOf(container);
  const isCurrent = (): boolean =>
    shelf.known.get(name) === entry && containersOf(catalog).some((other) => nameOf(other) === name);
  const kernel = (): VectorKernel => {
    shelf.vectorKernel ??= createVectorKernel();
    return shelf.vectorKernel;
  };
  entry.index ??= createContainerIndex(
    { store, partitions, cache, kernel, policy, policyText, keeps, headRows, changesWhenIdle },
    { store, container, isCurrent },
  );
  return entry.index;
}

function nameOf({ uid, number }: ContainerRecord): string {
  return `${uid}/${number}`;
}

function containersOf(catalog: Catalog): readonly ContainerRecord[] {
  return [...catalog.all()].flatMap(({ databases }) =>
    [...databases.values()].flatMap(({ containers }) => [...containers.values()]),
  );
}

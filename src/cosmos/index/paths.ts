/**
 * The paths of a container as they are met in its items, each with a slot, the number of its column. Apart from the
 * segments, which only know slots. Limits keep items whose property names are data from making a column for each.
 */
import { LATITUDE, LONGITUDE } from "../query/item-paths.ts";
import type { Value } from "../query/values.ts";
import { ARRAY, type IndexKey, indexKey, OBJECT } from "./column.ts";
import type { IndexPath, IndexPolicy, IndexStep } from "./policy.ts";

/** Slots at the top of items, below it, and for elements of arrays. */
const topSlotsMax = 100;
const nestedSlotsMax = 100;
const elementSlotsMax = 50;
/** Names that are remembered below one path, indexed or not. */
const namesMax = 200;
/** Paths with more steps have no slot. */
const stepsMax = 8;
/** Elements of one array, and of all arrays at one path, that are indexed; with more, the path's elements are not. */
const arrayLengthMax = 4096;
const elementEntriesMax = 8_000_000;

/** System properties that nobody filters by; their values are as many and as long as the items. */
const unindexed: ReadonlySet<string> = new Set(["_rid", "_self", "_attachments"]);

export interface Slot {
  readonly path: IndexPath;
  /** The path leads through arrays: a document may have several values. */
  readonly elements: boolean;
}

/** Takes the keys of one item. */
export type TakeKey = (slot: number, key: IndexKey) => void;

export type FoundSlot =
  /** The column with this number. */
  | { readonly kind: "slot"; readonly slot: number; readonly elements: boolean }
  /** No item has ever had the path. */
  | { readonly kind: "absent" }
  /** Not indexed: by the policy, or past a limit. */
  | { readonly kind: "unknown" };

/** What a checkpoint keeps of the paths. */
export interface PathsState {
  /** The paths of the slots, in their order. */
  readonly slots: readonly IndexPath[];
  /** A limit was met: a path without a slot may still occur. */
  readonly dropped: boolean;
  /** Arrays whose elements are too many, and how many there were of each array. */
  readonly closed: readonly IndexPath[];
  readonly entries: readonly (readonly [IndexPath, number])[];
}

export interface Paths {
  readonly slots: readonly Slot[];
  find(path: IndexPath): FoundSlot;
  /** Hands over the keys of every indexed path of `item`, giving slots to paths that are new. */
  extract(item: Value, take: TakeKey): void;
  state(): PathsState;
}

interface PathNode {
  readonly path: IndexPath;
  readonly elements: boolean;
  /** -1 when its values are not indexed. */
  readonly slot: number;
  readonly children: Map<string | number, PathNode>;
  /** Objects here are places. */
  readonly located: boolean;
  /** Arrays here are vectors, whose numbers are looked at together: one by one they would be most of the index. */
  readonly vector: boolean;
  each: PathNode | undefined;
  /** Of a node for elements: how many were seen, and whether they are too many. */
  entries: number;
  closed: boolean;
}

interface Registry {
  readonly policy: IndexPolicy;
  readonly root: PathNode;
  readonly slots: Slot[];
  readonly counts: { top: number; nested: number; elements: number };
  readonly arrays: PathNode[];
  dropped: boolean;
}

/** Empty, or as an earlier `state` said, under the same policy. */
export function createPaths(policy: IndexPolicy, state?: PathsState): Paths {
  const counts = { top: 0, nested: 0, elements: 0 };
  const root = pathNode(policy, [], false, -1);
  const registry: Registry = {
    policy,
    root,
    slots: [],
    counts,
    arrays: [],
    dropped: state?.dropped ?? false,
  };
  for (const path of state?.slots ?? []) nodeAt(registry, path);
  for (const path of state?.closed ?? []) {
    const node = nodeAt(registry, path);
    if (node !== undefined) node.closed = true;
  }
  for (const [path, entries] of state?.entries ?? []) {
    const node = nodeAt(registry, path);
    if (node !== undefined) node.entries = entries;
  }
  return {
    slots: registry.slots,
    find: (path) => findSlot(registry, path),
    extract: (item, take) => extractObject(registry, registry.root, item, take),
    state: () => ({
      slots: registry.slots.map(({ path }) => path),
      dropped: registry.dropped,
      closed: registry.arrays.filter(({ closed }) => closed).map(({ path }) => path),
      entries: registry.arrays.map(({ path, entries }) => [path, entries] as const),
    }),
  };
}

function pathNode(policy: IndexPolicy, path: IndexPath, elements: boolean, slot: number): PathNode {
  const located = policy.locates(path);
  const vector = isPartOfVector(policy, [...path, null]);
  const children = new Map<string | number, PathNode>();
  return { path, elements, slot, children, located, vector, each: undefined, entries: 0, closed: false };
}

/** The node below `node`, made when it is new; undefined past a limit. */
function childOf(registry: Registry, node: PathNode, step: IndexStep): PathNode | undefined {
  const found = step === null ? node.each : node.children.get(step);
  if (found !== undefined) return found;
  if (node.path.length >= stepsMax) return undefined;
  if (step !== null && node.children.size >= namesMax) {
    registry.dropped = true;
    return undefined;
  }
  const elements = node.elements || step === null;
  const path = [...node.path, step];
  const made = pathNode(registry.policy, path, elements, newSlot(registry, path, elements));
  if (step === null) {
    node.each = made;
    registry.arrays.push(made);
  } else node.children.set(step, made);
  return made;
}

function newSlot(registry: Registry, path: IndexPath, elements: boolean): number {
  const { policy, slots, counts } = registry;
  if (!isIndexed(policy, path)) return -1;
  const kind = elements ? "elements" : path.length === 1 ? "top" : "nested";
  const max = { top: topSlotsMax, nested: nestedSlotsMax, elements: elementSlotsMax }[kind];
  if (counts[kind] >= max) {
    registry.dropped = true;
    return -1;
  }
  counts[kind]++;
  return slots.push({ path, elements }) - 1;
}

function isIndexed(policy: IndexPolicy, path: IndexPath): boolean {
  if (isPartOfVector(policy, path)) return false;
  if (typeof path.at(-1) === "number") return policy.locates(path.slice(0, -1));
  return policy.includes(path) && !(path.length === 1 && unindexed.has(String(path[0])));
}

function isPartOfVector({ vectors }: IndexPolicy, path: IndexPath): boolean {
  return vectors.some(
    ({ path: own }) => path.length > own.length && own.every((step, i) => step === path[i]),
  );
}

function nodeAt(registry: Registry, path: IndexPath): PathNode | undefined {
  let node: PathNode | undefined = registry.root;
  for (const step of path) node = node === undefined ? undefined : childOf(registry, node, step);
  return node;
}

function findSlot({ policy, root, dropped }: Registry, path: IndexPath): FoundSlot {
  if (path.length === 0 || path.length > stepsMax || !isIndexed(policy, path)) return { kind: "unknown" };
  let node = root;
  for (const step of path) {
    const next = step === null ? node.each : node.children.get(step);
    if (next === undefined) return { kind: dropped ? "unknown" : "absent" };
    if (next.closed) return { kind: "unknown" };
    node = next;
  }
  if (node.slot < 0) return { kind: "unknown" };
  return { kind: "slot", slot: node.slot, elements: node.elements };
}

function extractObject(registry: Registry, node: PathNode, value: Value, take: TakeKey): void {
  const object = value as Readonly<Record<string, Value>>;
  // Parsed JSON inherits nothing that can be enumerated.
  for (const name in object) {
    const child = childOf(registry, node, name);
    if (child !== undefined) extractValue(registry, child, object[name], take);
  }
}

/** The coordinates of a point; for another geometry what stands for all places. */
function extractPlace(registry: Registry, node: PathNode, value: Value, take: TakeKey): void {
  const { type, coordinates } = value as Readonly<Record<string, Value>>;
  if (typeof type !== "string" || !Array.isArray(coordinates)) return;
  const [x, y] = coordinates as readonly Value[];
  const isPoint = type === "Point" && typeof x === "number" && typeof y === "number";
  const keys = [
    [LONGITUDE, isPoint ? x : OBJECT],
    [LATITUDE, isPoint ? y : OBJECT],
  ] as const;
  for (const [step, key] of keys) {
    const child = childOf(registry, node, step);
    if (child !== undefined && child.slot >= 0) take(child.slot, key);
  }
}

function extractValue(registry: Registry, node: PathNode, value: Value, take: TakeKey): void {
  const key = indexKey(value);
  if (node.slot >= 0) take(node.slot, key);
  if (key === OBJECT) {
    extractObject(registry, node, value, take);
    if (node.located) extractPlace(registry, node, value, take);
  }
  if (key !== ARRAY || node.vector) return;
  const list = value as readonly Value[];
  const each = list.length === 0 ? undefined : childOf(registry, node, null);
  if (each === undefined || each.closed) return;
  each.entries += list.length;
  each.closed = list.length > arrayLengthMax || each.entries > elementEntriesMax;
  if (each.closed) return;
  for (const element of list) extractValue(registry, each, element, take);
}

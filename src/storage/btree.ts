/**
 * An ordered map from byte keys to values as a B+tree whose versions share nodes. `freeze` is O(1): afterwards a
 * change copies the path from the root to its leaf, so a frozen version never changes; until the next freeze the
 * copied nodes are changed in place. It is apart because the memory store keeps its data in it, and transactions
 * and the LMDB adapter keep writes in it that are not committed yet.
 */
import { compareKeys } from "./keys.ts";
import type { Bytes, KeyRange } from "./port.ts";

/** One frozen version of a map. */
export interface View<V> {
  readonly size: number;
  /** The value under `key`, or `undefined`. */
  get(key: Bytes): V | undefined;
  /** Hands all pairs to `visit`, in order. A live map must not be changed meanwhile. */
  each(visit: (key: Bytes, value: V) => void): void;
  /** The pairs of `range`, or all, in order. A live map must not be changed while they are drawn from it. */
  entries(range?: KeyRange): Generator<readonly [Bytes, V], void>;
}

/** A map that can change; it keeps the key arrays it is given, so the caller must not change them. */
export interface OrderedMap<V> extends View<V> {
  set(key: Bytes, value: V): void;
  delete(key: Bytes): void;
  /** The present state, untouched by later changes; O(1). */
  freeze(): View<V>;
}

/** Most entries in a leaf and most children of a branch. 32 keeps a copied path small and the tree shallow. */
const WIDTH = 32;

/** `edit` names the run of changes that may alter the node in place. */
interface Leaf<V> {
  readonly kind: "leaf";
  readonly edit: object;
  readonly keys: Bytes[];
  readonly values: V[];
}

/** `keys[i]` is greater than every key under `children[i]` and not greater than any under `children[i + 1]`. */
interface Branch<V> {
  readonly kind: "branch";
  readonly edit: object;
  readonly keys: Bytes[];
  readonly children: Node<V>[];
}

type Node<V> = Leaf<V> | Branch<V>;

/** An empty map. */
export function orderedMap<V>(): OrderedMap<V> {
  let edit = {};
  let root: Node<V> = { kind: "leaf", edit, keys: [], values: [] };
  let size = 0;
  return {
    get size() {
      return size;
    },
    get: (key) => find(root, key),
    each: (visit) => visitAll(root, visit),
    entries: (range) => walk(root, range),
    set(key, value) {
      const own = owned(root, edit);
      if (insert(own, key, value)) size++;
      root = own;
      if (width(own) > WIDTH) {
        const [separator, right] = split(own);
        root = { kind: "branch", edit, keys: [separator], children: [own, right] };
      }
    },
    delete(key) {
      if (find(root, key) === undefined) return;
      const own = owned(root, edit);
      remove(own, key);
      size--;
      const only = own.kind === "branch" && own.children.length === 1 ? own.children[0] : undefined;
      root = only ?? own;
    },
    freeze() {
      edit = {};
      const frozen = root;
      const frozenSize = size;
      return {
        size: frozenSize,
        get: (key) => find(frozen, key),
        each: (visit) => visitAll(frozen, visit),
        entries: (range) => walk(frozen, range),
      };
    },
  };
}

function width<V>(node: Node<V>): number {
  return node.kind === "leaf" ? node.keys.length : node.children.length;
}

/** The node itself if this run of changes made it, else a copy that this run may change. */
function owned<V>(node: Node<V>, edit: object): Node<V> {
  if (node.edit === edit) return node;
  return node.kind === "leaf"
    ? { kind: "leaf", edit, keys: node.keys.slice(), values: node.values.slice() }
    : { kind: "branch", edit, keys: node.keys.slice(), children: node.children.slice() };
}

/** Number of keys smaller than `key`. */
function lowerBound(keys: readonly Bytes[], key: Bytes): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys(at(keys, middle), key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Index of the child that holds `key`. */
function childIndex(keys: readonly Bytes[], key: Bytes): number {
  const index = lowerBound(keys, key);
  return index < keys.length && compareKeys(at(keys, index), key) === 0 ? index + 1 : index;
}

function find<V>(root: Node<V>, key: Bytes): V | undefined {
  let node = root;
  while (node.kind === "branch") node = at(node.children, childIndex(node.keys, key));
  const index = lowerBound(node.keys, key);
  const found = node.keys[index];
  return found !== undefined && compareKeys(found, key) === 0 ? node.values[index] : undefined;
}

/** Puts the pair under `node`, which must be owned; tells whether the key is new. */
function insert<V>(node: Node<V>, key: Bytes, value: V): boolean {
  if (node.kind === "leaf") {
    const index = lowerBound(node.keys, key);
    const present = node.keys[index];
    if (present !== undefined && compareKeys(present, key) === 0) {
      node.values[index] = value;
      return false;
    }
    node.keys.splice(index, 0, key);
    node.values.splice(index, 0, value);
    return true;
  }
  const index = childIndex(node.keys, key);
  const child = owned(at(node.children, index), node.edit);
  node.children[index] = child;
  const added = insert(child, key, value);
  if (width(child) > WIDTH) {
    const [separator, right] = split(child);
    node.keys.splice(index, 0, separator);
    node.children.splice(index + 1, 0, right);
  }
  return added;
}

/** Moves the upper half of an owned node to a new right neighbour; also returns the key between the two. */
function split<V>(node: Node<V>): [Bytes, Node<V>] {
  const middle = width(node) >>> 1;
  if (node.kind === "leaf") {
    const keys = node.keys.splice(middle);
    const values = node.values.splice(middle);
    return [at(keys, 0), { kind: "leaf", edit: node.edit, keys, values }];
  }
  const children = node.children.splice(middle);
  const keys = node.keys.splice(middle);
  const separator = at(node.keys, middle - 1);
  node.keys.length = middle - 1;
  return [separator, { kind: "branch", edit: node.edit, keys, children }];
}

/** Takes `key`, which is present, out of `node`, which must be owned. */
function remove<V>(node: Node<V>, key: Bytes): void {
  if (node.kind === "leaf") {
    const index = lowerBound(node.keys, key);
    node.keys.splice(index, 1);
    node.values.splice(index, 1);
    return;
  }
  const index = childIndex(node.keys, key);
  const child = owned(at(node.children, index), node.edit);
  node.children[index] = child;
  remove(child, key);
  if (width(child) < WIDTH / 4) mergeAt(node, index === 0 ? 0 : index - 1);
}

/** Joins the children `index` and `index + 1` of an owned branch, splitting the result again if it is too wide. */
function mergeAt<V>(parent: Branch<V>, index: number): void {
  const right = parent.children[index + 1];
  const separator = parent.keys[index];
  if (right === undefined || separator === undefined) return;
  const left = owned(at(parent.children, index), parent.edit);
  if (left.kind === "leaf" && right.kind === "leaf") {
    left.keys.push(...right.keys);
    left.values.push(...right.values);
  } else if (left.kind === "branch" && right.kind === "branch") {
    left.keys.push(separator, ...right.keys);
    left.children.push(...right.children);
  }
  parent.children[index] = left;
  parent.keys.splice(index, 1);
  parent.children.splice(index + 1, 1);
  if (width(left) > WIDTH) {
    const [middle, rest] = split(left);
    parent.keys.splice(index, 0, middle);
    parent.children.splice(index + 1, 0, rest);
  }
}

function visitAll<V>(node: Node<V>, visit: (key: Bytes, value: V) => void): void {
  if (node.kind === "branch") for (const child of node.children) visitAll(child, visit);
  else for (let i = 0; i < node.keys.length; i++) visit(at(node.keys, i), at(node.values, i));
}

function* walk<V>(node: Node<V>, range: KeyRange | undefined): Generator<readonly [Bytes, V], void> {
  const place = node.kind === "leaf" ? lowerBound : childIndex;
  const low = range === undefined ? 0 : place(node.keys, range.start);
  const high = range === undefined ? width(node) : place(node.keys, range.end);
  if (node.kind === "leaf") {
    if (range?.reverse) for (let i = high - 1; i >= low; i--) yield [at(node.keys, i), at(node.values, i)];
    else for (let i = low; i < high; i++) yield [at(node.keys, i), at(node.values, i)];
  } else {
    const last = Math.min(high, width(node) - 1);
    if (range?.reverse) for (let i = last; i >= low; i--) yield* walk(at(node.children, i), range);
    else for (let i = low; i <= last; i++) yield* walk(at(node.children, i), range);
  }
}

/** Element `index` of `list`, which exists by the tree's own invariants. */
function at<T>(list: readonly T[], index: number): T {
  return list[index] as T;
}

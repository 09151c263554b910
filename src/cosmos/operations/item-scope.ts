/**
 * Which items of a container a feed or query is about: one logical partition, a prefix of a hierarchical key, a range
 * or a part of one, or all; and how to read them in the order of their creation.
 */

import {
  inRange,
  isExpired,
  partitionItemNumbers,
  readItemNumber,
  type StoredItem,
} from "../engine/documents.ts";
import { effectivePartitionKey } from "../engine/effective-partition-key.ts";
import type { Engine } from "../engine/engine.ts";
import {
  extractPartitionKey,
  type LogicalPartition,
  parsePartitionKeyHeader,
  placePartition,
  splitPath,
} from "../engine/partition-key.ts";
import type { Partition } from "../engine/partitions.ts";
import { type KeySpan, scanContainer, scanRange } from "../engine/range-scan.ts";
import type { ContainerRecord, PhysicalRange } from "../engine/records.ts";
import { seconds } from "../engine/records.ts";
import { checkSession, sessionToken } from "../engine/sessions.ts";
import { badRequest, partitionKeyMismatch, rangeGone } from "../errors.ts";
import type { FeedScope } from "../index/item-feed.ts";
import type { Condition } from "../query/facts.ts";
import type { RequestHeaders } from "../wire/headers.ts";
import type { JsonObject, OperationContext } from "./operation.ts";
import { demandedSession } from "./request-demands.ts";

export type ItemScope =
  | { readonly kind: "logical"; readonly logical: LogicalPartition; readonly partition: Partition }
  | {
      readonly kind: "range";
      readonly range: PhysicalRange;
      readonly span: KeySpan;
      readonly partition: Partition;
    }
  | { readonly kind: "span"; readonly span: KeySpan; readonly partitions: readonly Partition[] }
  | { readonly kind: "container"; readonly partitions: readonly Partition[] };

/** Items read at a time. */
export const batchSize = 200;

/** Reads the scope from the partition key, range and key-span headers; 410/1002 for a range that was split. */
export async function itemScope(context: OperationContext, container: ContainerRecord): Promise<ItemScope> {
  const { headers, engine } = context;
  const key = headers["x-ms-documentdb-partitionkey"];
  const scope =
    key === undefined
      ? await keylessScope(engine, headers, container)
      : await keyScope(engine, container, key);
  const token = demandedSession(context);
  for (const partition of partitionsOf(scope)) checkSession(token, partition);
  return scope;
}

async function keyScope(engine: Engine, container: ContainerRecord, header: string): Promise<ItemScope> {
  const components = parsePartitionKeyHeader(header);
  const { paths } = container.partitionKey;
  if (components.length > paths.length) throw partitionKeyMismatch();
  if (components.length < paths.length) {
    const prefix = effectivePartitionKey(components, container.partitionKey);
    const span = { min: prefix, max: `${prefix}FF` };
    return { kind: "span", span, partitions: await overlapping(engine, container, span) };
  }
  return logicalScope(engine, container, placePartition(components, container.partitionKey));
}

export async function logicalScope(
  engine: Engine,
  container: ContainerRecord,
  logical: LogicalPartition,
): Promise<ItemScope> {
  return { kind: "logical", logical, partition: await engine.partitions.at(container, logical.epk) };
}

async function keylessScope(
  engine: Engine,
  headers: RequestHeaders,
  container: ContainerRecord,
): Promise<ItemScope> {
  const cut = keySpan(headers);
  const id = headers["x-ms-documentdb-partitionkeyrangeid"]?.split(",").pop()?.trim();
  if (id !== undefined && id !== "") {
    const range = container.ranges.find((candidate) => candidate.id === id);
    if (range === undefined) throw rangeGone();
    const span = cut === undefined ? range : intersection(range, cut);
    return { kind: "range", range, span, partition: await engine.partitions.open(container, range) };
  }
  if (cut !== undefined) {
    const exact = container.ranges.find((range) => range.min <= cut.min && cut.max <= range.max);
    if (exact !== undefined) {
      return {
        kind: "range",
        range: exact,
        span: cut,
        partition: await engine.partitions.open(container, exact),
      };
    }
    return { kind: "span", span: cut, partitions: await overlapping(engine, container, cut) };
  }
  return { kind: "container", partitions: await overlapping(engine, container, { min: "", max: "FF" }) };
}

/** `x-ms-start-epk` and `x-ms-end-epk`, which count only together with their key type. */
function keySpan(headers: RequestHeaders): KeySpan | undefined {
  const min = headers["x-ms-start-epk"];
  const max = headers["x-ms-end-epk"];
  if (min === undefined && max === undefined) return undefined;
  if (headers["x-ms-read-key-type"]?.toLowerCase() !== "effectivepartitionkeyrange") {
    throw badRequest(
      "The start and end of a key range need the header x-ms-read-key-type: EffectivePartitionKeyRange.",
    );
  }
  const span = { min: (min ?? "").toUpperCase(), max: (max ?? "FF").toUpperCase() };
  if (!/^([0-9A-F]{2})*$/.test(span.min) || !/^([0-9A-F]{2})+$/.test(span.max)) {
    throw badRequest("The start and end of a key range must be hexadecimal.");
  }
  return span;
}

function intersection(a: KeySpan, b: KeySpan): KeySpan {
  const [, min = ""] = [a.min, b.min].sort();
  const [max = ""] = [a.max, b.max].sort();
  return { min, max };
}

async function overlapping(
  engine: Engine,
  container: ContainerRecord,
  span: KeySpan,
): Promise<readonly Partition[]> {
  const ranges = container.ranges.filter((range) => range.min < span.max && span.min < range.max);
  return Promise.all(ranges.map((range) => engine.partitions.open(container, range)));
}

export function partitionsOf(scope: ItemScope): readonly Partition[] {
  return scope.kind === "logical" || scope.kind === "range" ? [scope.partition] : scope.partitions;
}

/** What an operation over this scope says about sessions: one range, or the tokens of several. */
export function sessionOf(scope: ItemScope): {
  readonly partition?: Partition;
  readonly sessionToken?: string;
} {
  const partitions = partitionsOf(scope);
  const [only] = partitions;
  if (only !== undefined && partitions.length === 1) return { partition: only };
  return {
    sessionToken: partitions.map((partition) => sessionToken(partition, partition.committedLsn)).join(","),
  };
}

/** Living items of a scope, in order, from a position on; an empty page is the end. */
export type ItemSource = (position: number) => Promise<readonly StoredItem[]>;

export function itemSource(
  { engine }: OperationContext,
  container: ContainerRecord,
  scope: ItemScope,
): ItemSource {
  const pages = storedSource(engine, container, scope);
  return async (position) => {
    let next = position;
    for (;;) {
      const page = await pages(next);
      const now = seconds(engine.clock);
      const living = page.filter((item) => !isExpired(item, container, now));
      const last = page.at(-1);
      if (living.length > 0 || last === undefined) return living;
      next = last.number + 1;
    }
  };
}

/** What an index must know of a scope: where its items are, and how to tell that an item belongs to it. */
export function feedScope(container: ContainerRecord, scope: ItemScope): FeedScope {
  const conditions: readonly Condition[] = [];
  switch (scope.kind) {
    case "container":
      return { whole: true, conditions, readsItem: false, includes: () => true };
    case "span":
      return {
        whole: false,
        conditions,
        readsItem: false,
        includes: (stored) => inRange(stored.epk, scope.span),
      };
    case "range": {
      const { range, span } = scope;
      const whole = range.parents.length === 0 && span.min <= range.min && span.max >= range.max;
      return {
        homes: homesOf(range),
        whole,
        conditions,
        readsItem: false,
        includes: (stored) => inRange(stored.epk, span),
      };
    }
    case "logical": {
      const { components } = scope.logical;
      const { partitionKey } = container;
      return {
        homes: homesOf(scope.partition.range),
        whole: false,
        conditions: partitionKey.paths.map((path, i) => ({
          path: splitPath(path),
          test: "in",
          values: [components[i]],
        })),
        readsItem: true,
        includes: (_, item) =>
          extractPartitionKey(item as JsonObject, partitionKey).every((own, i) => own === components[i]),
      };
    }
  }
}

function homesOf({ id, parents }: PhysicalRange): ReadonlySet<number> {
  return new Set([...parents, id].map(Number));
}

function storedSource(engine: Engine, container: ContainerRecord, scope: ItemScope): ItemSource {
  const { store } = engine;
  switch (scope.kind) {
    case "container":
      return (position) => scanContainer(store, container, position, batchSize);
    case "range":
      return (position) => scanRange(store, container, scope.range, scope.span, position, batchSize);
    case "span":
      return spanSource((position) => scanContainer(store, container, position, batchSize), scope.span);
    case "logical":
      return logicalSource(engine, container, scope.logical);
  }
}

function spanSource(source: ItemSource, span: KeySpan): ItemSource {
  return async (position) => {
    let next = position;
    for (;;) {
      const page = await source(next);
      const found = page.filter((item) => inRange(item.epk, span));
      const last = page.at(-1);
      if (found.length > 0 || last === undefined) return found;
      next = last.number + 1;
    }
  };
}

function logicalSource({ store }: Engine, container: ContainerRecord, logical: LogicalPartition): ItemSource {
  let numbers: readonly number[] | undefined;
  return async (position) => {
    numbers ??= await partitionItemNumbers(store, container, logical);
    let at = numbers.findIndex((number) => number >= position);
    while (at >= 0 && at < numbers.length) {
      const wanted = numbers.slice(at, at + batchSize);
      const items = await Promise.all(wanted.map((number) => readItemNumber(store, container, number)));
      const found = items.filter((item) => item !== undefined);
      if (found.length > 0) return found;
      at += batchSize;
    }
    return [];
  };
}

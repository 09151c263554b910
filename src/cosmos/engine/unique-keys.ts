/**
 * Unique keys: for each key of the container's policy one entry per item, under its logical partition and the values
 * at the key's paths (a missing path counts as null). Whoever holds the entry holds the values.
 */
import { createHash } from "node:crypto";
import { encodeKey } from "../../storage/keys.ts";
import type { Bytes } from "../../storage/port.ts";
import type { ItemBody } from "./documents.ts";
import { type LogicalPartition, valueAt } from "./partition-key.ts";
import type { ContainerRecord } from "./records.ts";

interface UniqueKeyPolicy {
  readonly uniqueKeys?: readonly { readonly paths?: readonly string[] }[];
}

/** The storage keys that an item with this body must hold. */
export function uniqueKeysOf(
  container: ContainerRecord,
  logical: LogicalPartition,
  body: ItemBody,
): readonly Bytes[] {
  const policy = container.properties["uniqueKeyPolicy"] as UniqueKeyPolicy | undefined;
  if (policy?.uniqueKeys === undefined) return [];
  return policy.uniqueKeys.map(({ paths = [] }, at) => {
    const values = paths.map((path) => valueAt(body, path) ?? null);
    const digest = createHash("sha256").update(JSON.stringify(values)).digest();
    const { uid, number } = container;
    return encodeKey(["cosmos-u", uid, number, Buffer.from(logical.epk, "hex"), logical.tag, at, digest]);
  });
}

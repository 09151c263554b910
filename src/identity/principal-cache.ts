/**
 * The two look-ups that every access check makes, answered from memory. Apart from the directory because it is the
 * only state of the room that could be stale: it is emptied after each commit that touches the directory, and an
 * answer read before such a commit is not kept.
 */
import type { Principal, PrincipalDirectory } from "../azure/principal.ts";
import type { Reader } from "../storage/port.ts";
import { collection, readObject, scanRecords, toPrincipal } from "./records.ts";

/** Principals (and misses) remembered; the map is emptied when full, as refilling it costs one read each. */
const ENTRIES_MAX = 10_000;

export interface PrincipalCache extends PrincipalDirectory {
  clear(): void;
}

/** An empty cache over `reader`. */
export function createPrincipalCache(reader: Reader, tenantId: string): PrincipalCache {
  const principals = new Map<string, Principal | undefined>();
  const groups = new Map<string, readonly string[]>();
  let generation = 0;

  const remember = async <T>(known: Map<string, T>, id: string, load: () => Promise<T>): Promise<T> => {
    const before = generation;
    const value = await load();
    if (before === generation) {
      if (known.size >= ENTRIES_MAX) known.clear();
      known.set(id, value);
    }
    return value;
  };

  return {
    async find(objectId) {
      const id = objectId.toLowerCase();
      if (principals.has(id)) return principals.get(id);
      return remember(principals, id, async () => toPrincipal(await readObject(reader, id), tenantId));
    },
    async groupsOf(objectId) {
      const id = objectId.toLowerCase();
      return groups.get(id) ?? remember(groups, id, () => transitiveGroups(reader, id));
    },
    clear() {
      generation += 1;
      principals.clear();
      groups.clear();
    },
  };
}

/** Groups may contain each other, so a group already seen is not entered again. */
async function transitiveGroups(reader: Reader, objectId: string): Promise<readonly string[]> {
  const seen = new Set<string>();
  let frontier: readonly string[] = [objectId];
  while (frontier.length > 0) {
    const next: string[] = [];
    for (const id of frontier) {
      for (const groupId of await scanRecords<string>(reader, collection.memberships(id))) {
        if (seen.has(groupId)) continue;
        seen.add(groupId);
        next.push(groupId);
      }
    }
    frontier = next;
  }
  return [...seen];
}

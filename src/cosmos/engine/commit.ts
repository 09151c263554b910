/**
 * Running writes in one transaction of the range that holds a logical partition. A split that happens while a write
 * waits for the range's lock sends it on to the new range; clients never notice.
 */
import { ownerNotFound } from "../errors.ts";
import type { AccountView } from "./catalog.ts";
import { feedRetention } from "./container-policies.ts";
import type { Engine } from "./engine.ts";
import { type Commit, openCommit } from "./item-writes.ts";
import type { LogicalPartition } from "./partition-key.ts";
import type { Partition } from "./partitions.ts";
import type { ContainerRecord } from "./records.ts";

export interface Committed<T> {
  readonly result: T;
  readonly partition: Partition;
  /** LSN of the commit; 0 when nothing was written. */
  readonly lsn: number;
}

/** Runs `work` in one durable transaction; whatever it throws undoes all of it. */
export async function commitTo<T>(
  engine: Engine,
  account: string,
  container: ContainerRecord,
  logical: LogicalPartition,
  work: (commit: Commit) => Promise<T>,
): Promise<Committed<T>> {
  let current = container;
  for (;;) {
    const partition = await engine.partitions.at(current, logical.epk);
    const done = await engine.store.transact([partition.lock], async (transaction) => {
      if (partition.retired) return undefined;
      const history = keepsHistory(engine.catalog.find(account), current);
      const commit = openCommit(transaction, engine.clock, current, partition, history);
      const result = await work(commit);
      return { result, partition, lsn: commit.lsn };
    });
    if (done !== undefined) return done;
    // The split is durable, or undone, by the time its lock was free; the catalog follows within a turn.
    await new Promise((resume) => setImmediate(resume));
    current = currentContainer(engine, account, container);
  }
}

/**
 * True for a container whose versions and deletes the change feed shows: one with a retention for them, and each of an
 * account that keeps them (documentation of the change feed modes; of the policy, azure_data_cosmos for Rust).
 */
export function keepsHistory(account: AccountView | undefined, container: ContainerRecord): boolean {
  return account?.record.account.keepsVersions === true || feedRetention(container.properties) > 0;
}

/** The container as it is now; 404/1003 when it was deleted meanwhile, even if another has its name. */
export function currentContainer(
  engine: Engine,
  account: string,
  container: ContainerRecord,
): ContainerRecord {
  const current = engine.catalog
    .find(account)
    ?.databases.get(container.database)
    ?.containers.get(container.id);
  if (current === undefined || current.uid !== container.uid || current.number !== container.number) {
    throw ownerNotFound();
  }
  return current;
}

/**
 * Group commit: many transactions share one durable commit. Apart from the LMDB adapter because it knows nothing
 * of files; it owns the order of commits, what later transactions see of those under way, and who fails together.
 *
 * One group is being committed while the next one gathers. Transactions that run meanwhile read through both. If a
 * commit fails, everything that may have read its writes fails with it: the gathering group and every transaction
 * that began before the failure, and the store stands as after the last commit that succeeded.
 */
import { emptyLayer, type Layer, type OpenTransaction, runCallbacks, type WritableLayer } from "./overlay.ts";
import type { Transaction } from "./port.ts";

export interface GroupCommit {
  /** Writes that are accepted but not committed, newest first. */
  layers(): readonly Layer[];
  /** Throws if a commit has failed since `mark` was taken. */
  check(mark: Mark): void;
  /** The point in time that `check` compares with. */
  mark(): Mark;
  /**
   * Accepts the writes of one transaction after all that were accepted before. Resolves when they and everything
   * accepted before them are durable and `callbacks` have run; rejects with the reason if their commit fails.
   */
  add(writes: Layer, callbacks: readonly (() => void)[]): Promise<void>;
  /** Resolves when nothing is waiting to be committed. */
  idle(): Promise<void>;
}

/** A transaction whose function has settled: when it is durable, and how `transact` then settles. */
export interface Accepted<T> {
  readonly durable: Promise<void>;
  readonly outcome: () => Promise<T>;
}

/** How many commits had failed, and what the last failure was. */
interface Mark {
  readonly failures: number;
}

interface Group {
  readonly writes: WritableLayer;
  readonly members: Member[];
}

interface Member {
  readonly callbacks: readonly (() => void)[];
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Groups over `commit`, which must write a layer atomically and durably, and be visible to reads when it resolves.
 */
export function createGroupCommit(commit: (writes: Layer) => Promise<void>): GroupCommit {
  let gathering = emptyGroup();
  let underWay: Group | undefined;
  let scheduled = false;
  let failures = 0;
  let lastFailure: unknown;

  const schedule = (): void => {
    if (scheduled || underWay !== undefined || gathering.members.length === 0) return;
    scheduled = true;
    // After this turn's input: what arrives together is committed together.
    setImmediate(() => {
      scheduled = false;
      void commitGathered();
    });
  };
  const commitGathered = async (): Promise<void> => {
    const group = gathering;
    underWay = group;
    gathering = emptyGroup();
    try {
      if (group.writes.size > 0) await commit(group.writes);
      underWay = undefined;
      for (const member of group.members) settle(member);
    } catch (error) {
      failures++;
      lastFailure = error;
      const dependent = gathering.members;
      underWay = undefined;
      gathering = emptyGroup();
      for (const member of [...group.members, ...dependent]) member.reject(error);
    }
    schedule();
  };
  const add = (writes: Layer, callbacks: readonly (() => void)[]): Promise<void> => {
    const { writes: gathered } = gathering;
    writes.each((key, value) => gathered.set(key, value));
    return new Promise<void>((resolve, reject) => {
      const member: Member = { callbacks, resolve, reject };
      // Nothing of its own to write: it is durable with the last group that has been accepted.
      if (writes.size > 0 || gathering.members.length > 0) gathering.members.push(member);
      else if (underWay !== undefined) underWay.members.push(member);
      else settle(member);
      schedule();
    });
  };
  return {
    layers: () => (underWay === undefined ? [gathering.writes] : [gathering.writes, underWay.writes]),
    mark: () => ({ failures }),
    check(mark) {
      if (mark.failures !== failures) throw lastFailure;
    },
    add,
    async idle() {
      // A failure is for those whose writes it concerns.
      while (underWay !== undefined || gathering.members.length > 0)
        await add(emptyLayer(), []).catch(() => {});
    },
  };
}

/**
 * Runs `fn` with `transaction` and accepts what it writes, or nothing if it throws. Rejects if a commit fails meanwhile:
 * `fn` may have read its writes.
 */
export async function runInGroup<T>(
  group: GroupCommit,
  transaction: OpenTransaction,
  fn: (transaction: Transaction) => Promise<T>,
): Promise<Accepted<T>> {
  const mark = group.mark();
  let result: T;
  try {
    result = await transaction.run(fn);
  } catch (error) {
    // It may have thrown because of writes that are not durable yet: the caller hears of it when they are.
    group.check(mark);
    return { durable: group.add(emptyLayer(), []), outcome: () => Promise.reject(error) };
  }
  group.check(mark);
  return { durable: group.add(transaction.writes, transaction.callbacks), outcome: async () => result };
}

function emptyGroup(): Group {
  return { writes: emptyLayer(), members: [] };
}

function settle(member: Member): void {
  try {
    runCallbacks(member.callbacks);
    member.resolve();
  } catch (error) {
    member.reject(error);
  }
}

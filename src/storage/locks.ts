/**
 * Named locks inside one process. Apart from the adapters because both local ones order transactions in the same
 * way, and because waiting in line has nothing to do with where the bytes are kept.
 */

export interface Locks {
  /**
   * Runs `fn` once every earlier run that shares one of `names` is over, in order of the calls. Settles as `fn`
   * does. All places in line are taken in the call itself, so two runs never wait for each other.
   */
  run<T>(names: readonly string[], fn: () => Promise<T>): Promise<T>;
  /** Resolves when no run that has been asked for is left. */
  idle(): Promise<void>;
}

/** A fresh set of locks, none held. */
export function createLocks(): Locks {
  const lastInLine = new Map<string, Promise<void>>();
  const unfinished = new Set<Promise<void>>();
  return {
    async run(names, fn) {
      const wanted = new Set(names);
      const earlier: Promise<void>[] = [];
      let release = (): void => {};
      const over = new Promise<void>((resolve) => {
        release = resolve;
      });
      for (const name of wanted) {
        const before = lastInLine.get(name);
        if (before !== undefined) earlier.push(before);
        lastInLine.set(name, over);
      }
      unfinished.add(over);
      try {
        if (earlier.length > 0) await Promise.all(earlier);
        return await fn();
      } finally {
        for (const name of wanted) if (lastInLine.get(name) === over) lastInLine.delete(name);
        unfinished.delete(over);
        release();
      }
    },
    async idle() {
      while (unfinished.size > 0) await Promise.all(unfinished);
    },
  };
}

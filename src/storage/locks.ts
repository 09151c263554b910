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
  const lastInLine = new Map<string, Promise<unknown>>();
  const waitingForIdle: (() => void)[] = [];
  let unfinished = 0;
  const finish = (names: readonly string[], run: Promise<unknown>): void => {
    for (const name of names) if (lastInLine.get(name) === run) lastInLine.delete(name);
    unfinished -= 1;
    if (unfinished === 0) for (const resume of waitingForIdle.splice(0)) resume();
  };
  return {
    run(names, fn) {
      const run = following(earlierRuns(lastInLine, names), fn);
      for (const name of names) lastInLine.set(name, run);
      unfinished += 1;
      const over = (): void => finish(names, run);
      run.then(over, over);
      return run;
    },
    async idle() {
      while (unfinished > 0) await new Promise<void>((resume) => waitingForIdle.push(resume));
    },
  };
}

function earlierRuns(
  lastInLine: ReadonlyMap<string, Promise<unknown>>,
  names: readonly string[],
): readonly Promise<unknown>[] {
  const earlier: Promise<unknown>[] = [];
  for (const name of names) {
    const run = lastInLine.get(name);
    if (run !== undefined) earlier.push(run);
  }
  return earlier;
}

/** Runs `fn` after all of `earlier`, however they end; never within the call, which has yet to take its places. */
function following<T>(earlier: readonly Promise<unknown>[], fn: () => Promise<T>): Promise<T> {
  const before = earlier.length === 1 ? earlier[0] : undefined;
  return (before ?? Promise.allSettled(earlier)).then(fn, fn);
}

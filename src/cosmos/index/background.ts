/**
 * The pace of background work on the event loop: while others have something to do it takes a small and even share of
 * the time, and all of it when nobody else wants any or when a query waits for it. In bursts it would take half of the
 * time of those requests that it meets, which are then the slow ones.
 */

/** Others may have so many times what was worked, before work goes on. */
const shareOfOthers = 3;
/** Milliseconds of work between two turns for others, in the background and while somebody waits. */
const sliceMilliseconds = 0.5;
const hurriedSliceMilliseconds = 2;
/** A turn of the event loop that takes fewer milliseconds has served nobody. */
const idleMilliseconds = 0.1;
/** Longest that others are let work for one slice, however long that took. */
const owedMillisecondsMax = 25;

const notYet = Promise.resolve();

export interface Background {
  /** To be called often, where work can be interrupted: lets others work when it is their turn. */
  pause(): Promise<void>;
  /** Waits for `work`, which hurries meanwhile. */
  hurry<T>(work: () => Promise<T>): Promise<T>;
  /** Lets work run to its end, or to where it sees that it shall end. */
  stop(): void;
}

/** What passes for time, in milliseconds, and a turn of the event loop: others than the real ones are for tests. */
export interface Loop {
  now(): number;
  turn(): Promise<void>;
}

const eventLoop: Loop = {
  now: () => performance.now(),
  turn: () => new Promise((resume) => setImmediate(resume)),
};

export function createBackground({ now, turn }: Loop = eventLoop): Background {
  let resumed = now();
  let waiting = 0;
  let stopped = false;
  const yieldTurns = async (worked: number): Promise<void> => {
    let owed = Math.min(worked * shareOfOthers, owedMillisecondsMax);
    do {
      const before = now();
      await turn();
      const passed = now() - before;
      if (passed < idleMilliseconds) break;
      owed -= passed;
    } while (owed > 0 && waiting === 0 && !stopped);
    resumed = now();
  };
  return {
    pause() {
      const worked = now() - resumed;
      const slice = waiting > 0 ? hurriedSliceMilliseconds : sliceMilliseconds;
      return worked < slice ? notYet : yieldTurns(worked);
    },
    async hurry(work) {
      waiting++;
      try {
        return await work();
      } finally {
        waiting--;
      }
    },
    stop() {
      stopped = true;
    },
  };
}

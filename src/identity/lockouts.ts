/**
 * Smart lockout: after ten wrong passwords a user's right one is refused for a minute as well, and each further wrong one
 * locks again (Entra documentation, "Protect user accounts from attacks with smart lockout"). Trying the same wrong
 * password again counts nothing, as a program with an old password would do. In memory: a restart forgives.
 */
import type { Clock } from "../clock.ts";

const FAILURES_MAX = 10;
const LOCK_MS = 60_000;
/** Wrong passwords that are remembered, to tell a repetition from a guess. */
const RECENT_MAX = 3;
const USERS_MAX = 10_000;

interface Lockouts {
  isLocked(userId: string): boolean;
  /** `attempt` tells one wrong password from another; never the password itself. */
  failed(userId: string, attempt: string): void;
  /** Forgets what failed, after a success or with a new password. */
  clear(userId: string): void;
}

interface Failures {
  readonly count: number;
  readonly recent: readonly string[];
  /** Milliseconds since the epoch. */
  readonly lockedUntil: number;
}

/** Nobody is locked out. */
export function createLockouts(clock: Clock): Lockouts {
  const known = new Map<string, Failures>();
  return {
    isLocked: (userId) => clock.now() < (known.get(userId)?.lockedUntil ?? 0),
    failed(userId, attempt) {
      const { count, recent, lockedUntil } = known.get(userId) ?? { count: 0, recent: [], lockedUntil: 0 };
      if (recent.includes(attempt)) return;
      const failures = count + 1;
      const [oldest] = known.keys();
      if (known.size >= USERS_MAX && oldest !== undefined) known.delete(oldest);
      known.set(userId, {
        count: failures,
        recent: [attempt, ...recent].slice(0, RECENT_MAX),
        lockedUntil: failures < FAILURES_MAX ? lockedUntil : clock.now() + LOCK_MS,
      });
    },
    clear: (userId) => void known.delete(userId),
  };
}

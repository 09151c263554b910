/**
 * Who used what: for every credential, place and right the number of requests and the last time, since the start.
 * Records are forgotten after some thousands; what a program needs, and who still has a key, must outlast them.
 */
import type { DiagnosticRecord } from "./diagnostic-records.ts";

export interface AccessUse {
  readonly account: string;
  readonly kind: "aad" | "accountKey" | "resourceToken";
  /** Object id, name of the key, or path of the permission. */
  readonly who: string;
  /** Data action, or the operation's name where there is none. */
  readonly action: string;
  /** `/`, `dbs/D` or `dbs/D/colls/C`. */
  readonly resource: string;
  readonly operation: string;
  readonly clientIpAddress: string;
  readonly userAgent: string;
  readonly count: number;
  /** How many of them only audit mode let pass. */
  readonly wouldDeny: number;
  /** Milliseconds since the epoch. */
  readonly first: number;
  readonly last: number;
}

export interface AccessUseLog {
  observe(entry: DiagnosticRecord): void;
  list(): readonly AccessUse[];
}

/** Kinds of use that are kept apart; beyond that the oldest make room, so strange clients cost no memory. */
const usesMax = 20_000;
const userAgentLengthMax = 120;

/** The members of a decision that count here; the type itself is of another room. */
interface DecisionFacts {
  readonly allowed: boolean;
  readonly action: string;
  readonly resource: string;
  readonly credential: {
    readonly kind: AccessUse["kind"];
    readonly principalId?: string;
    readonly key?: string;
    readonly permission?: string;
  };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

type Facts = Omit<AccessUse, "count" | "wouldDeny" | "first" | "last">;

function isSame(a: Facts, b: Facts): boolean {
  return (
    a.operation === b.operation &&
    a.who === b.who &&
    a.action === b.action &&
    a.resource === b.resource &&
    a.account === b.account &&
    a.clientIpAddress === b.clientIpAddress &&
    a.userAgent === b.userAgent
  );
}

function keyOf({ account, who, action, resource, operation, clientIpAddress, userAgent }: Facts): string {
  return `${account}\n${who}\n${action}\n${resource}\n${operation}\n${clientIpAddress}\n${userAgent}`;
}

export function createAccessUseLog(): AccessUseLog {
  const uses = new Map<string, Mutable<AccessUse>>();
  // A program's requests mostly repeat its last one, and comparing is cheaper than making a key.
  let latest: Mutable<AccessUse> | undefined;
  const count = (use: Facts, time: number, denied: boolean): void => {
    const again = latest !== undefined && isSame(latest, use) ? latest : undefined;
    const known = again ?? uses.get(keyOf(use));
    if (known !== undefined) {
      latest = known;
      known.count++;
      known.last = time;
      if (denied) known.wouldDeny++;
      return;
    }
    if (uses.size >= usesMax) {
      const [oldest] = uses.keys();
      if (oldest !== undefined) uses.delete(oldest);
      latest = undefined;
    }
    uses.set(keyOf(use), { ...use, count: 1, wouldDeny: denied ? 1 : 0, first: time, last: time });
  };
  return {
    observe(entry) {
      const decision = entry.decision as DecisionFacts | undefined;
      if (entry.category !== "DataPlaneRequests" || decision === undefined) return;
      if (!decision.allowed && entry.wouldDeny === undefined) return;
      const { credential, resource } = decision;
      for (const action of entry.data?.actions ?? [decision.action]) {
        const use = {
          account: entry.account,
          kind: credential.kind,
          who: credential.principalId ?? credential.key ?? credential.permission ?? "",
          action: action === "" ? entry.operationName : action,
          resource,
          operation: entry.operationName,
          clientIpAddress: entry.clientIpAddress,
          userAgent: entry.userAgent.slice(0, userAgentLengthMax),
        };
        count(use, entry.time, entry.wouldDeny !== undefined);
      }
    },
    list: () => [...uses.values()],
  };
}

/**
 * Faults on order: an operator asks for the next answers of a service to fail, be slow or break off, so that a program's
 * retry settings can be tried. Apart from the services because none of them may know that it is being disturbed.
 */
import type { Clock } from "../clock.ts";
import { json } from "../http/reply.ts";
import type { Reply, Request, Service } from "../http/service.ts";

/** Services that can be disturbed. */
export const faultTargets = ["imds", "app-service", "token", "arm", "cosmos"] as const;
export type FaultTarget = (typeof faultTargets)[number];

export interface FaultRule {
  readonly target: FaultTarget;
  /** The status to answer with; the request reaches the service when there is none. */
  readonly status?: number;
  /** Seconds in `Retry-After`. */
  readonly retryAfter?: number;
  readonly delayMilliseconds?: number;
  /** Breaks the connection off instead of answering. */
  readonly reset?: boolean;
  /** Only requests whose target contains this text. */
  readonly match?: string;
  /** How many requests it still meets. */
  readonly times: number;
}

export interface StandingFault extends FaultRule {
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly addedAt: number;
}

export interface Faults {
  add(rule: FaultRule): StandingFault;
  list(): readonly StandingFault[];
  /** Removes one, or all; how many. */
  remove(id?: string): number;
  /** The service with the standing faults in front of it. */
  wrap(target: FaultTarget, service: Service): Service;
}

/** An empty list of faults. */
export function createFaults(clock: Clock): Faults {
  const standing: { rule: StandingFault; left: number }[] = [];
  let added = 0;
  const take = (target: FaultTarget, request: Request): FaultRule | undefined => {
    const at = standing.findIndex(
      ({ rule }) =>
        rule.target === target && (rule.match === undefined || request.target.includes(rule.match)),
    );
    const found = standing[at];
    if (found === undefined) return undefined;
    found.left -= 1;
    if (found.left <= 0) standing.splice(at, 1);
    return found.rule;
  };
  return {
    add(rule) {
      added += 1;
      const made = { ...rule, id: String(added), addedAt: clock.now() };
      standing.push({ rule: made, left: rule.times });
      return made;
    },
    list: () => standing.map(({ rule, left }) => ({ ...rule, times: left })),
    remove(id) {
      const before = standing.length;
      const kept = id === undefined ? [] : standing.filter(({ rule }) => rule.id !== id);
      standing.splice(0, before, ...kept);
      return before - standing.length;
    },
    wrap(target, service) {
      const faulty = async (request: Request): Promise<Reply> => {
        const rule = take(target, request);
        if (rule === undefined) return service(request);
        if (rule.delayMilliseconds !== undefined) await pause(rule.delayMilliseconds);
        if (rule.reset === true) return { status: 500, headers: {}, reset: true };
        return rule.status === undefined ? service(request) : faultReply(rule, rule.status);
      };
      return (request) => (standing.length === 0 ? service(request) : faulty(request));
    },
  };
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** The status in the words of the service, so that its SDK reads the fault as it would the real one. */
function faultReply({ target, retryAfter }: FaultRule, status: number): Reply {
  const message = "This fault was asked for with 'celestite fault add'.";
  const headers: Record<string, string> =
    retryAfter === undefined ? {} : { "retry-after": String(retryAfter) };
  switch (target) {
    case "imds":
      return json(status, { error: "fault", error_description: message }, headers);
    case "app-service":
      return json(status, { statusCode: status, message }, headers);
    case "token":
      return json(status, { error: "temporarily_unavailable", error_description: message }, headers);
    case "arm":
      return json(status, { error: { code: "Fault", message } }, headers);
    case "cosmos":
      return json(
        status,
        { code: String(status), message },
        {
          ...headers,
          ...(retryAfter === undefined ? {} : { "x-ms-retry-after-ms": String(retryAfter * 1000) }),
          ...(status === 429 ? { "x-ms-substatus": "3200" } : {}),
        },
      );
  }
}

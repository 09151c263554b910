/** The operator's operations for trying things: moving the clock, faults on order. */
import type { ManualClock } from "../clock.ts";
import { type Faults, faultTargets } from "../operator/faults.ts";
import { type OperatorCall, OperatorError, type OperatorRoute } from "../operator/gateway.ts";

export interface DevelopmentContext {
  readonly faults: Faults;
  /** The clock where it can be moved. */
  readonly development: ManualClock | undefined;
}

const secondsMax = 10 * 365 * 24 * 3600;
const timesMax = 1_000_000;
const delayMax = 600_000;

/** Operations under `METHOD name`, for `OperatorParts.routes`. */
export function developmentRoutes({
  faults,
  development,
}: DevelopmentContext): Readonly<Record<string, OperatorRoute>> {
  const clock = (): ManualClock => {
    if (development !== undefined) return development;
    throw new OperatorError(
      "This server keeps the machine's time; one started with --development has a clock that can be moved.",
    );
  };
  return {
    "GET clock": async () => ({ now: new Date(clock().now()).toISOString() }),
    "POST clock": async ({ body }) => {
      const seconds = wholeNumber(body, "seconds", 1, secondsMax);
      if (seconds === undefined) throw new OperatorError("'seconds' is missing.");
      clock().advance(seconds * 1000);
      return { now: new Date(clock().now()).toISOString() };
    },
    "GET faults": async () => ({ faults: faults.list() }),
    "POST faults": async ({ body }) => {
      const target = faultTargets.find((name) => name === body["target"]);
      if (target === undefined) throw new OperatorError(`A fault is for one of ${faultTargets.join(", ")}.`);
      const status = wholeNumber(body, "status", 400, 599);
      const retryAfter = wholeNumber(body, "retryAfter", 0, 3600);
      const delayMilliseconds = wholeNumber(body, "delayMilliseconds", 1, delayMax);
      const reset = body["reset"] === true;
      if (status === undefined && delayMilliseconds === undefined && !reset)
        throw new OperatorError("A fault has a status, a delay, or breaks the connection off.");
      return faults.add({
        target,
        times: wholeNumber(body, "times", 1, timesMax) ?? 1,
        ...(status === undefined ? {} : { status }),
        ...(retryAfter === undefined ? {} : { retryAfter }),
        ...(delayMilliseconds === undefined ? {} : { delayMilliseconds }),
        ...(reset ? { reset } : {}),
        ...(typeof body["match"] === "string" ? { match: body["match"] } : {}),
      });
    },
    "DELETE faults": async ({ segments: [id] }) => ({ removed: faults.remove(id) }),
  };
}

/** The member `name` if there is one; OperatorError when it is no whole number from `min` to `max`. */
function wholeNumber(body: OperatorCall["body"], name: string, min: number, max: number): number | undefined {
  const value = body[name];
  if (value === undefined) return undefined;
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new OperatorError(`'${name}' is a whole number from ${min} to ${max}.`);
}

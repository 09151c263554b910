/**
 * Is a call legal: the function exists, may stand here, and has the right number of arguments.
 */
import { type BindState, report } from "./binding.ts";
import type { Aggregate } from "./functions/aggregate.ts";
import { builtIn } from "./functions/table.ts";
import { literalNumber } from "./order-check.ts";
import type { Call } from "./syntax.ts";

/** Reports SC2005, SC2050, SC2213 and SC2240; `rank` is true inside ORDER BY RANK. */
export function checkCall(
  state: BindState,
  call: Call,
  aggregate: Aggregate | undefined,
  rank: boolean,
): void {
  if (call.udf) {
    if (!state.udfExists(call.name)) {
      state.texts.push(`The user-defined function '${call.name}' is not registered on this container.`);
    }
    return;
  }
  const upper = call.name.toUpperCase();
  const found = builtIn(call.name);
  if (aggregate !== undefined) checkArity(state, call, aggregate.name, 1, 1);
  else if (upper === "FULLTEXTSCORE" || upper === "RRF") checkScore(state, call, upper, rank);
  else if (found === undefined) reportUnknown(state, call);
  else checkArity(state, call, found.name, found.minimum, found.maximum);
  if (upper === "VECTORDISTANCE") checkVectorOptions(state, call);
}

function checkScore(state: BindState, call: Call, upper: string, rank: boolean): void {
  if (upper === "RRF") {
    if (!rank) reportUnknown(state, call);
  } else if (!rank) {
    const message = "The FullTextScore function is only allowed in the ORDER BY RANK clause.";
    report(state, "SC2240", message, call.span);
  } else checkArity(state, call, "FullTextScore", 2, Number.POSITIVE_INFINITY);
}

function reportUnknown(state: BindState, call: Call): void {
  const location = { start: call.span.start, end: call.span.start + call.name.length };
  report(state, "SC2005", `'${call.name}' is not a recognized built-in function name.`, location);
}

function checkArity(state: BindState, call: Call, name: string, minimum: number, maximum: number): void {
  const given = call.args.length;
  if (given >= minimum && given <= maximum) return;
  let wanted = `${minimum} to ${maximum}`;
  if (maximum === minimum) wanted = `${minimum}`;
  else if (maximum === Number.POSITIVE_INFINITY) wanted = `at least ${minimum}`;
  report(state, "SC2050", `The ${name} function requires ${wanted} argument(s).`, call.span);
}

function checkVectorOptions(state: BindState, call: Call): void {
  const options = call.args[3];
  if (options?.kind !== "object") return;
  for (const { name, value } of options.properties) {
    const given = name === "searchListSizeMultiplier" ? literalNumber(value) : undefined;
    if (given === undefined || (given >= 1 && given <= 100)) continue;
    const message =
      `The 'searchListSizeMultiplier' value ${given} specified in the VectorDistance function is outside the ` +
      "supported range. The value must be between 1 and 100.";
    report(state, "SC2213", message, options.span);
  }
}

/** THE table of template functions that need nothing but their arguments; `scope-functions.ts` has the others. */
import type { TemplateFunction } from "./evaluate.ts";
import { addressFunctions } from "./functions/addresses.ts";
import { collectionFunctions } from "./functions/collections.ts";
import { dateFunctions } from "./functions/dates.ts";
import { lambdaFunctions } from "./functions/lambdas.ts";
import { logicFunctions } from "./functions/logic.ts";
import { networkFunctions } from "./functions/networks.ts";
import { stringFunctions } from "./functions/strings.ts";

/** By lower-case name. */
export const pureFunctions: ReadonlyMap<string, TemplateFunction> = new Map(
  Object.entries({
    ...stringFunctions,
    ...collectionFunctions,
    ...logicFunctions,
    ...lambdaFunctions,
    ...dateFunctions,
    ...networkFunctions,
    ...addressFunctions,
  }),
);

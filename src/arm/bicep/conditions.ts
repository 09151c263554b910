/** When a resource is deployed: its own condition and those of the resources around it. */
import type { IrExpression } from "./intermediate.ts";
import type { Context } from "./lowering.ts";
import type { Resource } from "./resources.ts";
import { bodyCondition } from "./walk.ts";

/** The conditions of a resource and of those it is nested in, joined with `&&`. */
export function resourceCondition(context: Context, resource: Resource): IrExpression | undefined {
  const outer = resource.ancestors
    .filter((ancestor) => ancestor.nested)
    .map((ancestor) => ancestor.resource.symbol.declaration.value)
    .flatMap((value) => (value.kind === "if" ? [value.condition] : []));
  const own = bodyCondition(resource.symbol.declaration.value);
  const conditions = own === undefined ? outer : [...outer, own];
  return conditions
    .map((condition) => context.lower(context, condition))
    .reduce<IrExpression | undefined>(
      (left, right) => (left === undefined ? right : { kind: "binary", operator: "&&", left, right }),
      undefined,
    );
}

/**
 * Parameters files: every assignment worked out to a value now, by the functions that a deployment has too. What is
 * in a vault becomes a reference to it, so that the secret itself never passes through the compiler.
 */
import { ArmError } from "../../azure/arm-error.ts";
import { evaluateValue, newBudget } from "../deployments/evaluate.ts";
import { ExpressionError } from "../deployments/expressions.ts";
import { createScope, type Scope } from "../deployments/scope-functions.ts";
import type { Json, JsonObject } from "../json.ts";
import { extendedModels, isOverridden } from "./check-params.ts";
import { report } from "./diagnostics.ts";
import { asNumbers, createContext, emitFunctions, emitVariables } from "./emit.ts";
import { type Entry, emitLoop, emitValue, objectOf, type Value } from "./emit-values.ts";
import type { IrExpression } from "./intermediate.ts";
import { baseVariable, lower, parameterVariable } from "./lower.ts";
import { type Context, NotEmittable, OutputTooLarge } from "./lowering.ts";
import { type Model, symbolsOfKind } from "./model.ts";
import type { AssignmentSymbol } from "./symbols.ts";

/** What a parameter gets: a value, or a reference to a secret of a vault. */
type Assigned = { readonly value: Json } | { readonly reference: JsonObject };

type Assignments = ReadonlyMap<string, Assigned>;

/** The content of a deployment parameters file. Undefined after findings that are errors. */
export function emitParameterFile(model: Model): JsonObject | undefined {
  const assigned = assignmentsOf(model);
  if (assigned === undefined) return undefined;
  return {
    $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#",
    contentVersion: "1.0.0.0",
    parameters: Object.fromEntries(assigned),
  };
}

/** Own assignments come first, then those of the extended files that are not assigned again. */
function assignmentsOf(model: Model): Assignments | undefined {
  const inherited = new Map<string, Assigned>();
  for (const extended of extendedModels(model)) {
    const theirs = assignmentsOf(extended);
    if (theirs === undefined) return undefined;
    for (const [name, value] of theirs) if (!inherited.has(name)) inherited.set(name, value);
  }
  const own = evaluateAssignments(model, inherited);
  if (own === undefined) return undefined;
  const overrides = Object.entries(model.workspace.access.parameterOverrides ?? {});
  const assigned = new Map([...own, ...[...inherited].filter(([name]) => !own.has(name))]);
  for (const [name, value] of overrides) assigned.set(name, { value });
  return assigned;
}

function evaluateAssignments(model: Model, inherited: Assignments): Assignments | undefined {
  const assigned = new Map<string, Assigned>();
  const symbols = symbolsOfKind(model, "param-assignment").filter(({ name }) => !isOverridden(model, name));
  const evaluation = prepare(model, symbols, inherited);
  if (evaluation === undefined) return undefined;
  let failed = false;
  for (const symbol of symbols) {
    const value = attempt(model, symbol, () => assignedValue(evaluation, symbol));
    if (value === undefined) failed = true;
    else assigned.set(symbol.name, value);
  }
  return failed ? undefined : assigned;
}

interface Evaluation {
  readonly context: Context;
  readonly scope: Scope;
  /** Assignments as they would stand in a template. */
  readonly lowered: ReadonlyMap<AssignmentSymbol, IrExpression>;
}

/** Parameters may use variables, functions and each other, so all of them become variables of one template. */
function prepare(
  model: Model,
  symbols: readonly AssignmentSymbol[],
  inherited: Assignments,
): Evaluation | undefined {
  const context = createContext(model);
  const lowered = new Map<AssignmentSymbol, IrExpression>();
  const loops: Value[] = [];
  const plain: Entry[] = [];
  for (const symbol of symbols) {
    const value = attempt(model, symbol, () => lower(context, symbol.declaration.value));
    if (value === undefined) return undefined;
    lowered.set(symbol, value);
    const name = parameterVariable(symbol.name);
    if (isSecret(value)) continue;
    const emitted = attempt(model, symbol, () =>
      value.kind === "loop" ? emitLoop(context, value, { name }) : emitValue(context, value),
    );
    if (emitted === undefined) return undefined;
    if (value.kind === "loop") loops.push(emitted);
    else plain.push([name, emitted]);
  }
  for (const [name, value] of Object.entries(model.workspace.access.parameterOverrides ?? {})) {
    plain.push([parameterVariable(name), escaped(value)]);
  }
  plain.push([baseVariable, baseValue(inherited)]);
  const variables = new Map<string, Value>(emitVariables(context));
  const copies = [...((variables.get("copy") as readonly Value[] | undefined) ?? []), ...loops];
  if (copies.length > 0) variables.set("copy", copies);
  const scope = scopeOf(objectOf([...variables, ...plain]), objectOf(emitFunctions(context)));
  return { context, scope, lowered };
}

function baseValue(inherited: Assignments): Value {
  return objectOf(
    [...inherited].map(([name, given]): Entry => [name, "value" in given ? escaped(given.value) : null]),
  );
}

/** A value in the form in which a template has it: text that begins like an expression gets a second bracket. */
function escaped(value: Json): Json {
  if (typeof value === "string") return value.startsWith("[") ? `[${value}` : value;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(escaped);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, escaped(each as Json)]));
}

function scopeOf(variables: Value, functions: Value): Scope {
  const nothing: JsonObject = {};
  const groups = (functions as { readonly functions?: readonly JsonObject[] }).functions ?? [];
  return createScope({
    template: {
      ...{ document: nothing, symbolic: false, parameters: nothing, outputs: nothing, definitions: nothing },
      variables: asNumbers(variables) as JsonObject,
      functions: groups,
      resources: [],
      positionOf: () => undefined,
    },
    ...{ given: nothing, scopeId: "", subscriptionId: "", resourceGroup: undefined, subscription: nothing },
    managementGroup: undefined,
    ...{ tenant: nothing, environment: nothing, deployment: nothing, deployer: nothing },
    clock: { now: () => 0 },
    entropy: { bytes: (length) => new Uint8Array(length) },
    budget: newBudget(),
  });
}

function isSecret(value: IrExpression): value is Extract<IrExpression, { kind: "call" }> {
  return value.kind === "call" && value.name === "getSecret";
}

function assignedValue(evaluation: Evaluation, symbol: AssignmentSymbol): Assigned {
  const { context, scope, lowered } = evaluation;
  const value = lowered.get(symbol);
  if (value !== undefined && isSecret(value)) {
    const [subscription, group, vault, secret, version] = value.arguments.map((argument) =>
      evaluateValue(asNumbers(emitValue(context, argument)), scope.environment),
    );
    const id = `/subscriptions/${subscription}/resourceGroups/${group}/providers/Microsoft.KeyVault/vaults/${vault}`;
    const reference: Record<string, Json> = { keyVault: { id }, secretName: secret ?? null };
    if (version !== undefined) reference["secretVersion"] = version;
    return { reference };
  }
  return { value: evaluateValue(`[variables('${parameterVariable(symbol.name)}')]`, scope.environment) };
}

/** The result, or a finding about the assignment. */
function attempt<T>(model: Model, symbol: AssignmentSymbol, work: () => T): T | undefined {
  const { value } = symbol.declaration;
  try {
    return work();
  } catch (error) {
    if (error instanceof NotEmittable) report(model.reporter, "CEL004", value, error.message);
    else if (error instanceof OutputTooLarge) report(model.reporter, "CEL003", value);
    else if (error instanceof RangeError) report(model.reporter, "CEL002", value);
    else if (error instanceof ExpressionError || error instanceof ArmError)
      report(model.reporter, "BCP338", value, symbol.name, error.message);
    else throw error;
    return undefined;
  }
}

/**
 * Template functions that depend on the deployment: parameters and variables, where it runs, resource ids, and what
 * only a running deployment can read. `createScope` puts them together with the pure table.
 */
import { type Clock, type Entropy, uuid } from "../../clock.ts";
import { isArray, isObject, type Json, type JsonObject, member, memberName, objectMember } from "../json.ts";
import {
  type Budget,
  type Environment,
  evaluateValue,
  expandInput,
  isPropertyCopy,
  type RuntimeRead,
  RuntimeValueNeeded,
  type TemplateFunction,
} from "./evaluate.ts";
import { ExpressionError } from "./expressions.ts";
import { at, refuse, text } from "./functions/arguments.ts";
import { compactFormat, formatDate } from "./functions/dates.ts";
import { pureFunctions } from "./functions.ts";
import { type GivenParameters, type ParameterValue, readParameter, rejectUnknown } from "./parameters.ts";
import { resourceIdFunctions } from "./resource-id-functions.ts";
import { shownValue } from "./secure-values.ts";
import type { Template } from "./template.ts";
import { invalidTemplate } from "./template-errors.ts";

/** Where a deployment runs and what its functions answer about it. */
export interface ScopeFacts extends GivenParameters {
  readonly template: Template;
  /** The id of group, subscription or management group; empty for the tenant. */
  readonly scopeId: string;
  /** Empty above subscriptions. */
  readonly subscriptionId: string;
  /** Values of the functions of these names, where the scope has them. */
  readonly resourceGroup: JsonObject | undefined;
  readonly subscription: JsonObject | undefined;
  readonly managementGroup: JsonObject | undefined;
  readonly tenant: JsonObject;
  readonly environment: JsonObject;
  readonly deployment: JsonObject;
  readonly deployer: JsonObject;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** What its evaluation may cost. */
  readonly budget: Budget;
}

export interface Scope {
  /** For resources and outputs, before anything is known of the running deployment. */
  readonly environment: Environment;
  readonly parameters: readonly ParameterValue[];
  /**
   * The functions for what is shown to people: those that would read a secret parameter fail instead. Absent when the
   * template has none.
   */
  readonly shownFunctions: Environment["functions"] | undefined;
}

/** Variables may refer to each other this deep. */
const variableDepthMax = 100;

/** Resolves all parameters and prepares the functions. Throws ArmError 400 `InvalidTemplate`. */
export function createScope(facts: ScopeFacts): Scope {
  rejectUnknown(facts.template, facts.given);
  const functions = new Map<string, TemplateFunction>([
    ...pureFunctions,
    ...factFunctions(facts),
    ...resourceIdFunctions(facts),
    ...runtimeFunctions,
  ]);
  for (const [name, definition] of userFunctions(facts.template, functions)) functions.set(name, definition);
  const base: Environment = {
    functions,
    copies: new Map(),
    lambdaVariables: new Map(),
    runtime: () => undefined,
    budget: facts.budget,
  };
  const parameters = parameterReader(facts, base);
  functions.set(
    "parameters",
    lookUp("parameter", (name) => parameters.get(name)),
  );
  const variables = variableReader(facts.template, base);
  functions.set("variables", lookUp("variable", variables));
  const all = parameters.all();
  return { environment: base, parameters: all, shownFunctions: withoutSecrets(facts, base, all) };
}

/** True for what is never shown, or not as a whole: by its type, or because it came from a key vault. */
function isSecret({ value, declaration, reference }: ParameterValue, { definitions }: Template): boolean {
  return reference !== undefined || shownValue(value, declaration, definitions).hides;
}

function withoutSecrets(
  facts: ScopeFacts,
  base: Environment,
  parameters: readonly ParameterValue[],
): Environment["functions"] | undefined {
  const secrets = new Set(
    parameters.filter((each) => isSecret(each, facts.template)).map(({ name }) => name.toLowerCase()),
  );
  if (secrets.size === 0) return undefined;
  const functions = new Map(base.functions);
  const values = new Map(parameters.map(({ name, value }) => [name.toLowerCase(), value]));
  const read = (name: string): Json | undefined => {
    if (!secrets.has(name.toLowerCase())) return values.get(name.toLowerCase());
    throw new ExpressionError(`The template parameter '${name}' is a secret.`);
  };
  functions.set("parameters", lookUp("parameter", read));
  functions.set("deployment", constant(withoutGiven(facts.deployment, secrets)));
  for (const [name, definition] of userFunctions(facts.template, functions)) functions.set(name, definition);
  const variables = variableReader(facts.template, { ...base, functions });
  return functions.set("variables", lookUp("variable", variables));
}

/** What `deployment()` answers, without the parameters that are secrets. */
function withoutGiven(deployment: JsonObject, secrets: ReadonlySet<string>): JsonObject {
  const properties = objectMember(deployment, "properties") ?? {};
  const given = Object.entries(objectMember(properties, "parameters") ?? {});
  const parameters = Object.fromEntries(given.filter(([name]) => !secrets.has(name.toLowerCase())));
  return { ...deployment, properties: { ...properties, parameters } };
}

function lookUp(kind: string, read: (name: string) => Json | undefined): TemplateFunction {
  return {
    min: 1,
    max: 1,
    run: (values, _, name) => {
      const wanted = text(name, values, 0);
      const value = read(wanted);
      if (value !== undefined) return value;
      throw new ExpressionError(
        `The template ${kind} '${wanted}' is not found. Please see https://aka.ms/arm-syntax-${kind}s for usage details.`,
      );
    },
  };
}

/** Parameters on demand, because one default may use another parameter; a circle of defaults is an error. */
function parameterReader(
  facts: ScopeFacts,
  base: Environment,
): { get: (name: string) => Json | undefined; all: () => ParameterValue[] } {
  const known = new Map<string, ParameterValue>();
  const open = new Set<string>();
  const forDefaults: Environment = { ...base, functions: withDefaultFunctions(facts, base.functions) };
  const read = (name: string): ParameterValue => {
    const before = known.get(name);
    if (before !== undefined) return before;
    if (open.has(name))
      throw invalidTemplate(`The default of the template parameter '${name}' depends on itself.`);
    open.add(name);
    try {
      const value = readParameter(facts.template, facts, name, (initial) =>
        evaluateDefault(name, initial, forDefaults),
      );
      known.set(name, value);
      return value;
    } finally {
      open.delete(name);
    }
  };
  const get = (name: string): Json | undefined => {
    const declared = memberName(facts.template.parameters, name);
    return declared === undefined ? undefined : read(declared).value;
  };
  (forDefaults.functions as Map<string, TemplateFunction>).set("parameters", lookUp("parameter", get));
  return { get, all: () => Object.keys(facts.template.parameters).map(read) };
}

function evaluateDefault(name: string, initial: Json, environment: Environment): Json {
  try {
    return evaluateValue(initial, environment);
  } catch (error) {
    if (error instanceof RuntimeValueNeeded) throw notExpected(error.read.function);
    if (!(error instanceof ExpressionError)) throw error;
    throw invalidTemplate(`The default of the template parameter '${name}' is not valid: ${error.message}`);
  }
}

/** The service's refusal of `reference` and its like where nothing is running yet. */
export function notExpected(name: string): Error {
  return invalidTemplate(
    `The template function '${name}' is not expected at this location. Please see https://aka.ms/arm-template-expressions for usage details.`,
  );
}

/** `utcNow` and `newGuid` exist in defaults only, so that a template's resources are the same in every evaluation. */
function withDefaultFunctions(
  facts: ScopeFacts,
  functions: ReadonlyMap<string, TemplateFunction>,
): Map<string, TemplateFunction> {
  const now = facts.clock.now();
  return new Map<string, TemplateFunction>([
    ...functions,
    [
      "utcnow",
      {
        min: 0,
        max: 1,
        run: (values, _, name) =>
          formatDate(now, values.length === 0 ? compactFormat : text(name, values, 0)),
      },
    ],
    ["newguid", { min: 0, max: 0, run: () => uuid(facts.entropy) }],
  ]);
}

function variableReader(template: Template, environment: Environment): (name: string) => Json | undefined {
  const known = new Map<string, Json>();
  const open = new Set<string>();
  const copies = member(template.variables, "copy");
  const loops = copies !== undefined && isPropertyCopy(copies) ? copies : [];
  return (name) => {
    const loop = loops.find((each) => String(each["name"]).toLowerCase() === name.toLowerCase());
    const declared = loop === undefined ? memberName(template.variables, name) : String(loop["name"]);
    if (declared === undefined) return undefined;
    const before = known.get(declared);
    if (before !== undefined) return before;
    if (open.has(declared) || open.size > variableDepthMax) {
      throw new ExpressionError(`The template variable '${declared}' depends on itself or too many others.`);
    }
    open.add(declared);
    try {
      const value = evaluateVariable(template.variables[declared] ?? null, declared, loop, environment);
      known.set(declared, value);
      return value;
    } catch (error) {
      if (error instanceof RuntimeValueNeeded) throw notExpected(error.read.function);
      throw error;
    } finally {
      open.delete(declared);
    }
  };
}

function evaluateVariable(
  value: Json,
  name: string,
  loop: JsonObject | undefined,
  environment: Environment,
): Json {
  if (loop === undefined) return evaluateValue(value, environment);
  const count = evaluateValue(loop["count"] ?? 0, environment);
  return expandInput(name, count, loop["input"] ?? null, environment);
}

function constant(value: Json): TemplateFunction {
  return { min: 0, max: 0, run: () => value };
}

/** A function that has a value at some scopes only. */
function placed(value: JsonObject | undefined, what: string): TemplateFunction {
  return {
    min: 0,
    max: 0,
    run: (_values, _environment, name) => {
      if (value !== undefined) return value;
      throw refuse(name, `there is no ${what} at the scope of this deployment`);
    },
  };
}

function factFunctions(facts: ScopeFacts): readonly (readonly [string, TemplateFunction])[] {
  return [
    ["subscription", placed(facts.subscription, "subscription")],
    ["managementgroup", placed(facts.managementGroup, "management group")],
    ["tenant", constant(facts.tenant)],
    ["environment", constant(facts.environment)],
    ["deployment", constant(facts.deployment)],
    ["deployer", constant(facts.deployer)],
    ["resourcegroup", placed(facts.resourceGroup, "resource group")],
    [
      "copyindex",
      { min: 0, max: 2, run: (values, environment, name) => copyIndex(values, environment, name) },
    ],
  ];
}

function copyIndex(values: readonly Json[], environment: Environment, name: string): number {
  const first = at(values, 0);
  const loop = typeof first === "string" ? first : "";
  const offset = typeof first === "number" ? first : at(values, 1);
  const index = environment.copies.get(loop.toLowerCase());
  if (index === undefined) {
    throw new ExpressionError(
      `The template function '${name}' is not expected at this location. The function can only be used in a resource with copy specified. Please see https://aka.ms/arm-copy for usage details.`,
    );
  }
  return index + (typeof offset === "number" ? offset : 0);
}

function readRuntime(read: RuntimeRead, environment: Environment): Json {
  const value = environment.runtime(read);
  if (value === undefined) throw new RuntimeValueNeeded(read);
  return value;
}

const runtimeFunctions: readonly (readonly [string, TemplateFunction])[] = [
  [
    "reference",
    {
      min: 1,
      max: 3,
      run: (values, environment, name) => {
        const version = at(values, 1);
        const read: RuntimeRead = {
          kind: "reference",
          function: name,
          target: text(name, values, 0),
          apiVersion: typeof version === "string" && /^\d{4}-/.test(version) ? version : undefined,
          full: values.slice(1).some((each) => typeof each === "string" && each.toLowerCase() === "full"),
          body: undefined,
        };
        return readRuntime(read, environment);
      },
    },
  ],
  [
    "references",
    {
      min: 1,
      max: 2,
      run: (values, environment, name) => {
        const read: RuntimeRead = {
          kind: "reference",
          function: name,
          target: text(name, values, 0),
          apiVersion: undefined,
          full: values.slice(1).some((each) => typeof each === "string" && each.toLowerCase() === "full"),
          body: undefined,
        };
        return readRuntime(read, environment);
      },
    },
  ],
  [
    "list*",
    {
      min: 1,
      max: 3,
      run: (values, environment, name) => {
        const version = at(values, 1);
        const read: RuntimeRead = {
          kind: "list",
          function: name,
          target: text(name, values, 0),
          apiVersion: typeof version === "string" ? version : undefined,
          full: false,
          body: values.length > 2 ? at(values, 2) : undefined,
        };
        return readRuntime(read, environment);
      },
    },
  ],
];

/** `namespace.name` functions of the template: they see their own parameters, not the template's. */
function userFunctions(
  template: Template,
  functions: ReadonlyMap<string, TemplateFunction>,
): readonly (readonly [string, TemplateFunction])[] {
  return template.functions.flatMap((group) => {
    const namespace = String(group["namespace"] ?? "");
    return Object.entries(objectMember(group, "members") ?? {}).map(([name, declared]) => {
      const definition = isObject(declared) ? declared : {};
      return [`${namespace}.${name}`.toLowerCase(), userFunction(definition, functions)] as const;
    });
  });
}

function userFunction(
  definition: JsonObject,
  functions: ReadonlyMap<string, TemplateFunction>,
): TemplateFunction {
  const declared = member(definition, "parameters");
  const names = (isArray(declared) ? declared : []).map((each) =>
    isObject(each) ? String(each["name"] ?? "").toLowerCase() : "",
  );
  const value = objectMember(definition, "output")?.["value"] ?? null;
  return {
    min: names.length,
    max: names.length,
    run: (values, environment) => {
      const own = lookUp("parameter", (name) => values[names.indexOf(name.toLowerCase())]);
      const inner = new Map(functions).set("parameters", own);
      inner.delete("variables");
      return evaluateValue(value, { ...environment, functions: inner });
    },
  };
}

/** The template of a file: its sections in order, and those of its modules inside them. */

import { templateHash } from "../deployments/hashes.ts";
import type { Json, JsonObject } from "../json.ts";
import { findDecoratorCall, isExported } from "./decorators.ts";
import { dependenciesOf } from "./dependencies.ts";
import { emitModule } from "./emit-modules.ts";
import { emitResource } from "./emit-resources.ts";
import { definitionSchema, descriptionValue, merge, typeSchema, withModifiers } from "./emit-types.ts";
import {
  type Entry,
  emitLoop,
  emitProperties,
  emitValue,
  objectOf,
  type Value,
  type ValueObject,
} from "./emit-values.ts";
import { exportedSymbols } from "./exports.ts";
import { type ImportedDeclaration, importClosure } from "./imports.ts";
import { inlinedSymbols } from "./inlining.ts";
import { type IrExpression, type IrObject, irObject, irString } from "./intermediate.ts";
import { loadedVariables } from "./loaded-variables.ts";
import { lower } from "./lower.ts";
import { functionNamespace } from "./lower-calls.ts";
import { type Context, NotEmittable, OutputTooLarge, spend } from "./lowering.ts";
import { fact, type Model, symbolsOfKind } from "./model.ts";
import { resourcesOf, symbolicName } from "./resources.ts";
import { needsSymbolicNames } from "./symbolic-names.ts";
import type { FunctionSymbol, ModuleSymbol } from "./symbols.ts";
import { compilerVersion } from "./version.ts";

const schemas: Readonly<Record<Model["targetScope"], string>> = {
  tenant: "2019-08-01/tenantDeploymentTemplate.json#",
  managementGroup: "2019-08-01/managementGroupDeploymentTemplate.json#",
  subscription: "2018-05-01/subscriptionDeploymentTemplate.json#",
  resourceGroup: "2019-04-01/deploymentTemplate.json#",
};

/** How the parts of a file are written that stand alone, outside of imports. */
export function createContext(model: Model): Context {
  const closure = importClosure(model);
  const loaded = [
    ...loadedVariables(model).map(({ node, name }) => [node, name] as const),
    ...closure.loads.map(({ variable, name }) => [variable.node, name] as const),
  ];
  return {
    root: model,
    model,
    symbolic: needsSymbolicNames(model),
    names: closure.names,
    loadedNames: new Map(loaded),
    replacements: new Map(),
    lower,
  };
}

/**
 * The template of a file without errors. Throws NotEmittable for what has no form in a template, and OutputTooLarge.
 */
export function emitTemplate(model: Model): ValueObject {
  return fact(model, "template", () => {
    const context = createContext(model);
    const entries: Entry[] = [
      ["$schema", `https://schema.management.azure.com/schemas/${schemas[model.targetScope]}`],
      ...(context.symbolic ? [["languageVersion", "2.0"] as const] : []),
      ["contentVersion", "1.0.0.0"],
      ["metadata", emitMetadata(context)],
      ...section("definitions", emitDefinitions(context)),
      ...emitFunctions(context),
      ...section("parameters", emitParameters(context)),
      ...section("variables", emitVariables(context)),
      ["resources", emitResources(context)],
      ...section("outputs", emitOutputs(context)),
    ];
    return withHash(objectOf(entries));
  });
}

function section(name: string, members: readonly Entry[]): Entry[] {
  return members.length === 0 ? [] : [[name, objectOf(members)]];
}

function withHash(template: ValueObject): ValueObject {
  const { metadata } = template;
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) return template;
  const generator = (metadata as ValueObject)["_generator"] as ValueObject;
  const hash = templateHash(asNumbers(template) as JsonObject);
  return { ...template, metadata: { ...metadata, _generator: { ...generator, templateHash: hash } } };
}

/** The template for those who know only numbers; integers that none holds lose their last digits. */
export function asNumbers(value: Value): Json {
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(asNumbers);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, asNumbers(each as Value)]));
}

/** The context in which something imported is written. */
function inModel(context: Context, model: Model): Context {
  return model === context.model ? context : { ...context, model };
}

function importedFrom(declaration: ImportedDeclaration, differs: boolean): IrObject {
  return irObject([
    ["sourceTemplate", irString(declaration.source)],
    ...(differs ? [["originalIdentifier", irString(declaration.symbol.name)] as const] : []),
  ]);
}

function emitMetadata(context: Context): Value {
  const { model } = context;
  const entries: Entry[] = [["_generator", { name: "bicep", version: compilerVersion }]];
  const variables = exportedSymbols(model)
    .flatMap((symbol) => (symbol.kind === "var" ? [symbol] : []))
    .sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)));
  if (variables.length > 0) {
    const exported = variables.map(({ name, declaration }) => {
      const description = descriptionValue(context, declaration);
      const parts: (readonly [string, IrExpression])[] = [["name", irString(name)]];
      if (description !== undefined) parts.push(["description", description]);
      if (declaration.type !== undefined) parts.push(["type", typeSchema(context, declaration.type)]);
      return emitValue(context, irObject(parts));
    });
    entries.push(["__bicep_exported_variables!", exported]);
  }
  for (const { name, declaration } of symbolsOfKind(model, "metadata")) {
    entries.push([name, emitValue(context, lower(context, declaration.value))]);
  }
  return objectOf(entries);
}

function emitDefinitions(context: Context): Entry[] {
  const own = symbolsOfKind(context.model, "type").map(
    (symbol): Entry => [symbol.name, emitValue(context, definitionSchema(context, symbol))],
  );
  const imported = importClosure(context.model).declarations.flatMap((declaration): Entry[] => {
    const { symbol, name, model } = declaration;
    if (symbol.kind !== "type") return [];
    const there = inModel(context, model);
    const from = importedFrom(declaration, !name.endsWith(symbol.name));
    const schema = merge(
      definitionSchema(there, symbol),
      "metadata",
      irObject([["__bicep_imported_from!", from]]),
    );
    return [[name, emitValue(there, schema)]];
  });
  return [...own, ...imported];
}

export function emitFunctions(context: Context): Entry[] {
  const namespaces = new Map<string, Entry[]>();
  const add = (namespace: string, entry: Entry) =>
    namespaces.set(namespace, [...(namespaces.get(namespace) ?? []), entry]);
  for (const symbol of symbolsOfKind(context.model, "func")) {
    add(functionNamespace, [symbol.name, emitFunction(context, symbol, undefined)]);
  }
  for (const declaration of importClosure(context.model).declarations) {
    if (declaration.symbol.kind !== "func") continue;
    const [first = "", second] = declaration.name.split(".");
    const [namespace, name] = second === undefined ? [functionNamespace, first] : [first, second];
    const there = inModel(context, declaration.model);
    const from = importedFrom(declaration, name !== declaration.symbol.name);
    add(namespace, [name, emitFunction(there, declaration.symbol, from)]);
  }
  if (namespaces.size === 0) return [];
  const sections = [...namespaces].map(([namespace, members]) => ({ namespace, members: objectOf(members) }));
  return [["functions", sections]];
}

function emitFunction(context: Context, symbol: FunctionSymbol, from: IrObject | undefined): Value {
  const { declaration } = symbol;
  const { lambda } = declaration;
  if (lambda.kind === "skipped") throw new NotEmittable(`the function "${symbol.name}"`);
  const parameters = lambda.parameters.map(({ name, type }) => {
    const schema = type === undefined ? irObject([]) : typeSchema(context, type);
    return emitValue(context, merge(schema, "name", irString(name.name)));
  });
  const output = merge(typeSchema(context, lambda.returns), "value", lower(context, lambda.body));
  const description = descriptionValue(context, declaration);
  const metadata: (readonly [string, IrExpression])[] = [];
  if (description !== undefined) metadata.push(["description", description]);
  if (isExported(context.model, declaration) && from === undefined)
    metadata.push(["__bicep_export!", { kind: "boolean", value: true }]);
  if (from !== undefined) metadata.push(["__bicep_imported_from!", from]);
  const entries: Entry[] = [
    ["parameters", parameters],
    ["output", objectOf(emitProperties(context, output))],
  ];
  if (metadata.length > 0) entries.push(["metadata", emitValue(context, irObject(metadata))]);
  return objectOf(entries);
}

function emitParameters(context: Context): Entry[] {
  return symbolsOfKind(context.model, "param").map(({ name, declaration }): Entry => {
    let schema = typeSchema(context, declaration.type);
    if (declaration.defaultValue !== undefined) {
      schema = merge(schema, "defaultValue", lower(context, declaration.defaultValue));
    }
    const allowed = findDecoratorCall(context.model, declaration, "allowed")?.arguments[0];
    if (allowed !== undefined) schema = merge(schema, "allowedValues", lower(context, allowed));
    return [name, emitValue(context, withModifiers(context, declaration, schema))];
  });
}

interface NamedValue {
  readonly context: Context;
  readonly name: string;
  readonly value: IrExpression;
}

export function emitVariables(context: Context): Entry[] {
  const { model } = context;
  const closure = importClosure(model);
  const inlined = inlinedSymbols(model).variables;
  const loaded = [...loadedVariables(model)].sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)));
  const values: NamedValue[] = [
    ...loaded.map(({ name, loading }) => ({ context, name, value: loading.value })),
    ...symbolsOfKind(model, "var")
      .filter((symbol) => !inlined.has(symbol))
      .map(({ name, declaration }) => ({ context, name, value: lower(context, declaration.value) })),
    ...closure.declarations.flatMap(({ model: source, symbol, name }): NamedValue[] => {
      if (symbol.kind !== "var") return [];
      const there = inModel(context, source);
      return [{ context: there, name, value: lower(there, symbol.declaration.value) }];
    }),
    ...closure.loads.map(({ variable, name }) => ({ context, name, value: variable.loading.value })),
  ];
  const loops = values.flatMap(({ context: here, name, value }) =>
    value.kind === "loop" ? [emitLoop(here, value, { name })] : [],
  );
  const plain = values.flatMap(({ context: here, name, value }): Entry[] =>
    value.kind === "loop" ? [] : [[name, emitValue(here, value)]],
  );
  return loops.length === 0 ? plain : [["copy", loops], ...plain];
}

function emitResources(context: Context): Value {
  const { model } = context;
  dependenciesOf(model);
  const inlined = inlinedSymbols(model).resources;
  const resources = resourcesOf(model).filter((resource) => !inlined.has(resource.symbol));
  const modules = symbolsOfKind(model, "module");
  if (!context.symbolic) {
    return [
      ...resources
        .filter((resource) => !resource.existing)
        .map((resource) => emitResource(context, resource)),
      ...modules.map((symbol) => emitModule(context, symbol, moduleTemplate(context, symbol))),
    ];
  }
  return objectOf([
    ...resources.map((resource): Entry => [symbolicName(resource), emitResource(context, resource)]),
    ...modules.map(
      (symbol): Entry => [symbol.name, emitModule(context, symbol, moduleTemplate(context, symbol))],
    ),
  ]);
}

function moduleTemplate(context: Context, symbol: ModuleSymbol): Value {
  const loaded = context.model.references.get(symbol.declaration);
  if (loaded === undefined) throw new NotEmittable(`the module "${symbol.name}"`);
  const template = loaded.kind === "json" ? (loaded.template as ValueObject) : emitTemplate(loaded.model);
  countMembers(context, template);
  return template;
}

/** A template that is used many times is put out as often: what it holds counts each time. */
function countMembers(context: Context, template: Value): void {
  if (typeof template !== "object" || template === null) return;
  spend(context);
  for (const member of Object.values(template)) countMembers(context, member);
}

function emitOutputs(context: Context): Entry[] {
  return symbolsOfKind(context.model, "output").map(({ name, declaration }): Entry => {
    const schema = withModifiers(context, declaration, typeSchema(context, declaration.type));
    const value = lower(context, declaration.value);
    const result: Entry =
      value.kind === "loop" ? ["copy", emitLoop(context, value)] : ["value", emitValue(context, value)];
    return [name, objectOf([...emitProperties(context, schema), result])];
  });
}

/** What keeps a template from being written, as a sentence for its author. */
export function emissionProblem(
  error: unknown,
): { readonly code: "CEL003" | "CEL004"; readonly part: string } | undefined {
  if (error instanceof NotEmittable) return { code: "CEL004", part: error.message };
  return error instanceof OutputTooLarge ? { code: "CEL003", part: "" } : undefined;
}

/** What a file offers to others: its parameters and outputs as a module, and what it exports for imports. */
import { isObject, type Json, type JsonObject, member, objectMember, stringMember } from "../json.ts";
import { isExported } from "./decorators.ts";
import type { Loaded, Model } from "./model.ts";
import { referenceScheme } from "./paths.ts";
import type {
  DeclaredSymbol,
  FunctionSymbol,
  ImportedSymbol,
  TypeSymbol,
  VariableSymbol,
} from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import { literalText } from "./walk.ts";

export type Exportable = TypeSymbol | VariableSymbol | FunctionSymbol;

/** What an imported name stands for in the file it comes from. */
export interface ImportTarget {
  readonly model: Model;
  readonly symbol: Exportable;
}

export function exportedSymbols(model: Model): readonly Exportable[] {
  return model.binding.declared.filter(
    (symbol): symbol is Exportable =>
      (symbol.kind === "type" || symbol.kind === "var" || symbol.kind === "func") &&
      isExported(model, symbol.declaration),
  );
}

function referenced(model: Model, symbol: DeclaredSymbol): Loaded | undefined {
  return model.references.get(symbol.declaration);
}

/** True for references to registries, which cannot be followed; what they bring is of any type. */
export function isFromRegistry(declaration: {
  readonly path: syntax.StringLiteral | syntax.Skipped;
}): boolean {
  const scheme = referenceScheme(literalText(declaration.path) ?? "");
  return scheme === "br" || scheme === "ts";
}

export function importTarget(model: Model, symbol: ImportedSymbol): ImportTarget | undefined {
  const loaded = referenced(model, symbol);
  if (loaded?.kind !== "bicep") return undefined;
  const found = exportedSymbols(loaded.model).find((each) => each.name === symbol.original);
  return found === undefined ? undefined : { model: loaded.model, symbol: found };
}

/** What `name` of an `import * as` namespace stands for. */
export function wildcardTarget(
  model: Model,
  symbol: Extract<DeclaredSymbol, { kind: "wildcard" }>,
  name: string,
): ImportTarget | undefined {
  const loaded = referenced(model, symbol);
  if (loaded?.kind !== "bicep") return undefined;
  const found = exportedSymbols(loaded.model).find((each) => each.name === name);
  return found === undefined ? undefined : { model: loaded.model, symbol: found };
}

/** The names that a JSON template used as a module takes, and whether each must be given. */
export function templateParameters(
  template: JsonObject,
): ReadonlyMap<string, { required: boolean; type: string }> {
  const parameters = objectMember(template, "parameters") ?? {};
  return new Map(
    Object.entries(parameters).map(([name, value]) => {
      const nullable = member(value, "nullable") === true;
      const required = member(value, "defaultValue") === undefined && !nullable;
      return [name, { required, type: stringMember(value, "type") ?? "any" }];
    }),
  );
}

export function templateOutputs(template: JsonObject): ReadonlyMap<string, Json> {
  const outputs = objectMember(template, "outputs") ?? {};
  return new Map(Object.entries(outputs).filter(([, value]) => isObject(value)));
}

export function templateScope(template: JsonObject): Model["targetScope"] {
  const schema = stringMember(template, "$schema") ?? "";
  if (/tenantDeploymentTemplate/i.test(schema)) return "tenant";
  if (/managementGroupDeploymentTemplate/i.test(schema)) return "managementGroup";
  return /subscriptionDeploymentTemplate/i.test(schema) ? "subscription" : "resourceGroup";
}

/** A parameters file against the template it is for: every parameter there, none too many, each of its type. */
import { checkAssignable } from "./assignability.ts";
import { report } from "./diagnostics.ts";
import { type Model, symbolsOfKind } from "./model.ts";
import { moduleParameters } from "./symbol-types.ts";
import type * as syntax from "./syntax.ts";
import type { ObjectType } from "./types.ts";

export function checkParameterFile(model: Model): void {
  if (model.kind !== "bicepparam") return;
  const [first, ...others] = model.program.statements.filter((statement) => statement.kind === "using");
  if (first === undefined) {
    report(model.reporter, "BCP261", { start: 0, end: 0 });
    return;
  }
  for (const { keyword } of others) report(model.reporter, "BCP262", keyword);
  const template = model.references.get(first);
  if (template === undefined || first.path === undefined) return;
  const declared = moduleParameters(template);
  checkMissing(model, first.path, declared);
  for (const { name, declaration } of symbolsOfKind(model, "param-assignment")) {
    const parameter = declared.properties.get(name);
    if (parameter === undefined) report(model.reporter, "BCP259", declaration, name);
    else if (!isOverridden(model, name)) checkAssignable(model, declaration.value, parameter.type());
  }
}

function overridesOf(model: Model): readonly string[] {
  return Object.keys(model.workspace.access.parameterOverrides ?? {});
}

export function isOverridden(model: Model, name: string): boolean {
  return overridesOf(model).includes(name);
}

function checkMissing(model: Model, at: syntax.StringLiteral | syntax.Skipped, declared: ObjectType): void {
  const given = new Set([...overridesOf(model), ...assignedNames(model)]);
  const missing = [...declared.properties]
    .filter(([name, property]) => property.required && !given.has(name))
    .map(([name]) => `"${name}"`);
  if (missing.length > 0) report(model.reporter, "BCP258", at, missing.join(", "));
  for (const name of overridesOf(model)) {
    if (!declared.properties.has(name)) report(model.reporter, "BCP259", at, name);
  }
}

/** The parameters that get a value, here or in a file this one extends; null counts as none. */
function assignedNames(model: Model): readonly string[] {
  const own = symbolsOfKind(model, "param-assignment")
    .filter(({ declaration }) => declaration.value.kind !== "null")
    .map(({ name }) => name);
  return [...own, ...extendedModels(model).flatMap(assignedNames)];
}

/** The parameters files that this one extends. */
export function extendedModels(model: Model): readonly Model[] {
  return model.program.statements.flatMap((statement) => {
    const loaded = statement.kind === "extends" ? model.references.get(statement) : undefined;
    return loaded?.kind === "bicep" ? [loaded.model] : [];
  });
}

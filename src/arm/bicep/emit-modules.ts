/** Modules: nested deployments with the template of another file inside. */
import { emitDependencies } from "./emit-dependencies.ts";
import { batchSizeOf, emitCopy, emitDescription, emitScope } from "./emit-resources.ts";
import {
  type Entry,
  emitParameterLoop,
  emitProperties,
  emitValue,
  objectOf,
  type Value,
} from "./emit-values.ts";
import { type IrExpression, irMember, irObject, irString } from "./intermediate.ts";
import { lowerBody } from "./lower.ts";
import { type Context, NotEmittable } from "./lowering.ts";
import { deploymentType, deploymentVersion, generatedModuleName } from "./resource-ids.ts";
import { moduleScopes } from "./scopes.ts";
import type { ModuleSymbol } from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import { access, call, literal, printValue } from "./template-expressions.ts";
import { bodyCondition, bodyObject, findProperty, keyText } from "./walk.ts";

const omitted: ReadonlySet<string> = new Set(["name", "params", "extensionConfigs", "scope", "dependsOn"]);

/** The `template` of the nested deployment comes from the caller, who compiles the other file. */
export function emitModule(context: Context, symbol: ModuleSymbol, template: Value): Value {
  const { declaration } = symbol;
  const body = bodyObject(declaration.value);
  if (body === undefined) throw new NotEmittable(`the module "${symbol.name}"`);
  const entries: Entry[] = [];
  const { value } = declaration;
  if (value.kind === "for")
    entries.push(emitCopy(context, symbol.name, value, batchSizeOf(context, declaration)));
  const condition = bodyCondition(value);
  if (condition !== undefined)
    entries.push(["condition", emitValue(context, context.lower(context, condition))]);
  entries.push(["type", deploymentType], ["apiVersion", deploymentVersion]);
  entries.push(...emitProperties(context, lowerBody(context, body, omitted)));
  entries.push(["name", emitName(context, symbol, body)]);
  const scope = moduleScopes(context.model).get(symbol) ?? { scope: context.model.targetScope };
  entries.push(...emitScope(context, scope, body));
  if (scope.scope !== "resourceGroup") entries.push(["location", emitLocation(context)]);
  entries.push(["properties", emitDeployment(context, body, template)]);
  const dependsOn = emitDependencies(context, symbol, body);
  if (dependsOn.length > 0) entries.push(["dependsOn", dependsOn]);
  entries.push(...emitDescription(context, declaration));
  return objectOf(entries);
}

function emitName(context: Context, symbol: ModuleSymbol, body: syntax.ObjectLiteral): Value {
  const named = findProperty(body, "name")?.value;
  const name = named === undefined ? generatedModuleName(symbol, undefined) : context.lower(context, named);
  return emitValue(context, name);
}

/** Deployments outside of a resource group have a place of their own; the parent's is as good as any. */
function emitLocation(context: Context): Value {
  const parent = context.model.targetScope === "resourceGroup" ? "resourceGroup" : "deployment";
  return printValue(access(call(parent), literal("location")));
}

function emitDeployment(context: Context, body: syntax.ObjectLiteral, template: Value): Value {
  const entries: Entry[] = [
    ["expressionEvaluationOptions", { scope: "inner" }],
    ["mode", "Incremental"],
  ];
  const params = findProperty(body, "params")?.value;
  if (params !== undefined) {
    if (params.kind !== "object") throw new NotEmittable("parameters that are not written out");
    entries.push(["parameters", emitParameters(context, params)]);
  }
  entries.push(["template", template]);
  return objectOf(entries);
}

function emitParameters(context: Context, params: syntax.ObjectLiteral): Value {
  const entries = params.items.flatMap((item): Entry[] => {
    if (item.kind !== "property") return [];
    const name = keyText(item.key);
    if (name === undefined) throw new NotEmittable("a parameter whose name is an expression");
    const value = context.lower(context, item.value);
    if (value.kind === "loop") return [[name, emitParameterLoop(context, value)]];
    return [[name, emitValue(context, asParameter(value))]];
  });
  return objectOf(entries);
}

/** `{ value: .. }`, or a reference to a secret of a vault; both may hang on a condition. */
function asParameter(value: IrExpression): IrExpression {
  if (value.kind === "ternary") {
    return { ...value, whenTrue: asParameter(value.whenTrue), whenFalse: asParameter(value.whenFalse) };
  }
  if (value.kind === "resource-call" && value.name === "getSecret") {
    const [name = irString(""), version] = value.arguments;
    const vault = irObject([["id", irMember(value.target, "id")]]);
    const reference = irObject([
      ["keyVault", vault],
      ["secretName", name],
      ...(version === undefined ? [] : [["secretVersion", version] as const]),
    ]);
    return irObject([["reference", reference]]);
  }
  return irObject([["value", value]]);
}

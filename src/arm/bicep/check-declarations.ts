/** Declarations one by one: their types, their values, and that the values fit the types. */
import { checkAssignable } from "./assignability.ts";
import { checkDecorators, refuseExpression } from "./check-decorators.ts";
import { checkModule, checkResource } from "./check-resources.ts";
import { checkType } from "./check-types.ts";
import { requireConstant } from "./constants.ts";
import { declaredType, modified } from "./declared-types.ts";
import { decoratorCall } from "./decorators.ts";
import { type Code, report } from "./diagnostics.ts";
import { findDecorator } from "./functions.ts";
import { type Model, symbolAt } from "./model.ts";
import { parameterType } from "./symbol-types.ts";
import type * as syntax from "./syntax.ts";
import { anyType, errorType, stringType, type Type, typeName, unionOf, withoutNull } from "./types.ts";
import { walk } from "./walk.ts";

export function checkDeclaration(model: Model, node: syntax.Statement): void {
  switch (node.kind) {
    case "targetScope":
      checkTargetScope(model, node);
      return;
    case "metadata":
      checkMetadata(model, node);
      return;
    case "param":
      checkParameter(model, node);
      return;
    case "var":
      checkVariable(model, node);
      return;
    case "func":
      checkFunction(model, node);
      return;
    case "type": {
      checkType(model, node.value);
      const symbol = model.binding.symbolsOf.get(node);
      const type =
        symbol?.kind === "type" ? modified(model, declaredType(model, node.value), node) : errorType;
      checkDecorators(model, node, type);
      return;
    }
    case "output":
      checkOutput(model, node);
      return;
    case "resource":
      checkResource(model, node);
      return;
    case "module":
      checkModule(model, node);
      return;
    case "missing":
      checkMissing(model, node);
      return;
    default:
      checkOther(model, node);
      return;
  }
}

/** Statements of which this compiler knows only that they exist. */
function checkOther(model: Model, node: syntax.Statement): void {
  switch (node.kind) {
    case "test":
      report(model.reporter, "BCP348", node);
      return;
    case "assert":
      model.typeOf(node.value);
      report(model.reporter, "BCP349", node);
      return;
    case "extension":
    case "extension-config":
      report(model.reporter, "CEL004", node, "extensions");
      return;
    case "param-assignment":
      model.typeOf(node.value);
      checkDecorators(model, node, anyType);
      return;
    case "import":
      return;
    case "using":
    case "extends":
      checkDecorators(model, node, anyType);
      return;
  }
}

const scopeNames = ["resourceGroup", "subscription", "managementGroup", "tenant"];

function checkTargetScope(model: Model, node: syntax.TargetScope): void {
  checkDecorators(model, node, stringType);
  const before = model.reporter.found.length;
  requireConstant(model, node.value);
  if (model.reporter.found.length > before || node.value.kind === "skipped") return;
  checkAssignable(model, node.value, unionOf(scopeNames.map((literal) => ({ kind: "string", literal }))));
}

function checkMetadata(model: Model, node: syntax.MetadataDeclaration): void {
  const type = model.typeOf(node.value);
  if (type.kind === "error") return;
  checkDecorators(model, node, type);
  requireConstant(model, node.value);
}

function checkParameter(model: Model, node: syntax.ParameterDeclaration): void {
  const { reporter } = model;
  checkType(model, node.type);
  const declared = declaredType(model, node.type);
  checkDecorators(model, node, declared);
  const symbol = model.binding.symbolsOf.get(node);
  const { defaultValue } = node;
  const type = symbol?.kind === "param" ? parameterType(model, symbol) : modified(model, declared, node);
  if (defaultValue === undefined) return;
  checkDefaultReferences(model, defaultValue);
  if (declared.kind !== "any" && withoutNull(declared) !== undefined) {
    report(reporter, "BCP326", { start: defaultValue.start, end: defaultValue.end });
  }
  if (model.typeOf(defaultValue).kind === "error" || type.kind === "error") return;
  checkAssignable(model, defaultValue, type);
}

/** Defaults are worked out before everything else of a deployment, so they see only other parameters. */
function checkDefaultReferences(model: Model, node: syntax.Expression): void {
  walk(node, (each) => {
    if (each.kind !== "variable") return true;
    const symbol = symbolAt(model, each);
    const declared = symbol !== undefined && "declaration" in symbol && symbol.kind !== "param";
    if (declared && symbol.kind !== "func" && symbol.kind !== "type" && symbol.kind !== "wildcard") {
      if (symbol.kind !== "local") report(model.reporter, "BCP072", each);
    }
    return true;
  });
}

/** Values that are no data: what stands for a namespace, or nothing at all. */
function refuseValue(model: Model, node: syntax.Expression, type: Type): void {
  if (type.kind === "lambda" || type.kind === "never") return;
  if (type.kind === "scope") return;
  if (type.kind === "object" && symbolAt(model, node)?.kind === "namespace") {
    report(model.reporter, "BCP041", node, typeName(type));
  }
}

function checkVariable(model: Model, node: syntax.VariableDeclaration): void {
  if (node.type === undefined) {
    const type = model.typeOf(node.value);
    if (type.kind !== "error") refuseValue(model, node.value, type);
    checkDecorators(model, node, type);
    return;
  }
  checkType(model, node.type);
  const declared = declaredType(model, node.type);
  checkDecorators(model, node, declared);
  checkValue(model, node.value, modified(model, declared, node));
}

function checkValue(model: Model, node: syntax.Expression, type: Type): void {
  if (model.typeOf(node).kind === "error" || type.kind === "error") return;
  checkAssignable(model, node, type);
}

function checkFunction(model: Model, node: syntax.FunctionDeclaration): void {
  const { lambda } = node;
  if (lambda.kind === "skipped") return;
  for (const parameter of lambda.parameters)
    if (parameter.type !== undefined) checkType(model, parameter.type);
  checkType(model, lambda.returns);
  checkValue(model, lambda.body, declaredType(model, lambda.returns));
  checkDecorators(model, node, { kind: "lambda", parameters: lambda.parameters.length, returns: anyType });
}

function checkOutput(model: Model, node: syntax.OutputDeclaration): void {
  checkType(model, node.type);
  const declared = declaredType(model, node.type);
  checkDecorators(model, node, declared);
  checkValue(model, node.value, modified(model, declared, node));
}

const expectedAfter: Readonly<Record<string, Code>> = {
  allowed: "BCP147",
  secure: "BCP292",
  minValue: "BCP292",
  maxValue: "BCP292",
  minLength: "BCP292",
  maxLength: "BCP292",
  metadata: "BCP292",
  sealed: "BCP292",
  discriminator: "BCP292",
  batchSize: "BCP153",
  retryOn: "BCP149",
  onlyIfNotExists: "BCP149",
  nullIfNotFound: "BCP149",
};

/** Decorators with nothing after them, which the last of them would have fitted. */
function checkMissing(model: Model, node: syntax.MissingDeclaration): void {
  for (const decorator of node.decorators) {
    const call = decoratorCall(model, decorator);
    if (call === undefined) refuseExpression(model, decorator.expression);
    else for (const argument of call.arguments) model.typeOf(argument);
  }
  const last = node.decorators.at(-1);
  if (last === undefined) return;
  const call = decoratorCall(model, last);
  const known = call !== undefined && findDecorator(call.name) !== undefined;
  report(model.reporter, (known ? expectedAfter[call.name] : undefined) ?? "BCP132", last);
}

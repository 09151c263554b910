/** Intermediate expressions to expressions of a template. */

import { resourceCondition } from "./conditions.ts";
import type { IrAccess, IrExpression, IrModule, IrResource } from "./intermediate.ts";
import { type Context, NotEmittable, spend } from "./lowering.ts";
import {
  atIndex,
  deploymentVersion,
  moduleId,
  moduleName,
  moduleReference,
  resourceId,
  resourceReference,
  symbolReference,
} from "./resource-ids.ts";
import { symbolicName } from "./resources.ts";
import { symbolType } from "./symbol-types.ts";
import type { ModuleSymbol } from "./symbols.ts";
import type { BinaryOperator } from "./syntax.ts";
import {
  access,
  asCall,
  call,
  literal,
  type TemplateCall,
  type TemplateExpression,
} from "./template-expressions.ts";
import { containsSecure } from "./types.ts";
import { bodyCondition } from "./walk.ts";

export function convert(context: Context, node: IrExpression): TemplateExpression {
  spend(context);
  switch (node.kind) {
    case "string":
      return literal(node.value);
    case "boolean":
      return call(node.value ? "true" : "false");
    case "integer":
      return convertInteger(node.value);
    case "null":
      return call("null");
    case "interpolated": {
      const values = node.expressions.map((expression) => convert(context, expression));
      return call("format", literal(formatText(node.segments)), ...values);
    }
    case "object":
      return call(
        "createObject",
        ...node.properties.flatMap(({ key, value }) => [convert(context, key), convert(context, value)]),
      );
    case "array":
      return call("createArray", ...node.items.map((item) => convert(context, item)));
    case "unary": {
      const operand = convert(context, node.operand);
      return node.operator === "!" ? call("not", operand) : call("sub", literal(0), operand);
    }
    case "binary":
      return convertBinary(node.operator, convert(context, node.left), convert(context, node.right));
    case "ternary":
      return call(
        "if",
        ...[node.condition, node.whenTrue, node.whenFalse].map((part) => convert(context, part)),
      );
    default:
      return convertReference(context, node);
  }
}

function convertReference(context: Context, node: IrExpression): TemplateExpression {
  switch (node.kind) {
    case "call":
      return call(node.name, ...node.arguments.map((value) => convert(context, value)));
    case "resource-call":
      return convertResourceCall(context, node);
    case "access":
      return convertAccess(context, node);
    case "module-output":
      return convertModuleOutput(context, node);
    case "resource":
      return resourceReference(atIndex(context, node.index), convert, node.resource, node.index, true);
    case "module":
      return moduleReference(context, convert, node.module, node.index);
    case "variable":
      return call("variables", literal(node.name));
    case "parameter":
      return call("parameters", literal(node.name));
    case "lambda":
      return call("lambda", ...node.parameters.map(literal), convert(context, node.body));
    case "lambda-variable":
      return call("lambdaVariables", literal(node.name));
    case "copy-index":
      return node.name === undefined ? call("copyIndex") : call("copyIndex", literal(node.name));
    default:
      throw new NotEmittable("a loop at this place");
  }
}

/** Integers beyond 32 bits are no literals of the expression language. */
function convertInteger(value: bigint): TemplateExpression {
  if (value > 2_147_483_647n || value < -2_147_483_648n) return call("json", literal(String(value)));
  return literal(Number(value));
}

function formatText(segments: readonly string[]): string {
  return segments
    .map((segment, at) => {
      const escaped = segment.replaceAll("{", "{{").replaceAll("}", "}}");
      return at < segments.length - 1 ? `${escaped}{${at}}` : escaped;
    })
    .join("");
}

const operatorFunctions: Readonly<Partial<Record<BinaryOperator, string>>> = {
  "||": "or",
  "&&": "and",
  "==": "equals",
  "<": "less",
  "<=": "lessOrEquals",
  ">": "greater",
  ">=": "greaterOrEquals",
  "+": "add",
  "-": "sub",
  "*": "mul",
  "/": "div",
  "%": "mod",
  "??": "coalesce",
};

function convertBinary(
  operator: BinaryOperator,
  left: TemplateExpression,
  right: TemplateExpression,
): TemplateExpression {
  if (operator === "!=") return call("not", call("equals", left, right));
  if (operator === "=~" || operator === "!~") {
    const equals = call("equals", call("toLower", left), call("toLower", right));
    return operator === "=~" ? equals : call("not", equals);
  }
  return call(operatorFunctions[operator] ?? operator, left, right);
}

function convertResourceCall(
  context: Context,
  node: Extract<IrExpression, { kind: "resource-call" }>,
): TemplateExpression {
  const { resource, index } = node.target;
  const target = context.symbolic
    ? symbolReference(context, convert, symbolicName(resource), index)
    : resourceId(atIndex(context, index), convert, resource);
  const values =
    node.arguments.length === 0
      ? [literal(resource.apiVersion)]
      : node.arguments.map((value) => convert(context, value));
  return call(node.name, target, ...values);
}

function convertAccess(context: Context, node: IrAccess): TemplateExpression {
  if (node.base.kind === "resource" && node.key.kind === "string") {
    return resourceMember(context, node.base, node.key.value, node.safe);
  }
  if (node.base.kind === "module" && node.key.kind === "string") {
    return moduleMember(context, node.base, node.key.value, node.safe, undefined);
  }
  const base = convert(context, node.base);
  const key = convert(context, node.key);
  if (node.safe) return call(node.fromEnd ? "tryIndexFromEnd" : "tryGet", base, key);
  if (node.chained && base.kind === "call" && base.accessors.length === 0 && isSafeRead(base)) {
    const next = node.fromEnd
      ? call("createObject", literal("value"), key, literal("fromEnd"), call("true"))
      : key;
    return { ...base, arguments: [...base.arguments, next] };
  }
  if (node.fromEnd) return call("indexFromEnd", base, key);
  return access(asCall(base), key);
}

/** Reads that give null for what is missing; further members join their arguments. */
function isSafeRead(expression: TemplateCall): boolean {
  return expression.name === "tryGet" || expression.name === "tryIndexFromEnd";
}

/** `if(condition, value, null())` for a resource or module that may not be deployed. */
function guard(
  context: Context,
  condition: IrExpression | undefined,
  value: TemplateExpression,
): TemplateExpression {
  return condition === undefined ? value : call("if", convert(context, condition), value, call("null"));
}

function resourceMember(context: Context, node: IrResource, name: string, safe: boolean): TemplateExpression {
  const { resource, index } = node;
  const here = atIndex(context, index);
  const condition = safe ? resourceCondition(here, resource) : undefined;
  switch (name) {
    case "id":
      return guard(here, condition, resourceId(here, convert, resource));
    case "name":
      return guard(here, condition, convert(here, here.lower(here, resource.name)));
    case "type":
      return literal(resource.type);
    case "apiVersion":
      return literal(resource.apiVersion);
  }
  if (name === "properties" && !safe) return resourceReference(here, convert, resource, index, false);
  const reference = resourceReference(here, convert, resource, index, true);
  if (safe) return call("tryGet", guard(here, condition, reference), literal(name));
  return access(asCall(reference), literal(name));
}

function moduleMember(
  context: Context,
  node: IrModule,
  name: string,
  safe: boolean,
  secure: boolean | undefined,
): TemplateExpression {
  const { module, index } = node;
  const here = atIndex(context, index);
  const written = bodyCondition(module.declaration.value);
  const condition = safe && written !== undefined ? here.lower(here, written) : undefined;
  if (name === "name") return guard(here, condition, moduleName(here, convert, module, index?.index));
  if (name !== "outputs") throw new NotEmittable(`the property "${name}" of a module`);
  if (secure ?? hasSecureOutputs(context, module)) {
    const target = context.symbolic
      ? symbolReference(context, convert, module.name, index)
      : moduleId(here, convert, module, index?.index);
    return guard(here, condition, call("listOutputsWithSecureValues", target, literal(deploymentVersion)));
  }
  const reference = moduleReference(context, convert, module, index);
  if (safe) return call("tryGet", guard(here, condition, reference), literal("outputs"));
  return access(asCall(reference), literal("outputs"));
}

/** A module puts out secrets when any of its outputs is one. */
function hasSecureOutputs(context: Context, module: ModuleSymbol): boolean {
  const type = symbolType(context.model, module);
  const single = type.kind === "array" ? type.item() : type;
  return single.kind === "module" && containsSecure(single.body);
}

function convertModuleOutput(
  context: Context,
  node: Extract<IrExpression, { kind: "module-output" }>,
): TemplateExpression {
  const direct = node.base.kind === "access" && node.base.base.kind === "module" ? node.base : undefined;
  const base = asCall(
    direct === undefined
      ? convert(context, node.base)
      : moduleMember(context, direct.base as IrModule, "outputs", direct.safe, node.secure),
  );
  const tail = direct !== undefined && node.secure ? [node.name] : [node.name, "value"];
  const steps = tail.map(literal);
  if (node.safe) return steps.reduce<TemplateExpression>((inner, step) => call("tryGet", inner, step), base);
  if (isSafeRead(base) && base.accessors.length === 0) {
    return { ...base, arguments: [...base.arguments, ...steps] };
  }
  const last = base.arguments.at(-1);
  if (base.name === "if" && last?.kind === "call" && last.name === "null") {
    return call("tryGet", base, ...steps);
  }
  return access(base, ...steps);
}

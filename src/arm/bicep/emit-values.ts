/** Intermediate expressions to the JSON of a template: literals as they are, everything else as expressions. */
import { convert } from "./convert.ts";
import type { IrExpression, IrLoop, IrObject } from "./intermediate.ts";
import { irCall } from "./intermediate.ts";
import type { Context } from "./lowering.ts";
import { asCall, literal, printValue, type TemplateExpression } from "./template-expressions.ts";

/** JSON, with integers beyond what a number holds kept as they are. */
export type Value = null | boolean | number | bigint | string | readonly Value[] | ValueObject;

export interface ValueObject {
  readonly [name: string]: Value;
}

export type Entry = readonly [string, Value];

export function objectOf(entries: readonly Entry[]): ValueObject {
  return Object.fromEntries(entries);
}

function integer(value: bigint): number | bigint {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)
    ? Number(value)
    : value;
}

export function emitValue(context: Context, node: IrExpression): Value {
  switch (node.kind) {
    case "boolean":
      return node.value;
    case "integer":
      return integer(node.value);
    case "null":
      return null;
    case "object":
      return objectOf(emitProperties(context, node));
    case "array":
      return node.items.map((item) => emitValue(context, item));
    default:
      return emitExpression(convert(context, node));
  }
}

function emitExpression(expression: TemplateExpression): Value {
  if (expression.kind === "literal" && typeof expression.value === "number") return expression.value;
  return printValue(expression);
}

/** A name that the service would take for an instruction is written as an expression. */
function emitKey(context: Context, key: IrExpression): string {
  const name = printValue(convert(context, key));
  return name.toLowerCase() === "copy" ? `[string('${name}')]` : name;
}

/** The members of an object; those whose values are loops come first, in one `copy`. */
export function emitProperties(context: Context, node: IrObject): Entry[] {
  const loops: Value[] = [];
  const plain: Entry[] = [];
  for (const { key, value } of node.properties) {
    if (value.kind === "loop" && key.kind === "string")
      loops.push(emitLoop(context, value, { name: key.value }));
    else plain.push([emitKey(context, key), emitValue(context, value)]);
  }
  return loops.length === 0 ? plain : [["copy", loops], ...plain];
}

interface LoopOptions {
  readonly name?: string;
  readonly batchSize?: bigint;
  /** The value is no part of the loop: resources and modules have their own place for it. */
  readonly withoutInput?: boolean;
}

function countOf(context: Context, expression: IrExpression): Value {
  return emitValue(context, irCall("length", expression));
}

/** `{ name, count, input }` of a loop. */
export function emitLoop(context: Context, loop: IrLoop, options: LoopOptions = {}): ValueObject {
  const entries: Entry[] = options.name === undefined ? [] : [["name", options.name]];
  entries.push(["count", countOf(context, loop.expression)]);
  if (options.batchSize !== undefined) {
    entries.push(["mode", "serial"], ["batchSize", integer(options.batchSize)]);
  }
  if (options.withoutInput !== true) entries.push(["input", emitInput(context, loop.body)]);
  return objectOf(entries);
}

/** What a loop makes: objects and texts as they are, all else as an expression. */
function emitInput(context: Context, body: IrExpression): Value {
  if (body.kind === "object" || body.kind === "string") return emitValue(context, body);
  return printValue(asCall(convert(context, body)));
}

/** A loop as the parameter of a module: its index has the name of the member that holds it, `value`. */
export function emitParameterLoop(context: Context, loop: IrLoop): ValueObject {
  const converted = convert(context, loop.body);
  const direct = loop.body.kind === "object" || loop.body.kind === "string";
  const input = renameCopyIndex(direct ? converted : asCall(converted));
  return {
    copy: [{ name: "value", count: countOf(context, loop.expression), input: printValue(input) }],
  };
}

function renameCopyIndex(expression: TemplateExpression): TemplateExpression {
  if (expression.kind === "literal") return expression;
  const named =
    expression.name === "copyIndex" &&
    expression.arguments.length === 1 &&
    expression.arguments[0]?.kind === "literal";
  return {
    ...expression,
    arguments: named ? [literal("value")] : expression.arguments.map(renameCopyIndex),
    accessors: expression.accessors.map(renameCopyIndex),
  };
}

/**
 * Expressions between syntax and template: names resolved, loops and conditions taken apart, functions of the
 * compiler evaluated. What is left differs from a template's expressions only in how resources are named.
 */
import type { Resource } from "./resources.ts";
import type { LocalSymbol, ModuleSymbol } from "./symbols.ts";
import type { BinaryOperator } from "./syntax.ts";

/** Which one of a loop is meant, and what its loop variables are there. */
export interface IndexContext {
  readonly replacements: ReadonlyMap<LocalSymbol, IrExpression>;
  readonly index: IrExpression;
}

export interface IrProperty {
  readonly key: IrExpression;
  readonly value: IrExpression;
}

export interface IrObject {
  readonly kind: "object";
  readonly properties: readonly IrProperty[];
}

export interface IrString {
  readonly kind: "string";
  readonly value: string;
}

export interface IrResource {
  readonly kind: "resource";
  readonly resource: Resource;
  readonly index: IndexContext | undefined;
}

export interface IrModule {
  readonly kind: "module";
  readonly module: ModuleSymbol;
  readonly index: IndexContext | undefined;
}

export interface IrAccess {
  readonly kind: "access";
  readonly base: IrExpression;
  readonly key: IrExpression;
  readonly safe: boolean;
  readonly fromEnd: boolean;
  /** The base is itself an access, so a safe one there covers this one. */
  readonly chained: boolean;
}

export interface IrCall {
  readonly kind: "call";
  readonly name: string;
  readonly arguments: readonly IrExpression[];
}

export interface IrLoop {
  readonly kind: "loop";
  readonly expression: IrExpression;
  readonly body: IrExpression;
}

export type IrExpression =
  | IrString
  | { readonly kind: "integer"; readonly value: bigint }
  | { readonly kind: "boolean"; readonly value: boolean }
  | { readonly kind: "null" }
  | {
      readonly kind: "interpolated";
      readonly segments: readonly string[];
      readonly expressions: readonly IrExpression[];
    }
  | IrObject
  | { readonly kind: "array"; readonly items: readonly IrExpression[] }
  | { readonly kind: "unary"; readonly operator: "!" | "-"; readonly operand: IrExpression }
  | {
      readonly kind: "binary";
      readonly operator: BinaryOperator;
      readonly left: IrExpression;
      readonly right: IrExpression;
    }
  | {
      readonly kind: "ternary";
      readonly condition: IrExpression;
      readonly whenTrue: IrExpression;
      readonly whenFalse: IrExpression;
    }
  | IrCall
  /** `resource.listKeys()` and `vault.getSecret()` */
  | {
      readonly kind: "resource-call";
      readonly target: IrResource;
      readonly name: string;
      readonly arguments: readonly IrExpression[];
    }
  | IrAccess
  /** `module.outputs.name` */
  | {
      readonly kind: "module-output";
      readonly base: IrExpression;
      readonly name: string;
      readonly secure: boolean;
      readonly safe: boolean;
    }
  | IrResource
  | IrModule
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "parameter"; readonly name: string }
  | { readonly kind: "lambda"; readonly parameters: readonly string[]; readonly body: IrExpression }
  | { readonly kind: "lambda-variable"; readonly name: string }
  /** The index of a loop; without a name, that of the resource, module or output around. */
  | { readonly kind: "copy-index"; readonly name: string | undefined }
  | IrLoop;

export function irString(value: string): IrString {
  return { kind: "string", value };
}

export function irCall(name: string, ...values: readonly IrExpression[]): IrCall {
  return { kind: "call", name, arguments: values };
}

export function irMember(base: IrExpression, name: string): IrAccess {
  return { kind: "access", base, key: irString(name), safe: false, fromEnd: false, chained: false };
}

export function irObject(properties: readonly (readonly [string, IrExpression])[]): IrObject {
  return { kind: "object", properties: properties.map(([key, value]) => ({ key: irString(key), value })) };
}

/** True when the index of a loop occurs anywhere in the expression. */
export function mentionsCopyIndex(node: IrExpression): boolean {
  switch (node.kind) {
    case "copy-index":
      return true;
    case "interpolated":
      return node.expressions.some(mentionsCopyIndex);
    case "object":
      return node.properties.some(({ key, value }) => mentionsCopyIndex(key) || mentionsCopyIndex(value));
    case "array":
      return node.items.some(mentionsCopyIndex);
    case "unary":
      return mentionsCopyIndex(node.operand);
    case "binary":
      return mentionsCopyIndex(node.left) || mentionsCopyIndex(node.right);
    case "ternary":
      return [node.condition, node.whenTrue, node.whenFalse].some(mentionsCopyIndex);
    case "call":
      return node.arguments.some(mentionsCopyIndex);
    case "resource-call":
      return [node.target, ...node.arguments].some(mentionsCopyIndex);
    case "access":
      return mentionsCopyIndex(node.base) || mentionsCopyIndex(node.key);
    case "module-output":
      return mentionsCopyIndex(node.base);
    case "resource":
    case "module":
      return node.index !== undefined && mentionsCopyIndex(node.index.index);
    case "lambda":
      return mentionsCopyIndex(node.body);
    case "loop":
      return mentionsCopyIndex(node.expression) || mentionsCopyIndex(node.body);
    default:
      return false;
  }
}

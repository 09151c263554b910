/** Members of values: of resources and modules, of one of a loop of them, and of everything else. */
import { wildcardTarget } from "./exports.ts";
import { type IndexContext, type IrExpression, irString } from "./intermediate.ts";
import { type Context, NotEmittable } from "./lowering.ts";
import { symbolAt } from "./model.ts";
import { unreachableLocals } from "./moved.ts";
import { type Resource, resourceAt } from "./resources.ts";
import { nameSegments } from "./scopes.ts";
import { isCollection, type LocalSymbol, type ModuleSymbol } from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import { containsSecure, type Type, withoutNull } from "./types.ts";
import { bodyObject, findProperty, withoutAssertion } from "./walk.ts";

type Access = syntax.PropertyAccess | syntax.IndexAccess;

function isChained(base: syntax.Expression): boolean {
  const inner = withoutAssertion(base);
  if (inner.kind === "call" && inner.name.name === "any" && inner.arguments.length === 1) {
    return isChained(inner.arguments[0] ?? inner);
  }
  return inner.kind === "member" || inner.kind === "index";
}

function accessParts(node: Access): { safe: boolean; fromEnd: boolean; chained: boolean } {
  return {
    safe: node.safe,
    fromEnd: node.kind === "index" && node.fromEnd,
    chained: isChained(node.base),
  };
}

/** The member of a loop at `index`, as seen from `place`. */
export function indexContext(
  context: Context,
  named: readonly syntax.Expression[],
  index: syntax.Expression | undefined,
  place: syntax.Node,
): IndexContext | undefined {
  const lost = [...new Set(named.flatMap((node) => unreachableLocals(context.model, node, place)))];
  const loops = new Set(lost.map((local) => local.owner));
  if (loops.size === 0 && index === undefined) return undefined;
  if (index === undefined || loops.size > 1) throw new NotEmittable("this way to name one of a loop");
  const at = context.lower(context, index);
  const replacements = new Map(context.replacements);
  for (const local of lost) replacements.set(local, memberOf(context, local, at));
  return { replacements, index: at };
}

function memberOf(context: Context, local: LocalSymbol, index: IrExpression): IrExpression {
  if (local.role === "index" || local.owner.kind !== "for") return index;
  const base = context.lower(context, local.owner.expression);
  return { kind: "access", base, key: index, safe: false, fromEnd: false, chained: false };
}

export function resourceIndex(
  context: Context,
  resource: Resource,
  index: syntax.Expression | undefined,
  place: syntax.Node,
): IndexContext | undefined {
  const named = nameSegments(context.model, resource).flatMap((segment) => expressionsIn(segment));
  return indexContext(context, named, index, place);
}

/** The expressions of which a moved one is made. */
function expressionsIn(moved: ReturnType<typeof nameSegments>[number]): syntax.Expression[] {
  return [moved.node, ...[...moved.indices.values()].flatMap(expressionsIn)].filter(
    (_, at) => at > 0 || moved.indices.size === 0,
  );
}

export function moduleIndex(
  context: Context,
  module: ModuleSymbol,
  index: syntax.Expression | undefined,
  place: syntax.Node,
): IndexContext | undefined {
  const name = findProperty(bodyObject(module.declaration.value), "name")?.value;
  if (name !== undefined) return indexContext(context, [name], index, place);
  return index === undefined
    ? undefined
    : { replacements: context.replacements, index: context.lower(context, index) };
}

export function lowerIndex(context: Context, node: syntax.IndexAccess): IrExpression {
  const { model } = context;
  if (node.base.kind === "variable" || node.base.kind === "nested-resource") {
    const resource = resourceAt(model, node.base);
    if (resource?.collection === true) {
      return { kind: "resource", resource, index: resourceIndex(context, resource, node.index, node) };
    }
    const symbol = symbolAt(model, node.base);
    if (symbol?.kind === "module" && isCollection(symbol)) {
      return { kind: "module", module: symbol, index: moduleIndex(context, symbol, node.index, node) };
    }
  }
  const base = context.lower(context, node.base);
  return { kind: "access", base, key: context.lower(context, node.index), ...accessParts(node) };
}

export function lowerMember(context: Context, node: syntax.PropertyAccess): IrExpression {
  const { model } = context;
  const { base } = node;
  const parts = accessParts(node);
  const key = irString(node.name.name);
  const resource = resourceAt(model, base);
  if (resource !== undefined) {
    return { kind: "access", base: { kind: "resource", resource, index: undefined }, key, ...parts };
  }
  if (base.kind === "index") {
    const collection = resourceAt(model, base.base);
    if (collection !== undefined) {
      const index = resourceIndex(context, collection, base.index, node);
      return { kind: "access", base: { kind: "resource", resource: collection, index }, key, ...parts };
    }
  }
  if (base.kind === "member" && base.name.name === "outputs") {
    const output = moduleOutput(context, base, node.name.name);
    if (output !== undefined) {
      const value = context.lower(context, base);
      return {
        kind: "module-output",
        base: value,
        name: node.name.name,
        secure: output.secure,
        safe: node.safe,
      };
    }
  }
  const symbol = symbolAt(model, base);
  if (symbol?.kind === "wildcard") {
    const target = wildcardTarget(model, symbol, node.name.name);
    const name = target === undefined ? undefined : context.names.get(target.symbol);
    if (name === undefined) throw new NotEmittable(`the imported name "${node.name.name}"`);
    return { kind: "variable", name };
  }
  return { kind: "access", base: context.lower(context, base), key, ...parts };
}

/** The output of a module that `base.name` reads, when `base` is the outputs of a module. */
function moduleOutput(
  context: Context,
  outputs: syntax.PropertyAccess,
  name: string,
): { readonly secure: boolean } | undefined {
  const whole = context.model.typeOf(outputs.base);
  const type = withoutNull(whole) ?? whole;
  if (!isModule(type)) return undefined;
  return { secure: modulesIn(type).every((module) => outputIsSecure(module, name)) };
}

function isModule(type: Type): boolean {
  return type.kind === "module" || (type.kind === "union" && type.members.every(isModule));
}

function modulesIn(type: Type): Extract<Type, { kind: "module" }>[] {
  if (type.kind === "module") return [type];
  return type.kind === "union" ? type.members.flatMap(modulesIn) : [];
}

function outputIsSecure(module: Extract<Type, { kind: "module" }>, name: string): boolean {
  const outputs = module.body.properties.get("outputs")?.type();
  const output = outputs?.kind === "object" ? outputs.properties.get(name) : undefined;
  return output !== undefined && containsSecure(output.type());
}

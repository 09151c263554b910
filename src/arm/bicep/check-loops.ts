/** Loops: where they may stand, and where all members of a loop of resources may be meant at once. */
import { report } from "./diagnostics.ts";
import { inlinedSymbols } from "./inlining.ts";
import { fact, type Model, parentOf, symbolAt, symbolsOfKind } from "./model.ts";
import { freeLocals } from "./moved.ts";
import { isCollection, type VariableSymbol } from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import { bodyObject, childrenOf, findProperty, keyText, walk } from "./walk.ts";

type Carrier = "resource" | "module" | "var" | "output" | "param-assignment";

interface Place {
  /** The kind of declaration whose value this is. */
  readonly carrier: Carrier | undefined;
  /** Only objects and arrays are between here and the declaration. */
  readonly open: boolean;
  /** Loops that are the values of properties. */
  readonly propertyLoops: number;
  /** Loops of any kind. */
  readonly loops: number;
  readonly dependsOn: boolean;
  /** Inside of `properties` of a resource, or `params` of a module. */
  readonly properties: boolean;
}

const top: Place = {
  carrier: undefined,
  open: true,
  propertyLoops: 0,
  loops: 0,
  dependsOn: false,
  properties: false,
};

export function checkLoops(model: Model): void {
  for (const statement of model.program.statements) visit(model, statement, top);
  checkSpreads(model);
  for (const kind of ["resource", "module"] as const) {
    for (const { declaration } of symbolsOfKind(model, kind)) checkInvariant(model, declaration);
  }
}

const carriers: ReadonlySet<string> = new Set(["resource", "module", "var", "output", "param-assignment"]);
const containers: ReadonlySet<string> = new Set(["object", "array", "property", "for", "if", "spread"]);

function visit(model: Model, node: syntax.Node, place: Place): void {
  switch (node.kind) {
    case "variable":
    case "nested-resource":
      checkWholeLoop(model, node, place);
      break;
    case "for":
      visitLoop(model, node, place);
      return;
    case "property":
      visitProperty(model, node, place);
      return;
    case "resource":
      if (isInLoop(model, node)) report(model.reporter, "BCP160", node);
      break;
    case "call":
      if (node.name.name === "nameof") return;
  }
  const carrier = carriers.has(node.kind) ? (node.kind as Carrier) : place.carrier;
  const start = carriers.has(node.kind) ? { ...top, carrier } : place;
  const expression = node.kind !== "decorator" && !carriers.has(node.kind);
  const open = start.open && (!expression || containers.has(node.kind));
  for (const child of childrenOf(node)) visit(model, child, { ...start, open });
}

function isInLoop(model: Model, node: syntax.Node): boolean {
  for (let at = parentOf(model, node); at !== undefined; at = parentOf(model, at))
    if (at.kind === "for") return true;
  return false;
}

function visitLoop(model: Model, node: syntax.ForExpression, place: Place): void {
  const parent = parentOf(model, node);
  const whole = parent !== undefined && carriers.has(parent.kind);
  const property = parent?.kind === "property";
  const nestable = place.carrier === "resource" || place.carrier === "module";
  let propertyLoops = place.propertyLoops;
  if (!whole) {
    if (!nestable || !place.open || !property) report(model.reporter, "BCP138", node.keyword);
    else {
      propertyLoops += 1;
      if (propertyLoops > 1) report(model.reporter, "BCP142", node.keyword);
    }
  }
  const inner: Place = { ...place, propertyLoops, loops: place.loops + 1 };
  for (const child of childrenOf(node)) visit(model, child, inner);
}

function visitProperty(model: Model, node: syntax.ObjectProperty, place: Place): void {
  const name = keyText(node.key);
  if (name === undefined && node.value.kind === "for") report(model.reporter, "BCP143", node.key);
  const owner = bodyOwner(model, node);
  const inner: Place =
    owner === undefined
      ? place
      : {
          ...place,
          dependsOn: place.dependsOn || name === "dependsOn",
          properties: place.properties || name === (owner === "resource" ? "properties" : "params"),
        };
  for (const child of childrenOf(node)) visit(model, child, inner);
}

/** The kind of the declaration whose body has this property. */
function bodyOwner(model: Model, node: syntax.ObjectProperty): "resource" | "module" | undefined {
  let at = parentOf(model, node);
  at = at === undefined ? undefined : parentOf(model, at);
  while (at?.kind === "for" || at?.kind === "if") at = parentOf(model, at);
  return at?.kind === "resource" || at?.kind === "module" ? at.kind : undefined;
}

function checkWholeLoop(
  model: Model,
  node: syntax.VariableAccess | syntax.ResourceAccess,
  place: Place,
): void {
  const symbol = symbolAt(model, node);
  if ((symbol?.kind === "resource" || symbol?.kind === "module") && isCollection(symbol)) {
    if (place.dependsOn || !isWhole(model, node)) return;
    const readable = place.properties || place.carrier === "output" || place.carrier === "var";
    if (place.loops > 0 || !readable) report(model.reporter, "BCP144", node);
    return;
  }
  if (symbol?.kind !== "var" || (place.carrier === "var" && place.loops === 0)) return;
  if (place.dependsOn || (place.loops === 0 && (place.properties || place.carrier === "output"))) return;
  if (inlinedSymbols(model).variables.has(symbol) && holdsWholeLoop(model, symbol)) {
    report(model.reporter, "BCP144", node);
  }
}

/** True when the value of a variable, or of one that it uses, is all members of a loop of resources. */
function holdsWholeLoop(model: Model, symbol: VariableSymbol): boolean {
  const known = fact(model, "wholeLoops", () => new Map<VariableSymbol, boolean>());
  const decided = known.get(symbol);
  if (decided !== undefined) return decided;
  known.set(symbol, false);
  let found = false;
  walk(symbol.declaration.value, (node) => {
    const used =
      node.kind === "variable" || node.kind === "nested-resource" ? symbolAt(model, node) : undefined;
    if (used?.kind === "var") found ||= holdsWholeLoop(model, used);
    if ((used?.kind === "resource" || used?.kind === "module") && isCollection(used))
      found ||= isWhole(model, node);
    return !found;
  });
  known.set(symbol, found);
  return found;
}

function isWhole(model: Model, node: syntax.Node): boolean {
  let parent = parentOf(model, node);
  while (parent?.kind === "parenthesized") parent = parentOf(model, parent);
  return parent?.kind !== "member" && parent?.kind !== "index";
}

/** Copies of an object that has loops in it cannot also have the properties of another. */
function checkSpreads(model: Model): void {
  walk(model.program, (node) => {
    if (node.kind !== "object") return true;
    const spreads = node.items.filter((item) => item.kind === "spread");
    if (spreads.length > 0 && hasPropertyLoop(node)) {
      for (const spread of spreads) report(model.reporter, "BCP417", spread);
    }
    return true;
  });
}

function hasPropertyLoop(node: syntax.Node): boolean {
  if (node.kind === "property" && node.value.kind === "for") return true;
  return childrenOf(node).some(hasPropertyLoop);
}

/** A loop whose name never changes deploys the same resource again and again. */
function checkInvariant(model: Model, node: syntax.ResourceDeclaration | syntax.ModuleDeclaration): void {
  const loop = node.value;
  if (loop.kind !== "for" || loop.item === undefined || (node.kind === "resource" && node.existing)) return;
  const body = bodyObject(loop);
  const variants = node.kind === "resource" ? ["name", "parent", "scope"] : ["name", "scope"];
  const values = variants.flatMap((name) => findProperty(body, name)?.value ?? []);
  if (findProperty(body, "name") === undefined) return;
  if (values.some((value) => freeLocals(model, value).some((local) => local.owner === loop))) return;
  const names = [loop.item, ...(loop.index === undefined ? [] : [loop.index])].map(
    (local) => local.name.name,
  );
  report(model.reporter, "BCP179", node.name, names.join('" or "'), variants.join(", "));
}

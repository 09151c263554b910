/** `dependsOn`: what a resource or module must wait for, through variables and existing resources. */
import { convert } from "./convert.ts";
import { type Dependency, type Dependent, dependenciesOf } from "./dependencies.ts";
import type { Value } from "./emit-values.ts";
import { type IndexContext, mentionsCopyIndex } from "./intermediate.ts";
import { indexContext, moduleIndex, resourceIndex } from "./lower-access.ts";
import { type Context, NotEmittable } from "./lowering.ts";
import { atIndex, moduleId, resourceId, symbolReference } from "./resource-ids.ts";
import { type Resource, resourceOfSymbol, symbolicName } from "./resources.ts";
import { isCollection } from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import { literal, printValue } from "./template-expressions.ts";

interface Target {
  /** By which the entries are sorted. */
  readonly key: string;
  readonly dependency: Dependency;
  readonly index: IndexContext | undefined;
}

const pathsMax = 20_000;

/** The entries of `dependsOn`; `place` is the body in which they stand. */
export function emitDependencies(context: Context, dependent: Dependent, place: syntax.Node): Value[] {
  const all = dependenciesOf(context.model);
  const targets: Target[] = [];
  const visit = (path: readonly Dependency[]): void => {
    const last = path.at(-1);
    if (last === undefined) return;
    if (isTerminus(context, last)) {
      if (targets.length > pathsMax) throw new NotEmittable("this many dependencies");
      targets.push(targetOf(context, path, place));
      return;
    }
    for (const next of all.get(last.target) ?? []) {
      if (path.some((each) => each.target === next.target && each.index === next.index)) continue;
      visit([...path, next]);
    }
  };
  for (const dependency of all.get(dependent) ?? []) visit([dependency]);
  return sortTargets(targets).map((target) => emitTarget(context, target));
}

/** What is deployed itself ends a path; variables and most existing resources only lead on. */
function isTerminus(context: Context, { target, weak }: Dependency): boolean {
  if (target.kind === "module") return true;
  if (target.kind === "var") return false;
  return !target.declaration.existing || (context.symbolic && !weak);
}

function targetOf(context: Context, path: readonly Dependency[], place: syntax.Node): Target {
  let here = context;
  let alwaysLooped = true;
  let dependency = path[0] as Dependency;
  let index: IndexContext | undefined;
  for (const [at, step] of path.entries()) {
    const from = path[at - 1]?.target.declaration ?? place;
    dependency = step;
    index = stepIndex(here, step, from);
    if (index !== undefined) here = { ...here, replacements: index.replacements };
    const looped = index !== undefined && mentionsCopyIndex(index.index);
    if (looped && !alwaysLooped) {
      dependency = { ...step, index: undefined };
      index = undefined;
    }
    alwaysLooped = alwaysLooped && looped;
  }
  return { key: keyOf(context, dependency.target), dependency, index };
}

function requireResource(context: Context, target: Dependent): Resource {
  const resource = target.kind === "resource" ? resourceOfSymbol(context.model, target) : undefined;
  if (resource === undefined) throw new NotEmittable(`a dependency on "${target.name}"`);
  return resource;
}

function stepIndex(
  context: Context,
  { target, index }: Dependency,
  place: syntax.Node,
): IndexContext | undefined {
  if (isCollection(target) && index === undefined) return undefined;
  if (target.kind === "resource")
    return resourceIndex(context, requireResource(context, target), index, place);
  if (target.kind === "module") return moduleIndex(context, target, index, place);
  const { value } = target.declaration;
  return indexContext(context, [value.kind === "for" ? value.body : value], index, place);
}

function keyOf(context: Context, target: Dependent): string {
  return target.kind === "resource" ? symbolicName(requireResource(context, target)) : target.name;
}

/** Each target once; all of a loop stands for its members; in the order of their names. */
function sortTargets(targets: readonly Target[]): readonly Target[] {
  const groups = new Map<Dependent, Target[]>();
  for (const target of targets) {
    const group = groups.get(target.dependency.target) ?? [];
    const same = (each: Target) =>
      each.dependency.index === target.dependency.index && each.dependency.weak === target.dependency.weak;
    if (!group.some(same)) group.push(target);
    groups.set(target.dependency.target, group);
  }
  const chosen = [...groups.values()].flatMap((group) => {
    const whole = group.find((each) => each.dependency.index === undefined);
    return whole === undefined ? group : [whole];
  });
  return chosen.sort((a, b) => compareKeys(a.key, b.key));
}

function compareKeys(a: string, b: string): number {
  const [left, right] = [a.toLowerCase(), b.toLowerCase()];
  if (left !== right) return left < right ? -1 : 1;
  return a > b ? -1 : Number(a < b);
}

function emitTarget(context: Context, { dependency, index }: Target): Value {
  const { target } = dependency;
  const name = keyOf(context, target);
  const whole = isCollection(target) && index === undefined;
  if (context.symbolic || whole) {
    const reference = symbolReference(
      atIndex(context, index),
      convert,
      name,
      isCollection(target) ? index : undefined,
    );
    return printValue(whole ? literal(name) : reference);
  }
  const here = atIndex(context, index);
  if (target.kind === "module") return printValue(moduleId(here, convert, target, index?.index));
  return printValue(resourceId(here, convert, requireResource(context, target)));
}

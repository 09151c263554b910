/** Template functions that build resource ids, and the rule they share with resources: type and name to id. */
import { managementGroupId, managementGroupNameOf } from "../../azure/resource-id.ts";
import type { Json } from "../json.ts";
import type { TemplateFunction } from "./evaluate.ts";
import { refuse, text } from "./functions/arguments.ts";

/**
 * The id of the resource `type`/`name` in `scopeId`; `name` has one segment for each segment of the type below its
 * namespace. Groups are special: their id has no provider.
 */
export function resourceIdIn(scopeId: string, type: string, names: readonly string[]): string {
  const [namespace = "", ...types] = type.split("/");
  const head = /^\/subscriptions\/[^/]+/i.exec(scopeId)?.[0] ?? "";
  if (/^microsoft\.resources\/(subscriptions\/)?resourcegroups$/i.test(type)) {
    return `${head}/resourceGroups/${names.at(-1) ?? ""}`;
  }
  const pairs = types.map((each, index) => `${each}/${names[index] ?? ""}`);
  return `${scopeId}/providers/${[namespace, ...pairs].join("/")}`;
}

interface IdFacts {
  readonly scopeId: string;
  readonly subscriptionId: string;
}

interface IdArguments {
  readonly before: readonly string[];
  readonly type: string;
  readonly names: readonly string[];
}

/** Splits `[sub,] [group,] type, name..`: the type is the argument after which exactly its names follow. */
function splitArguments(values: readonly Json[], name: string): IdArguments {
  const all = values.map((_, index) => text(name, values, index));
  for (const [index, type] of all.entries()) {
    const count = type.split("/").length - 1;
    if (count > 0 && all.length - index - 1 === count) {
      return { before: all.slice(0, index), type, names: all.slice(index + 1) };
    }
  }
  const type = all.find((each) => each.includes("/")) ?? "";
  const count = Math.max(1, type.split("/").length - 1);
  throw refuse(
    name,
    `the type '${type}' requires '${count}' resource name argument(s). Please see https://aka.ms/arm-functions#${name} for usage details`,
  );
}

function idFunction(build: (split: IdArguments, name: string) => string): TemplateFunction {
  return {
    min: 2,
    max: Number.POSITIVE_INFINITY,
    run: (values, _, name) => build(splitArguments(values, name), name),
  };
}

const guid = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

function resourceScope(facts: IdFacts, before: readonly string[], name: string): string {
  const [first = "", second] = before;
  if (before.length === 0) return facts.scopeId;
  if (second !== undefined && before.length === 2) return `/subscriptions/${first}/resourceGroups/${second}`;
  if (before.length > 2) throw refuse(name, "there are too many arguments before the resource type");
  const below = facts.scopeId.includes("/resourceGroups/");
  if (guid.test(first) && !below) return `/subscriptions/${first}`;
  return `/subscriptions/${facts.subscriptionId}/resourceGroups/${first}`;
}

/** The named management group, or the one that the deployment runs at. */
function managementGroupScope(facts: IdFacts, name: string | undefined): string {
  return managementGroupId(name ?? managementGroupNameOf(facts.scopeId) ?? "");
}

export function resourceIdFunctions(facts: IdFacts): readonly (readonly [string, TemplateFunction])[] {
  return [
    [
      "resourceid",
      idFunction(({ before, type, names }, name) =>
        resourceIdIn(resourceScope(facts, before, name), type, names),
      ),
    ],
    [
      "subscriptionresourceid",
      idFunction(({ before, type, names }) =>
        resourceIdIn(`/subscriptions/${before[0] ?? facts.subscriptionId}`, type, names),
      ),
    ],
    ["tenantresourceid", idFunction(({ type, names }) => resourceIdIn("", type, names))],
    [
      "managementgroupresourceid",
      idFunction(({ before, type, names }) =>
        resourceIdIn(managementGroupScope(facts, before[0]), type, names),
      ),
    ],
    [
      "extensionresourceid",
      {
        min: 3,
        max: Number.POSITIVE_INFINITY,
        run: (values, _, name) => {
          const { type, names } = splitArguments(values.slice(1), name);
          return resourceIdIn(text(name, values, 0), type, names);
        },
      },
    ],
  ];
}

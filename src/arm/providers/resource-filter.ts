/** The `$filter` of resource and group lists, compared without regard to letter case. */
import { parseResourceId } from "../../azure/resource-id.ts";
import { type FilterTerm, invalidFilter, parseFilter } from "../filters.ts";
import { type JsonObject, objectMember, stringMember } from "../json.ts";
import { locationOf, type StoredResource } from "../resources.ts";

/** A predicate for the filter text. Throws ArmError 400 for a form that resource lists do not have. */
export function matchesResourceFilter(text: string | undefined): (resource: StoredResource) => boolean {
  const terms = parseFilter(text);
  const tests = terms
    .filter((term) => !isTagTerm(term))
    .map((term) => {
      const read = term.kind === "equals" ? readers[term.name] : undefined;
      if (term.kind !== "equals" || read === undefined) throw invalidFilter(text ?? "");
      return (resource: StoredResource) => same(read(resource), term.value);
    });
  const tagged = matchesTags(terms);
  return (resource) => tests.every((test) => test(resource)) && tagged(objectMember(resource.body, "tags"));
}

/** A predicate over tags. Throws ArmError 400 for a form that group lists do not have. */
export function matchesTagFilter(text: string | undefined): (tags: JsonObject | undefined) => boolean {
  const terms = parseFilter(text);
  if (!terms.every(isTagTerm)) throw invalidFilter(text ?? "");
  return matchesTags(terms);
}

function isTagTerm(term: FilterTerm): boolean {
  return term.kind === "equals" && (term.name === "tagname" || term.name === "tagvalue");
}

/** `tagName` and `tagValue` together mean one tag that has both. */
function matchesTags(terms: readonly FilterTerm[]): (tags: JsonObject | undefined) => boolean {
  const wanted = (name: string): string | undefined => {
    const term = terms.find((each) => each.kind === "equals" && each.name === name);
    return term?.kind === "equals" ? term.value : undefined;
  };
  const name = wanted("tagname");
  const value = wanted("tagvalue");
  if (name === undefined && value === undefined) return () => true;
  return (tags) =>
    Object.entries(tags ?? {}).some(
      ([key, each]) =>
        (name === undefined || same(key, name)) && (value === undefined || same(String(each), value)),
    );
}

const readers: Readonly<Record<string, (resource: StoredResource) => string>> = {
  resourcetype: (resource) => resource.type,
  name: (resource) => resource.name,
  location: (resource) => locationOf(resource) ?? "",
  resourcegroup: (resource) => parseResourceId(resource.id)?.resourceGroup ?? "",
  kind: (resource) => stringMember(resource.body, "kind") ?? "",
};

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

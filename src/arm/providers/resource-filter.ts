/** The `$filter` of resource lists: type, name, group and tag, compared without regard to letter case. */
import { parseResourceId } from "../../azure/resource-id.ts";
import { invalidFilter, parseFilter } from "../filters.ts";
import { objectMember, stringMember } from "../json.ts";
import { locationOf, type StoredResource } from "../resources.ts";

/** A predicate for the filter text. Throws ArmError 400 for a form that resource lists do not have. */
export function matchesResourceFilter(text: string | undefined): (resource: StoredResource) => boolean {
  const terms = parseFilter(text);
  const tests = terms.map((term) => {
    if (term.kind === "function") throw invalidFilter(text ?? "");
    const read = readers[term.name];
    if (read === undefined) throw invalidFilter(text ?? "");
    return (resource: StoredResource) => read(resource).some((value) => same(value, term.value));
  });
  const tagName = terms.find((term) => term.kind === "equals" && term.name === "tagname");
  const tagValue = terms.find((term) => term.kind === "equals" && term.name === "tagvalue");
  return (resource) => {
    if (!tests.every((test) => test(resource))) return false;
    if (tagName?.kind !== "equals" || tagValue?.kind !== "equals") return true;
    return same(stringMember(objectMember(resource.body, "tags"), tagName.value) ?? "", tagValue.value);
  };
}

const readers: Readonly<Record<string, (resource: StoredResource) => readonly string[]>> = {
  resourcetype: (resource) => [resource.type],
  name: (resource) => [resource.name],
  location: (resource) => [locationOf(resource) ?? ""],
  resourcegroup: (resource) => [parseResourceId(resource.id)?.resourceGroup ?? ""],
  tagname: (resource) => Object.keys(objectMember(resource.body, "tags") ?? {}),
  tagvalue: (resource) => Object.values(objectMember(resource.body, "tags") ?? {}).map(String),
};

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

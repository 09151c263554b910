/** What the compiler makes of each construct: the template but for the parts that all templates have. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { compileBicep } from "../../../src/arm/bicep/compile.ts";
import type { Json } from "../../../src/arm/json.ts";
import { accessTo, type Case, compileCase, compilerFindings, runTable } from "./table.ts";

const generated: ReadonlySet<string> = new Set(["contentVersion", "_generator"]);

/** Without what every template has, also of the templates inside. */
function essential(value: Json): Json {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(essential);
  const members = Object.entries(value).flatMap(([name, each]): [string, Json][] => {
    if (generated.has(name)) return [];
    if (name === "$schema" && String(each).endsWith("/2019-04-01/deploymentTemplate.json#")) return [];
    const inner = essential(each as Json);
    const empty = name === "metadata" && Object.keys(inner as object).length === 0;
    return empty || (name === "resources" && JSON.stringify(inner) === "[]") ? [] : [[name, inner]];
  });
  return Object.fromEntries(members);
}

function run(each: Case): string {
  const { template, diagnostics } = compileCase(each);
  const found = compilerFindings(diagnostics);
  if (template === undefined) return found.join("\n");
  return [...found, JSON.stringify(essential(template), undefined, 2)].join("\n");
}

describe("declarations", () => runTable("declarations.table", run));
describe("expressions", () => runTable("expressions.table", run));
describe("resources", () => runTable("resources.table", run));
describe("modules", () => runTable("modules.table", run));
describe("user-defined types, functions and imports", () => runTable("types.table", run));
describe("files loaded into a template", () => runTable("loading.table", run));

test("every template says what made it, in which schema, and its hash", () => {
  const files = new Map([["main.bicep", "targetScope = 'subscription'\n"]]);
  const { template, text } = compileBicep({ path: "main.bicep", ...accessTo(files) });
  const { metadata, ...rest } = template ?? {};
  assert.deepEqual(rest, {
    $schema: "https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#",
    contentVersion: "1.0.0.0",
    resources: [],
  });
  const { _generator } = metadata as { _generator: Record<string, unknown> };
  assert.equal(_generator["name"], "bicep");
  assert.match(String(_generator["version"]), /^\d+\.\d+\.\d+$/);
  assert.match(String(_generator["templateHash"]), /^\d+$/);
  assert.deepEqual(JSON.parse(text ?? ""), template);
});

test("the hash of a template does not depend on blanks and comments, but on its content", () => {
  const hashOf = (content: string): unknown => {
    const { template } = compileBicep({ path: "a.bicep", ...accessTo(new Map([["a.bicep", content]])) });
    const { metadata } = template as { metadata: { _generator: { templateHash: string } } };
    return metadata._generator.templateHash;
  };
  const base = hashOf("param a string = 'x'\noutput b string = a\n");
  assert.equal(hashOf("// comment\nparam   a string = 'x'\n\n\noutput b string =  a"), base);
  assert.notEqual(hashOf("param a string = 'y'\noutput b string = a\n"), base);
});

test("integers that no number holds are written in full", () => {
  const files = new Map([
    ["a.bicep", "output big int = 9007199254740993\noutput low int = -9223372036854775807\n"],
  ]);
  const { text } = compileBicep({ path: "a.bicep", ...accessTo(files) });
  assert.match(text ?? "", /"value": 9007199254740993/);
  assert.match(text ?? "", /"value": -9223372036854775807/);
});

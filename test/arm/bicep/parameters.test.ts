/** Parameters files: what each assignment comes to, or what is wrong with it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { compileBicepParameters, type ParametersResult } from "../../../src/arm/bicep/compile.ts";
import type { JsonObject } from "../../../src/arm/json.ts";
import { accessTo, type Case, compilerFindings, runTable } from "./table.ts";

function compile(files: ReadonlyMap<string, string>, overrides?: JsonObject): ParametersResult {
  const [path = ""] = files.keys();
  return compileBicepParameters({
    path,
    ...accessTo(files),
    readEnvironment: (name) => (name === "HOME_OF_TESTS" ? "here" : undefined),
    ...(overrides === undefined ? {} : { parameterOverrides: overrides }),
  });
}

function run({ files }: Case): string {
  const { parameters, diagnostics } = compile(files);
  const found = compilerFindings(diagnostics);
  if (parameters === undefined) return found.join("\n");
  return [...found, JSON.stringify(parameters["parameters"], undefined, 2)].join("\n");
}

describe("parameters files", () => runTable("parameters.table", run));

const files = new Map([
  [
    "main.bicepparam",
    `using 'main.bicep'
param a = 'file'
param b = '\${a}!'
`,
  ],
  ["main.bicep", "param a string\nparam b string\nparam c int = 1\noutput x string = a\n"],
]);

test("the result is a deployment parameters file, with the template it is for", () => {
  const { parameters, text, template } = compile(files);
  assert.equal(
    parameters?.["$schema"],
    "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#",
  );
  assert.equal(parameters?.["contentVersion"], "1.0.0.0");
  assert.deepEqual(JSON.parse(text ?? ""), parameters);
  assert.equal(template?.path, "main.bicep");
  assert.deepEqual(JSON.parse(template?.text ?? ""), template?.value);
});

test("values given from outside win, also where other parameters use them", () => {
  const { parameters } = compile(files, { a: "[outside]", c: 3 });
  assert.deepEqual(parameters?.["parameters"], {
    b: { value: "[outside]!" },
    a: { value: "[outside]" },
    c: { value: 3 },
  });
});

test("values given from outside stand for missing assignments", () => {
  const bare = new Map([
    ["main.bicepparam", "using 'main.bicep'\n"],
    ["main.bicep", "param a string\n"],
  ]);
  assert.deepEqual(compilerFindings(compile(bare).diagnostics), ["main.bicepparam(1,7) Error BCP258"]);
  assert.deepEqual(compile(bare, { a: "x" }).parameters?.["parameters"], { a: { value: "x" } });
  assert.deepEqual(compilerFindings(compile(bare, { a: "x", z: 1 }).diagnostics), [
    "main.bicepparam(1,7) Error BCP259",
  ]);
});

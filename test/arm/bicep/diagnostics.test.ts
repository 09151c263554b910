/** Files with faults: code, line and column of each finding; a file with errors makes no template. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { compileBicep } from "../../../src/arm/bicep/compile.ts";
import { formatDiagnostic, hasErrors } from "../../../src/arm/bicep/diagnostics.ts";
import { accessTo, type Case, compileCase, compilerFindings, positions, runTable } from "./table.ts";

function run(each: Case): string {
  const { template, text, diagnostics } = compileCase(each);
  assert.equal(template === undefined, hasErrors(diagnostics));
  assert.equal(text === undefined, template === undefined);
  return compilerFindings(diagnostics).join("\n");
}

describe("findings", () => runTable("diagnostics.table", run));

test("a finding is one line that command-line tools and az understand", () => {
  const files = new Map([["dir/a.bicep", "var a = 1\noutput b string = nothing\n"]]);
  const { diagnostics } = compileBicep({ path: "dir/a.bicep", ...accessTo(files) });
  assert.deepEqual(diagnostics.map(formatDiagnostic), [
    'dir/a.bicep(2,19) : Error BCP057: The name "nothing" does not exist here. [https://aka.ms/bicep/core-diagnostics#BCP057]',
  ]);
});

test("a name with a typing error is told with the name that is meant", () => {
  const files = new Map([
    ["a.bicep", "param location string\noutput a string = locatoin\noutput b string = loc\n"],
  ]);
  const { diagnostics } = compileBicep({ path: "a.bicep", ...accessTo(files) });
  assert.deepEqual(
    diagnostics.map(({ message }) => message),
    ['The name "locatoin" does not exist here. Is "location" meant?', 'The name "loc" does not exist here.'],
  );
});

test("a file that cannot be read is a finding, not an exception", () => {
  const { template, diagnostics } = compileBicep({ path: "none.bicep", ...accessTo(new Map()) });
  assert.equal(template, undefined);
  assert.deepEqual(positions(diagnostics), ["none.bicep(1,1) Error BCP091"]);
});

/** The layout of files: the same tokens, each time the same text. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatBicep } from "../../../src/arm/bicep/format.ts";
import { type Case, positions, runTable } from "./table.ts";

function kindOf(path: string): "bicep" | "bicepparam" {
  return path.endsWith(".bicepparam") ? "bicepparam" : "bicep";
}

function run({ files }: Case): string {
  const [[path, text] = ["", ""]] = [...files];
  const { formatted, diagnostics } = formatBicep({ path, text, kind: kindOf(path) });
  if (formatted === undefined) return positions(diagnostics).join("\n");
  const again = formatBicep({ path, text: formatted, kind: kindOf(path) });
  assert.equal(again.formatted, formatted, "a second time nothing changes");
  return formatted.trimEnd();
}

describe("layout", () => runTable("format.table", run));

test("line ends are those of the file", () => {
  const text = "var a = {\r\nx: 1\r\n}\r\n";
  const { formatted } = formatBicep({ path: "a.bicep", text, kind: "bicep" });
  assert.equal(formatted, "var a = {\r\n  x: 1\r\n}\r\n");
});

test("indentation has the width that is asked for", () => {
  const text = "var a = {\n  x: {\n    y: 1\n  }\n}\n";
  const { formatted } = formatBicep({ path: "a.bicep", text, kind: "bicep", indentSize: 4 });
  assert.equal(formatted, "var a = {\n    x: {\n        y: 1\n    }\n}\n");
});

test("a file that is empty stays empty", () => {
  assert.equal(formatBicep({ path: "a.bicep", text: "\n\n", kind: "bicep" }).formatted, "");
});

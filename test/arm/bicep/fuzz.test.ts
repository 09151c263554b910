/**
 * Broken files: cut off anywhere, changed at random, nested without measure. The compiler says what is wrong; it never
 * throws, never hangs, and never gives a template for a file with errors. The histories are the same in every run.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { compileBicep, compileBicepParameters } from "../../../src/arm/bicep/compile.ts";
import { hasErrors } from "../../../src/arm/bicep/diagnostics.ts";
import { formatBicep } from "../../../src/arm/bicep/format.ts";
import { parseYaml, YamlError } from "../../../src/arm/bicep/yaml.ts";
import { root } from "../../fixtures.ts";
import { sized } from "../../full-size.ts";
import { accessTo, readTable } from "./table.ts";

/** Milliseconds of processor time for one file: far above what any takes, far below a hang, whatever else runs. */
const patience = 20_000;

const tables = ["declarations", "expressions", "resources", "modules", "types", "loading", "diagnostics"];
const corpus = tables
  .flatMap((name) => readTable(join(root, "test/arm/bicep", `${name}.table`)))
  .filter(({ name }) => name !== "nesting beyond all measure");

/** Numbers from 0 to below `limit`, the same in every run (a linear congruential generator). */
function generator(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

function survives(files: ReadonlyMap<string, string>, text: string): void {
  const [path = ""] = files.keys();
  const all = new Map(files).set(path, text);
  const started = process.cpuUsage();
  const { template, diagnostics } = compileBicep({ path, ...accessTo(all) });
  assert.equal(template === undefined, hasErrors(diagnostics), text);
  for (const { line, column, start, end } of diagnostics) {
    assert.ok(line >= 1 && column >= 1 && start <= end, text);
  }
  formatBicep({ path, text, kind: "bicep" });
  assert.ok(process.cpuUsage(started).user / 1000 < patience, `too slow: ${text.slice(0, 200)}`);
}

describe("files that are cut off", () => {
  for (const { name, files } of corpus.filter((_, at) => at % 3 === 0)) {
    test(name, () => {
      const [text = ""] = files.values();
      const step = Math.max(1, Math.floor(text.length / sized(8, 60)));
      for (let end = 0; end < text.length; end += step) survives(files, text.slice(0, end));
    });
  }
});

const pieces = [
  ...[
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "'",
    "'''",
    "${",
    "\n",
    ",",
    ":",
    "?",
    "@",
    "=",
    "=>",
    "...",
    "::",
    "|",
    "*",
  ],
  ...[
    "//",
    "/*",
    "*/",
    "#disable-next-line ",
    "for x in ",
    "if (",
    "param ",
    "type ",
    "\u0000",
    "\ud800",
    "é",
    "\\",
  ],
];

describe("files that are changed at random", () => {
  for (const { name, files } of corpus.filter((_, at) => at % 2 === 0)) {
    test(name, () => {
      const random = generator(name.length * 7919 + 17);
      const [original = ""] = files.values();
      for (let round = 0; round < sized(4, 60); round++) {
        let text = original;
        for (let change = random(4); change >= 0; change--) {
          const at = random(text.length + 1);
          const piece = pieces[random(pieces.length)] ?? "";
          const removed = random(3) === 0 ? random(12) : 0;
          text = `${text.slice(0, at)}${piece}${text.slice(at + removed)}`;
        }
        survives(files, text);
      }
    });
  }
});

const extremes: readonly (readonly [string, string])[] = [
  ["brackets", `var a = ${"[".repeat(5000)}`],
  ["closed brackets", `var a = ${"[".repeat(900)}${"]".repeat(900)}`],
  ["parentheses", `var a = ${"(".repeat(5000)}1${")".repeat(5000)}`],
  ["operators", `var a = 1${" + 1".repeat(5000)}`],
  ["signs", `var a = ${"!".repeat(5000)}true`],
  ["conditions", `var a = ${"true ? 1 : ".repeat(3000)}2`],
  ["members", `param a object\noutput b string = a${".x".repeat(5000)}`],
  ["holes", `var a = ${"'${".repeat(2000)}`],
  ["types", `type a = ${"{ x: ".repeat(2000)}string${" }".repeat(2000)}`],
  ["arrays of types", `param a string${"[]".repeat(5000)}`],
  ["unions", `type a = ${"'x' | ".repeat(3000)}'y'`],
  ["calls", `var a = ${"toLower(".repeat(2000)}'x'${")".repeat(2000)}`],
  ["decorators", `${"@description('x')\n".repeat(3000)}param a string`],
  ["line ends", "\n".repeat(200_000)],
  ["blanks", `var a = ${" ".repeat(500_000)}1`],
  ["a chain of variables", Array.from({ length: 2000 }, (_, at) => `var v${at} = v${at + 1}`).join("\n")],
  [
    "doubling",
    `var v0 = 'x'\n${Array.from({ length: 40 }, (_, at) => `var v${at + 1} = '\${v${at}}\${v${at}}'`).join("\n")}`,
  ],
  [
    "doubling at run time",
    `resource a 'Microsoft.Storage/storageAccounts@2023-01-01' = {\n  name: 'a'\n}\nvar v0 = a.properties.x\n${Array.from({ length: 40 }, (_, at) => `var v${at + 1} = '\${v${at}}\${v${at}}'`).join("\n")}\noutput o string = v40`,
  ],
];
describe("files without measure end with a finding or a template", () => {
  for (const [name, text] of extremes) {
    test(name, () => survives(new Map([["main.bicep", ""]]), text));
  }
});

test("parameters files that are cut off", () => {
  const text = `using 'main.bicep'
var a = [for i in range(0, 2): '\${i}']
param p = map(a, x => { b: x })
param q = base.q
`;
  for (let end = 0; end <= text.length; end++) {
    const files = new Map([
      ["main.bicepparam", text.slice(0, end)],
      ["main.bicep", "param p array\nparam q string = 'x'\n"],
    ]);
    const { parameters, diagnostics } = compileBicepParameters({
      path: "main.bicepparam",
      ...accessTo(files),
    });
    assert.equal(parameters === undefined, hasErrors(diagnostics), text.slice(0, end));
  }
});

test("YAML that is changed at random is read or refused", () => {
  const text =
    "a: 1\nb:\n  - x\n  - y: { z: [1, 'q'] }\nc: |\n  text\n  more\nd: \"x\\n\"\ne: >-\n  folded\n";
  const random = generator(4711);
  for (let round = 0; round < 2000; round++) {
    const at = random(text.length);
    const piece = ["\n", " ", ":", "- ", "[", "{", "'", '"', "#", "|", "&", "\t", "~"][random(13)] ?? "";
    try {
      parseYaml(`${text.slice(0, at)}${piece}${text.slice(at + random(4))}`);
    } catch (error) {
      assert.ok(error instanceof YamlError, String(error));
    }
  }
});

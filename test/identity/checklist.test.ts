/** docs/identity-checklist.md names what proves each row; this checks that it has all rows and that everything it names exists. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { root } from "../fixtures.ts";

const page = readFileSync(join(root, "docs/identity-checklist.md"), "utf8");

interface Row {
  readonly number: number;
  readonly checks: readonly string[];
  /** JavaScript, Python, Go, Java: `yes`, or the note that says why not. */
  readonly languages: readonly string[];
  readonly tests: readonly string[];
}

const rows = page
  .split("\n")
  .filter((line) => /^\| \d+ \|/.test(line))
  .map((line): Row => {
    const [, number = "", , checks = "", ...rest] = line.split("|").map((cell) => cell.trim());
    const named = (cell: string): readonly string[] =>
      [...cell.matchAll(/“([^”]+)”/g)].map((match) => match[1] ?? "");
    return {
      number: Number(number),
      checks: named(checks),
      languages: rest.slice(0, 4),
      tests: named(rest[4] ?? ""),
    };
  });

function textsBelow(directory: string, pattern: RegExp): string {
  return readdirSync(join(root, directory), { recursive: true, encoding: "utf8" })
    .filter((name) => pattern.test(name) && !/node_modules|\.venv|target\//.test(name))
    .map((name) => readFileSync(join(root, directory, name), "utf8"))
    .join("\n");
}

describe("the checklist of identity", () => {
  test("has thirty-one rows, each with something that proves it", () => {
    assert.deepEqual(
      rows.map(({ number }) => number),
      Array.from({ length: 31 }, (_, at) => at + 1),
    );
    for (const { number, checks, tests } of rows)
      assert.ok(checks.length + tests.length > 0, `row ${number}`);
  });

  test("says of each SDK that it passes, or why not", () => {
    for (const { number, languages, checks } of rows) {
      assert.equal(languages.length, 4, `row ${number}`);
      for (const cell of languages) {
        if (cell === "yes") assert.ok(checks.length > 0, `row ${number}`);
        else assert.ok(page.includes(`\n- ${cell} `), `row ${number}: the note ${cell} is missing`);
      }
    }
  });

  test("names checks and tests that exist", () => {
    const conformance = textsBelow("conformance", /\.(ts|py)$/);
    const tests = textsBelow("test", /\.test\.ts$/);
    for (const { number, checks, tests: titles } of rows) {
      for (const check of checks)
        assert.ok(conformance.includes(check), `row ${number}: no check '${check}'`);
      for (const title of titles) assert.ok(tests.includes(title), `row ${number}: no test '${title}'`);
    }
  });
});

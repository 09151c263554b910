/**
 * Tables of compiler cases as text: files, and below `=>` what comes of them. With the variable REWRITE_TABLES set,
 * a run writes what the compiler says now into the table, for review in the difference that this makes.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type CompileResult, compileBicep } from "../../../src/arm/bicep/compile.ts";
import type { Diagnostic } from "../../../src/arm/bicep/diagnostics.ts";
import type { FileAccess } from "../../../src/arm/bicep/model.ts";
import { root } from "../../fixtures.ts";

export interface Case {
  readonly name: string;
  /** By path; the first is the one that is compiled. */
  readonly files: ReadonlyMap<string, string>;
  readonly expected: string;
}

/** `## name`, then `--- path` before each file (none: main.bicep), then `=>` and the result. */
export function readTable(file: string): Case[] {
  const sections = readFileSync(file, "utf8").split(/^## /m).slice(1);
  return sections.map((section) => {
    const [head = "", ...rest] = section.split("\n");
    const body = rest.join("\n");
    const at = body.search(/^=>$/m);
    const expected = at < 0 ? "" : body.slice(at + 3).trim();
    return { name: head.trim(), files: readFiles(at < 0 ? body : body.slice(0, at)), expected };
  });
}

function readFiles(text: string): ReadonlyMap<string, string> {
  if (!text.startsWith("--- ")) return new Map([["main.bicep", text]]);
  const parts = text.split(/^--- /m).slice(1);
  return new Map(
    parts.map((part) => {
      const end = part.indexOf("\n");
      return [part.slice(0, end).trim(), part.slice(end + 1)];
    }),
  );
}

function writeTable(file: string, cases: readonly Case[], actual: readonly string[]): void {
  const text = cases.map(({ name, files }, at) => {
    const only = files.size === 1 && files.has("main.bicep");
    const parts = [...files].map(([path, content]) => (only ? content : `--- ${path}\n${content}`));
    return `## ${name}\n${parts.join("")}=>\n${actual[at] ?? ""}\n`;
  });
  writeFileSync(file, text.join("\n"));
}

/** One test for each case of `test/arm/bicep/<name>`; `run` turns a case into the text that the table expects. */
export function runTable(name: string, run: (each: Case) => string): void {
  const file = join(root, "test/arm/bicep", name);
  const cases = readTable(file);
  if (process.env["REWRITE_TABLES"] !== undefined) writeTable(file, cases, cases.map(run));
  for (const each of readTable(file)) {
    test(each.name, () => assert.equal(run(each), each.expected));
  }
}

export function accessTo(files: ReadonlyMap<string, string>): FileAccess {
  return {
    readFile: (path) => files.get(path),
    moduleCache: "cache",
    listFiles: (directory) => {
      const inside = [...files.keys()].filter((path) => path.startsWith(`${directory}/`));
      return inside.length === 0 ? undefined : inside.map((path) => path.slice(directory.length + 1));
    },
  };
}

export function compileCase({ files }: Case): CompileResult {
  const [path = ""] = files.keys();
  return compileBicep({ path, ...accessTo(files) });
}

/** Findings of the compiler proper, not of its linter. */
export function compilerFindings(diagnostics: readonly Diagnostic[]): string[] {
  return positions(diagnostics.filter(({ code }) => /^(BCP|CEL)/.test(code)));
}

/** Findings without their words, which may change: `file(line,column) Level CODE`. */
export function positions(diagnostics: readonly Diagnostic[]): string[] {
  return diagnostics.map(
    ({ path, line, column, level, code }) => `${path}(${line},${column}) ${level} ${code}`,
  );
}

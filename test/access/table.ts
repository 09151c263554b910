/**
 * Reads access.yaml: one case for each row and column. The file keeps to a part of YAML that is read here line by line:
 * one sequence in brackets for the columns, and one for each row.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../fixtures.ts";

export interface AccessCell {
  readonly row: string;
  readonly column: string;
  /** `+`, a bare status, or a substatus. */
  readonly expected: string;
}

const sequence = /^( *)(\S+): *\[(.+)\]$/;

export function readAccessTable(): readonly AccessCell[] {
  const [header = "", rows = "", ...lines] = readFileSync(join(root, "test/access/access.yaml"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  const columns = read(header, "").cells;
  if (!header.startsWith("columns:") || rows !== "rows:") throw new Error("access.yaml has another form");
  return lines.flatMap((line) => {
    const { name: row, cells } = read(line, "  ");
    if (cells.length !== columns.length) throw new Error(`row ${row} has ${cells.length} cells`);
    return cells.map((expected, at) => ({ row, column: columns[at] ?? "", expected }));
  });
}

function read(line: string, indent: string): { readonly name: string; readonly cells: readonly string[] } {
  const [, spaces, name = "", list = ""] = sequence.exec(line) ?? [];
  if (spaces !== indent) throw new Error(`access.yaml cannot be read at: ${line.slice(0, 60)}`);
  return { name, cells: list.split(",").map((cell) => cell.trim()) };
}

/** A denial as the fixture's `outcome` writes it. */
export function denialOf(expected: string): string {
  if (expected.length === 3) return expected;
  return `${expected.startsWith("53") ? 403 : 401}/${expected}`;
}

/** Reads access.table: one case for each row and column. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../fixtures.ts";

export interface AccessCell {
  readonly row: string;
  readonly column: string;
  /** `+`, a bare status, or a substatus. */
  readonly expected: string;
}

export function readAccessTable(): readonly AccessCell[] {
  const lines = readFileSync(join(root, "test/access/access.table"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.trim().split(/\s+/));
  const [[, ...columns] = [], ...rows] = lines;
  return rows.flatMap(([row = "", ...cells]) => {
    if (cells.length !== columns.length) throw new Error(`row ${row} has ${cells.length} cells`);
    return cells.map((expected, at) => ({ row, column: columns[at] ?? "", expected }));
  });
}

/** A denial as the fixture's `outcome` writes it. */
export function denialOf(expected: string): string {
  if (expected.length === 3) return expected;
  return `${expected.startsWith("53") ? 403 : 401}/${expected}`;
}

/**
 * Results: the shape in which every workload reports, the table that a person reads, the files that are kept, and the
 * page made from those files. A row's ratio was measured in the same run as everything else of its result.
 */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Machine } from "./machine.ts";

export interface Column {
  readonly title: string;
  /** Decimal places. */
  readonly digits: number;
}

export interface Row {
  readonly subject: string;
  readonly what: string;
  /** One for each column; null where the system does not tell. */
  readonly values: readonly (number | null)[];
  /** How Celestite compares with this row, in the sense of `ratioTitle`; absent in Celestite's own row. */
  readonly ratio?: number;
}

export interface Budget {
  readonly what: string;
  readonly measured: string;
  readonly met: boolean;
}

export interface WorkloadResult {
  readonly workload: string;
  readonly title: string;
  /** What was done, in a sentence or two. */
  readonly description: string;
  readonly columns: readonly Column[];
  readonly ratioTitle: string;
  readonly rows: readonly Row[];
  readonly budgets: readonly Budget[];
  readonly notes: readonly string[];
}

/** A result as it is kept. */
export interface RecordedResult extends WorkloadResult {
  /** `2026-01-31`. */
  readonly date: string;
  readonly version: string;
  readonly machine: Machine;
  /** Share of the machine (0 to 1) that something else used before, between and after the rounds. */
  readonly busyOthers: number;
}

/** The result as lines for a terminal. */
export function renderText(result: WorkloadResult): string {
  const head = ["", ...result.columns.map((column) => column.title), result.ratioTitle];
  const cells = [head, ...result.rows.map((row) => [row.subject, ...rowCells(row, result.columns)])];
  const widths = head.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)));
  const lines = cells.map((row) =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join("  "),
  );
  const budgets = result.budgets.map(
    ({ what, measured, met }) => `${met ? "met   " : "MISSED"} ${what}: ${measured}`,
  );
  return `\n${result.title}\n\n${[...lines, "", ...budgets, ...result.notes].join("\n")}\n`;
}

/** Keeps a result, replacing one of the same day and workload, and makes the page anew. */
export async function record(directory: string, result: RecordedResult): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeFile(
    join(directory, `${result.date}-${result.workload}.json`),
    `${JSON.stringify(result, undefined, 2)}\n`,
  );
  await writeFile(join(directory, "README.md"), await renderPage(directory));
}

/** The page: of every workload the newest result. */
async function renderPage(directory: string): Promise<string> {
  const names = (await readdir(directory)).filter((name) => /^\d{4}-\d\d-\d\d-.+\.json$/.test(name)).sort();
  const newest = new Map<string, RecordedResult>();
  for (const name of names) {
    const result = JSON.parse(await readFile(join(directory, name), "utf8")) as RecordedResult;
    newest.set(result.workload, result);
  }
  const sections = [...newest.values()]
    .sort((a, b) => a.workload.localeCompare(b.workload))
    .map(renderSection);
  return `# Recorded results

Made from the files beside it by \`npm run bench\`; of each workload the newest. What counts is the ratio: everything in
one table ran in turn on one machine in one run, and the bench started all of it. The other figures are that machine's.

${sections.join("\n")}`;
}

function renderSection(result: RecordedResult): string {
  const { machine } = result;
  const head = ["", ...result.columns.map((column) => column.title), result.ratioTitle];
  const rows = result.rows.map((row) => [row.what, ...rowCells(row, result.columns)]);
  const table = [head, head.map((_, at) => (at === 0 ? "---" : "---:")), ...rows].map(
    (row) => `| ${row.join(" | ")} |`,
  );
  const budgets = result.budgets.map(
    ({ what, measured, met }) => `- ${what}: ${measured}, ${met ? "met" : "**missed**"}`,
  );
  const busy = Math.round(result.busyOthers * 100);
  const { timerMilliseconds: timer } = machine;
  const timers = timer === undefined ? "" : `, a timer of 1 ms fires within ${timer} ms 99 times of 100`;
  return `## ${result.title}

${result.description}

${table.join("\n")}

${[...budgets, ...result.notes.map((note) => `- ${note}`)].join("\n")}

${result.date}, Celestite ${result.version}; ${machine.processor}, ${machine.cores} cores, ${machine.memoryGigabytes} GB, ${machine.system}, Node ${machine.node}, ${machine.fileSystem} (4 KB on disk in ${machine.syncMilliseconds} ms)${timers}; ${busy} % of it in use by others meanwhile.
`;
}

function rowCells(row: Row, columns: readonly Column[]): string[] {
  const values = columns.map(({ digits }, at) => {
    const value = row.values[at] ?? null;
    return value === null ? "-" : grouped(value, digits);
  });
  return [...values, row.ratio === undefined ? "" : `${formatRatio(row.ratio)} ×`];
}

/** A number with a comma between thousands, the same whatever the machine's language. */
export function grouped(value: number, digits: number): string {
  const [whole = "", fraction] = value.toFixed(digits).split(".");
  const separated = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? separated : `${separated}.${fraction}`;
}

/** Two significant places below ten, one decimal above. */
export function formatRatio(ratio: number): string {
  return ratio < 10 ? ratio.toFixed(2) : ratio.toFixed(1);
}

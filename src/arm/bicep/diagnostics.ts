/**
 * Everything the compiler can say about a file: a closed table of codes with their severity and text. The codes are
 * those of the language's reference, so that `#disable-next-line` and existing tooling work; the words are ours.
 * Codes that begin with CEL are limits of this compiler.
 */
import { syntaxTexts } from "./diagnostic-texts-syntax.ts";
import { typeTexts } from "./diagnostic-texts-types.ts";
import { useTexts } from "./diagnostic-texts-use.ts";
import { locate, type SourceText, type Span } from "./source.ts";

export type Level = "Error" | "Warning" | "Info";
export type Code = keyof typeof syntaxTexts | keyof typeof useTexts | keyof typeof typeTexts;

const texts: Readonly<Record<Code, string>> = { ...syntaxTexts, ...useTexts, ...typeTexts };

/** Every other code is an error. */
const warnings: ReadonlySet<Code> = new Set<Code>([
  ...(["BCP081", "BCP179", "BCP318", "BCP321", "BCP329", "BCP330", "BCP334", "BCP335", "BCP422"] as const),
]);

export interface Diagnostic {
  readonly code: string;
  readonly level: Level;
  readonly message: string;
  readonly path: string;
  /** Counted from 1. */
  readonly line: number;
  /** Counted from 1. */
  readonly column: number;
  /** Offsets into the file. */
  readonly start: number;
  readonly end: number;
}

/** Where the findings about one file go. */
export interface Reporter {
  readonly source: SourceText;
  readonly found: Diagnostic[];
}

/** What takes the place of `{0}`, `{1}` .. in a text. */
export type Part = string | number | bigint;

/** A file that is wrong everywhere is not helped by more lines than this. */
const diagnosticsPerFileMax = 500;

export function createReporter(source: SourceText): Reporter {
  return { source, found: [] };
}

/** Adds a finding of the table at `span`. */
export function report(reporter: Reporter, code: Code, span: Span, ...parts: readonly Part[]): void {
  const message = texts[code].replace(/\{(\d)\}/g, (mark, index: string) => {
    const part = parts[Number(index)];
    return part === undefined ? mark : String(part);
  });
  reportText(reporter, code, warnings.has(code) ? "Warning" : "Error", message, span);
}

/** The same with a text made elsewhere, as the linter's rules do. The same finding twice is kept once. */
export function reportText(
  reporter: Reporter,
  code: string,
  level: Level,
  message: string,
  span: Span,
): void {
  const { found, source } = reporter;
  if (found.length >= diagnosticsPerFileMax) return;
  const { start, end } = span;
  if (found.some((each) => each.code === code && each.start === start && each.end === end)) return;
  found.push({ code, level, message, path: source.path, ...locate(source, start), start, end });
}

export function hasErrors(found: readonly Diagnostic[]): boolean {
  return found.some((diagnostic) => diagnostic.level === "Error");
}

const documentation = "https://aka.ms/bicep/core-diagnostics#";
const lintDocumentation = "https://aka.ms/bicep/linter-diagnostics#";

/** One line as command-line tools print it and `az` reads it: `file(line,column) : Warning CODE: text [url]`. */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  const { path, line, column, level, code, message } = diagnostic;
  const url = code.startsWith("BCP") ? documentation : lintDocumentation;
  const where = code.startsWith("CEL") ? "" : ` [${url}${code}]`;
  return `${path}(${line},${column}) : ${level} ${code}: ${message}${where}`;
}

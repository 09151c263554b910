/**
 * The text of one source file and the way from offsets to lines and columns. Everything else speaks of offsets;
 * only what is shown to people needs lines.
 */

/** A stretch of a source file, in UTF-16 units; `end` is exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface SourceText {
  /** As given by the caller, with `/` between its parts. */
  readonly path: string;
  readonly text: string;
  /** Offset of the first character of every line. */
  readonly lineStarts: readonly number[];
}

export interface LineAndColumn {
  /** Counted from 1. */
  readonly line: number;
  /** Counted from 1. */
  readonly column: number;
}

/** Indexes a text; a leading byte order mark is dropped. Lines end with `\n`, `\r\n` or a lone `\r`. */
export function createSource(path: string, content: string): SourceText {
  const text = content.startsWith("\uFEFF") ? content.slice(1) : content;
  const lineStarts = [0];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 10) lineStarts.push(at + 1);
    else if (code === 13 && text.charCodeAt(at + 1) !== 10) lineStarts.push(at + 1);
  }
  return { path, text, lineStarts };
}

/** The index of the line that holds `offset`, counted from 0. */
export function lineIndexOf(source: SourceText, offset: number): number {
  let low = 0;
  let high = source.lineStarts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((source.lineStarts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

export function locate(source: SourceText, offset: number): LineAndColumn {
  const line = lineIndexOf(source, offset);
  return { line: line + 1, column: offset - (source.lineStarts[line] ?? 0) + 1 };
}

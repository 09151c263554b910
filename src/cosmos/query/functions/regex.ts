/**
 * RegexMatch and its kin: argument rules and a memory of the last pattern over the regex engine of this folder.
 */
import { plainError, QueryOverrun } from "../error.ts";
import { isArray, type Value } from "../values.ts";
import { RegexBudgetError, searchRegex } from "./regex-match.ts";
import { compileRegex, type RegexProgram } from "./regex-program.ts";
import { parseRegex, RegexSyntaxError } from "./regex-syntax.ts";
import {
  type BuiltIn,
  boundedLength,
  contextual,
  type FunctionContext,
  type Implementation,
} from "./signature.ts";

type Search = (text: string, from: number) => readonly number[] | undefined;

/** Refuses with 400: what else could a broken pattern mean. */
function compilePattern(pattern: string, modifiers: string): RegexProgram {
  try {
    return compileRegex(parseRegex(pattern, modifiers));
  } catch (error) {
    if (!(error instanceof RegexSyntaxError)) throw error;
    throw plainError(`Invalid regular expression: ${error.message}.`);
  }
}

function bounded(program: RegexProgram, { stretch }: FunctionContext): Search {
  const look = (): void => {
    if (stretch?.isOver() === true) throw new QueryOverrun();
  };
  return (text, from) => {
    try {
      return searchRegex(program, text, from, look);
    } catch (error) {
      if (!(error instanceof RegexBudgetError)) throw error;
      throw plainError("The regular expression takes too many steps on this text.");
    }
  };
}

/** A function of a search; compiles a pattern only when it differs from the last one. */
function withPattern(
  apply: (search: Search, text: string, rest: readonly Value[]) => Value,
): (context: FunctionContext) => Implementation {
  return (context) => {
    let last: string | undefined;
    let search: Search = () => undefined;
    return (...args) => {
      const [text, pattern, third] = args;
      const modifiers = args.length > 2 ? third : "";
      if (typeof text !== "string" || typeof pattern !== "string" || typeof modifiers !== "string")
        return undefined;
      if (/[^msix]/.test(modifiers)) return undefined;
      const key = `${modifiers}/${pattern}`;
      if (key !== last) {
        search = bounded(compilePattern(pattern, modifiers), context);
        last = key;
      }
      return apply(search, text, args.slice(3));
    };
  };
}

function matches(search: Search, text: string): Value {
  return search(text, 0) !== undefined;
}

function groupText(text: string, slots: readonly number[], group: number): string | undefined {
  const start = slots[group * 2] ?? -1;
  const end = slots[group * 2 + 1] ?? -1;
  return start < 0 || end < 0 ? undefined : text.slice(start, end);
}

/** The first match, or one group of it. */
function extract(search: Search, text: string, rest: readonly Value[]): Value {
  const group = rest.length > 0 ? rest[0] : 0;
  if (typeof group !== "number" || !Number.isInteger(group) || group < 0) return undefined;
  const found = search(text, 0);
  return found === undefined ? undefined : groupText(text, found, group);
}

/** Every match from left to right, each as an array of the wanted groups (the whole match by default). */
function extractAll(search: Search, text: string, rest: readonly Value[]): Value {
  const wanted = rest.length > 0 ? rest[0] : [0];
  const groups = isArray(wanted) ? wanted : [wanted];
  if (!groups.every((group) => typeof group === "number" && Number.isInteger(group) && group >= 0))
    return undefined;
  const all: Value[] = [];
  for (let from = 0; from <= text.length; ) {
    const found = search(text, from);
    if (found === undefined) break;
    all.push((groups as readonly number[]).map((group) => groupText(text, found, group) ?? ""));
    boundedLength(all.length * groups.length);
    const [start = 0, end = 0] = found;
    from = end > start ? end : end + 1;
  }
  return all;
}

export const regexFunctions: readonly BuiltIn[] = [
  contextual("RegexMatch", [2, 3], true, withPattern(matches)),
  contextual("RegexExtract", [2, 4], true, withPattern(extract)),
  contextual("RegexExtractAll", [2, 4], true, withPattern(extractAll)),
];

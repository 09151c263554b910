/**
 * All built-in functions by name. A family file adds a function; nothing else changes.
 */
import { arrayFunctions } from "./array.ts";
import { dateFunctions } from "./date.ts";
import { documentFunctions } from "./document.ts";
import { fullTextFunctions } from "./fulltext.ts";
import { mathFunctions } from "./math.ts";
import { regexFunctions } from "./regex.ts";
import type { BuiltIn } from "./signature.ts";
import { spatialFunctions } from "./spatial.ts";
import { stringFunctions } from "./string.ts";
import { typeFunctions } from "./type.ts";
import { vectorFunctions } from "./vector.ts";

/** Spellings the service accepts beside the documented one, as the documented one without its underscores. */
const UNDERSCORED = [
  "STRING_EQUALS",
  "STRING_JOIN",
  "STRING_SPLIT",
  "TO_STRING",
  "OBJECT_TO_ARRAY",
  "SET_DIFFERENCE",
  "SET_EQUAL",
  "SET_INTERSECT",
  "SET_UNION",
  "STRING_TO_ARRAY",
  "STRING_TO_BOOLEAN",
  "STRING_TO_NULL",
  "STRING_TO_NUMBER",
  "STRING_TO_OBJECT",
  "FULLTEXT_CONTAINS",
  "FULLTEXT_CONTAINS_ALL",
  "FULLTEXT_CONTAINS_ANY",
];

const COMPACT = ["CONTAINS_ALL_CI", "CONTAINS_ALL_CS", "CONTAINS_ANY_CI", "CONTAINS_ANY_CS"];

const TABLE: ReadonlyMap<string, BuiltIn> = makeTable([
  ...arrayFunctions,
  ...dateFunctions,
  ...documentFunctions,
  ...fullTextFunctions,
  ...mathFunctions,
  ...regexFunctions,
  ...spatialFunctions,
  ...stringFunctions,
  ...typeFunctions,
  ...vectorFunctions,
]);

function makeTable(functions: readonly BuiltIn[]): ReadonlyMap<string, BuiltIn> {
  const table = new Map(functions.map((entry) => [entry.name.toUpperCase(), entry]));
  for (const alias of UNDERSCORED) {
    const entry = table.get(alias.replaceAll("_", ""));
    if (entry !== undefined) table.set(alias, entry);
  }
  for (const name of COMPACT) {
    const entry = table.get(name);
    if (entry !== undefined) table.set(name.replaceAll("_", ""), entry);
  }
  return table;
}

/** The built-in function called `name` in any case; aggregates are not among them. */
export function builtIn(name: string): BuiltIn | undefined {
  return TABLE.get(name.toUpperCase());
}

/** Every built-in function once, for documentation and tests. */
export function builtInFunctions(): readonly BuiltIn[] {
  return [...new Set(TABLE.values())];
}

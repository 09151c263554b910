/**
 * The linter: habits that compile but are better avoided. Each rule has the code of the reference linter, so that
 * comments that turn one off, and `bicepconfig.json`, have the same effect here. Rules are in `lint-rules.ts`.
 */
import { isObject, type Json, objectMember, stringMember } from "../json.ts";
import { hasErrors, type Level, reportText } from "./diagnostics.ts";
import { rules } from "./lint-rules.ts";
import { parseLoadedJson } from "./loaded-json.ts";
import type { Model } from "./model.ts";
import { directoryOf } from "./paths.ts";

/** Adds what the rules find to the findings about a file. A file with errors has other worries. */
export function lintModel(model: Model): void {
  if (hasErrors(model.reporter.found)) return;
  const settings = objectMember(objectMember(readConfiguration(model), "analyzers"), "core");
  if (settings?.["enabled"] === false) return;
  const configured = objectMember(settings, "rules");
  for (const [code, rule] of rules) {
    const own = objectMember(configured, code);
    const level = levelNames[(stringMember(own, "level") ?? "").toLowerCase()] ?? "Warning";
    if (level === "Off") continue;
    rule(model, (span, message) => reportText(model.reporter, code, level, message, span), own);
  }
}

type RuleLevel = Level | "Off";

const levelNames: Readonly<Record<string, RuleLevel>> = {
  off: "Off",
  info: "Info",
  warning: "Warning",
  error: "Error",
};

/** The `bicepconfig.json` in the file's directory or the nearest one above that has it. */
function readConfiguration(model: Model): Json | undefined {
  for (let directory = directoryOf(model.path); ; directory = directoryOf(directory)) {
    const top = directory === "" && !model.path.startsWith("/");
    const text = model.workspace.access.readFile(top ? "bicepconfig.json" : `${directory}/bicepconfig.json`);
    if (text !== undefined) return parseConfiguration(text);
    if (directory === "" || directory.endsWith("..")) return undefined;
  }
}

function parseConfiguration(text: string): Json | undefined {
  try {
    const value = plain(parseLoadedJson(text));
    return isObject(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Maps become objects; numbers do not matter here. */
function plain(value: ReturnType<typeof parseLoadedJson>): Json {
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(
    [...(value as ReadonlyMap<string, typeof value>)].map(([name, each]) => [name, plain(each)]),
  );
}

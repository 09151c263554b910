/** The part of JSONPath that is used to pick a piece of a loaded file: `$.a.b[0]['c']..d[*]` and filters by equality. */
import type { LoadedJson } from "./loaded-json.ts";

type Step =
  | { readonly kind: "member"; readonly name: string }
  | { readonly kind: "index"; readonly at: number }
  | { readonly kind: "all" }
  | { readonly kind: "descend" }
  | {
      readonly kind: "filter";
      readonly path: readonly string[];
      readonly operator: string | undefined;
      readonly operand: LoadedJson;
    };

/** The piece at `path`; an array when the path can mean several; undefined when it means none or is not valid. */
export function selectJson(value: LoadedJson, path: string): LoadedJson | undefined {
  const steps = parsePath(path);
  if (steps === undefined) return undefined;
  let found: LoadedJson[] = [value];
  for (const step of steps) found = found.flatMap((each) => applyStep(each, step));
  const several = steps.some((step) => step.kind !== "member" && step.kind !== "index");
  if (several) return found;
  return found[0];
}

const stepPattern =
  /\.\.|\.?\*|\[\*\]|\.?([A-Za-z_$][\w$-]*)|\[(-?\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]|\[\?\(@((?:\.[\w$-]+)+)\s*(?:(==|!=|<=|>=|<|>)\s*('[^']*'|"[^"]*"|-?\d+(?:\.\d+)?|true|false|null)\s*)?\)\]/y;

function parsePath(path: string): Step[] | undefined {
  const text = path.trim().replace(/^\$/, "");
  const pattern = new RegExp(stepPattern);
  const steps: Step[] = [];
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text);
    if (match === null) return undefined;
    steps.push(toStep(match));
  }
  return steps;
}

function toStep(match: RegExpExecArray): Step {
  const [whole, name, index, single, double, path, operator, literal] = match;
  if (whole === "..") return { kind: "descend" };
  if (path !== undefined) {
    return { kind: "filter", path: path.split(".").slice(1), operator, operand: literalValue(literal) };
  }
  if (index !== undefined) return { kind: "index", at: Number(index) };
  const member = name ?? single ?? double;
  return member === undefined ? { kind: "all" } : { kind: "member", name: member };
}

function literalValue(text: string | undefined): LoadedJson {
  if (text !== undefined && /^['"]/.test(text)) return text.slice(1, -1);
  if (text === undefined || text === "null") return null;
  if (text === "true" || text === "false") return text === "true";
  return text.includes(".") ? Number(text) : BigInt(text);
}

function isMap(value: LoadedJson): value is ReadonlyMap<string, LoadedJson> {
  return value instanceof Map;
}

function childrenOf(value: LoadedJson): readonly LoadedJson[] {
  if (Array.isArray(value)) return value;
  return isMap(value) ? [...value.values()] : [];
}

function applyStep(value: LoadedJson, step: Step): LoadedJson[] {
  switch (step.kind) {
    case "member": {
      const member = isMap(value) ? value.get(step.name) : undefined;
      return member === undefined ? [] : [member];
    }
    case "index": {
      const item = Array.isArray(value) ? value.at(step.at) : undefined;
      return item === undefined ? [] : [item];
    }
    case "all":
      return [...childrenOf(value)];
    case "descend":
      return descendants(value);
    case "filter":
      return childrenOf(value).filter((child) => passes(child, step));
  }
}

function descendants(value: LoadedJson): LoadedJson[] {
  return [value, ...childrenOf(value).flatMap(descendants)];
}

/** Equal values of the same kind are equal; only numbers, and text, have an order. */
function compares(value: LoadedJson | undefined, operator: string, operand: LoadedJson): boolean {
  const numbers = isNumber(value) && isNumber(operand);
  const texts = typeof value === "string" && typeof operand === "string";
  const equal = numbers ? Number(value) === Number(operand) : value === operand;
  if (operator === "==" || operator === "!=") return equal === (operator === "==");
  if (!numbers && !texts) return false;
  if (equal) return operator === "<=" || operator === ">=";
  const less = numbers ? Number(value) < Number(operand) : String(value) < String(operand);
  return less === operator.startsWith("<");
}

function isNumber(value: LoadedJson | undefined): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

function passes(value: LoadedJson, filter: Extract<Step, { kind: "filter" }>): boolean {
  let at: LoadedJson | undefined = value;
  for (const name of filter.path) at = at !== undefined && isMap(at) ? at.get(name) : undefined;
  return filter.operator === undefined ? at !== undefined : compares(at, filter.operator, filter.operand);
}

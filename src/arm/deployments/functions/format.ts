/** Composite formatting as `format()` does it: `{0}`, `{0,8}`, `{0:N2}`, doubled braces; numbers by .NET's rules. */
import { isArray, isObject, type Json } from "../../json.ts";
import { refuse, toText } from "./arguments.ts";

const widthMax = 1000;

/** Replaces the placeholders of `template`. Throws `ExpressionError` for a missing value or a stray brace. */
export function formatText(name: string, template: string, values: readonly Json[]): string {
  return template.replace(
    /\{\{|\}\}|\{(\d{1,4})(?:,(-?\d{1,5}))?(?::([^{}]*))?\}|[{}]/g,
    (match, index: string | undefined, width: string | undefined, specifier: string | undefined) => {
      if (match === "{{") return "{";
      if (match === "}}") return "}";
      if (index === undefined) throw refuse(name, "the format is invalid: a brace stands alone");
      const value = values[Number(index)];
      if (value === undefined) {
        throw refuse(
          name,
          `the format is invalid: 'Index (zero based) must be greater than or equal to zero and less than the size of the argument list.'`,
        );
      }
      return align(formatValue(name, value, specifier), Number(width ?? 0), name);
    },
  );
}

function align(text: string, width: number, name: string): string {
  if (Math.abs(width) > widthMax) throw refuse(name, `the width must be at most ${widthMax}`);
  return width < 0 ? text.padEnd(-width) : text.padStart(width);
}

function formatValue(name: string, value: Json, specifier: string | undefined): string {
  if (isObject(value) || isArray(value)) return singleQuoted(value);
  if (typeof value !== "number" || specifier === undefined || specifier === "") return toText(value);
  return formatNumber(name, value, specifier);
}

/** Objects inside `format` read as the service writes them, with single quotes. */
function singleQuoted(value: Json): string {
  if (typeof value === "string") return `'${value.replaceAll("'", "\\'")}'`;
  if (isArray(value)) return `[${value.map(singleQuoted).join(",")}]`;
  if (isObject(value)) {
    const members = Object.entries(value).map(([key, each]) => `${singleQuoted(key)}:${singleQuoted(each)}`);
    return `{${members.join(",")}}`;
  }
  return JSON.stringify(value);
}

function formatNumber(name: string, value: number, specifier: string): string {
  if (/^0+$/.test(specifier)) return padDigits(value, specifier.length);
  const match = /^([DNFXGPdnfxgp])(\d{0,2})$/.exec(specifier);
  if (match === null) throw refuse(name, `the number format '${specifier}' is not supported`);
  const kind = match[1] ?? "";
  const digits = match[2] === "" ? undefined : Number(match[2]);
  switch (kind.toUpperCase()) {
    case "D":
      return padDigits(value, digits ?? 1);
    case "N":
      return grouped(value, digits ?? 2);
    case "F":
      return value.toFixed(digits ?? 2);
    case "P":
      return `${grouped(value * 100, digits ?? 2)} %`;
    case "X": {
      const hex = Math.trunc(value)
        .toString(16)
        .padStart(digits ?? 1, "0");
      return kind === "X" ? hex.toUpperCase() : hex;
    }
    default:
      return String(value);
  }
}

function padDigits(value: number, digits: number): string {
  const sign = value < 0 ? "-" : "";
  return sign + Math.abs(Math.round(value)).toString().padStart(digits, "0");
}

function grouped(value: number, digits: number): string {
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

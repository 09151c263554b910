/**
 * Custom date format strings as DateTimeFormat takes them: letters such as `yyyy`, `MM`, `HH`, `fff`, text in quotes
 * or after a backslash, everything else as it stands. Names are the invariant English ones.
 */
import type { DateFields } from "./date-text.ts";

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];

const TOKEN = /\\(.)|'([^']*)'|"([^"]*)"|y+|M+|d+|H+|h+|m+|s+|f{1,7}|F{1,7}|t+|z+|K|[\s\S]/g;

/** `fields` in the form of `pattern`; `weekday` counts from Sunday = 0. Times are UTC. */
export function formatCustom(fields: DateFields, weekday: number, pattern: string): string {
  return pattern.replaceAll(TOKEN, (token: string, escaped?: string, single?: string, double?: string) => {
    return escaped ?? single ?? double ?? specifier(fields, weekday, token);
  });
}

function specifier(fields: DateFields, weekday: number, token: string): string {
  const width = token.length;
  switch (token[0]) {
    case "y":
      return width <= 2 ? pad(fields.year % 100, width) : pad(fields.year, width);
    case "M":
      return named(MONTHS[fields.month - 1] ?? "", fields.month, width);
    case "d":
      return named(DAYS[weekday] ?? "", fields.day, width);
    case "H":
      return pad(fields.hour, width);
    case "h":
      return pad(fields.hour % 12 === 0 ? 12 : fields.hour % 12, width);
    case "m":
      return pad(fields.minute, width);
    case "s":
      return pad(fields.second, width);
    case "f":
      return fraction(fields, width);
    case "F":
      return fraction(fields, width).replace(/0+$/, "");
    case "t":
      return (fields.hour < 12 ? "AM" : "PM").slice(0, width);
    case "z":
      return ["+0", "+00"][width - 1] ?? "+00:00";
    case "K":
      return "Z";
    default:
      return token;
  }
}

function pad(value: number, width: number): string {
  return String(value).padStart(Math.min(width, 9), "0");
}

/** One or two letters give the number, three the short name, more the full name. */
function named(name: string, value: number, width: number): string {
  if (width <= 2) return pad(value, width);
  return width === 3 ? name.slice(0, 3) : name;
}

function fraction(fields: DateFields, width: number): string {
  return String(fields.fraction).padStart(7, "0").slice(0, width);
}

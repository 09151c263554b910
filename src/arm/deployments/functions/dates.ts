/** Template functions over dates: ISO 8601 text in, .NET date formats and ISO 8601 durations. */
import type { Json } from "../../json.ts";
import { type FunctionTable, integer, refuse, text } from "./arguments.ts";

const formatLengthMax = 200;
const months = "January,February,March,April,May,June,July,August,September,October,November,December".split(
  ",",
);
const days = "Sunday,Monday,Tuesday,Wednesday,Thursday,Friday,Saturday".split(",");

function pad(value: number, length: number): string {
  return String(value).padStart(length, "0");
}

const standardFormats: Readonly<Record<string, string>> = {
  d: "MM/dd/yyyy",
  D: "dddd, dd MMMM yyyy",
  o: "yyyy-MM-ddTHH:mm:ss.fffffffZ",
  O: "yyyy-MM-ddTHH:mm:ss.fffffffZ",
  r: "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
  R: "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
  s: "yyyy-MM-ddTHH:mm:ss",
  t: "HH:mm",
  T: "HH:mm:ss",
  u: "yyyy-MM-dd HH:mm:ssZ",
  y: "yyyy MMMM",
  Y: "yyyy MMMM",
};

/** Formats UTC time `milliseconds` by a .NET standard letter or custom pattern. */
export function formatDate(milliseconds: number, format: string): string {
  const pattern = standardFormats[format] ?? format;
  const date = new Date(milliseconds);
  return pattern.replace(
    /'([^']*)'|y{1,4}|M{1,4}|d{1,4}|H{1,2}|h{1,2}|m{1,2}|s{1,2}|f{1,7}|t{1,2}|zzz|K/g,
    (token, literal: string | undefined) => literal ?? formatToken(date, token),
  );
}

function formatToken(date: Date, token: string): string {
  const length = token.length;
  switch (token.charAt(0)) {
    case "y":
      return length <= 2 ? pad(date.getUTCFullYear() % 100, length) : pad(date.getUTCFullYear(), 4);
    case "M": {
      const name = months[date.getUTCMonth()] ?? "";
      if (length > 2) return length === 3 ? name.slice(0, 3) : name;
      return pad(date.getUTCMonth() + 1, length);
    }
    case "d": {
      const name = days[date.getUTCDay()] ?? "";
      if (length > 2) return length === 3 ? name.slice(0, 3) : name;
      return pad(date.getUTCDate(), length);
    }
    case "H":
      return pad(date.getUTCHours(), length);
    case "h":
      return pad(date.getUTCHours() % 12 === 0 ? 12 : date.getUTCHours() % 12, length);
    case "m":
      return pad(date.getUTCMinutes(), length);
    case "s":
      return pad(date.getUTCSeconds(), length);
    case "f":
      return pad(date.getUTCMilliseconds(), 3).padEnd(7, "0").slice(0, length);
    case "t":
      return (date.getUTCHours() < 12 ? "AM" : "PM").slice(0, length);
    default:
      return token === "zzz" ? "+00:00" : "Z";
  }
}

/** The format of `utcNow()` and of sums of dates when none is given. */
export const compactFormat = "yyyyMMddTHHmmssZ";

function parseDate(name: string, source: string): number {
  const compact = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/.exec(source);
  const iso =
    compact === null ? source : source.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, "$1-$2-$3T$4:$5:$6Z");
  const zoned = /(Z|[+-]\d{2}:\d{2})$/i.test(iso) || !iso.includes(":") ? iso : `${iso.replace(" ", "T")}Z`;
  const time = Date.parse(zoned.replace(/^(\d{4}-\d{2}-\d{2}) /, "$1T"));
  if (Number.isNaN(time)) throw refuse(name, "the value is not a date and time");
  return time;
}

function addDuration(name: string, time: number, duration: string): number {
  const match =
    /^(-)?P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(
      duration,
    );
  if (match === null || /[PT]$/.test(duration)) throw refuse(name, "the duration is not valid ISO 8601");
  const sign = match[1] === undefined ? 1 : -1;
  const [years, monthCount, weeks, dayCount, hours, minutes, seconds] = match
    .slice(2)
    .map((part: string | undefined) => sign * Number(part ?? 0));
  const date = new Date(time);
  date.setUTCFullYear(date.getUTCFullYear() + (years ?? 0), date.getUTCMonth() + (monthCount ?? 0));
  const whole = ((weeks ?? 0) * 7 + (dayCount ?? 0)) * 86_400 + (hours ?? 0) * 3600 + (minutes ?? 0) * 60;
  const sum = date.getTime() + (whole + (seconds ?? 0)) * 1000;
  return checkedTime(name, sum);
}

function checkedTime(name: string, time: number): number {
  if (Number.isNaN(new Date(time).getTime())) throw refuse(name, "the result is out of range");
  return time;
}

function format(name: string, values: readonly Json[], index: number, otherwise: string): string {
  if (values.length <= index) return otherwise;
  const given = text(name, values, index);
  if (given.length > formatLengthMax) throw refuse(name, "the format is too long");
  return given;
}

export const dateFunctions: FunctionTable = {
  datetimeadd: {
    min: 2,
    max: 3,
    run: (values, _, name) => {
      const sum = addDuration(name, parseDate(name, text(name, values, 0)), text(name, values, 1));
      return formatDate(sum, format(name, values, 2, "yyyy-MM-ddTHH:mm:ssZ"));
    },
  },
  datetimefromepoch: {
    min: 1,
    max: 1,
    run: (values, _, name) =>
      formatDate(checkedTime(name, integer(name, values, 0) * 1000), "yyyy-MM-ddTHH:mm:ssZ"),
  },
  datetimetoepoch: {
    min: 1,
    max: 1,
    run: (values, _, name) => Math.floor(parseDate(name, text(name, values, 0)) / 1000),
  },
};

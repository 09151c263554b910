/**
 * Date and time functions over ISO 8601 text, ticks (100 ns since 1970) and timestamps (milliseconds since 1970).
 */
import type { Value } from "../values.ts";
import { formatCustom } from "./date-format.ts";
import {
  type DateFields,
  daysInMonth,
  fieldsOf,
  floorDivide,
  formatDateTime,
  inRange,
  parseDateTime,
  TICKS_PER_DAY,
  TICKS_PER_MILLISECOND,
  ticksOf,
} from "./date-text.ts";
import { type BuiltIn, contextual, type FunctionContext, pure } from "./signature.ts";

type Part =
  | "year"
  | "month"
  | "day"
  | "hour"
  | "minute"
  | "second"
  | "millisecond"
  | "microsecond"
  | "nanosecond";

const PARTS: ReadonlyMap<string, Part> = new Map(
  (
    [
      ["year", "yyyy", "yy"],
      ["month", "mm", "m"],
      ["day", "dd", "d"],
      ["hour", "hh"],
      ["minute", "mi", "n"],
      ["second", "ss", "s"],
      ["millisecond", "ms"],
      ["microsecond", "mcs"],
      ["nanosecond", "ns"],
    ] as const
  ).flatMap((names) => names.map((name) => [name, names[0]] as const)),
);

/** Nanoseconds of the parts that have a fixed length. */
const NANOSECONDS: Readonly<Record<Exclude<Part, "year" | "month">, bigint>> = {
  day: TICKS_PER_DAY * 100n,
  hour: 3_600_000_000_000n,
  minute: 60_000_000_000n,
  second: 1_000_000_000n,
  millisecond: 1_000_000n,
  microsecond: 1_000n,
  nanosecond: 1n,
};

const FIRST_BIN_YEAR = 1601;

function partNamed(name: Value): Part | undefined {
  return typeof name === "string" ? PARTS.get(name.toLowerCase()) : undefined;
}

function whole(value: Value): number | undefined {
  return Number.isSafeInteger(value) ? Number(value) : undefined;
}

function text(ticks: bigint | undefined): Value {
  return ticks === undefined ? undefined : formatDateTime(ticks);
}

/** `ticks` moved by `count` parts; a day that the new month lacks becomes its last day. */
function shift(part: Part, count: number, ticks: bigint): bigint | undefined {
  if (part !== "year" && part !== "month") return inRange(ticks + (BigInt(count) * NANOSECONDS[part]) / 100n);
  const fields = fieldsOf(ticks);
  const months = fields.year * 12 + fields.month - 1 + (part === "year" ? count * 12 : count);
  const year = Math.floor(months / 12);
  const month = months - year * 12 + 1;
  return ticksOf({ ...fields, year, month, day: Math.min(fields.day, daysInMonth(year, month)) });
}

function add(...[name, count, date]: Value[]): Value {
  const part = partNamed(name);
  const by = whole(count);
  const ticks = parseDateTime(date);
  if (part === undefined || by === undefined || ticks === undefined) return undefined;
  return text(shift(part, by, ticks));
}

/** Boundaries of the part crossed between two dates, negative backwards. */
function difference(...[name, from, to]: Value[]): Value {
  const part = partNamed(name);
  const start = parseDateTime(from);
  const end = parseDateTime(to);
  if (part === undefined || start === undefined || end === undefined) return undefined;
  if (part === "year" || part === "month") {
    const first = fieldsOf(start);
    const last = fieldsOf(end);
    const years = last.year - first.year;
    return part === "year" ? years : years * 12 + last.month - first.month;
  }
  const length = NANOSECONDS[part];
  return Number(floorDivide(end * 100n, length) - floorDivide(start * 100n, length));
}

function partOf(...[name, date]: Value[]): Value {
  const part = partNamed(name);
  const ticks = parseDateTime(date);
  if (part === undefined || ticks === undefined) return undefined;
  const fields = fieldsOf(ticks);
  switch (part) {
    case "millisecond":
      return Math.floor(fields.fraction / 10_000);
    case "microsecond":
      return Math.floor(fields.fraction / 10);
    case "nanosecond":
      return fields.fraction * 100;
    default:
      return fields[part];
  }
}

/** The start of the bin of `size` parts, counted from an origin, that holds the date. */
function bin(...args: Value[]): Value {
  const ticks = parseDateTime(args[0]);
  const part = partNamed(args[1]);
  const size = args.length > 2 ? whole(args[2]) : 1;
  const origin = args.length > 3 ? parseDateTime(args[3]) : 0n;
  if (ticks === undefined || part === undefined || size === undefined || origin === undefined)
    return undefined;
  if (part === "year" || part === "month" || size <= 0 || fieldsOf(origin).year < FIRST_BIN_YEAR)
    return undefined;
  const length = NANOSECONDS[part] * BigInt(size);
  const offset = floorDivide((ticks - origin) * 100n, length) * length;
  return text(origin + floorDivide(offset, 100n));
}

function fromParts(...args: Value[]): Value {
  const numbers = args.map(whole);
  if (numbers.some((number) => number === undefined)) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, fraction = 0] = numbers;
  return text(ticksOf({ year, month, day, hour, minute, second, fraction }));
}

function toTimestamp(date: Value): Value {
  const ticks = parseDateTime(date);
  return ticks === undefined ? undefined : Number(floorDivide(ticks, TICKS_PER_MILLISECOND));
}

function fromTimestamp(timestamp: Value): Value {
  const milliseconds = whole(timestamp);
  return milliseconds === undefined ? undefined : text(BigInt(milliseconds) * TICKS_PER_MILLISECOND);
}

function format(...[date, pattern]: Value[]): Value {
  const ticks = parseDateTime(date);
  if (ticks === undefined || typeof pattern !== "string") return undefined;
  const weekday = Number((floorDivide(ticks, TICKS_PER_DAY) + 4n) % 7n);
  return formatCustom(fieldsOf(ticks), (weekday + 7) % 7, pattern);
}

function field(name: string, part: keyof DateFields): BuiltIn {
  return pure(name, 1, 1, (date) => {
    const ticks = parseDateTime(date);
    return ticks === undefined ? undefined : fieldsOf(ticks)[part];
  });
}

function ticksNow(milliseconds: number): bigint {
  return BigInt(Math.floor(milliseconds)) * TICKS_PER_MILLISECOND;
}

/** A clock function in two forms: read at each row, or fixed for the execution and so a constant. */
function clock(name: string, read: (milliseconds: number) => Value): BuiltIn[] {
  return [
    contextual(name, [0, 0], false, (context) => () => read(context.now())),
    contextual(`${name}Static`, [0, 0], true, (context) => () => read(context.startedAt)),
  ];
}

function ticksClock(name: string, steady: boolean, read: (context: FunctionContext) => number): BuiltIn {
  const make = (context: FunctionContext) => (): bigint => ticksNow(read(context));
  return { name, minimum: 0, maximum: 0, body: { kind: "toInt64", steady, make } };
}

function ago(context: FunctionContext): (...args: Value[]) => Value {
  return (name, count) => {
    const part = partNamed(name);
    const by = whole(count);
    return part === undefined || by === undefined
      ? undefined
      : text(shift(part, -by, ticksNow(context.now())));
  };
}

export const dateFunctions: readonly BuiltIn[] = [
  contextual("Ago", [2, 2], false, ago),
  pure("DateTimeAdd", 3, 3, add),
  pure("DateTimeBin", 2, 4, bin),
  pure("DateTimeDiff", 3, 3, difference),
  pure("DateTimeFormat", 2, 2, format),
  pure("DateTimeFromParts", 3, 7, fromParts),
  pure("DateTimePart", 2, 2, partOf),
  {
    name: "DateTimeToTicks",
    minimum: 1,
    maximum: 1,
    body: { kind: "toInt64", steady: true, make: () => parseDateTime },
  },
  pure("DateTimeToTimestamp", 1, 1, toTimestamp),
  field("Day", "day"),
  ...clock("GetCurrentDateTime", (milliseconds) => text(ticksNow(milliseconds))),
  ticksClock("GetCurrentTicks", false, (context) => context.now()),
  ticksClock("GetCurrentTicksStatic", true, (context) => context.startedAt),
  ...clock("GetCurrentTimestamp", (milliseconds) => Math.floor(milliseconds)),
  field("Month", "month"),
  contextual("Now", [0, 0], false, (context) => () => text(ticksNow(context.now()))),
  { name: "TicksToDateTime", minimum: 1, maximum: 1, body: { kind: "fromInt64", call: text } },
  pure("TimestampToDateTime", 1, 1, fromTimestamp),
  field("Year", "year"),
];

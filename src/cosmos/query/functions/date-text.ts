/**
 * Date-time text and its exact value. The language counts in ticks of 100 ns since 1970 as 64-bit integers, which
 * doubles cannot hold, so this file works in bigint.
 */
import type { Value } from "../values.ts";

export const TICKS_PER_MILLISECOND = 10_000n;
const TICKS_PER_SECOND = 10_000_000n;
export const TICKS_PER_DAY = 864_000_000_000n;

/** 0001-01-01 and the last tick of 9999, the range of the service's date type. */
const TICKS_MIN = -621_355_968_000_000_000n;
const TICKS_MAX = 2_534_023_007_999_999_999n;

const TEXT =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,7})\d*)?)?(Z|[+-]\d{2}:\d{2})?)?$/;

/** Calendar fields; `fraction` counts 100 ns within the second. */
export interface DateFields {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly fraction: number;
}

/** Ticks of `YYYY-MM-DD[Thh:mm[:ss[.fffffff]][Z]]` (a space may stand for the T), or undefined for other text. */
export function parseDateTime(value: Value): bigint | undefined {
  if (typeof value !== "string" || value.length > 40) return undefined;
  const found = TEXT.exec(value);
  if (found === null) return undefined;
  const part = (index: number): number => Number(found[index] ?? "0");
  const fraction = Number((found[7] ?? "").padEnd(7, "0"));
  const ticks = ticksOf({
    year: part(1),
    month: part(2),
    day: part(3),
    hour: part(4),
    minute: part(5),
    second: part(6),
    fraction,
  });
  const zone = found[8];
  if (ticks === undefined || zone === undefined || zone === "Z") return ticks;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6));
  return inRange(ticks - BigInt(zone.startsWith("-") ? -minutes : minutes) * 60n * TICKS_PER_SECOND);
}

/** Ticks of calendar fields, or undefined when a field is out of its range (also 30 February). */
export function ticksOf(fields: DateFields): bigint | undefined {
  const { year, month, day, hour, minute, second, fraction } = fields;
  if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month))
    return undefined;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return undefined;
  if (fraction < 0 || fraction > 9_999_999) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  return BigInt(date.getTime()) * TICKS_PER_MILLISECOND + BigInt(fraction);
}

export function daysInMonth(year: number, month: number): number {
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0;
}

/** `ticks` when they are a date of the years 1 to 9999. */
export function inRange(ticks: bigint): bigint | undefined {
  return ticks >= TICKS_MIN && ticks <= TICKS_MAX ? ticks : undefined;
}

/** Calendar fields of ticks in range. */
export function fieldsOf(ticks: bigint): DateFields {
  const seconds = floorDivide(ticks, TICKS_PER_SECOND);
  const date = new Date(Number(seconds) * 1000);
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    fraction: Number(ticks - seconds * TICKS_PER_SECOND),
  };
}

/** `YYYY-MM-DDThh:mm:ss.fffffffZ`, undefined out of range. */
export function formatDateTime(ticks: bigint): string | undefined {
  if (inRange(ticks) === undefined) return undefined;
  const { year, month, day, hour, minute, second, fraction } = fieldsOf(ticks);
  const date = `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}`;
  return `${date}T${pad(hour, 2)}:${pad(minute, 2)}:${pad(second, 2)}.${pad(fraction, 7)}Z`;
}

function pad(value: number, width: number): string {
  return String(value).padStart(width, "0");
}

/** Quotient rounded towards minus infinity. */
export function floorDivide(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor;
  return value % divisor < 0n ? quotient - 1n : quotient;
}

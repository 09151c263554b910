/** Which numbers a job sends, and writing one into the bytes of a request. */
import { type Numbers, numberDigits } from "./job.ts";

export interface NumberSource {
  /** The next number, or undefined when there are none left. */
  next(): number | undefined;
  /** The first number that was not taken, when they go upwards. */
  position(): number;
}

export function numberSource(numbers: Numbers): NumberSource {
  return numbers.kind === "upwards"
    ? upwards(numbers.first, numbers.end)
    : anyOf(numbers.first, numbers.count);
}

function upwards(first: number, end: number | undefined): NumberSource {
  let position = first;
  return {
    next: () => (end === undefined || position < end ? position++ : undefined),
    position: () => position,
  };
}

/** A linear congruential generator (Numerical Recipes): every run asks for the same items in the same scattered order. */
function anyOf(first: number, count: number): NumberSource {
  let state = 12345;
  return {
    next() {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return first + Math.floor((state / 2 ** 32) * count);
    },
    position: () => first,
  };
}

/** Writes the digits of `value` at each of `offsets`. */
export function writeNumber(bytes: Buffer, offsets: readonly number[], value: number): void {
  for (const offset of offsets) {
    let rest = value;
    for (let at = offset + numberDigits - 1; at >= offset; at--) {
      bytes[at] = 0x30 + (rest % 10);
      rest = Math.floor(rest / 10);
    }
  }
}

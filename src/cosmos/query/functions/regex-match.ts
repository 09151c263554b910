/**
 * Runs a regex program over a text. Without back references every (split, position) is explored at most once, so
 * time is linear in program x text; in any case the steps of one search are bounded, and going beyond is an error.
 */
import type { Instruction, Program, RegexProgram } from "./regex-program.ts";

/** Instructions one search may execute; a few tenths of a second at worst. */
const STEPS_MAX = 10_000_000;

/** Steps between two looks at the time. */
const STEPS_BETWEEN_LOOKS = 65_536;

/** Visited states are kept as bits up to this many, beyond that in a hash set. */
const BITS_MAX = 33_554_432;

/** The search took more than `STEPS_MAX` steps. */
export class RegexBudgetError extends Error {
  override readonly name = "RegexBudgetError";
}

interface Machine {
  readonly text: string;
  readonly slots: number[];
  steps: number;
  /** Asked now and then; may throw to end the search. */
  readonly look: () => void;
}

interface Visited {
  /** True the first time a state is seen. */
  enter(split: number, at: number): boolean;
}

/**
 * The leftmost match of `program` in `text` at or after `from`: start and end offsets of every group, -1 for those
 * that took no part. Throws `RegexBudgetError`.
 */
export function searchRegex(
  program: RegexProgram,
  text: string,
  from: number,
  look: () => void = () => {},
): readonly number[] | undefined {
  const machine: Machine = { text, slots: new Array<number>(program.slots).fill(-1), steps: 0, look };
  const visited = program.memoizable ? createVisited(program, text) : undefined;
  for (let start = from; start <= text.length; start++) {
    if (execute(machine, program, start, visited) >= 0)
      return machine.slots.slice(0, (program.groups + 1) * 2);
  }
  return undefined;
}

function createVisited({ splits }: Program, text: string): Visited {
  const width = text.length + 1;
  if (splits * width <= BITS_MAX) {
    const bits = new Uint8Array(((splits * width) >> 3) + 1);
    return {
      enter(split, at) {
        const index = split * width + at;
        const mask = 1 << (index & 7);
        const byte = bits[index >> 3] ?? 0;
        bits[index >> 3] = byte | mask;
        return (byte & mask) === 0;
      },
    };
  }
  return createSparse(text);
}

/** For nested programs, which run often over few states. */
function createSparse(text: string): Visited {
  const width = text.length + 1;
  const seen = new Set<number>();
  return {
    enter(split, at) {
      const size = seen.size;
      return seen.add(split * width + at).size > size;
    },
  };
}

/**
 * Runs `program` at `start` and returns the end of its match, or -1. `slots` hold the groups of the match. With
 * `end` the match must stop exactly there.
 */
function execute(
  machine: Machine,
  program: Program,
  start: number,
  visited: Visited | undefined,
  end = -1,
): number {
  const { slots } = machine;
  /** Pending alternatives (pc, position) and undone saves (-1 - slot, old value), newest last. */
  const stack: number[] = [];
  let pc = 0;
  let at = start;
  for (;;) {
    if (++machine.steps > STEPS_MAX) throw new RegexBudgetError();
    if (machine.steps % STEPS_BETWEEN_LOOKS === 0) machine.look();
    const instruction = program.code[pc] ?? MATCH;
    let failed = false;
    switch (instruction.kind) {
      case "match":
        if (end < 0 || at === end) return at;
        failed = true;
        break;
      case "split":
        if (visited !== undefined && !visited.enter(instruction.index, at)) failed = true;
        else {
          stack.push(instruction.second, at);
          pc = instruction.first;
        }
        break;
      case "jump":
        pc = instruction.to;
        break;
      case "save":
        stack.push(-1 - instruction.slot, slots[instruction.slot] ?? -1);
        slots[instruction.slot] = at;
        pc++;
        break;
      case "progress":
        failed = visited === undefined && slots[instruction.slot] === at;
        pc++;
        break;
      default: {
        const reached = consume(machine, instruction, at, stack);
        if (reached < 0) failed = true;
        else at = reached;
        pc++;
      }
    }
    if (!failed) continue;
    const resumed = backtrack(stack, slots);
    if (resumed === undefined) return -1;
    [pc, at] = resumed;
  }
}

type Test = Extract<Instruction, { kind: "one" | "assert" | "look" | "atomic" | "reference" }>;

/** Where the text stands after what `instruction` asks for, or -1 when that is not there. */
function consume(machine: Machine, instruction: Test, at: number, stack: number[]): number {
  switch (instruction.kind) {
    case "one": {
      const code = machine.text.codePointAt(at);
      if (code === undefined || !instruction.accepts(code)) return -1;
      return at + (code > 0xffff ? 2 : 1);
    }
    case "assert":
      return instruction.holds(machine.text, at) ? at : -1;
    case "look":
      return looksLike(machine, instruction, at) === instruction.negated ? -1 : at;
    case "atomic":
      return executeInside(machine, instruction.program, at, stack);
    case "reference": {
      const length = referenceLength(machine, instruction.group, instruction.ignoreCase, at);
      return length < 0 ? -1 : at + length;
    }
  }
}

const MATCH: Instruction = { kind: "match" };

/** Undoes saves down to the last alternative and takes it. */
function backtrack(stack: number[], slots: number[]): readonly [number, number] | undefined {
  for (;;) {
    const value = stack.pop();
    const target = stack.pop();
    if (value === undefined || target === undefined) return undefined;
    if (target >= 0) return [target, value];
    slots[-1 - target] = value;
  }
}

/** Runs a nested program once; its groups stay set, and are undone when the outer program backs up. */
function executeInside(machine: Machine, program: Program, at: number, stack: number[]): number {
  const before = machine.slots.slice();
  const visited = program.memoizable ? createSparse(machine.text) : undefined;
  const reached = execute(machine, program, at, visited);
  if (reached < 0) return reached;
  for (const [slot, value] of before.entries())
    if (machine.slots[slot] !== value) stack.push(-1 - slot, value);
  return reached;
}

function looksLike(machine: Machine, look: { program: Program; behind: boolean }, at: number): boolean {
  const { program, behind } = look;
  const before = machine.slots.slice();
  let found = false;
  for (let start = at; start >= (behind ? 0 : at) && !found; start--) {
    const visited = program.memoizable ? createSparse(machine.text) : undefined;
    found = execute(machine, program, start, visited, behind ? at : -1) >= 0;
  }
  for (const [slot, value] of before.entries()) machine.slots[slot] = value;
  return found;
}

/** The length of the group's text when it stands at `at` again, else -1. */
function referenceLength(machine: Machine, group: number, ignoreCase: boolean, at: number): number {
  const from = machine.slots[group * 2] ?? -1;
  const to = machine.slots[group * 2 + 1] ?? -1;
  if (from < 0 || to < from) return -1;
  machine.steps += to - from;
  const wanted = machine.text.slice(from, to);
  const found = machine.text.slice(at, at + wanted.length);
  const same = ignoreCase ? found.toLowerCase() === wanted.toLowerCase() : found === wanted;
  return same ? wanted.length : -1;
}

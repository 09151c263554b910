/**
 * A regular expression tree as a program of small instructions for the matcher. Counted repetitions are written out,
 * so the program's length is bounded.
 */
import type { Matcher } from "./regex-class.ts";
import { type RegexNode, RegexSyntaxError, type RegexTree } from "./regex-syntax.ts";

export type Instruction =
  | { readonly kind: "one"; readonly accepts: Matcher }
  /** Tries `first`, later `second`; `index` numbers the splits of a program. */
  | { readonly kind: "split"; first: number; second: number; readonly index: number }
  | { readonly kind: "jump"; to: number }
  | { readonly kind: "save"; readonly slot: number }
  /** Fails when no character was consumed since the `save` of the same slot: an empty round of a loop. */
  | { readonly kind: "progress"; readonly slot: number }
  | { readonly kind: "assert"; readonly holds: (text: string, at: number) => boolean }
  | { readonly kind: "look"; readonly program: Program; readonly behind: boolean; readonly negated: boolean }
  | { readonly kind: "atomic"; readonly program: Program }
  | { readonly kind: "reference"; readonly group: number; readonly ignoreCase: boolean }
  | { readonly kind: "match" };

export interface Program {
  readonly code: readonly Instruction[];
  readonly splits: number;
  /** True when a state that failed once always fails: no back references and no loop registers decide. */
  readonly memoizable: boolean;
}

export interface RegexProgram extends Program {
  /** Start and end of each group, then one register per loop that may go round without consuming. */
  readonly slots: number;
  readonly groups: number;
}

const LENGTH_MAX = 20_000;

interface Builder {
  readonly shared: { slots: number; length: number; references: boolean };
  readonly code: Instruction[];
  splits: number;
}

/** The program of a whole pattern. Throws `RegexSyntaxError` when it would be too long. */
export function compileRegex({ root, groups }: RegexTree): RegexProgram {
  const shared = { slots: (groups + 1) * 2, length: 0, references: hasReference(root) };
  const program = build(shared, { kind: "group", index: 0, body: root });
  return { ...program, slots: shared.slots, groups };
}

function hasReference(node: RegexNode): boolean {
  switch (node.kind) {
    case "reference":
      return true;
    case "sequence":
      return node.parts.some(hasReference);
    case "choice":
      return node.options.some(hasReference);
    case "repeat":
    case "group":
    case "atomic":
    case "look":
      return hasReference(node.body);
    case "one":
    case "assert":
      return false;
  }
}

function build(shared: Builder["shared"], node: RegexNode): Program {
  const builder: Builder = { shared, code: [], splits: 0 };
  emit(builder, node);
  add(builder, { kind: "match" });
  return { code: builder.code, splits: builder.splits, memoizable: !shared.references };
}

function add(builder: Builder, instruction: Instruction): number {
  if (++builder.shared.length > LENGTH_MAX) throw new RegexSyntaxError("the expression is too long");
  return builder.code.push(instruction) - 1;
}

function emit(builder: Builder, node: RegexNode): void {
  switch (node.kind) {
    case "one":
      add(builder, { kind: "one", accepts: node.accepts });
      return;
    case "sequence":
      for (const part of node.parts) emit(builder, part);
      return;
    case "choice":
      emitChoice(builder, node.options);
      return;
    case "repeat":
      emitRepeat(builder, node);
      return;
    case "group":
      add(builder, { kind: "save", slot: node.index * 2 });
      emit(builder, node.body);
      add(builder, { kind: "save", slot: node.index * 2 + 1 });
      return;
    case "atomic":
      add(builder, { kind: "atomic", program: build(builder.shared, node.body) });
      return;
    case "look": {
      const program = build(builder.shared, node.body);
      add(builder, { kind: "look", program, behind: node.behind, negated: node.negated });
      return;
    }
    case "reference":
      add(builder, { kind: "reference", group: node.group, ignoreCase: node.ignoreCase });
      return;
    case "assert":
      add(builder, { kind: "assert", holds: node.holds });
      return;
  }
}

function split(builder: Builder): { kind: "split"; first: number; second: number; readonly index: number } {
  const instruction = { kind: "split" as const, first: 0, second: 0, index: builder.splits++ };
  add(builder, instruction);
  return instruction;
}

function emitChoice(builder: Builder, options: readonly RegexNode[]): void {
  const exits: { kind: "jump"; to: number }[] = [];
  for (const [i, option] of options.entries()) {
    const fork = i < options.length - 1 ? split(builder) : undefined;
    if (fork !== undefined) fork.first = builder.code.length;
    emit(builder, option);
    if (fork === undefined) break;
    const exit = { kind: "jump" as const, to: 0 };
    add(builder, exit);
    exits.push(exit);
    fork.second = builder.code.length;
  }
  for (const exit of exits) exit.to = builder.code.length;
}

function emitRepeat(
  builder: Builder,
  { body, min, max, greedy }: Extract<RegexNode, { kind: "repeat" }>,
): void {
  for (let i = 0; i < min; i++) emit(builder, body);
  if (max === Number.POSITIVE_INFINITY) {
    emitLoop(builder, body, greedy);
    return;
  }
  const forks: ReturnType<typeof split>[] = [];
  for (let i = min; i < max; i++) {
    const fork = split(builder);
    forks.push(fork);
    if (greedy) fork.first = builder.code.length;
    else fork.second = builder.code.length;
    emit(builder, body);
  }
  for (const fork of forks) {
    if (greedy) fork.second = builder.code.length;
    else fork.first = builder.code.length;
  }
}

function emitLoop(builder: Builder, body: RegexNode, greedy: boolean): void {
  const slot = builder.shared.slots++;
  const start = builder.code.length;
  const fork = split(builder);
  const inside = builder.code.length;
  add(builder, { kind: "save", slot });
  emit(builder, body);
  add(builder, { kind: "progress", slot });
  add(builder, { kind: "jump", to: start });
  const after = builder.code.length;
  fork.first = greedy ? inside : after;
  fork.second = greedy ? after : inside;
}

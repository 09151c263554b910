/** What the marks of a file mean, where the same mark means different things: for the spaces around it. */
import type { Token } from "./lexer.ts";
import type * as syntax from "./syntax.ts";
import { walk } from "./walk.ts";

export interface Roles {
  /** Offsets of marks with a space on both sides at which a long line may be broken: `? :` and `|`. */
  readonly breaks: ReadonlySet<number>;
  /** Offsets of tokens that stand right after the one before. */
  readonly tightBefore: ReadonlySet<number>;
  /** Offsets of tokens that stand right before the one after. */
  readonly tightAfter: ReadonlySet<number>;
}

interface Finder {
  readonly tokens: readonly Token[];
  readonly breaks: Set<number>;
  readonly tightBefore: Set<number>;
  readonly tightAfter: Set<number>;
}

export function rolesOf(tokens: readonly Token[], program: syntax.Program): Roles {
  const finder: Finder = { tokens, breaks: new Set(), tightBefore: new Set(), tightAfter: new Set() };
  for (const token of tokens) ofToken(finder, token);
  walk(program, (node) => {
    ofNode(finder, node);
    return true;
  });
  return finder;
}

function ofToken({ tightBefore, tightAfter }: Finder, token: Token): void {
  switch (token.type) {
    case ".":
    case "::":
    case "string-middle":
      tightBefore.add(token.start);
      tightAfter.add(token.start);
      return;
    case "@":
    case "...":
    case "^":
    case "string-left":
      tightAfter.add(token.start);
      return;
    case ":":
    case "?":
    case "string-right":
      tightBefore.add(token.start);
  }
}

function ofNode(finder: Finder, node: syntax.Node): void {
  switch (node.kind) {
    case "ternary":
      breakAt(finder, node.condition.end, "?");
      breakAt(finder, node.whenTrue.end, ":");
      return;
    case "type-union":
      for (const member of node.members.slice(0, -1)) breakAt(finder, member.end, "|");
      return;
    case "unary":
    case "type-unary":
      finder.tightAfter.add(node.start);
      return;
    case "non-null":
    case "type-non-nullable":
      tight(finder, node.base.end, "!");
      return;
    case "call":
    case "method-call":
      tight(finder, node.name.end, "(");
      return;
    case "func":
      tight(finder, node.name.end, "(");
      return;
    case "index":
    case "type-index":
    case "type-items":
      tight(finder, node.base.end, "[");
      return;
    case "type-array":
      tight(finder, node.item.end, "[");
      return;
    case "member":
      if (node.safe) finder.tightAfter.add(firstFrom(finder, node.base.end, "?")?.start ?? -1);
      return;
    case "type-call": {
      tight(finder, node.name.end, "<");
      finder.tightAfter.add(firstFrom(finder, node.name.end, "<")?.start ?? -1);
      finder.tightBefore.add(node.end - 1);
    }
  }
}

/** The first token of a type at or after an offset. */
function firstFrom({ tokens }: Finder, offset: number, type: Token["type"]): Token | undefined {
  let low = 0;
  let high = tokens.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((tokens[middle]?.start ?? 0) < offset) low = middle + 1;
    else high = middle;
  }
  while (low < tokens.length && tokens[low]?.type !== type) low++;
  return tokens[low];
}

function breakAt(finder: Finder, offset: number, type: Token["type"]): void {
  const token = firstFrom(finder, offset, type);
  if (token === undefined) return;
  finder.breaks.add(token.start);
  finder.tightBefore.delete(token.start);
}

function tight(finder: Finder, offset: number, type: Token["type"]): void {
  const token = firstFrom(finder, offset, type);
  if (token !== undefined) finder.tightBefore.add(token.start);
}

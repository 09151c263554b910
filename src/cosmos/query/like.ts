/**
 * LIKE patterns: `%` any run, `_` any one character, `[abc]`, `[a-f]`, `[^x]` one character of a set, an escape
 * character. Matched by a greedy scan that backs up only to the last `%`, so time is bounded by text x pattern.
 */

type Piece =
  | { readonly kind: "run" }
  | { readonly kind: "one" }
  | { readonly kind: "text"; readonly character: string }
  | {
      readonly kind: "set";
      readonly negated: boolean;
      readonly ranges: readonly (readonly [string, string])[];
    };

/** A matcher of whole texts for `pattern`; `mark`, the escape character, makes the character after it literal. */
export function compileLike(pattern: string, mark: string | undefined): (text: string) => boolean {
  const pieces = parsePieces(pattern, mark);
  const plain = pieces.every((piece) => piece.kind === "text");
  if (plain) {
    const exact = pieces.map((piece) => (piece.kind === "text" ? piece.character : "")).join("");
    return (text) => text === exact;
  }
  return (text) => matches(text, pieces);
}

/** The literal text every match starts with; `exact` when the pattern is nothing but that text. */
export function likePrefix(
  pattern: string,
  mark: string | undefined,
): { readonly prefix: string; readonly exact: boolean } {
  const pieces = parsePieces(pattern, mark);
  let prefix = "";
  for (const piece of pieces) {
    if (piece.kind !== "text") return { prefix, exact: false };
    prefix += piece.character;
  }
  return { prefix, exact: true };
}

function parsePieces(pattern: string, mark: string | undefined): readonly Piece[] {
  const pieces: Piece[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern.charAt(at);
    if (character === mark && at + 1 < pattern.length) {
      pieces.push({ kind: "text", character: pattern.charAt(++at) });
    } else if (character === "%") {
      if (pieces.at(-1)?.kind !== "run") pieces.push({ kind: "run" });
    } else if (character === "_") pieces.push({ kind: "one" });
    else if (character === "[") {
      const close = pattern.indexOf("]", at + 1);
      if (close < 0) pieces.push({ kind: "text", character });
      else {
        pieces.push(parseSet(pattern.slice(at + 1, close)));
        at = close;
      }
    } else pieces.push({ kind: "text", character });
  }
  return pieces;
}

function parseSet(inside: string): Piece {
  const negated = inside.startsWith("^");
  const members = negated ? inside.slice(1) : inside;
  const ranges: (readonly [string, string])[] = [];
  for (let at = 0; at < members.length; at++) {
    const first = members.charAt(at);
    if (members.charAt(at + 1) === "-" && at + 2 < members.length) {
      ranges.push([first, members.charAt(at + 2)]);
      at += 2;
    } else ranges.push([first, first]);
  }
  return { kind: "set", negated, ranges };
}

function matches(text: string, pieces: readonly Piece[]): boolean {
  let at = 0;
  let piece = 0;
  let resumePiece = -1;
  let resumeAt = 0;
  while (at < text.length) {
    const current = pieces[piece];
    if (current?.kind === "run") {
      resumePiece = ++piece;
      resumeAt = at;
    } else if (current !== undefined && accepts(current, text.charAt(at))) {
      piece++;
      at++;
    } else if (resumePiece >= 0) {
      piece = resumePiece;
      at = ++resumeAt;
    } else return false;
  }
  while (pieces[piece]?.kind === "run") piece++;
  return piece === pieces.length;
}

function accepts(piece: Piece, character: string): boolean {
  switch (piece.kind) {
    case "run":
    case "one":
      return true;
    case "text":
      return piece.character === character;
    case "set":
      return piece.ranges.some(([low, high]) => low <= character && character <= high) !== piece.negated;
  }
}

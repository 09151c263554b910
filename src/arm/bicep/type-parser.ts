/** Type expressions: names and their members, literals, objects, tuples, arrays, unions and nullability. */
import {
  parseArrowBody,
  parseCommaElements,
  parseElements,
  parseExpression,
  parseInteger,
  parseParenthesisList,
  parseString,
  singleItem,
} from "./expression-parser.ts";
import type { TokenType } from "./lexer.ts";
import type {
  Decorator,
  Expression,
  LocalVariable,
  ObjectType,
  TupleItem,
  TupleType,
  TypedLambda,
  TypeProperty,
  TypeSyntax,
} from "./syntax.ts";
import {
  check,
  checkKeyword,
  expect,
  expectMark,
  fail,
  identifierOrMissing,
  isMissing,
  lastEnd,
  missing,
  nested,
  newlines,
  peek,
  recover,
  type TokenReader,
  take,
  toIdentifier,
} from "./token-reader.ts";

/** Reads the decorators that may stand before a declaration, property or tuple item. */
export type DecoratorParser = (reader: TokenReader) => Decorator[];

export interface TypeContext {
  readonly decorators: DecoratorParser;
}

/** A type, or `resource 'type'`, whose type string may be missing for outputs. */
export function parseType(
  reader: TokenReader,
  context: TypeContext,
  resourceTypeOptional: boolean = false,
): TypeSyntax {
  if (!checkKeyword(reader, "resource") || peek(reader, 1).type === "<") return parseUnion(reader, context);
  const keyword = take(reader);
  if (resourceTypeOptional && !check(reader, "string", "string-left")) {
    return { kind: "type-resource", type: undefined, start: keyword.start, end: keyword.end };
  }
  const type = recover(reader, () => {
    const token = peek(reader);
    const text = check(reader, "string", "string-left") ? parseString(reader) : fail(token, "BCP068");
    return text.kind === "skipped" ? fail(token, "BCP068") : text;
  }, ["=", "newline"]);
  return { kind: "type-resource", type, start: keyword.start, end: lastEnd(reader) };
}

function atPipe(reader: TokenReader): boolean {
  return check(reader, "|") || (check(reader, "newline") && peek(reader, 1).type === "|");
}

function parseUnion(reader: TokenReader, context: TypeContext): TypeSyntax {
  return nested(reader, () => {
    const start = peek(reader).start;
    const leads = atPipe(reader);
    if (leads) {
      newlines(reader);
      take(reader);
    }
    const first = parseSuffixed(reader, context);
    if (!leads && !atPipe(reader)) return first;
    const members = [first];
    while (atPipe(reader)) {
      newlines(reader);
      take(reader);
      if (check(reader, "newline")) members.push(missing(reader, "BCP300"));
      else members.push(recover(reader, () => parseSuffixed(reader, context), []));
    }
    return { kind: "type-union", members, start, end: lastEnd(reader) };
  });
}

/** A type with any number of `?` and `!` after it. */
function parseSuffixed(reader: TokenReader, context: TypeContext): TypeSyntax {
  let base = parseUnaryType(reader, context);
  for (;;) {
    if (check(reader, "?")) {
      const mark = take(reader);
      base = { kind: "type-nullable", base, start: base.start, end: mark.end };
    } else if (check(reader, "!")) {
      const mark = take(reader);
      base = { kind: "type-non-nullable", base, start: base.start, end: mark.end };
    } else return base;
  }
}

const operandEnds: readonly TokenType[] = ["string-right", "}", ")", "]", "newline"];

function parseUnaryType(reader: TokenReader, context: TypeContext): TypeSyntax {
  const { type, start } = peek(reader);
  if (type !== "!" && type !== "-" && type !== "+") return parseMemberType(reader, context);
  take(reader);
  const operand = recover(reader, () => parseMemberType(reader, context), operandEnds);
  return { kind: "type-unary", operator: type, operand, start, end: lastEnd(reader) };
}

function parseMemberType(reader: TokenReader, context: TypeContext): TypeSyntax {
  let base = parsePrimaryType(reader, context);
  for (;;) {
    if (check(reader, "[")) base = parseBrackets(reader, base);
    else if (check(reader, ".")) base = parseTypeDot(reader, base, context);
    else return base;
  }
}

function parseBrackets(reader: TokenReader, base: TypeSyntax): TypeSyntax {
  take(reader);
  const { start } = base;
  if (check(reader, "]")) return { kind: "type-array", item: base, start, end: take(reader).end };
  if (check(reader, "*")) {
    take(reader);
    return { kind: "type-items", base, start, end: expectMark(reader, "]").end };
  }
  const index = parseExpression(reader, { complex: false });
  return { kind: "type-index", base, index, start, end: expectMark(reader, "]").end };
}

function parseTypeDot(reader: TokenReader, base: TypeSyntax, context: TypeContext): TypeSyntax {
  take(reader);
  const { start } = base;
  if (check(reader, "*")) return { kind: "type-additional", base, start, end: take(reader).end };
  const name = identifierOrMissing(reader, "BCP020");
  if (!check(reader, "<")) return { kind: "type-member", base, name, start, end: name.end };
  const values = parseTypeArguments(reader, context);
  return { kind: "type-call", base, name, arguments: values, start, end: lastEnd(reader) };
}

function parseTypeArguments(reader: TokenReader, context: TypeContext): TypeSyntax[] {
  expectMark(reader, "<");
  const values = parseCommaElements(reader, ">", () =>
    recover(reader, () => parseUnion(reader, context), ["newline", ",", ">"]),
  );
  if (check(reader, ">")) take(reader);
  else missing(reader, "BCP018", ">");
  return values;
}

function parsePrimaryType(reader: TokenReader, context: TypeContext): TypeSyntax {
  const token = peek(reader);
  const { start, end } = token;
  switch (token.type) {
    case "integer": {
      const value = parseInteger(reader);
      return { kind: "type-literal", literal: { kind: "integer", value, start, end }, start, end };
    }
    case "true":
    case "false":
      take(reader);
      return {
        kind: "type-literal",
        literal: { kind: "boolean", value: token.type === "true", start, end },
        start,
        end,
      };
    case "null":
      take(reader);
      return { kind: "type-literal", literal: { kind: "null", start, end }, start, end };
    case "string":
    case "string-left": {
      const literal = parseString(reader);
      if (literal.kind === "skipped") return literal;
      return { kind: "type-literal", literal, start: literal.start, end: literal.end };
    }
    case "{":
      return parseObjectType(reader, context);
    case "[":
      return parseTupleType(reader, context);
    case "(": {
      const content = parseParenthesisList(reader, () => parseUnion(reader, context), false);
      return { kind: "type-parenthesized", inner: singleItem(reader, content), ...content.span };
    }
    case "identifier":
      return parseTypeName(reader, context);
    default:
      return fail(token, "BCP279");
  }
}

function parseTypeName(reader: TokenReader, context: TypeContext): TypeSyntax {
  const token = expect(reader, "identifier", "BCP325");
  const name = toIdentifier(token);
  if (!check(reader, "<")) return { kind: "type-variable", name, start: token.start, end: token.end };
  const values = parseTypeArguments(reader, context);
  return {
    kind: "type-call",
    base: undefined,
    name,
    arguments: values,
    start: token.start,
    end: lastEnd(reader),
  };
}

function parseObjectType(reader: TokenReader, context: TypeContext): ObjectType {
  const open = expectMark(reader, "{");
  const properties = parseElements(reader, "}", () => parseTypeProperty(reader, context));
  const close = expectMark(reader, "}");
  return { kind: "type-object", properties, start: open.start, end: close.end };
}

function parseTypeProperty(reader: TokenReader, context: TypeContext): TypeProperty {
  const start = peek(reader).start;
  const decorators = context.decorators(reader);
  const parsed = recover(reader, () => parseTypeKey(reader), [":", "newline", "}"]);
  const key = "key" in parsed ? parsed.key : parsed;
  const absent = key !== undefined && isMissing(key);
  const colon = recover(reader, () => expectMark(reader, ":"), ["newline", "}"], { quiet: absent });
  const value = recover(reader, () => parseUnion(reader, context), ["newline", "}"], {
    quiet: "kind" in colon && isMissing(colon),
  });
  return { kind: "type-property", decorators, key, value, start, end: Math.max(start, lastEnd(reader)) };
}

function parseTypeKey(reader: TokenReader): { readonly key: TypeProperty["key"] } {
  const token = peek(reader);
  if (token.type === "identifier") return { key: toIdentifier(take(reader)) };
  if (token.type === "*") {
    take(reader);
    return { key: undefined };
  }
  if (token.type !== "string" && token.type !== "string-left") return fail(token, "BCP317");
  const key = parseString(reader);
  return key.kind === "skipped" ? fail(token, "BCP022") : { key };
}

function parseTupleType(reader: TokenReader, context: TypeContext): TupleType {
  const open = expectMark(reader, "[");
  const items = parseElements(reader, "]", (): TupleItem => {
    const start = peek(reader).start;
    let decorators: readonly Decorator[] = [];
    const value = recover(reader, () => {
      decorators = context.decorators(reader);
      return parseUnion(reader, context);
    }, ["newline", "]"]);
    return { kind: "type-tuple-item", decorators, value, start, end: Math.max(start, lastEnd(reader)) };
  });
  const close = expectMark(reader, "]");
  return { kind: "type-tuple", items, start: open.start, end: close.end };
}

/** The parameters, result type and body of a user-defined function. */
export function parseTypedLambda(reader: TokenReader, context: TypeContext): TypedLambda {
  const ends: readonly TokenType[] = ["newline", ")"];
  const { items, span } = parseParenthesisList(reader, () => parseTypedLocal(reader, context), true);
  const returns = recover(reader, () => parseType(reader, context), ends);
  const arrow = recover(reader, () => expectMark(reader, "=>"), ends);
  const body: Expression =
    "kind" in arrow ? recover(reader, () => parseExpression(reader), ends) : parseArrowBody(reader);
  const parameters = items.filter((item) => item.kind === "local");
  return { kind: "typed-lambda", parameters, returns, body, start: span.start, end: lastEnd(reader) };
}

function parseTypedLocal(reader: TokenReader, context: TypeContext): LocalVariable {
  const name = identifierOrMissing(reader, "BCP015");
  const type = recover(reader, () => parseType(reader, context), ["newline", ",", ")"]);
  return { kind: "local", name, type, start: name.start, end: lastEnd(reader) };
}

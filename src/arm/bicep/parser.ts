/**
 * The declarations of `.bicep` and `.bicepparam` files. A declaration that cannot be parsed is skipped to the end of
 * its line, so one run finds the faults of the whole file.
 */
import { type Reporter, report } from "./diagnostics.ts";
import {
  type Allowed,
  parseArguments,
  parseElements,
  parseExpression,
  parseFor,
  parseIf,
  parseObject,
  parseString,
} from "./expression-parser.ts";
import { type LexedFile, lex, type Token } from "./lexer.ts";
import type {
  Decorator,
  Expression,
  Identifier,
  ImportDeclaration,
  ImportItem,
  MissingDeclaration,
  ModuleDeclaration,
  ParameterDeclaration,
  Program,
  ResourceDeclaration,
  Skipped,
  Statement,
  StringLiteral,
} from "./syntax.ts";
import {
  atEnd,
  check,
  checkKeyword,
  expect,
  expectKeyword,
  expectMark,
  fail,
  identifier,
  identifierOrMissing,
  identifierWithRecovery,
  isKeyword,
  isMissing,
  lastEnd,
  missing,
  NestedTooDeeply,
  newlines,
  note,
  peek,
  peekBeyondLines,
  recover,
  reportProblems,
  type TokenReader,
  take,
  toIdentifier,
} from "./token-reader.ts";
import { parseType, parseTypedLambda, type TypeContext } from "./type-parser.ts";

export type FileKind = "bicep" | "bicepparam";

export interface ParsedFile extends LexedFile {
  readonly program: Program;
}

/** Longer than any template the service accepts. */
export const fileLengthMax = 8_000_000;

export function parseFile(reporter: Reporter, kind: FileKind): ParsedFile {
  const { text } = reporter.source;
  if (text.length > fileLengthMax) {
    report(reporter, "CEL001", { start: 0, end: 0 }, fileLengthMax);
    return { tokens: [], pragmas: [], program: { kind: "program", statements: [], start: 0, end: 0 } };
  }
  const lexed = lex(reporter);
  const reader: TokenReader = { tokens: lexed.tokens, reporter, problems: [], at: 0, depth: 0 };
  const statements: (Statement | Skipped)[] = [];
  try {
    while (!atEnd(reader)) {
      if (check(reader, "newline")) take(reader);
      else statements.push(parseStatement(reader, kind));
    }
  } catch (error) {
    if (!(error instanceof NestedTooDeeply)) throw error;
    reader.problems.length = 0;
    report(reporter, "CEL002", error.at);
  }
  reportProblems(reader);
  return { ...lexed, program: { kind: "program", statements, start: 0, end: text.length } };
}

function parseStatement(reader: TokenReader, kind: FileKind): Statement | Skipped {
  const statement = recover(
    reader,
    () => (kind === "bicep" ? parseDeclaration(reader) : parseParamsDeclaration(reader)),
    ["newline"],
  );
  if (statement.kind === "skipped" || statement.kind === "missing") return statement;
  const ended = () => (atEnd(reader) ? undefined : expect(reader, "newline", "BCP019"));
  recover(reader, () => ended() ?? { kind: "end" }, ["newline"], { consume: true });
  return statement;
}

const context: TypeContext = { decorators: parseDecorators };

function parseDecorators(reader: TokenReader): Decorator[] {
  const decorators: Decorator[] = [];
  while (check(reader, "@")) {
    const at = take(reader);
    const expression = recover(reader, () => parseDecoratorExpression(reader), ["newline"]);
    decorators.push({ kind: "decorator", expression, start: at.start, end: lastEnd(reader) });
    recover(reader, () => expect(reader, "newline", "BCP019"), ["newline"], { consume: true });
    newlines(reader);
  }
  return decorators;
}

function parseDecoratorExpression(reader: TokenReader): Expression {
  const first = identifier(reader, "BCP123");
  let current: Expression = check(reader, "(")
    ? {
        kind: "call",
        name: first,
        arguments: parseArguments(reader, { complex: true }),
        start: first.start,
        end: lastEnd(reader),
      }
    : { kind: "variable", name: first, start: first.start, end: first.end };
  while (check(reader, ".")) {
    take(reader);
    const name = identifierOrMissing(reader, "BCP020");
    const base: Expression = current;
    if (check(reader, "(")) {
      const values = parseArguments(reader, { complex: true });
      current = {
        kind: "method-call",
        base,
        name,
        arguments: values,
        start: base.start,
        end: lastEnd(reader),
      };
    } else current = { kind: "member", base, safe: false, name, start: base.start, end: name.end };
  }
  return current;
}

/** What every declaration begins with; `start` is that of its first decorator. */
interface Opening {
  readonly decorators: readonly Decorator[];
  readonly keyword: Token;
  readonly start: number;
}

type DeclarationParser = (reader: TokenReader, opening: Opening) => Statement;

const declarations: ReadonlyMap<string, DeclarationParser> = new Map<string, DeclarationParser>([
  ["targetScope", parseTargetScope],
  ["metadata", parseMetadata],
  ["param", parseParameter],
  ["type", parseTypeDeclaration],
  ["var", parseVariable],
  ["func", parseFunction],
  ["resource", parseResource],
  ["module", parseModule],
  ["output", parseOutput],
  ["test", parseTest],
  ["assert", parseAssert],
  ["import", parseImport],
  ["extension", parseExtension],
]);

const paramsDeclarations: ReadonlyMap<string, DeclarationParser> = new Map<string, DeclarationParser>([
  ["using", parseUsing],
  ["extends", parseExtends],
  ["param", parseAssignment],
  ["extensionConfig", parseExtensionConfig],
  ["var", parseVariable],
  ["type", parseTypeDeclaration],
  ["import", parseImport],
  ["extension", parseExtension],
]);

function parseDeclaration(reader: TokenReader): Statement {
  const start = peek(reader).start;
  const decorators = parseDecorators(reader);
  const keyword = peek(reader);
  const parse = keyword.type === "identifier" ? declarations.get(keyword.text) : undefined;
  if (parse !== undefined) return parse(reader, { decorators, keyword: take(reader), start });
  return decorators.length > 0 ? missingDeclaration(decorators) : fail(keyword, "BCP007");
}

function missingDeclaration(decorators: readonly Decorator[]): MissingDeclaration {
  const start = decorators[0]?.start ?? 0;
  return { kind: "missing", decorators, start, end: decorators.at(-1)?.end ?? start };
}

function parseParamsDeclaration(reader: TokenReader): Statement {
  const start = peek(reader).start;
  const decorators = parseDecorators(reader);
  const keyword = peek(reader);
  const parse = keyword.type === "identifier" ? paramsDeclarations.get(keyword.text) : undefined;
  if (parse === undefined) return fail(keyword, "BCP337");
  return parse(reader, { decorators, keyword: take(reader), start });
}

/** A resource in the body of another, with its decorators. */
function parseNestedResource(reader: TokenReader): ResourceDeclaration | MissingDeclaration | Skipped {
  const start = peek(reader).start;
  return recover(reader, () => {
    const decorators = parseDecorators(reader);
    const keyword = peek(reader);
    if (!isKeyword(keyword, "resource")) {
      return decorators.length > 0 ? missingDeclaration(decorators) : fail(keyword, "BCP007");
    }
    return parseResource(reader, { decorators, keyword: take(reader), start });
  }, ["newline"]);
}

/** `=` and the value after it; `before` is the part whose absence would make complaints pointless. */
function parseAssigned(reader: TokenReader, before: Parameters<typeof isMissing>[0] | undefined): Expression {
  const assign = recover(reader, () => expectMark(reader, "="), ["newline"], {
    quiet: before !== undefined && isMissing(before),
  });
  return recover(reader, () => parseExpression(reader), ["newline"], {
    quiet: "kind" in assign && isMissing(assign),
  });
}

function close<T extends object>(
  reader: TokenReader,
  opening: Opening,
  parts: T,
): T & Opening & { end: number } {
  return { ...parts, ...opening, end: lastEnd(reader) };
}

function parseTargetScope(reader: TokenReader, opening: Opening): Statement {
  recover(reader, () => expectMark(reader, "="), ["newline"]);
  const value = recover(reader, () => parseExpression(reader), ["newline"]);
  return close(reader, opening, { kind: "targetScope", value });
}

function parseMetadata(reader: TokenReader, opening: Opening): Statement {
  const name = identifierWithRecovery(reader, "BCP266", ["=", "newline"]);
  return close(reader, opening, { kind: "metadata", name, value: parseAssigned(reader, name) });
}

function parseParameter(reader: TokenReader, opening: Opening): ParameterDeclaration {
  const name = identifierWithRecovery(reader, "BCP013", ["identifier", "newline"]);
  const type = recover(reader, () => parseType(reader, context), ["=", "{", "newline"], {
    quiet: isMissing(name),
  });
  const modifier = recover(reader, () => parseDefaultValue(reader), ["newline"], { quiet: isMissing(type) });
  const defaultValue = "value" in modifier ? modifier.value : modifier;
  return close(reader, opening, { kind: "param", name, type, defaultValue });
}

function parseDefaultValue(reader: TokenReader): { readonly value: Expression | undefined } {
  if (atEnd(reader) || check(reader, "newline")) return { value: undefined };
  if (!check(reader, "=")) return fail(peek(reader), "BCP008");
  take(reader);
  return { value: recover(reader, () => parseExpression(reader), ["newline"]) };
}

function parseTypeDeclaration(reader: TokenReader, opening: Opening): Statement {
  const name = identifierWithRecovery(reader, "BCP325", ["=", "newline"]);
  recover(reader, () => expectMark(reader, "="), ["newline"], { quiet: isMissing(name) });
  const value = recover(reader, () => parseType(reader, context), ["=", "{", "newline"], {
    quiet: isMissing(name),
  });
  return close(reader, opening, { kind: "type", name, value });
}

function parseVariable(reader: TokenReader, opening: Opening): Statement {
  const name = identifierWithRecovery(reader, "BCP015", ["identifier", "newline"]);
  const untyped = atEnd(reader) || check(reader, "newline", "=");
  const type = untyped
    ? undefined
    : recover(reader, () => parseType(reader, context), ["=", "newline"], { quiet: isMissing(name) });
  return close(reader, opening, { kind: "var", name, type, value: parseAssigned(reader, type ?? name) });
}

function parseFunction(reader: TokenReader, opening: Opening): Statement {
  const name = identifierWithRecovery(reader, "BCP015", ["=", "newline"]);
  const lambda = recover(reader, () => parseTypedLambda(reader, context), ["newline"], {
    quiet: isMissing(name),
  });
  return close(reader, opening, { kind: "func", name, lambda });
}

const resourceBody: Allowed = { complex: true, resources: parseNestedResource };
const moduleBody: Allowed = { complex: true };

/** A string without which the declaration makes no sense. */
function parseRequiredString(
  reader: TokenReader,
  code: "BCP068" | "BCP097" | "BCP347" | "BCP201" | "BCP257" | "BCP404",
  quiet: boolean,
  until: readonly ("=" | "newline")[],
): StringLiteral | Skipped {
  return recover(
    reader,
    () => {
      const token = peek(reader);
      const text = check(reader, "string", "string-left") ? parseString(reader) : fail(token, code);
      return text.kind === "skipped" ? fail(token, code) : text;
    },
    until,
    { quiet },
  );
}

function parseResource(reader: TokenReader, opening: Opening): ResourceDeclaration {
  const name = identifierWithRecovery(reader, "BCP017", ["string", "string-left", "newline"]);
  const type = parseRequiredString(reader, "BCP068", isMissing(name), ["=", "newline"]);
  const existing = checkKeyword(reader, "existing");
  if (existing) take(reader);
  const value = parseBody(reader, type, resourceBody);
  return close(reader, opening, { kind: "resource", name, type, existing, value });
}

function parseModule(reader: TokenReader, opening: Opening): ModuleDeclaration {
  const name = identifierWithRecovery(reader, "BCP096", ["string", "string-left", "newline"]);
  const path = parseRequiredString(reader, "BCP097", isMissing(name), ["=", "newline"]);
  return close(reader, opening, { kind: "module", name, path, value: parseBody(reader, path, moduleBody) });
}

/** `=` and an object, condition or loop. A condition may stand on the next line. */
function parseBody(reader: TokenReader, before: StringLiteral | Skipped, allowed: Allowed): Expression {
  const assign = recover(reader, () => expectMark(reader, "="), ["{", "newline"], {
    quiet: isMissing(before),
  });
  if (!("kind" in assign) && isKeyword(peekBeyondLines(reader), "if")) newlines(reader);
  return recover(
    reader,
    () => {
      if (checkKeyword(reader, "if")) return parseIf(reader, allowed, false);
      if (check(reader, "{")) return parseObject(reader, allowed);
      if (check(reader, "[")) return parseFor(reader, allowed, true);
      return fail(peek(reader), "BCP118");
    },
    ["newline"],
    { quiet: "kind" in assign && isMissing(assign) },
  );
}

function parseOutput(reader: TokenReader, opening: Opening): Statement {
  const name = identifierWithRecovery(reader, "BCP016", ["identifier", "newline"]);
  const type = recover(reader, () => parseType(reader, context, true), ["=", "newline"], {
    quiet: isMissing(name),
  });
  return close(reader, opening, { kind: "output", name, type, value: parseAssigned(reader, type) });
}

function parseTest(reader: TokenReader, opening: Opening): Statement {
  const name = identifierWithRecovery(reader, "BCP346", ["string", "string-left", "newline"]);
  const path = parseRequiredString(reader, "BCP347", isMissing(name), ["=", "newline"]);
  const assign = recover(reader, () => expectMark(reader, "="), ["{", "newline"], { quiet: isMissing(path) });
  const value = recover(reader, () => parseObject(reader, { complex: true }), ["newline"], {
    quiet: "kind" in assign && isMissing(assign),
  });
  return close(reader, opening, { kind: "test", name, path, value });
}

function parseAssert(reader: TokenReader, opening: Opening): Statement {
  const name = identifierWithRecovery(reader, "BCP344", ["=", "newline"]);
  return close(reader, opening, { kind: "assert", name, value: parseAssigned(reader, name) });
}

function parseImport(reader: TokenReader, opening: Opening): Statement {
  if (check(reader, "string", "string-left")) return parseExtension(reader, opening);
  const { items, wildcard } = parseImported(reader);
  const path = recover(reader, () => {
    expectKeyword(reader, "from");
    return parseRequiredString(reader, "BCP097", false, ["newline"]);
  }, ["newline"]);
  const declaration: ImportDeclaration = close(reader, opening, { kind: "import", items, wildcard, path });
  return declaration;
}

function parseImported(reader: TokenReader): Pick<ImportDeclaration, "items" | "wildcard"> {
  if (check(reader, "{")) {
    take(reader);
    const items = parseElements(reader, "}", () => parseImportItem(reader));
    expectMark(reader, "}");
    return { items: items.filter((item) => item.kind === "import-item"), wildcard: undefined };
  }
  if (check(reader, "*")) {
    const wildcard = recover(reader, () => {
      take(reader);
      expectKeyword(reader, "as");
      return identifier(reader, "BCP356");
    }, ["newline"]);
    return { items: [], wildcard: wildcard.kind === "identifier" ? wildcard : undefined };
  }
  if (atEnd(reader) || check(reader, "newline", "identifier")) missing(reader, "BCP354");
  else note(reader, take(reader), "BCP354");
  return { items: [], wildcard: undefined };
}

function parseImportItem(reader: TokenReader): ImportItem | Skipped {
  const token = peek(reader);
  if (token.type === "identifier") {
    const original = toIdentifier(take(reader));
    const name = parseAlias(reader) ?? original;
    return { kind: "import-item", original: original.name, name, start: token.start, end: lastEnd(reader) };
  }
  if (token.type !== "string" && token.type !== "string-left") {
    note(reader, take(reader), "BCP355");
    return { kind: "skipped", start: token.start, end: token.end };
  }
  const text = parseString(reader);
  const name = parseAlias(reader);
  const [original = ""] = text.kind === "string" ? text.segments : [];
  if (text.kind === "string" && text.expressions.length > 0) note(reader, text, "BCP032");
  if (name === undefined) note(reader, text, "BCP375");
  if (name === undefined || text.kind === "skipped") {
    return { kind: "skipped", start: text.start, end: text.end };
  }
  return { kind: "import-item", original, name, start: token.start, end: lastEnd(reader) };
}

function parseAlias(reader: TokenReader): Identifier | undefined {
  if (!checkKeyword(reader, "as")) return undefined;
  take(reader);
  return identifierWithRecovery(reader, "BCP325", [",", "newline"]);
}

function parseExtension(reader: TokenReader, opening: Opening): Statement {
  const specification = check(reader, "identifier")
    ? toIdentifier(take(reader))
    : parseRequiredString(reader, "BCP201", false, ["newline"]);
  let config: Expression | undefined;
  let alias: Identifier | undefined;
  if (!atEnd(reader) && !check(reader, "newline") && !checkKeyword(reader, "as")) {
    config = recover(reader, () => parseWith(reader, "BCP305"), ["newline"], {
      quiet: isMissing(specification),
    });
  }
  if (!atEnd(reader) && !check(reader, "newline")) {
    recover(reader, () => {
      expectKeyword(reader, "as", "BCP305");
      alias = identifierWithRecovery(reader, "BCP202", ["newline"]);
      return alias;
    }, ["newline"]);
  }
  return close(reader, opening, { kind: "extension", specification, config, alias });
}

function parseWith(reader: TokenReader, code?: "BCP305"): Expression {
  expectKeyword(reader, "with", code);
  return recover(reader, () => parseObject(reader, { complex: true }), ["newline"]);
}

function parseUsing(reader: TokenReader, opening: Opening): Statement {
  const path = parseUsingPath(reader);
  const config =
    atEnd(reader) || check(reader, "newline")
      ? undefined
      : recover(reader, () => parseWith(reader), ["newline"], {
          quiet: path !== undefined && isMissing(path),
        });
  return close(reader, opening, { kind: "using", path, config });
}

function parseUsingPath(reader: TokenReader): StringLiteral | Skipped | undefined {
  if (check(reader, "identifier")) {
    expectKeyword(reader, "none");
    return undefined;
  }
  if (check(reader, "string", "string-left"))
    return parseRequiredString(reader, "BCP257", false, ["newline"]);
  return missing(reader, "BCP256");
}

function parseExtends(reader: TokenReader, opening: Opening): Statement {
  const path = parseRequiredString(reader, "BCP404", false, ["newline"]);
  return close(reader, opening, { kind: "extends", path });
}

function parseAssignment(reader: TokenReader, opening: Opening): Statement {
  const name = identifierWithRecovery(reader, "BCP013", ["identifier", "newline"]);
  return close(reader, opening, { kind: "param-assignment", name, value: parseAssigned(reader, name) });
}

function parseExtensionConfig(reader: TokenReader, opening: Opening): Statement {
  const name = identifierWithRecovery(reader, "BCP202", ["identifier", "newline"]);
  const value = recover(reader, () => parseWith(reader), ["newline"], { quiet: isMissing(name) });
  return close(reader, opening, { kind: "extension-config", name, value });
}

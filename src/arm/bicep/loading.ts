/**
 * Functions that the compiler itself evaluates: contents of files, and names. Each result is both a type and a value;
 * most values become variables of the template, so that a file used twice is in it once.
 */
import { type Code, type Part, report } from "./diagnostics.ts";
import type { FunctionDefinition } from "./functions.ts";
import { type IrExpression, irString } from "./intermediate.ts";
import { selectJson } from "./json-path.ts";
import { type LoadedJson, parseLoadedJson } from "./loaded-json.ts";
import type { Model } from "./model.ts";
import { pathProblem, relativePath, resolvePath } from "./paths.ts";
import type { Span } from "./source.ts";
import type * as syntax from "./syntax.ts";
import { anyType, arrayOf, type PropertyType, type Type, unionOf } from "./types.ts";
import { literalText } from "./walk.ts";
import { parseYaml, YamlError } from "./yaml.ts";

export interface Loading {
  readonly type: Type;
  readonly value: IrExpression;
}

const textLengthMax = 131_072;
const objectLengthMax = 1_048_576;

type Call = syntax.FunctionCall | syntax.MethodCall;

function table(model: Model): Map<Call, Loading | undefined> {
  const { facts } = model.memory;
  const known = facts.get("loading") as Map<Call, Loading | undefined> | undefined;
  if (known !== undefined) return known;
  const created = new Map<Call, Loading | undefined>();
  facts.set("loading", created);
  return created;
}

/** Evaluates a call once; undefined when it failed, which has been reported. */
export function loadedValue(model: Model, node: Call, definition: FunctionDefinition): Loading | undefined {
  const known = table(model);
  if (known.has(node)) return known.get(node);
  const loading = load(model, node, definition);
  known.set(node, loading);
  return loading;
}

/** The result of a call that was evaluated, if it is one. */
export function knownLoadedValue(model: Model, node: Call): Loading | undefined {
  return table(model).get(node);
}

function load(model: Model, node: Call, definition: FunctionDefinition): Loading | undefined {
  switch (definition.name) {
    case "nameof":
      return nameOf(model, node);
    case "loadTextContent":
      return loadText(model, node);
    case "loadFileAsBase64":
      return loadBase64(model, node);
    case "loadJsonContent":
      return loadObject(model, node, "BCP186", (text) => parseLoadedJson(text));
    case "loadYamlContent":
      return loadObject(model, node, "BCP340", (text) => parseYaml(text));
    case "loadDirectoryFileInfo":
      return loadDirectory(model, node);
    case "readEnvironmentVariable":
      return readEnvironment(model, node);
    default:
      return undefined;
  }
}

function refuse(model: Model, span: Span, code: Code, ...parts: readonly Part[]): undefined {
  report(model.reporter, code, span, ...parts);
}

function textValue(text: string): Loading {
  return { type: { kind: "string", literal: text }, value: irString(text) };
}

function nameOf(model: Model, node: Call): Loading | undefined {
  const [argument] = node.arguments;
  if (argument === undefined) return undefined;
  switch (argument.kind) {
    case "variable":
    case "member":
    case "nested-resource":
      return textValue(argument.name.name);
    case "index": {
      const text = literalText(argument.index);
      if (text !== undefined) return textValue(text);
    }
  }
  return refuse(model, argument, "BCP408");
}

/** The value of an argument that must be known when compiling. */
function literalArgument(model: Model, node: Call, at: number): string | undefined {
  const argument = node.arguments[at];
  if (argument === undefined) return undefined;
  const type = model.typeOf(argument);
  if (type.kind === "string" && type.literal !== undefined) return type.literal;
  return refuse(model, argument, "BCP032");
}

function pathArgument(model: Model, node: Call): string | undefined {
  const [argument] = node.arguments;
  const path = literalArgument(model, node, 0);
  if (path === undefined || argument === undefined) return undefined;
  const problem = pathProblem(path);
  return problem === undefined ? resolvePath(model.path, path) : refuse(model, argument, problem);
}

const encodings: Readonly<Record<string, BufferEncoding | "utf-16be">> = {
  "us-ascii": "ascii",
  "iso-8859-1": "latin1",
  "utf-8": "utf-8",
  "utf-16BE": "utf-16be",
  "utf-16": "utf16le",
};

function readText(model: Model, node: Call, encodingAt: number, lengthMax: number): string | undefined {
  const path = pathArgument(model, node);
  const [argument] = node.arguments;
  if (path === undefined || argument === undefined) return undefined;
  const encoding =
    node.arguments[encodingAt] === undefined ? "utf-8" : literalArgument(model, node, encodingAt);
  if (encoding === undefined) return undefined;
  const known = encodings[encoding];
  if (known === undefined) {
    const where = node.arguments[encodingAt] ?? argument;
    return refuse(model, where, "BCP070", `'${encoding}'`, Object.keys(encodings).join(" | "));
  }
  const text = known === "utf-8" ? model.workspace.access.readFile(path) : decode(model, path, known);
  if (text === undefined) return refuse(model, argument, "BCP091", path);
  if (text.length > lengthMax) return refuse(model, argument, "BCP184", path, lengthMax, "characters");
  return text.replace(/^\uFEFF/, "");
}

function readBytes(model: Model, path: string): Uint8Array | undefined {
  const { access } = model.workspace;
  const bytes = access.readBytes?.(path);
  if (bytes !== undefined || access.readBytes !== undefined) return bytes;
  const text = access.readFile(path);
  return text === undefined ? undefined : new TextEncoder().encode(text);
}

function decode(model: Model, path: string, encoding: BufferEncoding | "utf-16be"): string | undefined {
  const bytes = readBytes(model, path);
  if (bytes === undefined) return undefined;
  const buffer = Buffer.from(bytes);
  if (encoding === "utf-16be")
    return buffer
      .subarray(0, bytes.length & ~1)
      .swap16()
      .toString("utf16le");
  return encoding === "ascii"
    ? [...buffer].map((byte) => (byte > 127 ? "?" : String.fromCharCode(byte))).join("")
    : buffer.toString(encoding);
}

function loadText(model: Model, node: Call): Loading | undefined {
  const text = readText(model, node, 1, textLengthMax);
  return text === undefined ? undefined : textValue(text);
}

function loadBase64(model: Model, node: Call): Loading | undefined {
  const path = pathArgument(model, node);
  const [argument] = node.arguments;
  if (path === undefined || argument === undefined) return undefined;
  const bytes = readBytes(model, path);
  if (bytes === undefined) return refuse(model, argument, "BCP091", path);
  const limit = (textLengthMax / 4) * 3;
  if (bytes.length > limit) return refuse(model, argument, "BCP184", path, limit, "bytes");
  return textValue(Buffer.from(bytes).toString("base64"));
}

function loadObject(
  model: Model,
  node: Call,
  code: "BCP186" | "BCP340",
  parse: (text: string) => LoadedJson,
): Loading | undefined {
  const [argument, filter] = node.arguments;
  const text = readText(model, node, 2, objectLengthMax);
  if (text === undefined || argument === undefined) return undefined;
  let value: LoadedJson;
  try {
    value = parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof YamlError) && !(error instanceof RangeError))
      throw error;
    return refuse(model, argument, code);
  }
  if (filter === undefined) return jsonValue(value);
  const path = literalArgument(model, node, 1);
  if (path === undefined) return undefined;
  const selected = selectJson(value, path);
  return selected === undefined ? refuse(model, filter, "BCP235") : jsonValue(selected);
}

function jsonValue(value: LoadedJson): Loading {
  return { type: jsonType(value), value: jsonExpression(value) };
}

function jsonExpression(value: LoadedJson): IrExpression {
  if (value === null) return { kind: "null" };
  if (typeof value === "string") return irString(value);
  if (typeof value === "boolean") return { kind: "boolean", value };
  if (typeof value === "bigint") return { kind: "integer", value };
  if (typeof value === "number") {
    return { kind: "call", name: "json", arguments: [irString(String(value))] };
  }
  if (Array.isArray(value)) return { kind: "array", items: value.map(jsonExpression) };
  return {
    kind: "object",
    properties: [...(value as ReadonlyMap<string, LoadedJson>)].map(([key, each]) => ({
      key: irString(key),
      value: jsonExpression(each),
    })),
  };
}

function jsonType(value: LoadedJson): Type {
  if (value === null) return { kind: "null" };
  if (typeof value === "string") return { kind: "string", literal: value };
  if (typeof value === "boolean") return { kind: "bool", literal: value };
  if (typeof value === "bigint") return { kind: "int", literal: value };
  if (typeof value === "number") return anyType;
  if (Array.isArray(value)) return arrayOf(unionOf(value.map(jsonType)));
  const properties = [...(value as ReadonlyMap<string, LoadedJson>)].map(
    ([name, each]): [string, PropertyType] => {
      const type = jsonType(each);
      return [name, { type: () => type, required: true }];
    },
  );
  return { kind: "object", name: "object", properties: new Map(properties) };
}

function matchesPattern(name: string, pattern: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, "i").test(name);
}

function loadDirectory(model: Model, node: Call): Loading | undefined {
  const directory = pathArgument(model, node);
  const [argument] = node.arguments;
  if (directory === undefined || argument === undefined) return undefined;
  const pattern = node.arguments[1] === undefined ? "*" : literalArgument(model, node, 1);
  if (pattern === undefined) return undefined;
  const files = model.workspace.access.listFiles?.(directory);
  if (files === undefined) return refuse(model, argument, "BCP428", directory);
  const found = files
    .filter((file) => !file.includes("/") && matchesPattern(file, pattern))
    .map((file) => {
      const path = relativePath(model.path, `${directory}/${file}`);
      const dot = file.lastIndexOf(".");
      return new Map<string, LoadedJson>([
        ["relativePath", path],
        ["baseName", file],
        ["extension", dot < 0 ? "" : file.slice(dot)],
      ]);
    });
  return jsonValue(found.sort((a, b) => compareIgnoringCase(a.get("relativePath"), b.get("relativePath"))));
}

function compareIgnoringCase(a: LoadedJson | undefined, b: LoadedJson | undefined): number {
  const [left, right] = [String(a).toUpperCase(), String(b).toUpperCase()];
  return left < right ? -1 : Number(left > right);
}

function readEnvironment(model: Model, node: Call): Loading | undefined {
  const name = literalArgument(model, node, 0);
  const [argument] = node.arguments;
  if (name === undefined || argument === undefined) return undefined;
  const value = model.workspace.access.readEnvironment?.(name);
  if (value !== undefined) return textValue(value);
  if (node.arguments[1] === undefined) return refuse(model, argument, "BCP427", name);
  const otherwise = literalArgument(model, node, 1);
  return otherwise === undefined ? undefined : textValue(otherwise);
}

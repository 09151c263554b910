/**
 * What is known about one file: its text, tree and names, the files it refers to, and memories of what was worked
 * out about its types. Passes are functions of a model; this file only says what one is.
 */
import type { JsonObject } from "../json.ts";
import type { Binding } from "./binder.ts";
import type { Reporter } from "./diagnostics.ts";
import type { IrExpression } from "./intermediate.ts";
import type { FileKind, ParsedFile } from "./parser.ts";
import type { Span } from "./source.ts";
import type { BoundSymbol } from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import type { Type } from "./types.ts";

/** How the compiler gets at files; paths are as the caller names them, with `/` between their parts. */
export interface FileAccess {
  /** The text of a file, or undefined when there is none. */
  readonly readFile: (path: string) => string | undefined;
  /** Its bytes, for files loaded as Base64 or in another encoding. Without it, text is taken as UTF-8. */
  readonly readBytes?: (path: string) => Uint8Array | undefined;
  /** The files below a directory, relative to it. Without it, directories cannot be listed. */
  readonly listFiles?: (directory: string) => readonly string[] | undefined;
  /** Environment variables, for parameter files. */
  readonly readEnvironment?: (name: string) => string | undefined;
  /** Where the reference compiler keeps restored modules of registries. Without it, there are none. */
  readonly moduleCache?: string;
  /** Values that take the place of what a parameters file assigns. */
  readonly parameterOverrides?: JsonObject;
}

/** The files of one compilation, each read and understood once. */
export interface Workspace {
  readonly access: FileAccess;
  readonly models: Map<string, Model>;
  /** The files being understood now, outermost first; one that is met again is a cycle. */
  readonly loading: string[];
  readonly load: (path: string) => Loaded;
  /** How much may still be put out, so that no file grows into a template beyond all limits. */
  readonly budget: { left: number };
}

export type Loaded =
  | { readonly kind: "bicep"; readonly model: Model }
  | { readonly kind: "json"; readonly path: string; readonly template: JsonObject }
  | { readonly kind: "missing" }
  | { readonly kind: "invalid"; readonly reason: string }
  | { readonly kind: "cycle"; readonly paths: readonly string[] };

export type TargetScope = "resourceGroup" | "subscription" | "managementGroup" | "tenant";

/** A function call that the compiler evaluated, and the variable that holds the result, if it got one. */
export interface LoadedValue {
  readonly value: IrExpression;
  readonly variable: string | undefined;
}

export interface Model {
  readonly workspace: Workspace;
  readonly path: string;
  readonly kind: FileKind;
  readonly reporter: Reporter;
  readonly parsed: ParsedFile;
  readonly program: syntax.Program;
  readonly binding: Binding;
  readonly targetScope: TargetScope;
  /** Where the text could not be parsed; what is around is not judged. */
  readonly syntaxErrors: readonly Span[];
  /** What module, import, using and extends statements refer to; without those that failed. */
  readonly references: ReadonlyMap<syntax.Node, Extract<Loaded, { kind: "bicep" | "json" }>>;
  /** The type of the value of an expression; each is worked out, and complained about, once. */
  readonly typeOf: (node: syntax.Expression) => Type;
  readonly memory: Memory;
}

export interface Memory {
  readonly expressionTypes: Map<syntax.Node, Type>;
  readonly typeSyntax: Map<syntax.Node, Type>;
  readonly symbolTypes: Map<BoundSymbol, Type>;
  /** Symbols whose type is being worked out. */
  readonly pending: Set<BoundSymbol>;
  readonly loadedValues: Map<syntax.Node, LoadedValue>;
  readonly facts: Map<string, unknown>;
}

export function createMemory(): Memory {
  return {
    expressionTypes: new Map(),
    typeSyntax: new Map(),
    symbolTypes: new Map(),
    pending: new Set(),
    loadedValues: new Map(),
    facts: new Map(),
  };
}

/** Works something out about a model once. */
export function fact<T>(model: Model, name: string, compute: () => T): T {
  if (model.memory.facts.has(name)) return model.memory.facts.get(name) as T;
  const value = compute();
  model.memory.facts.set(name, value);
  return value;
}

export function symbolAt(model: Model, node: syntax.Node | undefined): BoundSymbol | undefined {
  return node === undefined ? undefined : model.binding.bindings.get(node);
}

export function parentOf(model: Model, node: syntax.Node): syntax.Node | undefined {
  return model.binding.parents.get(node);
}

/** True when `node` is `ancestor` or below it. */
export function isWithin(model: Model, node: syntax.Node, ancestor: syntax.Node): boolean {
  for (let at: syntax.Node | undefined = node; at !== undefined; at = parentOf(model, at)) {
    if (at === ancestor) return true;
  }
  return false;
}

/** True when a part of the node could not be parsed. */
export function hasSyntaxErrors(model: Model, node: Span): boolean {
  return model.syntaxErrors.some(({ start, end }) => start <= node.end && end >= node.start);
}

/** The declared symbols of one kind, in source order. */
export function symbolsOfKind<K extends BoundSymbol["kind"]>(
  model: Model,
  kind: K,
): readonly Extract<BoundSymbol, { readonly kind: K }>[] {
  return model.binding.declared.filter(
    (symbol): symbol is Extract<typeof symbol, { readonly kind: K }> => symbol.kind === kind,
  ) as unknown as readonly Extract<BoundSymbol, { readonly kind: K }>[];
}

/** What names stand for. One object per declaration, compared by identity. */
import type { FunctionDefinition } from "./functions.ts";
import type * as syntax from "./syntax.ts";

export interface ParameterSymbol {
  readonly kind: "param";
  readonly name: string;
  readonly declaration: syntax.ParameterDeclaration;
}

export interface VariableSymbol {
  readonly kind: "var";
  readonly name: string;
  readonly declaration: syntax.VariableDeclaration;
}

export interface ResourceSymbol {
  readonly kind: "resource";
  readonly name: string;
  readonly declaration: syntax.ResourceDeclaration;
  /** The resource in whose body this one is declared. */
  readonly enclosing: ResourceSymbol | undefined;
}

export interface ModuleSymbol {
  readonly kind: "module";
  readonly name: string;
  readonly declaration: syntax.ModuleDeclaration;
}

export interface OutputSymbol {
  readonly kind: "output";
  readonly name: string;
  readonly declaration: syntax.OutputDeclaration;
}

export interface TypeSymbol {
  readonly kind: "type";
  readonly name: string;
  readonly declaration: syntax.TypeDeclaration;
}

export interface FunctionSymbol {
  readonly kind: "func";
  readonly name: string;
  readonly declaration: syntax.FunctionDeclaration;
}

export interface MetadataSymbol {
  readonly kind: "metadata";
  readonly name: string;
  readonly declaration: syntax.MetadataDeclaration;
}

export interface AssertSymbol {
  readonly kind: "assert";
  readonly name: string;
  readonly declaration: syntax.AssertDeclaration;
}

export interface TestSymbol {
  readonly kind: "test";
  readonly name: string;
  readonly declaration: syntax.TestDeclaration;
}

export interface ExtensionSymbol {
  readonly kind: "extension";
  readonly name: string;
  readonly declaration: syntax.ExtensionDeclaration;
}

export interface AssignmentSymbol {
  readonly kind: "param-assignment";
  readonly name: string;
  readonly declaration: syntax.ParameterAssignment;
}

/** One name of an `import { }`. What it stands for is looked up in the other file. */
export interface ImportedSymbol {
  readonly kind: "imported";
  readonly name: string;
  readonly original: string;
  readonly declaration: syntax.ImportDeclaration;
  readonly item: syntax.ImportItem;
}

/** The name of an `import * as name`. */
export interface WildcardSymbol {
  readonly kind: "wildcard";
  readonly name: string;
  readonly declaration: syntax.ImportDeclaration;
}

/** The names that a loop, lambda or function introduces. */
export interface LocalSymbol {
  readonly kind: "local";
  readonly name: string;
  readonly role: "item" | "index" | "lambda" | "function";
  readonly declaration: syntax.LocalVariable;
  readonly owner: syntax.ForExpression | syntax.Lambda | syntax.TypedLambda;
}

export interface NamespaceSymbol {
  readonly kind: "namespace";
  readonly name: "sys" | "az";
}

export interface BuiltInFunctionSymbol {
  readonly kind: "function";
  readonly name: string;
  readonly definition: FunctionDefinition;
}

export interface AmbientTypeSymbol {
  readonly kind: "ambient-type";
  readonly name: string;
}

/** `base` in a parameters file that extends another. */
export interface BaseSymbol {
  readonly kind: "base";
  readonly name: string;
}

/** A name that could not be bound; the complaint has been made. */
export interface UnboundSymbol {
  readonly kind: "unbound";
  readonly name: string;
}

/** Declared at the top of a file, or in a resource. */
export type DeclaredSymbol =
  | ParameterSymbol
  | VariableSymbol
  | ResourceSymbol
  | ModuleSymbol
  | OutputSymbol
  | TypeSymbol
  | FunctionSymbol
  | MetadataSymbol
  | AssertSymbol
  | TestSymbol
  | ExtensionSymbol
  | AssignmentSymbol
  | ImportedSymbol
  | WildcardSymbol;

export type BoundSymbol =
  | DeclaredSymbol
  | LocalSymbol
  | NamespaceSymbol
  | BuiltInFunctionSymbol
  | AmbientTypeSymbol
  | BaseSymbol
  | UnboundSymbol;

/** Names of outputs, metadata, assertions and tests live apart: expressions cannot refer to them. */
export function isReferable(symbol: DeclaredSymbol): boolean {
  return (
    symbol.kind !== "output" &&
    symbol.kind !== "metadata" &&
    symbol.kind !== "assert" &&
    symbol.kind !== "test"
  );
}

/** True for resources, modules and variables that are loops. */
export function isCollection(symbol: BoundSymbol | undefined): boolean {
  if (symbol?.kind !== "resource" && symbol?.kind !== "module" && symbol?.kind !== "var") return false;
  return symbol.declaration.value.kind === "for";
}

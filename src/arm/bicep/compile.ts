/**
 * The compiler as others use it: a file and a way to read files in, a template and findings out. Nothing here reads
 * or writes anything itself, and nothing throws for what is in a file.
 */
import type { JsonObject } from "../json.ts";
import { type Diagnostic, hasErrors, report } from "./diagnostics.ts";
import { asNumbers, emissionProblem, emitTemplate } from "./emit.ts";
import type { Value, ValueObject } from "./emit-values.ts";
import type { FileAccess, Model, Workspace } from "./model.ts";
import { emitParameterFile } from "./params.ts";
import { visibleDiagnostics } from "./pragmas.ts";
import { createWorkspace } from "./workspace.ts";

export interface CompileRequest extends FileAccess {
  /** The file to compile. */
  readonly path: string;
}

export interface CompileResult {
  /** Absent when there are errors. */
  readonly template?: JsonObject;
  /** The template as text, as it is to be written to a file; also keeps integers that no number holds. */
  readonly text?: string;
  /** Of the file and of the files it refers to. */
  readonly diagnostics: readonly Diagnostic[];
}

/** Compiles a `.bicep` file with the modules and imports it refers to. */
export function compileBicep(request: CompileRequest): CompileResult {
  const workspace = createWorkspace(request);
  const loaded = workspace.load(request.path);
  if (loaded.kind !== "bicep") return { diagnostics: [unreadable(request.path)] };
  const template = emit(loaded.model);
  const diagnostics = collectDiagnostics(workspace);
  if (template === undefined || hasErrors(diagnostics)) return { diagnostics };
  return { template: asNumbers(template) as JsonObject, text: printJson(template), diagnostics };
}

export interface ParametersResult {
  /** The deployment parameters file. Absent when there are errors. */
  readonly parameters?: JsonObject;
  readonly text?: string;
  /** The template that the file is for, and the path of its source. Absent for `using none`. */
  readonly template?: { readonly path: string; readonly value: JsonObject; readonly text: string };
  readonly diagnostics: readonly Diagnostic[];
}

/** Compiles a `.bicepparam` file and the template it names. */
export function compileBicepParameters(request: CompileRequest): ParametersResult {
  const workspace = createWorkspace(request);
  const loaded = workspace.load(request.path);
  if (loaded.kind !== "bicep") return { diagnostics: [unreadable(request.path)] };
  const { model } = loaded;
  const parameters = attemptEmission(model, () => emitParameterFile(model));
  const template = parameters === undefined ? undefined : templateFor(model);
  const diagnostics = collectDiagnostics(workspace);
  if (parameters === undefined || hasErrors(diagnostics)) return { diagnostics };
  const result = { parameters, text: printJson(parameters as Value), diagnostics };
  return template === undefined ? result : { ...result, template };
}

function templateFor(model: Model): ParametersResult["template"] {
  const using = model.program.statements.find((statement) => statement.kind === "using");
  const loaded = using === undefined ? undefined : model.references.get(using);
  if (loaded === undefined) return undefined;
  if (loaded.kind === "json") {
    return { path: loaded.path, value: loaded.template, text: printJson(loaded.template as Value) };
  }
  const value = emit(loaded.model);
  if (value === undefined) return undefined;
  return { path: loaded.model.path, value: asNumbers(value) as JsonObject, text: printJson(value) };
}

function unreadable(path: string): Diagnostic {
  return {
    code: "BCP091",
    level: "Error",
    message: `The file "${path}" cannot be read.`,
    ...{ path, line: 1, column: 1, start: 0, end: 0 },
  };
}

/** Writes the template of a model, or reports why it cannot be written. */
export function emit(model: Model): ValueObject | undefined {
  return attemptEmission(model, () => emitTemplate(model));
}

function attemptEmission<T>(model: Model, work: () => T): T | undefined {
  if (hasErrors(model.reporter.found)) return undefined;
  try {
    return work();
  } catch (error) {
    const nowhere = { start: 0, end: 0 };
    const problem = emissionProblem(error);
    if (problem !== undefined) report(model.reporter, problem.code, nowhere, problem.part);
    else if (error instanceof RangeError) report(model.reporter, "CEL002", nowhere);
    else throw error;
    return undefined;
  }
}

/** The findings about all files of a compilation, without those that comments in the files turn off. */
export function collectDiagnostics(workspace: Workspace): readonly Diagnostic[] {
  return [...workspace.models.values()].flatMap((model) =>
    visibleDiagnostics(model).toSorted((one, other) => one.start - other.start || one.end - other.end),
  );
}

/** JSON text with two blanks of indentation; integers of any size are written in full. */
export function printJson(value: Value, indent: string = ""): string {
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    if (value.length === 0) return "[]";
    const items = (value as readonly Value[]).map((item) => `${inner}${printJson(item, inner)}`);
    return `[\n${items.join(",\n")}\n${indent}]`;
  }
  const members = Object.entries(value as ValueObject);
  if (members.length === 0) return "{}";
  const lines = members.map(([name, each]) => `${inner}${JSON.stringify(name)}: ${printJson(each, inner)}`);
  return `{\n${lines.join(",\n")}\n${indent}}`;
}

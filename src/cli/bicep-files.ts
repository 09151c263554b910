/**
 * Bicep files on disk for the compiler, which itself reads nothing. The compiler is loaded at the first use, because
 * most commands never need it.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { CompileResult, ParametersResult } from "../arm/bicep/compile.ts";
import type { Diagnostic } from "../arm/bicep/diagnostics.ts";
import type { FileAccess } from "../arm/bicep/model.ts";
import type { JsonObject } from "../arm/json.ts";
import { inheritedEnvironment } from "../config.ts";
import { CommandError, type Terminal } from "./command.ts";

export function isBicepFile(file: string): boolean {
  return file.endsWith(".bicep");
}

export function isParametersFile(file: string): boolean {
  return file.endsWith(".bicepparam");
}

/** The compiler's paths have `/` between their parts on every system. */
export function compilerPath(file: string): string {
  return file.replaceAll("\\", "/");
}

/** Told of every file and directory that a compilation looks at, whether it is there or not. */
export type Seen = (path: string) => void;

function diskAccess(overrides: JsonObject | undefined, seen: Seen = () => {}): FileAccess {
  const environment = inheritedEnvironment();
  const read = (path: string): Buffer | undefined => {
    seen(path);
    return readBytes(path);
  };
  return {
    readFile: (path) => read(path)?.toString("utf8"),
    readBytes: read,
    listFiles: (directory) => {
      seen(directory);
      try {
        const entries = readdirSync(directory, { withFileTypes: true });
        return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
      } catch {
        return undefined;
      }
    },
    readEnvironment: (name) => environment[name],
    moduleCache: compilerPath(join(homedir(), ".bicep")),
    ...(overrides === undefined ? {} : { parameterOverrides: overrides }),
  };
}

/** What cannot be read is not there: the compiler says so where the file is named. */
function readBytes(path: string): Buffer | undefined {
  try {
    return statSync(path).isFile() ? readFileSync(path) : undefined;
  } catch {
    return undefined;
  }
}

/** Throws CommandError when the file itself is not there; everything else becomes a finding. */
function requireFile(file: string): void {
  if (readBytes(file) === undefined) throw new CommandError(`There is no file ${file}.`);
}

export async function compileFile(file: string, seen?: Seen): Promise<CompileResult> {
  requireFile(file);
  const { compileBicep } = await import("../arm/bicep/compile.ts");
  return compileBicep({ path: compilerPath(file), ...diskAccess(undefined, seen) });
}

/** `overrides` take the place of what the file assigns. */
export async function compileParametersFile(
  file: string,
  overrides: JsonObject | undefined,
  seen?: Seen,
): Promise<ParametersResult> {
  requireFile(file);
  const { compileBicepParameters } = await import("../arm/bicep/compile.ts");
  return compileBicepParameters({ path: compilerPath(file), ...diskAccess(overrides, seen) });
}

/** Prints findings as `file(line,column) : Error BCP000: text`; true when there are errors among them. */
export async function printDiagnostics(
  diagnostics: readonly Diagnostic[],
  terminal: Terminal,
): Promise<boolean> {
  const { formatDiagnostic, hasErrors } = await import("../arm/bicep/diagnostics.ts");
  for (const diagnostic of diagnostics) terminal.error(`${formatDiagnostic(diagnostic)}\n`);
  return hasErrors(diagnostics);
}

export interface CompiledDeployment {
  readonly template: JsonObject;
  /** The `parameters` of a parameters file; empty for a `.bicep` file. */
  readonly parameters: JsonObject;
  /** The file that a parameters file names. */
  readonly templateFile?: string;
}

/**
 * Compiles a `.bicep` file, or a `.bicepparam` file with the template it names, for a deployment. Findings go to the
 * terminal; throws CommandError when there are errors.
 */
export async function compileDeployment(
  file: string,
  overrides: JsonObject,
  terminal: Terminal,
  seen?: Seen,
): Promise<CompiledDeployment> {
  if (isParametersFile(file)) {
    const result = await compileParametersFile(file, overrides, seen);
    const failed = await printDiagnostics(result.diagnostics, terminal);
    if (failed || result.parameters === undefined) throw nothingDeployed(file);
    if (result.template === undefined) {
      throw new CommandError(`${file} names no template to deploy; write using 'main.bicep' into it.`);
    }
    return {
      template: result.template.value,
      parameters: result.parameters["parameters"] as JsonObject,
      templateFile: result.template.path,
    };
  }
  const result = await compileFile(file, seen);
  const failed = await printDiagnostics(result.diagnostics, terminal);
  if (failed || result.template === undefined) throw nothingDeployed(file);
  return { template: result.template, parameters: {} };
}

function nothingDeployed(file: string): CommandError {
  return new CommandError(`${file} has errors; nothing was deployed.`);
}

/** The parameters of a `.bicepparam` file that accompanies `template`. Throws CommandError when it is for another. */
export async function compileParametersFor(
  file: string,
  template: string,
  overrides: JsonObject,
  terminal: Terminal,
  seen?: Seen,
): Promise<JsonObject> {
  const result = await compileParametersFile(file, overrides, seen);
  const failed = await printDiagnostics(result.diagnostics, terminal);
  if (failed || result.parameters === undefined) throw nothingDeployed(file);
  const named = result.template?.path;
  if (named !== undefined && resolve(named) !== resolve(template)) {
    throw new CommandError(`${file} is for ${named}, not for ${template}.`);
  }
  return result.parameters["parameters"] as JsonObject;
}

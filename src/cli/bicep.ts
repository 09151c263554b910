/** `celestite bicep`: the Bicep compiler on its own, with the subcommands and options of the reference tool. */
import { chmod, lstat, mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Json, JsonObject } from "../arm/json.ts";
import { inheritedEnvironment } from "../config.ts";
import {
  compileFile,
  compileParametersFile,
  compilerPath,
  isBicepFile,
  isParametersFile,
  printDiagnostics,
} from "./bicep-files.ts";
import { type Command, CommandError, type Terminal, UsageError } from "./command.ts";

const help = `Usage: celestite bicep build FILE.bicep [--stdout | --outfile FILE | --outdir DIR]
       celestite bicep build-params FILE.bicepparam [--bicep-file FILE] [--stdout | --outfile FILE | --outdir DIR]
       celestite bicep lint FILE
       celestite bicep format FILE [--stdout | --outfile FILE | --outdir DIR]
       celestite bicep restore FILE [--force]
       celestite bicep install --to DIR [--force]
       celestite bicep --version

Compiles Bicep files to ARM templates and parameters files, without .NET and without a server. Findings are printed as
file(line,column) : Error BCP000: text; with errors nothing is written and the exit code is 1.

Commands:
  build          a template from a .bicep file and its modules; beside it as .json unless told otherwise
  build-params   a parameters file from a .bicepparam file; with --stdout, parameters and template in one object
  lint           only the findings
  format         the file in the usual layout; written back unless told otherwise
  restore        fetch the modules of registries (br:, br/public:) that the file names into ~/.bicep
  install        put an executable 'bicep' into DIR, where 'az' looks for it (see docs/bicep.md)

Options:
  --stdout             write to the terminal
  --outfile FILE       write to this file
  --outdir DIR         write into this directory
  --bicep-file FILE    the template that the parameters must be for
  --indent-size N      format: blanks of one level of indentation (default: 2)
  --force              restore: fetch what is there already, too
  --no-restore         accepted and without effect: only restore downloads anything

Environment:
  BICEP_PARAMETERS_OVERRIDES   build-params: a JSON object of values that win over those of the file

Examples:
  celestite bicep build main.bicep --stdout
  celestite bicep build-params dev.bicepparam --outfile dev.parameters.json
  celestite bicep lint main.bicep
  celestite bicep format main.bicep
  celestite bicep install --to ~/.azure/bin
`;

export const bicepCommand: Command = {
  help,
  run: runBicep,
};

type Subcommand = (args: readonly string[], terminal: Terminal) => Promise<number>;

const subcommands: Readonly<Record<string, Subcommand>> = {
  build,
  "build-params": buildParameters,
  format,
  install,
  lint,
  restore: async (args, terminal) => (await import("./bicep-restore.ts")).restore(args, terminal),
};

/** Runs one subcommand and returns the exit code. Throws UsageError and CommandError. */
export async function runBicep(args: readonly string[], terminal: Terminal): Promise<number> {
  const [name, ...rest] = args;
  if (name === "--version" || name === "-v") {
    const { compilerVersion } = await import("../arm/bicep/version.ts");
    terminal.out(`Bicep CLI version ${compilerVersion} (celestite)\n`);
    return 0;
  }
  if (name === "--help" || name === "-h" || name === "help") {
    terminal.out(help);
    return 0;
  }
  const subcommand = name !== undefined && Object.hasOwn(subcommands, name) ? subcommands[name] : undefined;
  if (subcommand !== undefined) return subcommand(rest, terminal);
  const known = Object.keys(subcommands).join(", ");
  throw new UsageError(
    name === undefined ? `Name what to do: ${known}.` : `'${name}' is not one of ${known}.`,
  );
}

const fileOptions = {
  stdout: { type: "boolean" },
  outfile: { type: "string" },
  outdir: { type: "string" },
  "bicep-file": { type: "string" },
  "indent-size": { type: "string" },
  "no-restore": { type: "boolean" },
  "diagnostics-format": { type: "string" },
} as const;

type FileOption = keyof typeof fileOptions;

interface FileArguments {
  readonly file: string;
  readonly stdout: boolean;
  readonly outfile: string | undefined;
  readonly outdir: string | undefined;
  readonly bicepFile: string | undefined;
  readonly indentSize: number;
}

const outputOptions: readonly FileOption[] = ["stdout", "outfile", "outdir"];

/** Reads the arguments of a subcommand that works on one file. */
function readArguments(args: readonly string[], allowed: readonly FileOption[]): FileArguments {
  const accepted = [...allowed, "no-restore", "diagnostics-format"];
  const options = Object.fromEntries(Object.entries(fileOptions).filter(([name]) => accepted.includes(name)));
  const parsed = parseArgs({ args: [...args], allowPositionals: true, options });
  const values = parsed.values as Readonly<Record<string, string | boolean | undefined>>;
  const [file, extra] = parsed.positionals;
  if (file === undefined || extra !== undefined) throw new UsageError("Name one file.");
  const text = (name: FileOption): string | undefined => {
    const value = values[name];
    return typeof value === "string" ? value : undefined;
  };
  const targets = outputOptions.filter((name) => values[name] !== undefined);
  if (targets.length > 1) throw new UsageError(`--${targets.join(" and --")} exclude each other.`);
  const format = text("diagnostics-format")?.toLowerCase() ?? "default";
  if (format !== "default")
    throw new UsageError(`Findings cannot be printed as '${format}', only as 'default'.`);
  const indentSize = Number(text("indent-size") ?? "2");
  if (!Number.isInteger(indentSize) || indentSize < 0 || indentSize > 16) {
    throw new UsageError("--indent-size is a number from 0 to 16.");
  }
  return {
    file,
    stdout: values["stdout"] === true,
    outfile: text("outfile"),
    outdir: text("outdir"),
    bicepFile: text("bicep-file"),
    indentSize,
  };
}

/** Writes a result where the arguments say; `extension` replaces that of the input. */
async function deliver(
  given: FileArguments,
  text: string,
  extension: string,
  terminal: Terminal,
): Promise<void> {
  if (given.stdout) {
    terminal.out(text.endsWith("\n") ? text : `${text}\n`);
    return;
  }
  const name = `${basename(given.file, extname(given.file))}${extension}`;
  const target = given.outfile ?? join(given.outdir ?? dirname(given.file), name);
  await makeDirectory(dirname(target));
  await writeFile(target, text);
}

/** Makes a directory and those above it. Step by step, because node's own way never ends below `/proc`. */
async function makeDirectory(directory: string): Promise<void> {
  const make = (): Promise<unknown> =>
    mkdir(directory).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  try {
    await make();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || dirname(directory) === directory) throw error;
    await makeDirectory(dirname(directory));
    await make();
  }
}

async function build(args: readonly string[], terminal: Terminal): Promise<number> {
  const given = readArguments(args, outputOptions);
  requireExtension(given.file, isBicepFile, ".bicep");
  const result = await compileFile(given.file);
  const failed = await printDiagnostics(result.diagnostics, terminal);
  if (failed || result.text === undefined) return 1;
  await deliver(given, result.text, ".json", terminal);
  return 0;
}

async function buildParameters(args: readonly string[], terminal: Terminal): Promise<number> {
  const given = readArguments(args, [...outputOptions, "bicep-file"]);
  requireExtension(given.file, isParametersFile, ".bicepparam");
  const result = await compileParametersFile(given.file, readOverrides());
  const failed = await printDiagnostics(result.diagnostics, terminal);
  if (failed || result.text === undefined) return 1;
  const { template } = result;
  if (given.bicepFile !== undefined && template !== undefined) checkTemplate(given.bicepFile, template.path);
  const templateJson = template?.text ?? null;
  const text = given.stdout
    ? JSON.stringify({ parametersJson: result.text, templateJson, templateSpecId: null })
    : result.text;
  await deliver(given, text, ".json", terminal);
  return 0;
}

function checkTemplate(expected: string, named: string): void {
  if (resolve(compilerPath(expected)) === resolve(named)) return;
  throw new CommandError(
    `The Bicep file ${expected} given with --bicep-file is not the one that the parameters file names, ${named}.`,
  );
}

/** `az` passes the values of its own command line on in this variable. */
function readOverrides(): JsonObject | undefined {
  const text = inheritedEnvironment()["BICEP_PARAMETERS_OVERRIDES"];
  if (text === undefined || text === "") return undefined;
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    throw new CommandError("BICEP_PARAMETERS_OVERRIDES is not valid JSON.");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new CommandError("BICEP_PARAMETERS_OVERRIDES must be a JSON object of parameter values.");
  }
  return value as JsonObject;
}

function requireExtension(file: string, fits: (file: string) => boolean, extension: string): void {
  if (!fits(file)) throw new UsageError(`${file} is not a ${extension} file.`);
}

async function lint(args: readonly string[], terminal: Terminal): Promise<number> {
  const { file } = readArguments(args, []);
  const result = isParametersFile(file) ? await compileParametersFile(file, undefined) : await lintable(file);
  return (await printDiagnostics(result.diagnostics, terminal)) ? 1 : 0;
}

async function lintable(file: string): ReturnType<typeof compileFile> {
  requireExtension(file, isBicepFile, ".bicep or .bicepparam");
  return compileFile(file);
}

async function format(args: readonly string[], terminal: Terminal): Promise<number> {
  const given = readArguments(args, [...outputOptions, "indent-size"]);
  const kind = isParametersFile(given.file) ? "bicepparam" : "bicep";
  if (kind === "bicep") requireExtension(given.file, isBicepFile, ".bicep or .bicepparam");
  const text = await readFile(given.file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(
      error.code === "ENOENT"
        ? `There is no file ${given.file}.`
        : `Cannot read ${given.file}: ${error.message}.`,
    );
  });
  const { formatBicep } = await import("../arm/bicep/format.ts");
  const path = compilerPath(given.file);
  const { formatted, diagnostics } = formatBicep({ path, text, kind, indentSize: given.indentSize });
  const failed = await printDiagnostics(diagnostics, terminal);
  if (failed || formatted === undefined) return 1;
  await deliver(given, formatted, extname(given.file), terminal);
  return 0;
}

const marker = "# Celestite's Bicep compiler";

async function install(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { to: { type: "string" }, force: { type: "boolean" } },
  });
  if (values.to === undefined || positionals.length > 0)
    throw new UsageError("Name the directory: --to DIR.");
  const target = join(resolve(values.to), "bicep");
  if (values.force !== true && !(await isReplaceable(target))) {
    throw new CommandError(`${target} exists and is another program; --force replaces it.`);
  }
  const entry = fileURLToPath(new URL("bicep-main.js", import.meta.url));
  await makeDirectory(dirname(target));
  await writeFile(target, `#!/bin/sh\n${marker}\nexec ${quote(process.execPath)} ${quote(entry)} "$@"\n`);
  await chmod(target, 0o755);
  terminal.out(`${target}\n`);
  return 0;
}

function quote(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}

/** True when there is nothing yet, or what an earlier installation put there. */
async function isReplaceable(target: string): Promise<boolean> {
  const there = await lstat(target).catch(() => undefined);
  if (there === undefined) return true;
  if (!there.isFile() || there.size > 4096) return false;
  return (await readFile(target, "utf8")).includes(marker);
}

/** Reading what is to be deployed: Bicep files, parameters files and JSON templates, with the values of the command line. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Json, JsonObject } from "../arm/json.ts";
import {
  compileDeployment,
  compileParametersFor,
  isBicepFile,
  isParametersFile,
  type Seen,
} from "./bicep-files.ts";
import { CommandError, type Terminal, UsageError } from "./command.ts";

export interface DeployFiles {
  readonly file: string;
  /** `NAME=VALUE` pairs. */
  readonly parameters: readonly string[];
  readonly parameterFile?: string;
}

/** Everything that a deployment needs from files. */
export interface PreparedFiles {
  readonly template: JsonObject;
  /** The text of a JSON template: sent as it is, so that errors of the server name its lines. */
  readonly text?: string;
  readonly parameters: JsonObject;
  /** Absolute paths of all files that were looked at. */
  readonly seen: ReadonlySet<string>;
  /** The template that a parameters file names. */
  readonly templateFile?: string;
}

/**
 * Reads and compiles everything; later sources of a parameter's value win over earlier ones. Findings go to the
 * terminal; `look` is told of each file before it is read. Throws CommandError, after which nothing was deployed.
 */
export async function prepareFiles(
  request: DeployFiles,
  terminal: Terminal,
  look: Seen = () => {},
): Promise<PreparedFiles> {
  const { file, parameterFile: extra } = request;
  const given = parseParameters(request.parameters);
  const overrides = Object.fromEntries(Object.entries(given).map(([name, { value }]) => [name, value]));
  const seen = new Set<string>();
  const see = (path: string): void => {
    look(resolve(path));
    seen.add(resolve(path));
  };
  see(file);
  if (extra !== undefined) see(extra);
  const compiled =
    isBicepFile(file) || isParametersFile(file)
      ? await compileDeployment(file, overrides, terminal, see)
      : { ...(await readJson(file)), parameters: {} };
  const read =
    extra !== undefined && isParametersFile(extra)
      ? await compileParametersFor(extra, file, overrides, terminal, see)
      : await parameterFile(extra);
  return { ...compiled, parameters: { ...compiled.parameters, ...read, ...given }, seen };
}

/** The value and the text of a JSON file, which may have comments as templates may. Throws CommandError. */
export async function readJson(
  file: string,
): Promise<{ readonly template: JsonObject; readonly text: string }> {
  const text = await readText(file);
  const [{ parseLenient }, { ArmError }] = await Promise.all([
    import("../arm/deployments/lenient-json.ts"),
    import("../azure/arm-error.ts"),
  ]);
  let value: Json;
  try {
    ({ value } = parseLenient(text));
  } catch (error) {
    if (!(error instanceof ArmError)) throw error;
    throw new CommandError(syntaxError(file, error.message));
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new CommandError(`${file} is no JSON object.`);
  }
  return { template: value as JsonObject, text };
}

/** The reader's message, with its place in the form that editors understand. */
function syntaxError(file: string, message: string): string {
  const found = /deserialized: '(.*), line (\d+), position (\d+)'/s.exec(message);
  return found === null
    ? `${file} is not valid JSON: ${message}`
    : `${file}(${found[2]},${found[3]}) : Error: not valid JSON: ${found[1]}.`;
}

async function readText(file: string): Promise<string> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") throw new CommandError(`There is no file ${file}.`);
    if (error.code === "EISDIR")
      throw new CommandError(
        `${file} is a folder: name one of its templates, or start a server with --deploy.`,
      );
    throw new CommandError(`Cannot read ${file}: ${error.message}.`);
  });
  return text.replace(/^\uFEFF/, "");
}

async function parameterFile(file: string | undefined): Promise<JsonObject> {
  if (file === undefined) return {};
  const { parameters } = (await readJson(file)).template;
  return (parameters ?? {}) as JsonObject;
}

/** `name=value` pairs; a value that is JSON is taken as such, anything else as a string. */
function parseParameters(pairs: readonly string[]): Record<string, { value: Json }> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const equals = pair.indexOf("=");
      if (equals < 1) throw new UsageError(`The parameter '${pair}' is not of the form NAME=VALUE.`);
      return [pair.slice(0, equals), { value: parameterValue(pair.slice(equals + 1)) }];
    }),
  );
}

function parameterValue(text: string): Json {
  if (!/^(true|false|null|-?\d|\[|\{|")/.test(text)) return text;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

/**
 * Which files of a folder are deployed: those that no other file of the folder uses. A parameters file stands for the
 * template it names, a module for nothing by itself, and `main.parameters.json` belongs to `main.json` or `main.bicep`.
 */
import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { isBicepFile, isParametersFile, type Seen } from "./bicep-files.ts";
import { CommandError, type Terminal } from "./command.ts";
import { type PreparedFiles, prepareFiles, readJson } from "./deploy-files.ts";

export interface SeedUnit {
  readonly file: string;
  readonly parameterFile?: string;
  /** Set when finding out what to deploy took reading it already. */
  readonly prepared?: PreparedFiles;
}

const schema = /deploymentTemplate\.json#?$/i;
const companion = /\.parameters\.json$/i;

/**
 * What the paths mean, in the order of paths and names; `seen` is told of everything that a change of would change the
 * answer. Throws CommandError for what is not there and for files with errors.
 */
export async function findUnits(
  paths: readonly string[],
  seen: Seen,
  terminal: Terminal,
): Promise<readonly SeedUnit[]> {
  const units: SeedUnit[] = [];
  for (const path of paths) {
    seen(resolve(path));
    const kind = await stat(path).catch(() => {
      throw new CommandError(`There is no file or folder ${path}.`);
    });
    if (kind.isDirectory()) units.push(...(await unitsOfFolder(path, seen, terminal)));
    else units.push({ file: path });
  }
  return units;
}

interface Compiled {
  readonly file: string;
  readonly prepared: PreparedFiles;
  readonly parameterFile?: string;
  /** Its warnings, printed only if it is deployed by itself. */
  readonly findings: string;
}

async function unitsOfFolder(folder: string, seen: Seen, terminal: Terminal): Promise<readonly SeedUnit[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
    .map((entry) => entry.name)
    .sort();
  const compiled: Compiled[] = [];
  for (const name of names.filter((each) => isBicepFile(each) || isParametersFile(each))) {
    compiled.push(await compile(folder, name, names, seen, terminal));
  }
  const used = usedByOthers(compiled);
  const isOwn = ({ file }: { readonly file: string }): boolean => !used.has(resolve(file));
  const units: SeedUnit[] = compiled.filter(isOwn).map(({ findings, ...unit }) => {
    if (findings !== "") terminal.error(findings);
    return unit;
  });
  units.push(...(await jsonTemplates(folder, names, seen)).filter(isOwn));
  return units.sort((a, b) => (a.file < b.file ? -1 : 1));
}

async function compile(
  folder: string,
  name: string,
  names: readonly string[],
  seen: Seen,
  terminal: Terminal,
): Promise<Compiled> {
  const file = join(folder, name);
  const parameterFile = parameterFileOf(folder, name, names);
  const own = parameterFile === undefined ? {} : { parameterFile };
  let findings = "";
  const collect: Terminal = {
    out: terminal.out,
    error: (text) => {
      findings += text;
    },
  };
  try {
    const prepared = await prepareFiles({ file, parameters: [], ...own }, collect, seen);
    return { file, prepared, findings, ...own };
  } catch (error) {
    terminal.error(findings);
    throw error;
  }
}

/** Files that a file other than themselves looks at: modules, and the template of a parameters file. */
function usedByOthers(
  units: readonly { readonly file: string; readonly prepared: PreparedFiles }[],
): ReadonlySet<string> {
  return new Set(
    units.flatMap(({ file, prepared }) => [...prepared.seen].filter((path) => path !== resolve(file))),
  );
}

async function jsonTemplates(
  folder: string,
  names: readonly string[],
  seen: Seen,
): Promise<readonly SeedUnit[]> {
  const units: SeedUnit[] = [];
  for (const name of names) {
    if (!name.endsWith(".json") || companion.test(name)) continue;
    const file = join(folder, name);
    seen(resolve(file));
    const { $schema } = (await readJson(file)).template;
    if (typeof $schema !== "string" || !schema.test($schema)) continue;
    const parameterFile = parameterFileOf(folder, name, names);
    units.push({ file, ...(parameterFile === undefined ? {} : { parameterFile }) });
  }
  return units;
}

function parameterFileOf(folder: string, name: string, names: readonly string[]): string | undefined {
  const wanted = `${name.replace(/\.[^.]+$/, "")}.parameters.json`.toLowerCase();
  const found = names.find((each) => each.toLowerCase() === wanted);
  return found === undefined || isParametersFile(name) ? undefined : join(folder, found);
}

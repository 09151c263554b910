/**
 * Seeding: what `celestite start --deploy` puts into a server, and puts in again while it is watched. All files are
 * read and compiled before the first is deployed, and what was deployed before and did not change is left alone.
 */
import { createHash } from "node:crypto";
import { chmod, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Seen } from "./bicep-files.ts";
import { CommandError, type Terminal } from "./command.ts";
import { type DeployRequest, deployPrepared, placeOf } from "./deploy.ts";
import { type PreparedFiles, prepareFiles } from "./deploy-files.ts";
import type { ScopeNames } from "./deploy-scopes.ts";
import { findUnits, type SeedUnit } from "./seed-folder.ts";
import { arm, type Server } from "./server.ts";
import { changed, type Snapshot, takeIn } from "./watch-files.ts";

export interface SeedOptions extends ScopeNames {
  /** Files and folders, as given. */
  readonly paths: readonly string[];
  /** `NAME=VALUE` pairs. */
  readonly parameters: readonly string[];
  readonly parameterFile?: string;
  /** Where it is remembered what was deployed. */
  readonly dataDirectory: string;
}

/** What is known of the files after a round, for the next one to be begun when one of them changes. */
export interface SeedRound {
  /** All files and folders that were looked at. */
  readonly seen: Snapshot;
  /** Undefined when everything is deployed. */
  readonly error: Error | undefined;
}

interface Unit {
  readonly request: DeployRequest;
  readonly prepared: PreparedFiles;
}

/** Deploys what changed. Errors are in the result, because a watcher goes on with them. */
export async function seed(server: Server, options: SeedOptions, terminal: Terminal): Promise<SeedRound> {
  const seen: Snapshot = new Map();
  const look = (path: string): void => takeIn(seen, path);
  try {
    const units: Unit[] = [];
    for (const found of await findUnits(options.paths, look, terminal)) {
      units.push(await prepareUnit(found, options, look, terminal));
    }
    for (const unit of units) await deployUnit(server, unit, options.dataDirectory, terminal);
    return { seen, error: undefined };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { seen, error };
  }
}

async function prepareUnit(
  found: SeedUnit,
  options: SeedOptions,
  look: Seen,
  terminal: Terminal,
): Promise<Unit> {
  const { file } = found;
  const parameterFile = options.parameterFile ?? found.parameterFile;
  const { group, managementGroup, parameters } = options;
  const request: DeployRequest = {
    file,
    group,
    parameters,
    ...(managementGroup === undefined ? {} : { managementGroup }),
    ...(parameterFile === undefined ? {} : { parameterFile }),
  };
  const prepared = found.prepared ?? (await prepareFiles(request, terminal, look));
  return { request, prepared };
}

/** By the deployment's path: what was deployed there, and as which run. */
type Remembered = Readonly<Record<string, { readonly content: string; readonly run: string }>>;

async function deployUnit(
  server: Server,
  { request, prepared }: Unit,
  dataDirectory: string,
  terminal: Terminal,
): Promise<void> {
  const { path } = await placeOf(server, request, prepared);
  const content = createHash("sha256")
    .update(JSON.stringify([prepared.template, prepared.parameters]))
    .digest("hex");
  const remembered = await readRemembered(dataDirectory);
  const before = remembered[path];
  if (before?.content === content && (await lastRun(server, path)) === before.run) {
    terminal.error(`${request.file} is as it was deployed.\n`);
    return;
  }
  await deployPrepared(server, request, prepared, terminal);
  const run = await lastRun(server, path);
  if (run !== undefined) await remember(dataDirectory, { ...remembered, [path]: { content, run } });
}

/** The run that left the deployment as it is, when it succeeded; a group that was deleted took its deployments along. */
async function lastRun(server: Server, path: string): Promise<string | undefined> {
  const { status, body } = await arm(server, "GET", path);
  // What only the tenant's administrator may read is deployed again: that changes nothing either.
  if (status !== 200) return undefined;
  const properties = body["properties"] as { provisioningState?: string; correlationId?: string };
  return properties.provisioningState === "Succeeded" ? properties.correlationId : undefined;
}

const rememberedFile = "seeds.json";

async function readRemembered(directory: string): Promise<Remembered> {
  try {
    return JSON.parse(await readFile(join(directory, rememberedFile), "utf8")) as Remembered;
  } catch {
    // Without it everything is deployed again, which changes nothing that is as the files say.
    return {};
  }
}

/** Fingerprints of parameters could be tried out by who reads them: the file is its owner's alone. */
async function remember(directory: string, content: Remembered): Promise<void> {
  const file = join(directory, rememberedFile);
  await writeFile(`${file}.new`, `${JSON.stringify(content, undefined, 2)}\n`, { mode: 0o600 });
  await chmod(`${file}.new`, 0o600);
  await rename(`${file}.new`, file);
}

/** Deploys again whenever a file changes, until stopped; errors are told and the watch goes on. */
export async function watchSeed(
  server: Server,
  options: SeedOptions,
  first: SeedRound,
  terminal: Terminal,
  stopped: AbortSignal,
): Promise<void> {
  let round = first;
  while (await changed(round.seen, stopped)) {
    round = await seed(server, options, terminal);
    if (round.error !== undefined) terminal.error(`celestite start: ${describeSeedError(round.error)}\n`);
  }
}

/** The error in one line or a few, as the command line prints it. */
export function describeSeedError(error: Error): string {
  const known = error instanceof CommandError || "syscall" in error;
  return known ? error.message : (error.stack ?? error.message);
}

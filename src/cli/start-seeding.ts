/** The part of `celestite start` that concerns `--deploy`: its options, the first deployment, and the watch after it. */
import { stat } from "node:fs/promises";
import type { Celestite } from "../celestite.ts";
import { CommandError, type Terminal, UsageError } from "./command.ts";
import type { SeedOptions } from "./seed.ts";
import type { Server } from "./server.ts";

export const seedingHelp: string = `  --deploy PATH  deploy a template (.bicep, .bicepparam, .json), or the templates of a folder, before being ready;
                 what did not change since it was deployed is left alone; may be repeated
  -g, --group NAME             with --deploy: the resource group (default: celestite)
  -m, --management-group NAME  with --deploy: the management group (default: the tenant's root group)
  -p, --parameter NAME=VALUE   a parameter of the one template that is deployed; may be repeated
  --parameters FILE            its parameters file
  --template-host HOST         fetch linked templates from this host too, e.g. raw.githubusercontent.com; may be repeated
`;

/** The options as `parseArgs` takes them. */
export const seedingOptions = {
  deploy: { type: "string", multiple: true },
  group: { type: "string", short: "g" },
  "management-group": { type: "string", short: "m" },
  parameter: { type: "string", short: "p", multiple: true },
  parameters: { type: "string" },
  "template-host": { type: "string", multiple: true },
} as const;

/** The values of these options. */
export interface SeedingValues {
  readonly deploy?: string[] | undefined;
  readonly group?: string | undefined;
  readonly "management-group"?: string | undefined;
  readonly parameter?: string[] | undefined;
  readonly parameters?: string | undefined;
}

/** Deploys what `celestite run` was asked to deploy before its program starts. Throws what stands in the way. */
export async function deployFirst(server: Server, options: SeedOptions, terminal: Terminal): Promise<void> {
  const [path] = options.paths;
  if (options.paths.length === 1 && path !== undefined && !(await isFolder(path))) {
    const { deployTemplate } = await import("./deploy.ts");
    await deployTemplate(server, { ...options, file: path }, terminal);
    return;
  }
  const { seed } = await import("./seed.ts");
  const { error } = await seed(server, options, terminal);
  if (error !== undefined) throw error;
}

/** What is to be deployed, or undefined. Throws UsageError, and CommandError for a path that is not there. */
export async function seedingOf(
  values: SeedingValues,
  dataDirectory: string,
): Promise<SeedOptions | undefined> {
  const { deploy: paths = [], group, parameter: parameters = [], parameters: parameterFile } = values;
  const managementGroup = values["management-group"];
  if (paths.length === 0) {
    const lonely = [group, managementGroup, parameters[0], parameterFile].some((each) => each !== undefined);
    if (lonely) throw new UsageError("-g, -m, -p and --parameters go with --deploy.");
    return undefined;
  }
  const folders: boolean[] = [];
  for (const path of paths) folders.push(await isFolder(path));
  const oneFile = folders.length === 1 && folders[0] === false;
  if (!oneFile && (parameters.length > 0 || parameterFile !== undefined)) {
    throw new UsageError("-p and --parameters go with one template; a folder has its parameters in files.");
  }
  return {
    paths,
    parameters,
    group: group ?? "celestite",
    dataDirectory,
    ...(managementGroup === undefined ? {} : { managementGroup }),
    ...(parameterFile === undefined ? {} : { parameterFile }),
  };
}

/** Looked at before the server starts, so that a misspelled path is told at once. */
async function isFolder(path: string): Promise<boolean> {
  const entry = await stat(path).catch(() => {
    throw new CommandError(`There is no file or folder ${path}.`);
  });
  return entry.isDirectory();
}

/** The hosts of `--template-host`. Throws UsageError. */
export function templateHostsOf(hosts: readonly string[] | undefined): {
  readonly templateHosts?: readonly string[];
} {
  if (hosts === undefined) return {};
  const bad = hosts.find((host) => !/^[\w.-]+(:\d+)?$/.test(host));
  if (bad !== undefined) throw new UsageError(`--template-host takes a host name; '${bad}' is none.`);
  return { templateHosts: hosts.map((host) => host.toLowerCase()) };
}

/** A signal to stop, listened for from the beginning: one that comes while templates are deployed counts. */
export interface Stopping {
  readonly done: Promise<void>;
  readonly signal: AbortSignal;
}

export function untilStopped(): Stopping {
  const controller = new AbortController();
  const done = new Promise<void>((resolve) => {
    const stop = (): void => {
      controller.abort();
      resolve();
    };
    process.once("SIGINT", stop);
    process.once("SIGTERM", stop);
  });
  return { done, signal: controller.signal };
}

/**
 * Deploys what was asked for. In development errors are told, and the returned promise lasts as long as the files are
 * watched; otherwise the first error is thrown.
 */
export async function startSeeding(
  server: Celestite,
  options: SeedOptions | undefined,
  watches: boolean,
  terminal: Terminal,
  stopped: AbortSignal,
): Promise<{ readonly ended: Promise<void> }> {
  if (options === undefined) return { ended: Promise.resolve() };
  // The compiler and all around it: a server without templates starts without them.
  const { describeSeedError, seed, watchSeed } = await import("./seed.ts");
  const at = { url: server.operatorUrl, secret: server.operatorSecret };
  const first = await seed(at, options, terminal);
  if (first.error !== undefined && !watches) throw first.error;
  if (first.error !== undefined) terminal.error(`celestite start: ${describeSeedError(first.error)}\n`);
  return { ended: watches ? watchSeed(at, options, first, terminal, stopped) : Promise.resolve() };
}

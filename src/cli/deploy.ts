/** `celestite deploy`: a template into a resource group, with progress and the outputs at the end. */
import { readFile } from "node:fs/promises";
import { basename, extname, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { dataDirectoryDefault } from "../config.ts";
import type { ServerStatus } from "../operator/gateway.ts";
import { type Command, CommandError, type Terminal, UsageError } from "./command.ts";
import { arm, armFailure, operator, requireArm, requireServer, type Server } from "./server.ts";

const help = `Usage: celestite deploy FILE.json [-g GROUP] [-p NAME=VALUE]... [--parameters FILE] [--json]

Deploys an ARM template as the bootstrap user (Owner of the default subscription). The group is created when missing.

Options:
  -g, --group NAME             resource group (default: celestite)
  -p, --parameter NAME=VALUE   a template parameter; VALUE is JSON, or a plain string
  --parameters FILE            a parameter file
  --name NAME                  name of the deployment (default: the file's name)
  --json                       print the deployment as JSON
  --data DIR                   data directory of the running server

Examples:
  celestite deploy main.json -g my-group
  celestite deploy main.json -g my-group -p disableLocalAuth=true
`;

const armApi = "api-version=2024-03-01";
/** Milliseconds between looks at a running deployment. */
const pollInterval = 200;

export interface DeployRequest {
  readonly file: string;
  readonly group: string;
  readonly parameters: readonly string[];
  readonly parameterFile?: string;
  readonly name?: string;
}

export const deployCommand: Command = {
  name: "deploy",
  summary: "deploy a template",
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        group: { type: "string", short: "g", default: "celestite" },
        parameter: { type: "string", short: "p", multiple: true },
        parameters: { type: "string" },
        name: { type: "string" },
        json: { type: "boolean" },
        data: { type: "string" },
      },
    });
    const [file, extra] = positionals;
    if (file === undefined || extra !== undefined) throw new UsageError("Name one template file.");
    const server = await requireServer(
      values.data === undefined ? dataDirectoryDefault() : resolve(values.data),
    );
    const deployment = await deployTemplate(
      server,
      {
        file,
        group: values.group,
        parameters: values.parameter ?? [],
        ...(values.parameters === undefined ? {} : { parameterFile: values.parameters }),
        ...(values.name === undefined ? {} : { name: values.name }),
      },
      terminal,
    );
    terminal.out(
      values.json === true ? `${JSON.stringify(deployment, undefined, 2)}\n` : outputs(deployment),
    );
    return 0;
  },
};

/** Deploys and waits; returns the deployment, or throws CommandError with what failed. */
export async function deployTemplate(
  server: Server,
  request: DeployRequest,
  terminal: Terminal,
): Promise<Record<string, unknown>> {
  const template = await readTemplate(request.file);
  const status = await operator<ServerStatus>(server, "GET", "status");
  const group = `/subscriptions/${status.subscriptionId}/resourceGroups/${encodeURIComponent(request.group)}`;
  await ensureGroup(server, group, status.location);
  const name = request.name ?? basename(request.file, extname(request.file));
  const path = `${group}/providers/Microsoft.Resources/deployments/${encodeURIComponent(name)}?${armApi}`;
  const parameters = {
    ...(await parameterFile(request.parameterFile)),
    ...parseParameters(request.parameters),
  };
  terminal.error(`Deploying ${request.file} to ${request.group} ...\n`);
  const started = await requireArm(server, "PUT", path, {
    properties: { mode: "Incremental", template, parameters },
  });
  return waitForEnd(server, path, started, terminal);
}

async function ensureGroup(server: Server, group: string, location: string): Promise<void> {
  const existing = await arm(server, "GET", `${group}?${armApi}`);
  if (existing.status !== 200) await requireArm(server, "PUT", `${group}?${armApi}`, { location });
}

async function waitForEnd(
  server: Server,
  path: string,
  started: Record<string, unknown>,
  terminal: Terminal,
): Promise<Record<string, unknown>> {
  let deployment = started;
  for (;;) {
    const properties = (deployment["properties"] ?? {}) as { provisioningState?: string; error?: unknown };
    if (properties.provisioningState === "Succeeded") {
      terminal.error("Succeeded.\n");
      return deployment;
    }
    if (properties.provisioningState === "Failed" || properties.provisioningState === "Canceled") {
      throw new CommandError(
        `The deployment ${properties.provisioningState.toLowerCase()}.\n${armFailure(properties.error) ?? ""}`,
      );
    }
    await sleep(pollInterval);
    deployment = await requireArm(server, "GET", path);
  }
}

async function readTemplate(file: string): Promise<unknown> {
  if (extname(file) === ".bicep") {
    throw new CommandError(
      "Bicep files cannot be deployed directly yet; compile to JSON first ('az bicep build --file main.bicep') and deploy that.",
    );
  }
  return readJson(file);
}

async function readJson(file: string): Promise<unknown> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(
      error.code === "ENOENT" ? `There is no file ${file}.` : `Cannot read ${file}: ${error.message}.`,
    );
  });
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw new CommandError(`${file} is not valid JSON: ${(error as Error).message}.`);
  }
}

async function parameterFile(file: string | undefined): Promise<Record<string, unknown>> {
  if (file === undefined) return {};
  const content = (await readJson(file)) as { parameters?: Record<string, unknown> };
  return content.parameters ?? {};
}

/** `name=value` pairs; a value that is JSON is taken as such, anything else as a string. */
function parseParameters(pairs: readonly string[]): Record<string, { value: unknown }> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const equals = pair.indexOf("=");
      if (equals < 1) throw new UsageError(`The parameter '${pair}' is not of the form NAME=VALUE.`);
      return [pair.slice(0, equals), { value: parameterValue(pair.slice(equals + 1)) }];
    }),
  );
}

function parameterValue(text: string): unknown {
  if (!/^(true|false|null|-?\d|\[|\{|")/.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function outputs(deployment: Record<string, unknown>): string {
  const properties = (deployment["properties"] ?? {}) as { outputs?: Record<string, { value: unknown }> };
  return Object.entries(properties.outputs ?? {})
    .map(([name, { value }]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}\n`)
    .join("");
}

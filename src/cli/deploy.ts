/** `celestite deploy`: a template or Bicep file into a resource group or subscription, with its outputs at the end. */
import { readFile } from "node:fs/promises";
import { basename, extname, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { Json, JsonObject } from "../arm/json.ts";
import { dataDirectoryDefault } from "../config.ts";
import type { ServerStatus } from "../operator/gateway.ts";
import { compileDeployment, compileParametersFor, isBicepFile, isParametersFile } from "./bicep-files.ts";
import { type Command, CommandError, type Terminal, UsageError } from "./command.ts";
import { arm, armFailure, operator, requireArm, requireServer, type Server } from "./server.ts";

const help = `Usage: celestite deploy FILE [-g GROUP] [-p NAME=VALUE]... [--parameters FILE] [--json]

Deploys as the bootstrap user (Owner of the default subscription). FILE is a Bicep file (.bicep), a Bicep parameters
file (.bicepparam, with the template that it names) or an ARM template (.json). The group is created when missing; a
file with targetScope 'subscription' is deployed to the subscription. Nothing is deployed when the file has errors.

Options:
  -g, --group NAME             resource group (default: celestite)
  -p, --parameter NAME=VALUE   a template parameter; VALUE is JSON, or a plain string
  --parameters FILE            a parameters file, .bicepparam or .json
  --name NAME                  name of the deployment (default: the file's name)
  --json                       print the deployment as JSON
  --data DIR                   data directory of the running server

Examples:
  celestite deploy main.bicep -g my-group
  celestite deploy main.bicep -g my-group -p disableLocalAuth=true
  celestite deploy dev.bicepparam -g my-group
  celestite deploy main.json -g my-group --parameters dev.parameters.json
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
  const { template, parameters } = await prepare(request, terminal);
  const status = await operator<ServerStatus>(server, "GET", "status");
  const atSubscription = scopeOf(template) === "subscription";
  const subscription = `/subscriptions/${status.subscriptionId}`;
  const group = `${subscription}/resourceGroups/${encodeURIComponent(request.group)}`;
  if (!atSubscription) await ensureGroup(server, group, status.location);
  const name = request.name ?? basename(request.file, extname(request.file));
  const scope = atSubscription ? subscription : group;
  const path = `${scope}/providers/Microsoft.Resources/deployments/${encodeURIComponent(name)}?${armApi}`;
  const target = atSubscription ? "the subscription" : request.group;
  terminal.error(`Deploying ${request.file} to ${target} ...\n`);
  const started = await requireArm(server, "PUT", path, {
    ...(atSubscription ? { location: status.location } : {}),
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

interface Prepared {
  readonly template: unknown;
  readonly parameters: JsonObject;
}

/** What is deployed: later sources of a parameter's value win over earlier ones. */
async function prepare(request: DeployRequest, terminal: Terminal): Promise<Prepared> {
  const { file, parameterFile: extra } = request;
  const given = parseParameters(request.parameters);
  const overrides = Object.fromEntries(Object.entries(given).map(([name, { value }]) => [name, value]));
  const compiled =
    isBicepFile(file) || isParametersFile(file)
      ? await compileDeployment(file, overrides, terminal)
      : { template: await readJson(file), parameters: {} };
  const read =
    extra !== undefined && isParametersFile(extra)
      ? await compileParametersFor(extra, file, overrides, terminal)
      : await parameterFile(extra);
  return { template: compiled.template, parameters: { ...compiled.parameters, ...read, ...given } };
}

/** Where a template is deployed to, by its schema. Throws CommandError for scopes that this command has no place for. */
function scopeOf(template: unknown): "group" | "subscription" {
  const { $schema } = (template ?? {}) as { $schema?: unknown };
  const scope = /(subscription|managementGroup|tenant)DeploymentTemplate\.json/i.exec(String($schema))?.[1];
  if (scope === undefined) return "group";
  if (scope.toLowerCase() === "subscription") return "subscription";
  throw new CommandError(`Templates for the scope '${scope}' cannot be deployed with this command.`);
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

async function parameterFile(file: string | undefined): Promise<JsonObject> {
  if (file === undefined) return {};
  const content = (await readJson(file)) as { parameters?: JsonObject };
  return content.parameters ?? {};
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

function outputs(deployment: Record<string, unknown>): string {
  const properties = (deployment["properties"] ?? {}) as { outputs?: Record<string, { value: unknown }> };
  return Object.entries(properties.outputs ?? {})
    .map(([name, { value }]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}\n`)
    .join("");
}

/** `celestite deploy`: a template or Bicep file into the scope that it is written for, with its outputs at the end. */
import { basename, extname, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { dataDirectoryDefault } from "../config.ts";
import type { ServerStatus } from "../operator/gateway.ts";
import { type Command, CommandError, type Terminal, UsageError } from "./command.ts";
import { type DeployFiles, type PreparedFiles, prepareFiles } from "./deploy-files.ts";
import { type DeployScope, type ScopeNames, scopeOf, withTenantRights } from "./deploy-scopes.ts";
import { arm, armFailure, operator, requireArm, requireServer, type Server } from "./server.ts";

const help = `Usage: celestite deploy FILE [-g GROUP] [-p NAME=VALUE]... [--parameters FILE] [--json]

Deploys as the bootstrap user (Owner of the default subscription). FILE is a Bicep file (.bicep), a Bicep parameters
file (.bicepparam, with the template that it names) or an ARM template (.json). The file says where it belongs
(targetScope): a resource group, which is created when missing, the subscription, a management group or the tenant.
Nothing is deployed when the file has errors.

Options:
  -g, --group NAME             resource group (default: celestite)
  -m, --management-group NAME  management group (default: the tenant's root group)
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
  celestite deploy landing-zone.bicep -m my-management-group
`;

const armApi = "api-version=2024-03-01";
/** Milliseconds between looks at a running deployment. */
const pollInterval = 200;

export interface DeployRequest extends DeployFiles, ScopeNames {
  readonly name?: string;
}

export const deployCommand: Command = {
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        group: { type: "string", short: "g", default: "celestite" },
        "management-group": { type: "string", short: "m" },
        parameter: { type: "string", short: "p", multiple: true },
        parameters: { type: "string" },
        name: { type: "string" },
        json: { type: "boolean" },
        data: { type: "string" },
      },
    });
    const [file, extra] = positionals;
    if (file === undefined || extra !== undefined) throw new UsageError("Name one template file.");
    const { "management-group": managementGroup } = values;
    const server = await requireServer(
      values.data === undefined ? dataDirectoryDefault() : resolve(values.data),
    );
    const deployment = await deployTemplate(
      server,
      {
        file,
        group: values.group,
        parameters: values.parameter ?? [],
        ...(managementGroup === undefined ? {} : { managementGroup }),
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
  return deployPrepared(server, request, await prepareFiles(request, terminal), terminal);
}

/** A deployment's place on the server. */
export interface DeploymentPlace {
  readonly scope: DeployScope;
  readonly location: string;
  /** The deployment's path, with the api-version. */
  readonly path: string;
}

/** Where `request` leads to. */
export async function placeOf(
  server: Server,
  request: DeployRequest,
  { template }: PreparedFiles,
): Promise<DeploymentPlace> {
  const status = await operator<ServerStatus>(server, "GET", "status");
  const scope = scopeOf(template, request, status);
  const name = request.name ?? basename(request.file, extname(request.file));
  const path = `${scope.id}/providers/Microsoft.Resources/deployments/${encodeURIComponent(name)}?${armApi}`;
  return { scope, location: status.location, path };
}

/** The same as `deployTemplate` for files that are read already. */
export async function deployPrepared(
  server: Server,
  request: DeployRequest,
  prepared: PreparedFiles,
  terminal: Terminal,
): Promise<Record<string, unknown>> {
  const place = await placeOf(server, request, prepared);
  const { scope, location, path } = place;
  const work = async (): Promise<Record<string, unknown>> => {
    if (scope.kind === "group") await ensureGroup(server, scope.id, location);
    terminal.error(`Deploying ${request.file} to ${scope.label} ...\n`);
    const reply = await arm(server, "PUT", path, undefined, bodyOf(place, prepared));
    if (reply.status >= 300) {
      const failure = armFailure(reply.body["error"]) ?? `ARM answered HTTP ${reply.status}.`;
      throw new CommandError(`${lineOf(request.file, prepared, reply.body["error"])}${failure}`);
    }
    return waitForEnd(server, path, reply.body, terminal);
  };
  return scope.kind === "group" || scope.kind === "subscription" ? work() : withTenantRights(server, work);
}

/**
 * The body of the request. The text of a JSON template is not parsed and printed again, and nothing stands on a line
 * before it: lines that the server names are lines of the file.
 */
function bodyOf({ scope, location }: DeploymentPlace, { template, text, parameters }: PreparedFiles): string {
  const place = scope.kind === "group" ? "" : `,"location":${JSON.stringify(location)}`;
  const content = text ?? JSON.stringify(template);
  return `{"properties":{"template":${content}\n,"mode":"Incremental","parameters":${JSON.stringify(parameters)}}${place}}`;
}

/** `FILE(line,column) : ` when the server names a place in a JSON template, else nothing. */
function lineOf(file: string, { text }: PreparedFiles, error: unknown): string {
  const { additionalInfo } = (error ?? {}) as { additionalInfo?: { info?: Record<string, unknown> }[] };
  const { lineNumber, linePosition } = additionalInfo?.[0]?.info ?? {};
  if (text === undefined || typeof lineNumber !== "number" || lineNumber < 1) return "";
  return `${file}(${lineNumber},${String(linePosition)}) : Error `;
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
  const told = new Set<string>();
  for (;;) {
    const properties = (deployment["properties"] ?? {}) as {
      provisioningState?: string;
      error?: unknown;
      outputResources?: readonly unknown[];
    };
    if (properties.provisioningState === "Succeeded") {
      const count = properties.outputResources?.length ?? 0;
      terminal.error(`Succeeded: ${count === 1 ? "1 resource" : `${count} resources`}.\n`);
      return deployment;
    }
    if (properties.provisioningState === "Failed" || properties.provisioningState === "Canceled") {
      throw new CommandError(
        `The deployment ${properties.provisioningState.toLowerCase()}.\n${armFailure(properties.error) ?? ""}`,
      );
    }
    await sleep(pollInterval);
    deployment = await requireArm(server, "GET", path);
    await tellSteps(server, path, told, terminal);
  }
}

/** One line for each step of a running deployment that ended since the last look. */
async function tellSteps(server: Server, path: string, told: Set<string>, terminal: Terminal): Promise<void> {
  const { body } = await arm(server, "GET", path.replace("?", "/operations?"));
  for (const step of (body["value"] ?? []) as readonly Step[]) {
    if (told.has(step.operationId)) continue;
    told.add(step.operationId);
    const { targetResource, provisioningState } = step.properties;
    terminal.error(`  ${provisioningState}: ${targetResource.resourceType} ${targetResource.resourceName}\n`);
  }
}

interface Step {
  readonly operationId: string;
  readonly properties: {
    readonly provisioningState: string;
    readonly targetResource: { readonly resourceType: string; readonly resourceName: string };
  };
}

function outputs(deployment: Record<string, unknown>): string {
  const properties = (deployment["properties"] ?? {}) as { outputs?: Record<string, { value: unknown }> };
  return Object.entries(properties.outputs ?? {})
    .map(([name, { value }]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}\n`)
    .join("");
}

/**
 * `celestite az`: the real Azure CLI, pointed at the running server as a cloud of its own and with a profile of its
 * own, so that the user's sign-ins and settings stay as they are.
 */
import { spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { constants } from "node:os";
import { join, resolve } from "node:path";
import { isatty } from "node:tty";
import { parseArgs } from "node:util";
import { dataDirectoryDefault, inheritedEnvironment } from "../config.ts";
import type { ServerStatus, Workload } from "../operator/gateway.ts";
import { openRealmProxy, sendsPassword } from "./az-realm.ts";
import { runBicep } from "./bicep.ts";
import { divertingVariables } from "./child-environment.ts";
import { type Command, CommandError, type Terminal, UsageError } from "./command.ts";
import { operator, requireServer, type Server } from "./server.ts";

const help = `Usage: celestite az [--identity NAME]... [--as HOST] [--data DIR] -- ARGS...

Runs the Azure CLI ('az' on the PATH) against the server: its own cloud, its own profile in the data directory, our
certificates trusted, our Bicep compiler in place. Sign in with it in any of its ways first. It takes an azure-cli that
knows the setting core.instance_discovery; Debian's own 2.45 does not, docs/control-plane.md has a way for that.

Options:
  --identity NAME  let 'az login --identity' find this user-assigned identity; may be repeated
  --as HOST        or those of a deployed host
  --data DIR       data directory of the running server

Examples:
  celestite identity user password admin@celestite.local --password 'correct horse'
  celestite az -- login -u admin@celestite.local -p 'correct horse'
  celestite az -- login --use-device-code
  celestite az -- login --service-principal -u APP-ID -p SECRET --tenant TENANT
  celestite az --identity worker -- login --identity --client-id CLIENT-ID
  celestite az -- cosmosdb list -o table
`;

export const azCommand: Command = {
  help,
  async run(args, terminal) {
    const dashes = args.indexOf("--");
    const { values, positionals } = parseArgs({
      args: [...(dashes < 0 ? args : args.slice(0, dashes))],
      allowPositionals: true,
      options: {
        identity: { type: "string", multiple: true },
        as: { type: "string" },
        data: { type: "string" },
      },
    });
    if (positionals.length > 0)
      throw new UsageError(`'${positionals[0]}' stands before '--'; the arguments of az come after it.`);
    if (dashes < 0) throw new UsageError("The arguments of az come after '--'.");
    const data = values.data === undefined ? dataDirectoryDefault() : resolve(values.data);
    const server = await requireServer(data);
    const status = await operator<ServerStatus>(server, "GET", "status");
    const profile = join(data, "az");
    await writeProfile(profile, status);
    const identities = values.identity ?? [];
    const wanted = { identities, ...(values.as === undefined ? {} : { host: values.as }) };
    const workload =
      identities.length > 0 || values.as !== undefined
        ? await operator<Workload>(server, "POST", "workloads", wanted)
        : undefined;
    try {
      const environment = environmentOf(status, profile, workload, terminal);
      return await runWithRealm(args.slice(dashes + 1), environment, status);
    } finally {
      await release(server, workload);
    }
  },
};

/** Runs az, through a proxy of ours where it would ask the wrong port. */
async function runWithRealm(
  args: readonly string[],
  environment: Record<string, string>,
  { endpoints }: ServerStatus,
): Promise<number> {
  if (!sendsPassword(args)) return runAz(args, environment);
  const proxy = await openRealmProxy(endpoints.authority);
  try {
    const through = { HTTPS_PROXY: proxy.url, https_proxy: proxy.url, NO_PROXY: "", no_proxy: "" };
    return await runAz(args, { ...environment, ...through });
  } finally {
    proxy.close();
  }
}

async function release(server: Server, workload: Workload | undefined): Promise<void> {
  if (workload !== undefined) await operator(server, "DELETE", `workloads/${workload.id}`);
}

const cloudName = "Celestite";

/** The cloud's addresses as `az cloud register` would write them; ports may have changed since the last time. */
async function writeProfile(profile: string, { endpoints }: ServerStatus): Promise<void> {
  const { arm, authority } = endpoints;
  const cloud: Readonly<Record<string, string>> = {
    endpoint_management: `${arm}/`,
    endpoint_resource_manager: `${arm}/`,
    endpoint_active_directory: authority,
    endpoint_active_directory_resource_id: "https://management.core.windows.net/",
    endpoint_active_directory_graph_resource_id: "https://graph.windows.net/",
    endpoint_microsoft_graph_resource_id: `${authority}/`,
    suffix_keyvault_dns: ".vault.azure.net",
    suffix_storage_endpoint: "core.windows.net",
    suffix_sql_server_hostname: ".database.windows.net",
    suffix_acr_login_server_endpoint: ".azurecr.io",
    profile: "latest",
  };
  const config = {
    cloud: { name: cloudName },
    core: { instance_discovery: "false", collect_telemetry: "false", survey_message: "false" },
  };
  await mkdir(profile, { recursive: true, mode: 0o700 });
  await writeFile(join(profile, "clouds.config"), ini({ [cloudName]: cloud }));
  await writeFile(join(profile, "config"), ini(config));
  // Where az looks for the compiler before it would download one.
  const silent: Terminal = { out: () => {}, error: () => {} };
  await runBicep(["install", "--to", join(profile, "bin"), "--force"], silent);
}

function ini(sections: Readonly<Record<string, Readonly<Record<string, string>>>>): string {
  return Object.entries(sections)
    .map(([name, members]) => {
      const lines = Object.entries(members).map(([key, value]) => `${key} = ${value}\n`);
      return `[${name}]\n${lines.join("")}`;
    })
    .join("\n");
}

function environmentOf(
  status: ServerStatus,
  profile: string,
  workload: Workload | undefined,
  terminal: Terminal,
): Record<string, string> {
  const inherited = inheritedEnvironment();
  if (workload !== undefined) {
    const removed = divertingVariables(inherited, workload, true);
    for (const name of removed) delete inherited[name];
    if (removed.length > 0)
      terminal.error(`celestite az: not passed on, because they would divert it: ${removed.join(", ")}\n`);
  }
  const nearby = "localhost,127.0.0.1,::1";
  return {
    ...inherited,
    ...workload?.environment,
    AZURE_CONFIG_DIR: profile,
    // Settings of the user's own shell would win over the profile's.
    AZURE_CLOUD_NAME: cloudName,
    AZURE_CORE_INSTANCE_DISCOVERY: "false",
    AZURE_CORE_COLLECT_TELEMETRY: "false",
    REQUESTS_CA_BUNDLE: status.caBundleFile,
    SSL_CERT_FILE: status.caBundleFile,
    NO_PROXY: nearby,
    no_proxy: nearby,
  };
}

function runAz(args: readonly string[], env: Record<string, string>): Promise<number> {
  return new Promise((done, fail) => {
    const child = spawn("az", [...args], { stdio: "inherit", env });
    // A terminal's Ctrl-C reaches the child by itself; sent on, it would be a second one, at which many programs give up.
    const atTerminal = isatty(0);
    const forward = (signal: NodeJS.Signals): void => {
      if (!atTerminal || signal === "SIGTERM") child.kill(signal);
    };
    const signals: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];
    for (const signal of signals) process.on(signal, forward);
    const finish = (): void => {
      for (const signal of signals) process.off(signal, forward);
    };
    child.once("error", (error: NodeJS.ErrnoException) => {
      finish();
      const text =
        error.code === "ENOENT"
          ? "There is no 'az' on the PATH. Install the Azure CLI ('pip install azure-cli'), or use 'celestite run --as-user UPN' for the SDKs alone."
          : `az could not be started: ${error.message}.`;
      fail(new CommandError(text));
    });
    child.once("exit", (code, signal) => {
      finish();
      done(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

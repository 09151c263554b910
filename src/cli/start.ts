/** `celestite start`: the server in the foreground. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { openEntropy, systemClock } from "../clock.ts";
import {
  anyPorts,
  dataDirectoryDefault,
  defaultPorts,
  defaultSettings,
  type Ports,
  type Settings,
} from "../config.ts";
import type { ServerStatus } from "../operator/gateway.ts";
import { type Command, CommandError, UsageError } from "./command.ts";
import { listening } from "./listening.ts";
import { findServer } from "./server.ts";
import {
  seedingHelp,
  seedingOf,
  seedingOptions,
  startSeeding,
  templateHostsOf,
  untilStopped,
} from "./start-seeding.ts";

const help = `Usage: celestite start [--data DIR] [--memory | --store URL] [--deploy PATH]... [--any-ports] [--json]

Starts everything and stays in the foreground until Ctrl-C: managed identity endpoints, the Entra authority, Azure
Resource Manager, and one https endpoint per Cosmos account.

Options:
  --data DIR     where the store, keys and certificates live (default: $CELESTITE_DATA or ~/.celestite)
  --memory       keep the store in memory only; nothing is left afterwards but the certificate authority
  --store URL    keep the store in PostgreSQL: postgres://user:password@host:port/database (?schema=NAME to share one)
${seedingHelp}  --any-ports    let the system choose all ports (default: ${defaultPorts.managed}, ${defaultPorts.authority}, ${defaultPorts.arm}, accounts from ${defaultPorts.cosmos})
  --first-port N other ports: N, N+1 and N+2 in place of those three, accounts from N+10
  --ranges N     give new containers N physical ranges (default: one per started 10,000 RU/s, as in Azure), to meet
                 cross-partition behaviour early
  --emulator-key take the well-known key of Microsoft's emulator as every account's primary key (loopback only)
  --development  let 'celestite clock advance' move the time, and deploy again what --deploy names whenever a file of
                 it changes; not for an instance that others rely on
  --log-files DIR write diagnostic logs (requests of both planes, refused sign-ins) as NDJSON files
  --otlp URL     send logs and metrics to an OpenTelemetry collector, e.g. http://localhost:4318
  --role-delay S let changes of role definitions and assignments wait S seconds for their effect, as they do in Azure
  --key-delay S  go on taking the old value of a regenerated account key for S seconds
  --strict       refuse resources of services that are not known here, instead of keeping them as they were sent
  --json         print what listens as one line of JSON

Examples:
  celestite start
  celestite start --data ./state --first-port 9071
  celestite start --memory --any-ports --json
  celestite start --deploy main.bicep -g my-group -p disableLocalAuth=true
  celestite start --development --deploy ./infra
`;

export const startCommand: Command = {
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        ...seedingOptions,
        data: { type: "string" },
        memory: { type: "boolean" },
        store: { type: "string" },
        "any-ports": { type: "boolean" },
        "first-port": { type: "string" },
        ranges: { type: "string" },
        development: { type: "boolean" },
        "emulator-key": { type: "boolean" },
        "log-files": { type: "string" },
        otlp: { type: "string" },
        "role-delay": { type: "string" },
        "key-delay": { type: "string" },
        strict: { type: "boolean" },
        json: { type: "boolean" },
      },
    });
    if (positionals.length > 0) throw new UsageError(`'${positionals[0]}' is not an option.`);
    const settings: Settings = {
      ...defaultSettings(),
      dataDirectory: values.data === undefined ? dataDirectoryDefault() : resolve(values.data),
      ...storeOf(values.memory === true, values.store),
      ...portsOf(values["any-ports"] === true, values["first-port"]),
      ...rangesOf(values.ranges),
      development: values.development === true,
      ...(values.strict === true ? { strict: true } : {}),
      ...(values["emulator-key"] === true ? { emulatorKey: true } : {}),
      ...telemetryOf(values["log-files"], values.otlp),
      ...delaysOf(values["role-delay"], values["key-delay"]),
      ...templateHostsOf(values["template-host"]),
    };
    const seeding = await seedingOf(values, settings.dataDirectory);
    // The server is most of the program; commands that only talk to one do without it.
    const loading = import("../celestite.ts");
    await requireNoServer(settings.dataDirectory);
    const { startCelestite } = await loading;
    let ready = seeding === undefined;
    const server = await startCelestite(settings, {
      clock: systemClock,
      entropy: openEntropy(),
      ready: () => ready,
      onError: (error) => terminal.error(`celestite: unexpected error: ${describe(error)}\n`),
    });
    const stopping = untilStopped();
    try {
      const { development } = settings;
      const watch = await startSeeding(server, seeding, development, terminal, stopping.signal);
      ready = true;
      const status = await server.status();
      terminal.out(values.json === true ? `${JSON.stringify(status)}\n` : banner(settings, status));
      await stopping.done;
      terminal.error("Stopping.\n");
      await watch.ended;
    } finally {
      await server.close();
    }
    return 0;
  },
};

/** Commands find a server by its data directory, so there is one in each, also of those that keep nothing there. */
async function requireNoServer(directory: string): Promise<void> {
  const running = await findServer(directory);
  if (running === undefined) return;
  throw new CommandError(
    `A server is already running on ${directory} (${running.url}). Stop it first, or give this one a directory of its own: --data DIR --any-ports.`,
  );
}

function telemetryOf(
  directory: string | undefined,
  endpoint: string | undefined,
): { readonly logDirectory?: string; readonly otlpEndpoint?: string } {
  if (endpoint !== undefined && !/^https?:\/\/[^/]/.test(endpoint)) {
    throw new UsageError("--otlp takes the http:// URL of a collector.");
  }
  return {
    ...(directory === undefined ? {} : { logDirectory: resolve(directory) }),
    ...(endpoint === undefined ? {} : { otlpEndpoint: endpoint }),
  };
}

/** The last one leaves room for accounts. */
const firstPortMax = 65_000;

function portsOf(any: boolean, first: string | undefined): { readonly ports?: Ports } {
  if (first === undefined) return any ? { ports: anyPorts } : {};
  const port = Number(first);
  if (any) throw new UsageError("--any-ports and --first-port exclude each other.");
  if (!Number.isInteger(port) || port < 1 || port > firstPortMax)
    throw new UsageError(`--first-port takes a number from 1 to ${firstPortMax}.`);
  return { ports: { managed: port, authority: port + 1, arm: port + 2, cosmos: port + 10 } };
}

/** More would be of no use to anybody: each is a log of its own. */
const rangesMax = 100;

function rangesOf(text: string | undefined): { readonly physicalRanges?: number } {
  if (text === undefined) return {};
  const ranges = Number(text);
  if (!Number.isInteger(ranges) || ranges < 1 || ranges > rangesMax)
    throw new UsageError(`--ranges takes a number from 1 to ${rangesMax}.`);
  return { physicalRanges: ranges };
}

/** A day is longer than anything waits in the service. */
const delayMax = 86_400;

function delaysOf(
  roles: string | undefined,
  keys: string | undefined,
): { readonly roleDelay?: number; readonly keyDelay?: number } {
  const seconds = (text: string, option: string): number => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isInteger(value) || value < 0 || value > delayMax)
      throw new UsageError(`${option} takes a number of seconds from 0 to ${delayMax}.`);
    return value;
  };
  return {
    ...(roles === undefined ? {} : { roleDelay: seconds(roles, "--role-delay") }),
    ...(keys === undefined ? {} : { keyDelay: seconds(keys, "--key-delay") }),
  };
}

function storeOf(memory: boolean, url: string | undefined): { readonly store?: string } {
  if (memory && url !== undefined) throw new UsageError("--memory and --store exclude each other.");
  if (url !== undefined && !/^postgres(ql)?:/.test(url))
    throw new UsageError("--store takes a postgres:// URL.");
  return memory ? { store: "memory" } : url === undefined ? {} : { store: url };
}

function banner(settings: Settings, status: ServerStatus): string {
  return `Celestite ${status.version} is ready${settings.store === "memory" ? " (in memory)" : ""}.

${listening(status, settings.dataDirectory)}
Run a program with an identity:  celestite run --identity NAME -- COMMAND
Why was a request denied:        celestite explain
Ctrl-C stops the server.
`;
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

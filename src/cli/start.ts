/** `celestite start`: the server in the foreground. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { openEntropy, systemClock } from "../clock.ts";
import { anyPorts, dataDirectoryDefault, defaultPorts, defaultSettings, type Settings } from "../config.ts";
import type { ServerStatus } from "../operator/gateway.ts";
import { type Command, UsageError } from "./command.ts";

const help = `Usage: celestite start [--data DIR] [--memory | --store URL] [--any-ports] [--ranges N] [--json]

Starts everything and stays in the foreground until Ctrl-C: managed identity endpoints, the Entra authority, Azure
Resource Manager, and one https endpoint per Cosmos account.

Options:
  --data DIR     where the store, keys and certificates live (default: $CELESTITE_DATA or ~/.celestite)
  --memory       keep the store in memory only; nothing is left afterwards but the certificate authority
  --store URL    keep the store in PostgreSQL: postgres://user:password@host:port/database (?schema=NAME to share one)
  --any-ports    let the system choose all ports (default: ${defaultPorts.managed}, ${defaultPorts.authority}, ${defaultPorts.arm}, accounts from ${defaultPorts.cosmos})
  --ranges N     give new containers N physical ranges (default: one per started 10,000 RU/s, as in Azure), to meet
                 cross-partition behaviour early
  --emulator-key take the well-known key of Microsoft's emulator as every account's primary key (loopback only)
  --development  let 'celestite clock advance' move the time; not for an instance that others rely on
  --log-files DIR write diagnostic logs (DataPlaneRequests, ControlPlaneRequests, Administrative) as NDJSON files
  --otlp URL     send logs and metrics to an OpenTelemetry collector, e.g. http://localhost:4318
  --strict       refuse resources of services that are not known here, instead of keeping them as they were sent
  --json         print what listens as one line of JSON

Examples:
  celestite start
  celestite start --data ./state
  celestite start --memory --any-ports --json
`;

export const startCommand: Command = {
  name: "start",
  summary: "start the server in the foreground",
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        data: { type: "string" },
        memory: { type: "boolean" },
        store: { type: "string" },
        "any-ports": { type: "boolean" },
        ranges: { type: "string" },
        development: { type: "boolean" },
        "emulator-key": { type: "boolean" },
        "log-files": { type: "string" },
        otlp: { type: "string" },
        strict: { type: "boolean" },
        json: { type: "boolean" },
      },
    });
    if (positionals.length > 0) throw new UsageError(`'${positionals[0]}' is not an option.`);
    const settings: Settings = {
      ...defaultSettings(),
      dataDirectory: values.data === undefined ? dataDirectoryDefault() : resolve(values.data),
      ...storeOf(values.memory === true, values.store),
      ...(values["any-ports"] === true ? { ports: anyPorts } : {}),
      ...rangesOf(values.ranges),
      development: values.development === true,
      ...(values.strict === true ? { strict: true } : {}),
      ...(values["emulator-key"] === true ? { emulatorKey: true } : {}),
      ...telemetryOf(values["log-files"], values.otlp),
    };
    // The server is most of the program; commands that only talk to one do without it.
    const { startCelestite } = await import("../celestite.ts");
    const server = await startCelestite(settings, {
      clock: systemClock,
      entropy: openEntropy(),
      onError: (error) => terminal.error(`celestite: unexpected error: ${describe(error)}\n`),
    });
    const status = await server.status();
    terminal.out(values.json === true ? `${JSON.stringify(status)}\n` : banner(settings, status));
    await untilStopped();
    terminal.error("Stopping.\n");
    await server.close();
    return 0;
  },
};

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

/** More would be of no use to anybody: each is a log of its own. */
const rangesMax = 100;

function rangesOf(text: string | undefined): { readonly physicalRanges?: number } {
  if (text === undefined) return {};
  const ranges = Number(text);
  if (!Number.isInteger(ranges) || ranges < 1 || ranges > rangesMax)
    throw new UsageError(`--ranges takes a number from 1 to ${rangesMax}.`);
  return { physicalRanges: ranges };
}

function storeOf(memory: boolean, url: string | undefined): { readonly store?: string } {
  if (memory && url !== undefined) throw new UsageError("--memory and --store exclude each other.");
  if (url !== undefined && !/^postgres(ql)?:/.test(url))
    throw new UsageError("--store takes a postgres:// URL.");
  return memory ? { store: "memory" } : url === undefined ? {} : { store: url };
}

function banner(settings: Settings, status: ServerStatus): string {
  const accounts =
    status.accounts.length === 0
      ? "  no Cosmos account yet: celestite deploy main.json -g my-group\n"
      : status.accounts
          .map((account) => `  Cosmos ${account.name.padEnd(22)} ${account.endpoint}\n`)
          .join("");
  return `Celestite ${status.version} is ready${settings.store === "memory" ? " (in memory)" : ""}.

  managed identity              ${status.endpoints.managedIdentity}
  Entra authority               ${status.endpoints.authority}/${status.tenantId}
  Azure Resource Manager        ${status.endpoints.arm}/subscriptions/${status.subscriptionId}
${accounts}
  data directory                ${settings.dataDirectory}
  certificate authority         ${status.caFile}
  the same plus system roots    ${status.caBundleFile}

Run a program with an identity:  celestite run --identity NAME -- COMMAND
Why was a request denied:        celestite explain --last
Ctrl-C stops the server.
`;
}

function untilStopped(): Promise<void> {
  return new Promise((done) => {
    process.once("SIGINT", () => done());
    process.once("SIGTERM", () => done());
  });
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

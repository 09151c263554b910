/** `celestite run`: a program as a workload that has managed identities; its exit code is ours. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { openEntropy, systemClock } from "../clock.ts";
import { anyPorts, dataDirectoryDefault, defaultSettings, inheritedEnvironment } from "../config.ts";
import type { ServerStatus, Workload } from "../operator/gateway.ts";
import { diverting, workloadVariables } from "./child-environment.ts";
import { type Command, CommandError, type Terminal, UsageError } from "./command.ts";
import { deployTemplate } from "./deploy.ts";
import { findServer, operator, type Server } from "./server.ts";

const help = `Usage: celestite run [--identity NAME]... [--as HOST] [--account NAME] [OPTIONS] -- COMMAND [ARGS...]

Starts COMMAND with the managed identities it would have in Azure. DefaultAzureCredential and ManagedIdentityCredential
find them with no setting in the program; COSMOS_ENDPOINT holds the account's URL. The exit code is COMMAND's.

Options:
  --identity NAME  a user-assigned identity (name or resource id); may be repeated
  --as HOST        resource id of a deployed host (web app, virtual machine ...): its identities, system-assigned included
  --account NAME   the Cosmos account behind COSMOS_ENDPOINT, when there are several
  --ephemeral      use a private server in memory for the life of COMMAND
  --deploy FILE    deploy this template first, into the group 'celestite' (implies --ephemeral when no server runs)
  -p, --parameter NAME=VALUE   a parameter of that template
  --data DIR       data directory of the running server (default: $CELESTITE_DATA or ~/.celestite)

Examples:
  celestite run --identity worker -- python app.py
  celestite run --as /subscriptions/S/resourceGroups/G/providers/Microsoft.Web/sites/web -- node server.js
  celestite run --ephemeral --deploy main.json --identity worker -- npm test
`;

interface RunOptions {
  readonly identities: readonly string[];
  readonly host: string | undefined;
  readonly account: string | undefined;
  readonly ephemeral: boolean;
  readonly template: string | undefined;
  readonly parameters: readonly string[];
  readonly dataDirectory: string;
  readonly command: readonly string[];
}

export const runCommand: Command = {
  name: "run",
  summary: "run a program with managed identities",
  help,
  async run(args, terminal) {
    const options = parse(args);
    const running = options.ephemeral ? undefined : await findServer(options.dataDirectory);
    if (running !== undefined) return runOn(running, options, terminal);
    if (!options.ephemeral && options.template === undefined) {
      throw new CommandError(
        `No server is running on ${options.dataDirectory}. Start one with 'celestite start', or add --ephemeral --deploy main.json for a private one.`,
      );
    }
    return runPrivately(options, terminal);
  },
};

function parse(args: readonly string[]): RunOptions {
  const dashes = args.indexOf("--");
  const command = dashes < 0 ? [] : args.slice(dashes + 1);
  const { values, positionals } = parseArgs({
    args: [...(dashes < 0 ? args : args.slice(0, dashes))],
    allowPositionals: true,
    options: {
      identity: { type: "string", multiple: true },
      as: { type: "string" },
      account: { type: "string" },
      ephemeral: { type: "boolean" },
      deploy: { type: "string" },
      parameter: { type: "string", short: "p", multiple: true },
      data: { type: "string" },
    },
  });
  if (positionals.length > 0)
    throw new UsageError(`'${positionals[0]}' stands before '--'; the command comes after it.`);
  if (command.length === 0) throw new UsageError("There is no command to run; it comes after '--'.");
  return {
    identities: values.identity ?? [],
    host: values.as,
    account: values.account,
    ephemeral: values.ephemeral === true,
    template: values.deploy,
    parameters: values.parameter ?? [],
    dataDirectory: values.data === undefined ? dataDirectoryDefault() : resolve(values.data),
    command,
  };
}

async function runPrivately(options: RunOptions, terminal: Terminal): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), "celestite-"));
  try {
    // The server is most of the program; commands that only talk to one do without it.
    const { startCelestite } = await import("../celestite.ts");
    const server = await startCelestite(
      { ...defaultSettings(), dataDirectory: directory, store: "memory", ports: anyPorts },
      {
        clock: systemClock,
        entropy: openEntropy(),
        onError: (error) => terminal.error(`celestite: unexpected error: ${String(error)}\n`),
      },
    );
    try {
      return await runOn({ url: server.operatorUrl, secret: server.operatorSecret }, options, terminal);
    } finally {
      await server.close();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function runOn(server: Server, options: RunOptions, terminal: Terminal): Promise<number> {
  if (options.template !== undefined) {
    await deployTemplate(
      server,
      { file: options.template, group: "celestite", parameters: options.parameters },
      terminal,
    );
  }
  const workload = await operator<Workload>(server, "POST", "workloads", {
    identities: options.identities,
    ...(options.host === undefined ? {} : { host: options.host }),
  });
  try {
    const status = await operator<ServerStatus>(server, "GET", "status");
    checkAccount(status, options.account);
    return await spawnChild(options.command, childVariables(status, workload, options, terminal));
  } finally {
    await operator(server, "DELETE", `workloads/${workload.id}`);
  }
}

function checkAccount(status: ServerStatus, account: string | undefined): void {
  const names = status.accounts.map((candidate) => candidate.name);
  if (account === undefined || names.some((name) => name.toLowerCase() === account.toLowerCase())) return;
  throw new CommandError(
    `There is no Cosmos account '${account}'; there are: ${names.join(", ") || "none"}.`,
  );
}

function childVariables(
  status: ServerStatus,
  workload: Workload,
  options: RunOptions,
  terminal: Terminal,
): Record<string, string> {
  const inherited = inheritedEnvironment();
  const removed = diverting.filter((name) => inherited[name] !== undefined);
  for (const name of removed) delete inherited[name];
  if (removed.length > 0) {
    terminal.error(
      `celestite run: not passed on, because they would divert the credential: ${removed.join(", ")}\n`,
    );
  }
  return { ...inherited, ...workloadVariables(status, workload, options.account, inherited) };
}

/** Runs the command with our standard streams, passes signals on, and resolves with its exit code. */
function spawnChild(command: readonly string[], environment: Record<string, string>): Promise<number> {
  const [file = "", ...args] = command;
  return new Promise((done, fail) => {
    const child = spawn(file, args, { stdio: "inherit", env: environment });
    const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
    const signals: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];
    for (const signal of signals) process.on(signal, forward);
    const finish = (): void => {
      for (const signal of signals) process.off(signal, forward);
    };
    child.once("error", (error: NodeJS.ErrnoException) => {
      finish();
      const cause = error.code === "ENOENT" ? "there is no such program" : error.message;
      fail(new CommandError(`Cannot start '${file}': ${cause}.`));
    });
    child.once("exit", (code, signal) => {
      finish();
      // The shell's convention for a process that a signal ended.
      done(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

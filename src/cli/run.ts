/** `celestite run`: a program as a workload that has managed identities; its exit code is ours. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { isatty } from "node:tty";
import { fileURLToPath, pathToFileURL } from "node:url";
import { openEntropy, systemClock } from "../clock.ts";
import { anyPorts, defaultSettings, inheritedEnvironment } from "../config.ts";
import type { PodRequest, ServerStatus, Workload } from "../operator/gateway.ts";
import { accountNotice, divertingVariables, preloadOption, workloadVariables } from "./child-environment.ts";
import { type Command, CommandError, type Terminal } from "./command.ts";
import type { TokenFileKeeper } from "./issuer.ts";
import { type PodOptions, parseRun, type RunOptions, runHelp } from "./run-options.ts";
import type { SeedOptions } from "./seed.ts";
import { findServer, operator, type Server } from "./server.ts";
import { deployFirst, seedingOf } from "./start-seeding.ts";

const preload = pathToFileURL(fileURLToPath(new URL("../front-door/preload.js", import.meta.url))).href;

/** Kubernetes' own default; the file is renewed at four fifths of it. */
const serviceAccountTokenSeconds = 3600;

export const runCommand: Command = {
  help: runHelp,
  async run(args, terminal) {
    const options = parseRun(args);
    // Looked at before a server is started, so that a misspelled path is told at once.
    const first = await seedingOf(options.seeding, options.dataDirectory);
    if (options.front === "sandbox") (await import("./run-sandbox.ts")).requireNamespaces();
    const running = options.ephemeral ? undefined : await findServer(options.dataDirectory);
    if (running !== undefined) return runOn(running, options, first, terminal);
    if (!options.ephemeral && options.seeding.deploy === undefined) {
      throw new CommandError(
        `No server is running on ${options.dataDirectory}. Start one with 'celestite start', or add --ephemeral --deploy main.json for a private one.`,
      );
    }
    return runPrivately(options, first, terminal);
  },
};

async function runPrivately(
  options: RunOptions,
  first: SeedOptions | undefined,
  terminal: Terminal,
): Promise<number> {
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
      const at = { url: server.operatorUrl, secret: server.operatorSecret };
      const seeding = first === undefined ? undefined : { ...first, dataDirectory: directory };
      return await runOn(at, options, seeding, terminal);
    } finally {
      await server.close();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function runOn(
  server: Server,
  options: RunOptions,
  first: SeedOptions | undefined,
  terminal: Terminal,
): Promise<number> {
  if (first !== undefined) await deployFirst(server, first, terminal);
  const workload = await operator<Workload>(server, "POST", "workloads", {
    identities: options.identities,
    front: options.front,
    isolated: options.isolated,
    ...(options.host === undefined ? {} : { host: options.host }),
    ...(options.user === undefined ? {} : { user: options.user }),
    ...(options.pod === undefined ? {} : { pod: await podOf(options.pod) }),
  });
  const folder = await mkdtemp(join(tmpdir(), "celestite-run-"));
  try {
    const status = await operator<ServerStatus>(server, "GET", "status");
    const notice = accountNotice(status, options.account);
    if (notice !== undefined) terminal.error(`celestite run: ${notice}\n`);
    return await runProgram({ server, options, terminal, workload, status, folder });
  } finally {
    // A server that has ended meanwhile has no workloads any more, and the exit code is still the command's.
    await operator(server, "DELETE", `workloads/${workload.id}`).catch(() => {});
    await rm(folder, { recursive: true, force: true });
  }
}

async function podOf({ files, ...pod }: PodOptions): Promise<PodRequest> {
  const { readManifests } = await import("./manifests.ts");
  return { ...pod, objects: await readManifests(files) };
}

interface Run {
  readonly server: Server;
  readonly options: RunOptions;
  readonly terminal: Terminal;
  readonly workload: Workload;
  readonly status: ServerStatus;
  /** For what this run needs on disk; gone afterwards. */
  readonly folder: string;
}

async function runProgram(run: Run): Promise<number> {
  const { options, workload, status } = run;
  const environment = await childVariables(run);
  const keeper = workload.kind === "aks" ? await keepToken(run) : undefined;
  try {
    if (workload.door?.front !== "sandbox") return await spawnChild(options.command, environment);
    const { door } = workload;
    const allowed = options.allowed;
    const { prepareSandbox } = await import("./run-sandbox.ts");
    const sandbox = await prepareSandbox({ door, status, command: options.command, environment, allowed });
    try {
      return await spawnChild(sandbox.command, inheritedEnvironment());
    } finally {
      sandbox.close();
    }
  } finally {
    keeper?.stop();
  }
}

/** The token of the pod's service account, in a file that is renewed while the program runs. */
async function keepToken({ server, options, folder, terminal }: Run): Promise<TokenFileKeeper> {
  const { keepTokenFile, serviceAccountSubject } = await import("./issuer.ts");
  const ask = {
    subject: serviceAccountSubject(options.serviceAccount),
    lifetimeSeconds: serviceAccountTokenSeconds,
  };
  return keepTokenFile(server, ask, join(folder, "azure-identity-token"), (problem) =>
    terminal.error(`${problem}\n`),
  );
}

async function childVariables(run: Run): Promise<Record<string, string>> {
  const { options, workload, status, folder, terminal } = run;
  const inherited = inheritedEnvironment();
  const hasIdentity = options.host !== undefined || options.identities.length > 0;
  const removed = divertingVariables(inherited, workload, hasIdentity);
  for (const name of removed) delete inherited[name];
  if (removed.length > 0) {
    terminal.error(
      `celestite run: not passed on, because they would divert the credential: ${removed.join(", ")}\n`,
    );
  }
  const set = workloadVariables(status, workload, options.account, inherited);
  const shims =
    workload.developerSecret === undefined
      ? {}
      : await shimVariables(run, workload.developerSecret, inherited);
  return {
    ...inherited,
    ...set,
    ...shims,
    ...preloadOption(preload, workload, options.isolated, inherited),
    ...(workload.kind === "aks" ? { AZURE_FEDERATED_TOKEN_FILE: join(folder, "azure-identity-token") } : {}),
    ...(options.strict ? { AZURE_TOKEN_CREDENTIALS: strictCredential(workload) } : {}),
  };
}

/** The PATH on which `az` and `azd` are ours. */
async function shimVariables(
  { status, folder }: Run,
  secret: string,
  inherited: Readonly<Record<string, string>>,
): Promise<{ readonly PATH: string }> {
  const { writeShims } = await import("./run-shims.ts");
  const endpoint = `${new URL(status.endpoints.managedIdentity).origin}/msi/developer`;
  const settings = { endpoint, secret, subscriptionId: status.subscriptionId };
  return { PATH: await writeShims(folder, settings, inherited["PATH"]) };
}

/** The one credential that is to answer, so that no other link of the chain can hide that it did not. */
function strictCredential({ kind, developerSecret }: Workload): string {
  if (kind === "aks") return "WorkloadIdentityCredential";
  return kind === "none" && developerSecret !== undefined
    ? "AzureCliCredential"
    : "ManagedIdentityCredential";
}

/** Runs the command with our standard streams, passes signals on, and resolves with its exit code. */
function spawnChild(command: readonly string[], environment: Record<string, string>): Promise<number> {
  const [file = "", ...args] = command;
  return new Promise((done, fail) => {
    const child = spawn(file, args, { stdio: "inherit", env: environment });
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

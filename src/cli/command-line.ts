/**
 * The list of commands, help, and the one place where errors become a line of text and an exit code. A command is
 * loaded when it is run: together they take longer to load than most of them take to run.
 */
import { version } from "../version.ts";
import { type Command, CommandError, type Terminal, UsageError } from "./command.ts";

export interface ListedCommand {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

const command = (name: string, summary: string, load: ListedCommand["load"]): ListedCommand => ({
  name,
  summary,
  load,
});

export const commands: readonly ListedCommand[] = [
  command(
    "start",
    "start the server in the foreground",
    async () => (await import("./start.ts")).startCommand,
  ),
  command(
    "status",
    "where the running server is, and what it has",
    async () => (await import("./status.ts")).statusCommand,
  ),
  command("run", "run a program with managed identities", async () => (await import("./run.ts")).runCommand),
  command("deploy", "deploy a template", async () => (await import("./deploy.ts")).deployCommand),
  command("env", "print what 'run' would set", async () => (await import("./env.ts")).envCommand),
  command(
    "explain",
    "why was a request allowed or denied",
    async () => (await import("./explain.ts")).explainCommand,
  ),
  command(
    "role",
    "assign, define and list Cosmos DB data roles",
    async () => (await import("./role.ts")).roleCommand,
  ),
  command("can-i", "may a principal do this, and why", async () => (await import("./can-i.ts")).canICommand),
  command(
    "suggest-role",
    "least privilege from recorded use",
    async () => (await import("./suggest-role.ts")).suggestRoleCommand,
  ),
  command(
    "audit",
    "who still uses keys, and what enforcement would deny",
    async () => (await import("./audit.ts")).auditCommand,
  ),
  command(
    "logs",
    "show the requests that were answered",
    async () => (await import("./logs.ts")).logsCommand,
  ),
  command("keys", "show and regenerate account keys", async () => (await import("./keys.ts")).keysCommand),
  command("data", "export and erase personal data", async () => (await import("./data.ts")).dataCommand),
  command(
    "identity",
    "users, applications, consent, revocation",
    async () => (await import("./identity.ts")).identityCommand,
  ),
  command(
    "az",
    "the Azure CLI, pointed here, with a profile of its own",
    async () => (await import("./az.ts")).azCommand,
  ),
  command(
    "issuer",
    "issuers of federated tokens, and tokens to try them",
    async () => (await import("./issuer.ts")).issuerCommand,
  ),
  command(
    "key",
    "list, rotate and revoke token signing keys",
    async () => (await import("./key.ts")).keyCommand,
  ),
  command(
    "clock",
    "show or move the time of a development server",
    async () => (await import("./clock.ts")).clockCommand,
  ),
  command(
    "fault",
    "make a service fail for its next requests",
    async () => (await import("./fault.ts")).faultCommand,
  ),
  command(
    "webhook",
    "workload identity for pods of a Kubernetes cluster",
    async () => (await import("./webhook.ts")).webhookCommand,
  ),
  command("rest", "call Azure Resource Manager", async () => (await import("./rest.ts")).restCommand),
  command(
    "bicep",
    "compile, check and format Bicep files",
    async () => (await import("./bicep.ts")).bicepCommand,
  ),
];

/** Runs the command named by `args` and returns the exit code; nothing is thrown for a user's mistake. */
export async function runCommandLine(args: readonly string[], terminal: Terminal): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === "help" || name === "--help" || name === "-h")
    return help(rest[0], terminal);
  if (name === "--version" || name === "-v") {
    terminal.out(`celestite ${version}\n`);
    return 0;
  }
  const listed = commands.find((candidate) => candidate.name === name);
  if (listed === undefined) {
    return noSuchCommand(name, terminal);
  }
  const loaded = await listed.load();
  const own = rest.includes("--") ? rest.slice(0, rest.indexOf("--")) : rest;
  if (own.includes("--help") || own.includes("-h")) {
    terminal.out(loaded.help);
    return 0;
  }
  try {
    return await loaded.run(rest, terminal);
  } catch (error) {
    return complain(listed.name, error, terminal);
  }
}

function noSuchCommand(name: string, terminal: Terminal): number {
  terminal.error(`celestite: there is no command '${name}'. 'celestite --help' lists them.\n`);
  return 2;
}

async function help(name: string | undefined, terminal: Terminal): Promise<number> {
  const listed = commands.find((candidate) => candidate.name === name);
  if (name !== undefined && listed === undefined) return noSuchCommand(name, terminal);
  if (listed !== undefined) {
    terminal.out((await listed.load()).help);
    return 0;
  }
  const list = commands.map((candidate) => `  ${candidate.name.padEnd(12)} ${candidate.summary}`).join("\n");
  terminal.out(`celestite ${version}: Azure managed identity, Entra tokens and Cosmos DB access control on this machine.

Usage: celestite COMMAND [OPTIONS]

${list}

'celestite COMMAND --help' shows options and examples.

A first tour:
  celestite start                                    # in one terminal
  celestite deploy main.bicep -g my-group            # in another: identities, accounts, roles
  celestite run --identity worker -- python app.py   # your program, passwordless
  celestite explain                                  # why was that denied, and what mends it?
`);
  return 0;
}

function complain(name: string, error: unknown, terminal: Terminal): number {
  if (error instanceof UsageError || isParseArgsError(error)) {
    terminal.error(`celestite ${name}: ${sentence(error.message)} 'celestite ${name} --help' shows how.\n`);
    return 2;
  }
  if (error instanceof CommandError || isStartError(error)) {
    terminal.error(`celestite ${name}: ${error.message}\n`);
    return 1;
  }
  if (isSystemError(error)) {
    terminal.error(`celestite ${name}: ${error.message}\n`);
    return 1;
  }
  throw error;
}

/** The first sentence, with its full stop: Node's own messages go on about arguments that nobody meant. */
function sentence(message: string): string {
  const first = message.split(". To specify")[0] ?? message;
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

function isParseArgsError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
}

/** What stops a server from starting. By name, because importing the classes would load the whole server for every command. */
const startErrors: ReadonlySet<string> = new Set(["StoreUnavailable", "ListenError", "AuthorityUnavailable"]);

function isStartError(error: unknown): error is Error {
  return error instanceof Error && startErrors.has(error.name);
}

/** An error of the operating system (missing file, no permission): its own message names path and cause. */
function isSystemError(error: unknown): error is Error {
  return error instanceof Error && "syscall" in error;
}

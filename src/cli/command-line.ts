/** The list of commands, help, and the one place where errors become a line of text and an exit code. */
import { version } from "../version.ts";
import { auditCommand } from "./audit.ts";
import { azCommand } from "./az.ts";
import { bicepCommand } from "./bicep.ts";
import { canICommand } from "./can-i.ts";
import { clockCommand } from "./clock.ts";
import { type Command, CommandError, type Terminal, UsageError } from "./command.ts";
import { dataCommand } from "./data.ts";
import { deployCommand } from "./deploy.ts";
import { envCommand } from "./env.ts";
import { explainCommand } from "./explain.ts";
import { faultCommand } from "./fault.ts";
import { identityCommand } from "./identity.ts";
import { issuerCommand } from "./issuer.ts";
import { keyCommand } from "./key.ts";
import { keysCommand } from "./keys.ts";
import { logsCommand } from "./logs.ts";
import { restCommand } from "./rest.ts";
import { roleCommand } from "./role.ts";
import { runCommand } from "./run.ts";
import { startCommand } from "./start.ts";
import { suggestRoleCommand } from "./suggest-role.ts";
import { webhookCommand } from "./webhook.ts";

export const commands: readonly Command[] = [
  startCommand,
  runCommand,
  deployCommand,
  envCommand,
  explainCommand,
  roleCommand,
  canICommand,
  suggestRoleCommand,
  auditCommand,
  logsCommand,
  keysCommand,
  dataCommand,
  identityCommand,
  azCommand,
  issuerCommand,
  keyCommand,
  clockCommand,
  faultCommand,
  webhookCommand,
  restCommand,
  bicepCommand,
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
  const command = commands.find((candidate) => candidate.name === name);
  if (command === undefined) {
    terminal.error(`celestite: there is no command '${name}'. 'celestite --help' lists them.\n`);
    return 2;
  }
  const own = rest.includes("--") ? rest.slice(0, rest.indexOf("--")) : rest;
  if (own.includes("--help") || own.includes("-h")) {
    terminal.out(command.help);
    return 0;
  }
  try {
    return await command.run(rest, terminal);
  } catch (error) {
    return complain(command, error, terminal);
  }
}

function help(name: string | undefined, terminal: Terminal): number {
  const command = commands.find((candidate) => candidate.name === name);
  if (command !== undefined) {
    terminal.out(command.help);
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
  celestite explain --last                           # why was that allowed or denied?
`);
  return 0;
}

function complain(command: Command, error: unknown, terminal: Terminal): number {
  if (error instanceof UsageError || isParseArgsError(error)) {
    terminal.error(
      `celestite ${command.name}: ${error.message} 'celestite ${command.name} --help' shows how.\n`,
    );
    return 2;
  }
  if (error instanceof CommandError || isStartError(error)) {
    terminal.error(`celestite ${command.name}: ${error.message}\n`);
    return 1;
  }
  if (isSystemError(error)) {
    terminal.error(`celestite ${command.name}: ${error.message}\n`);
    return 1;
  }
  throw error;
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

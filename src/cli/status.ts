/** `celestite status`: where a running server is and what it has, for who did not see it start, and for scripts that wait. */
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { dataDirectoryDefault } from "../config.ts";
import type { ServerStatus } from "../operator/gateway.ts";
import { type Command, CommandError, UsageError } from "./command.ts";
import { listening } from "./listening.ts";
import { printable } from "./printable.ts";
import { findServer, operator, requireArm, requireServer, type Server } from "./server.ts";

const help = `Usage: celestite status [--wait SECONDS] [--json]

Shows where the running server listens, its Cosmos accounts and its user-assigned identities. The exit code is 1 when no
server is running on the data directory.

Options:
  --wait SECONDS  wait so long for a server that is being started, its templates included
  --json          the same as JSON
  --data DIR      data directory of the running server (default: $CELESTITE_DATA or ~/.celestite)

Examples:
  celestite status
  celestite start --deploy main.bicep & celestite status --wait 60
`;

/** Milliseconds between looks for a server that is being started. */
const pause = 100;
/** Nobody waits longer in one go. */
const waitMax = 3600;

export const statusCommand: Command = {
  help,
  async run(args, terminal) {
    const { values } = parseArgs({
      args: [...args],
      options: { wait: { type: "string" }, json: { type: "boolean" }, data: { type: "string" } },
    });
    const directory = values.data === undefined ? dataDirectoryDefault() : resolve(values.data);
    const server = await waitFor(directory, secondsOf(values.wait));
    const status = await operator<ServerStatus>(server, "GET", "status");
    const identities = await identitiesOf(server, status.subscriptionId);
    terminal.out(
      values.json === true
        ? `${JSON.stringify({ ...status, dataDirectory: directory, identities }, undefined, 2)}\n`
        : `Celestite ${status.version} is running${status.ready ? "" : ", and still deploys its templates"}.\n\n${listening(status, directory)}\n${identityList(identities)}`,
    );
    return 0;
  },
};

function secondsOf(text: string | undefined): number {
  if (text === undefined) return 0;
  const seconds = Number(text);
  if (text.trim() === "" || !Number.isInteger(seconds) || seconds < 0 || seconds > waitMax)
    throw new UsageError(`--wait takes a number of seconds from 0 to ${waitMax}.`);
  return seconds;
}

/** The server of the directory; CommandError when there is none, or it is not ready, by the end of the time. */
async function waitFor(directory: string, seconds: number): Promise<Server> {
  for (let waited = 0; waited < seconds * 1000; waited += pause) {
    const found = await findServer(directory);
    if (found !== undefined && (await operator<ServerStatus>(found, "GET", "status")).ready) return found;
    await sleep(pause);
  }
  const server = await requireServer(directory);
  const { ready } = await operator<ServerStatus>(server, "GET", "status");
  if (seconds > 0 && !ready)
    throw new CommandError(
      `The server still deploys its templates after ${seconds} ${seconds === 1 ? "second" : "seconds"}.`,
    );
  return server;
}

interface ListedIdentity {
  readonly name: string;
  readonly id: string;
  readonly clientId: string;
  readonly principalId: string;
}

async function identitiesOf(server: Server, subscriptionId: string): Promise<readonly ListedIdentity[]> {
  const path = `/subscriptions/${subscriptionId}/providers/Microsoft.ManagedIdentity/userAssignedIdentities?api-version=2023-01-31`;
  const listed = (await requireArm(server, "GET", path))["value"] as readonly {
    readonly name: string;
    readonly id: string;
    readonly properties: { readonly clientId: string; readonly principalId: string };
  }[];
  return listed.map(({ name, id, properties: { clientId, principalId } }) => ({
    name,
    id,
    clientId,
    principalId,
  }));
}

function identityList(identities: readonly ListedIdentity[]): string {
  if (identities.length === 0) return "No user-assigned identity yet.\n";
  const width = Math.max(...identities.map(({ name }) => name.length));
  const lines = identities.map(
    ({ name, clientId, principalId }) =>
      `  ${printable(name).padEnd(width)}  client id ${clientId}  principal id ${principalId}\n`,
  );
  return `User-assigned identities:\n${lines.join("")}`;
}

/** `celestite keys`: an account's keys and connection strings, and making a key anew. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { dataDirectoryDefault } from "../config.ts";
import type { AccountStatus } from "../operator/gateway.ts";
import { type Command, UsageError } from "./command.ts";
import { chooseAccount } from "./role.ts";
import { requireArm, requireServer, type Server } from "./server.ts";

const help = `Usage: celestite keys list [--account NAME] [--json]
       celestite keys connection-strings [--account NAME] [--json]
       celestite keys regenerate --kind KIND [--account NAME]

Shows the keys of a Cosmos account, or its connection strings, or replaces one key. A regenerated key's old value is
refused from the next request on; with it end the resource tokens that were asked for with that key.

To rotate without a failed request: have every program use one key, say the primary; regenerate the secondary; switch
the programs to the secondary; regenerate the primary.

Options:
  --kind KIND     primary, secondary, primaryReadonly or secondaryReadonly
  --account NAME  the Cosmos account, when there are several
  --json          what Azure Resource Manager answers
  --data DIR      data directory of the running server

Examples:
  celestite keys list
  celestite keys connection-strings --account shop --json
  celestite keys regenerate --kind secondary
`;

const api = "api-version=2024-08-15";
const kinds = ["primary", "secondary", "primaryReadonly", "secondaryReadonly"];

export const keysCommand: Command = {
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        kind: { type: "string" },
        account: { type: "string" },
        json: { type: "boolean" },
        data: { type: "string" },
      },
    });
    const [verb, extra] = positionals;
    if (extra !== undefined || !["list", "connection-strings", "regenerate"].includes(verb ?? "")) {
      throw new UsageError("Say 'list', 'connection-strings' or 'regenerate'.");
    }
    const kind = kinds.find((each) => each.toLowerCase() === values.kind?.toLowerCase());
    if (verb === "regenerate" && kind === undefined) {
      throw new UsageError(`--kind is one of ${kinds.join(", ")}.`);
    }
    const server = await requireServer(
      values.data === undefined ? dataDirectoryDefault() : resolve(values.data),
    );
    const account = await chooseAccount(server, values.account);
    if (kind !== undefined && verb === "regenerate") {
      await requireArm(server, "POST", `${account.resourceId}/regenerateKey?${api}`, { keyKind: kind });
      terminal.out(`The ${kind} key of ${account.name} is new; its old value opens nothing any more.\n`);
      return 0;
    }
    terminal.out(
      await show(server, account, verb === "list" ? "listKeys" : "listConnectionStrings", values.json),
    );
    return 0;
  },
};

interface Shown {
  readonly connectionStrings?: readonly { readonly description: string; readonly connectionString: string }[];
}

async function show(
  server: Server,
  account: AccountStatus,
  call: "listKeys" | "listConnectionStrings",
  asJson: boolean | undefined,
): Promise<string> {
  const body = await requireArm(server, "POST", `${account.resourceId}/${call}?${api}`);
  if (asJson === true) return `${JSON.stringify(body, undefined, 2)}\n`;
  const { connectionStrings } = body as Shown;
  const rows =
    connectionStrings?.map(({ description, connectionString }) => [description, connectionString] as const) ??
    Object.entries(body);
  return rows.map(([name, value]) => `${name.padEnd(28)} ${String(value)}\n`).join("");
}

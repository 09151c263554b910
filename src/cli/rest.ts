/** `celestite rest`: one call of Azure Resource Manager as the bootstrap user, like `az rest`. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { dataDirectoryDefault } from "../config.ts";
import { type Command, CommandError, UsageError } from "./command.ts";
import { arm, requireServer } from "./server.ts";

const help = `Usage: celestite rest METHOD PATH [--body JSON]

Calls Azure Resource Manager as the bootstrap user (Owner of the default subscription) and prints the answer. PATH is the
part after the host, with its api-version. The exit code is 0 when the answer is a success.

Options:
  --body JSON  the request body
  --data DIR   data directory of the running server

Examples:
  celestite rest GET "/subscriptions?api-version=2022-12-01"
  celestite rest DELETE "/subscriptions/S/resourceGroups/my-group?api-version=2024-03-01"
`;

export const restCommand: Command = {
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { body: { type: "string" }, data: { type: "string" } },
    });
    const [method, path, extra] = positionals;
    if (method === undefined || path === undefined || extra !== undefined || !path.startsWith("/")) {
      throw new UsageError("Give a method and a path that begins with '/'.");
    }
    const server = await requireServer(
      values.data === undefined ? dataDirectoryDefault() : resolve(values.data),
    );
    const reply = await arm(server, method.toUpperCase(), path, parseBody(values.body));
    terminal.out(`${JSON.stringify(reply.body, undefined, 2)}\n`);
    if (reply.status >= 400) throw new CommandError(`ARM answered HTTP ${reply.status}.`);
    return 0;
  },
};

function parseBody(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CommandError(`--body is not valid JSON: ${(error as Error).message}.`);
  }
}

/** `celestite key`: the keys that sign the tenant's tokens. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { dataDirectoryDefault } from "../config.ts";
import type { KeyView } from "../identity/signing-keys.ts";
import { type Command, UsageError } from "./command.ts";
import { operator, requireServer } from "./server.ts";

const help = `Usage: celestite key [list | publish | rotate | revoke KID] [--json]

The server publishes a next key two days before it uses it, changes keys every sixty days, and accepts the tokens of the
old one until they end. These commands do the same at once.

  list             all keys and their states
  publish          publish the next key without using it
  rotate           sign with the next key from now on; old tokens stay valid
  revoke KID       refuse every token of a key at once

Examples:
  celestite key rotate
  celestite key revoke $(celestite key list --json | jq -r '.[] | select(.state == "previous") | .kid')
`;

export const keyCommand: Command = {
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: withKidLast(args),
      allowPositionals: true,
      options: { data: { type: "string" }, json: { type: "boolean" } },
    });
    const [verb = "list", kid, ...rest] = positionals;
    const known = ["list", "publish", "rotate", "revoke"].includes(verb);
    if (!known || rest.length > 0 || (verb === "revoke") !== (kid !== undefined))
      throw new UsageError("Say 'list', 'publish', 'rotate' or 'revoke KID'.");
    const server = await requireServer(
      values.data === undefined ? dataDirectoryDefault() : resolve(values.data),
    );
    switch (verb) {
      case "list":
        break;
      case "publish":
        await operator(server, "POST", "key-publications");
        break;
      case "rotate":
        await operator(server, "POST", "key-rotations");
        break;
      default:
        await operator(server, "POST", "key-revocations", { kid });
    }
    const { keys } = await operator<{ keys: readonly KeyView[] }>(server, "GET", "keys");
    terminal.out(values.json === true ? `${JSON.stringify(keys)}\n` : keys.map(line).join(""));
    return 0;
  },
};

/** A key's id may begin with a hyphen; behind `--` it is taken for no option. */
function withKidLast(args: readonly string[]): string[] {
  const at = args.findIndex((text, before) => args[before - 1] === "revoke" && /^-[\w-]{26}$/.test(text));
  return at < 0 ? [...args] : [...args.slice(0, at), ...args.slice(at + 1), "--", args[at] ?? ""];
}

function line({ kid, state, createdAt, acceptedUntil }: KeyView): string {
  const until =
    acceptedUntil === undefined ? "" : `, tokens taken until ${new Date(acceptedUntil).toISOString()}`;
  return `${kid}  ${state.padEnd(8)}  made ${new Date(createdAt).toISOString()}${until}\n`;
}

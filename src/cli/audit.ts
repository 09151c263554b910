/** `celestite audit`: who still uses keys, what enforcement would deny, and switching audit mode on and off. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { dataDirectoryDefault } from "../config.ts";
import type { AccessUse } from "../observability/access-use.ts";
import { type Command, UsageError } from "./command.ts";
import { printable, printableJson } from "./printable.ts";
import { chooseAccount, displayNames } from "./role.ts";
import { requireArm, requireServer, type Server } from "./server.ts";
import { listUses, sinceTime } from "./suggest-role.ts";

const help = `Usage: celestite audit keys [--account NAME] [--since TIME] [--json]
       celestite audit denials [--account NAME] [--since TIME] [--json]
       celestite audit mode enforce|audit [--account NAME]

keys     lists who used account keys or resource tokens since the server started: address, program, operations and the
         last time; and says whether disableLocalAuth is safe to set. The exit code is 1 while it is not.
denials  lists what audit mode let pass and enforcement would have denied.
mode     'audit' lets requests pass that lack a role, or bring a key although keys are off, and marks them with the
         header x-celestite-audit; 'enforce', the default, denies them. It is kept as the account's tag
         celestite-authorization, so a template can set it as well.

Options:
  --account NAME  the Cosmos account; for keys and denials all accounts unless given
  --since TIME    count only use after this time (ISO 8601), or in the last 30m, 12h or 7d
  --json          the uses as JSON
  --data DIR      data directory of the running server

Examples:
  celestite audit keys
  celestite audit keys --account shop --since 7d
  celestite audit mode audit --account shop
  celestite audit denials --json
`;

export const auditCommand: Command = {
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        account: { type: "string" },
        since: { type: "string" },
        json: { type: "boolean" },
        data: { type: "string" },
      },
    });
    const [verb, mode, extra] = positionals;
    const setsMode = verb === "mode" && (mode === "enforce" || mode === "audit") && extra === undefined;
    if (!setsMode && ((verb !== "keys" && verb !== "denials") || mode !== undefined)) {
      throw new UsageError("Say 'keys', 'denials', or 'mode' with 'enforce' or 'audit'.");
    }
    const server = await requireServer(
      values.data === undefined ? dataDirectoryDefault() : resolve(values.data),
    );
    if (setsMode) {
      terminal.out(await setMode(server, values.account, mode));
      return 0;
    }
    const account =
      values.account === undefined ? undefined : (await chooseAccount(server, values.account)).name;
    const since = values.since === undefined ? 0 : await sinceTime(server, values.since);
    const uses = (await listUses(server)).filter(
      (use) =>
        (account === undefined || use.account.toLowerCase() === account.toLowerCase()) && use.last >= since,
    );
    const found = uses.filter((use) => (verb === "keys" ? use.kind !== "aad" : use.wouldDeny > 0));
    if (values.json === true) terminal.out(`${printableJson(JSON.stringify(found, undefined, 2))}\n`);
    else if (verb === "keys") terminal.out(renderKeys(found));
    else {
      const people = found.filter(({ kind }) => kind === "aad").map(({ who }) => who);
      terminal.out(renderDenials(found, await displayNames(server, people)));
    }
    return verb === "keys" && found.length > 0 ? 1 : 0;
  },
};

async function setMode(server: Server, name: string | undefined, mode: "enforce" | "audit"): Promise<string> {
  const account = await chooseAccount(server, name);
  const path = `${account.resourceId}?api-version=2024-08-15`;
  const { tags } = (await requireArm(server, "GET", path)) as { tags?: Record<string, string> };
  await requireArm(server, "PATCH", path, { tags: { ...tags, "celestite-authorization": mode } });
  return mode === "audit"
    ? `${account.name} lets pass what enforcement would deny, and marks it. 'celestite audit denials' lists it.\n`
    : `${account.name} enforces.\n`;
}

/** Uses of one program from one address, with everything that it did. */
interface User {
  readonly use: AccessUse;
  readonly operations: Set<string>;
  count: number;
  last: number;
}

function byUser(uses: readonly AccessUse[]): readonly User[] {
  const users = new Map<string, User>();
  for (const use of uses) {
    const key = [use.account, use.kind, use.who, use.clientIpAddress, use.userAgent].join("\n");
    const user = users.get(key) ?? { use, operations: new Set<string>(), count: 0, last: 0 };
    user.operations.add(use.operation);
    user.count += use.count;
    user.last = Math.max(user.last, use.last);
    users.set(key, user);
  }
  return [...users.values()].sort((a, b) => b.last - a.last);
}

const kinds = { aad: "principal", accountKey: "account key", resourceToken: "resource token" } as const;

function renderUser({ use, operations, count, last }: User): string {
  return `  ${use.account}: ${kinds[use.kind]} ${printable(use.who)} from ${use.clientIpAddress}, ${requests(count)}, last ${new Date(last).toISOString()}
    ${printable(use.userAgent) || "(no user agent)"}
    ${[...operations].sort().join(", ")}
`;
}

function renderKeys(uses: readonly AccessUse[]): string {
  if (uses.length === 0) {
    return "Nobody used a key or a resource token since the server started: disableLocalAuth is safe to set.\n";
  }
  return `Still used:\n${byUser(uses).map(renderUser).join("")}disableLocalAuth is not safe to set: these requests would be answered 401.\n`;
}

function nameOf(name: string | undefined): string {
  return name === undefined ? "" : ` (${printable(name)})`;
}

function requests(count: number): string {
  return count === 1 ? "1 request" : `${count} requests`;
}

function renderDenials(uses: readonly AccessUse[], names: ReadonlyMap<string, string>): string {
  if (uses.length === 0) return "Audit mode let nothing pass that enforcement would deny.\n";
  return uses
    .map(
      ({ account, kind, who, action, resource, wouldDeny, last }) =>
        `  ${account}: ${kinds[kind]} ${printable(who)}${nameOf(names.get(who))} lacks ${action} on ${printable(resource)}, ${requests(wouldDeny)}, last ${new Date(last).toISOString()}\n`,
    )
    .join("");
}

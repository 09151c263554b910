/** `celestite suggest-role`: the least privilege of a principal, from what it really used. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Principal } from "../azure/principal.ts";
import { dataDirectoryDefault } from "../config.ts";
import type { AccessUse } from "../observability/access-use.ts";
import type { AccountStatus } from "../operator/gateway.ts";
import { type Command, CommandError, type Terminal, UsageError } from "./command.ts";
import { chooseAccount } from "./role.ts";
import { operator, requireArm, requireServer, type Server } from "./server.ts";
import { type Format, formats, writeSuggestion } from "./suggest-role-formats.ts";
import { type GrantedRole, planRoles, type RolePlan } from "./suggest-role-plan.ts";

const help = `Usage: celestite suggest-role --principal NAME [--format FORMAT] [--account NAME] [--since TIME]

Writes the role definitions and assignments that a principal needs, each at the narrowest scope, from the requests that
were let through since the server started, and says on standard error which granted rights nobody used. Run the whole
program first: what it never did, it will not be allowed.

To find out what a program needs before it has any role, switch its account to audit mode ('celestite audit mode').

Options:
  --principal NAME  name of a managed identity, user principal name, object id or client id
  --format FORMAT   bicep (default), json (an ARM template), az or terraform
  --account NAME    the Cosmos account, when there are several
  --since TIME      count only use after this time (ISO 8601), or in the last 30m, 12h or 7d
  --data DIR        data directory of the running server

Examples:
  celestite suggest-role --principal worker > roles.bicep
  celestite suggest-role --principal worker --format json > roles.json && celestite deploy roles.json -g my-group
  celestite suggest-role --principal worker --since 1h --format az
`;

export const suggestRoleCommand: Command = {
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        principal: { type: "string" },
        format: { type: "string", default: "bicep" },
        account: { type: "string" },
        since: { type: "string" },
        data: { type: "string" },
      },
    });
    const format = formats.find((each) => each === values.format);
    if (positionals.length > 0 || values.principal === undefined)
      throw new UsageError("--principal is needed.");
    if (format === undefined) throw new UsageError(`--format is one of ${formats.join(", ")}.`);
    const server = await requireServer(
      values.data === undefined ? dataDirectoryDefault() : resolve(values.data),
    );
    const account = await chooseAccount(server, values.account);
    const path = `principals?name=${encodeURIComponent(values.principal)}`;
    const principal = await operator<Principal>(server, "GET", path);
    const since = values.since === undefined ? 0 : await sinceTime(server, values.since);
    await suggest({ server, account, principal, since, format }, terminal);
    return 0;
  },
};

interface Question {
  readonly server: Server;
  readonly account: AccountStatus;
  readonly principal: Principal;
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly format: Format;
}

async function suggest(
  { server, account, principal, since, format }: Question,
  terminal: Terminal,
): Promise<void> {
  const uses = (await listUses(server)).filter(
    (use) =>
      use.kind === "aad" &&
      use.who === principal.objectId &&
      use.account.toLowerCase() === account.name.toLowerCase() &&
      use.last >= since,
  );
  const plan = planRoles(uses, await grantedTo(server, account, principal));
  if (plan.needed.length === 0) {
    throw new CommandError(
      `No request of ${principal.displayName} to ${account.name} was let through in that time, so there is nothing to go by.`,
    );
  }
  terminal.error(remarks(plan));
  const names = {
    accountName: account.name,
    accountId: account.resourceId,
    principalId: principal.objectId,
    principalName: principal.displayName,
  };
  terminal.out(writeSuggestion({ ...names, roles: plan.needed }, format));
}

/** Everything that was used, of all accounts and credentials. */
export async function listUses(server: Server): Promise<readonly AccessUse[]> {
  return (await operator<{ uses: readonly AccessUse[] }>(server, "GET", "access-use")).uses;
}

const units: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A point in time, or so long before the newest use; UsageError for anything else. */
export async function sinceTime(server: Server, text: string): Promise<number> {
  const [, amount, unit = ""] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  if (amount !== undefined) {
    const newest = Math.max(0, ...(await listUses(server)).map(({ last }) => last));
    return newest - Number(amount) * (units[unit] ?? 0);
  }
  const time = Date.parse(text);
  if (Number.isNaN(time))
    throw new UsageError(`--since takes a time like 2026-11-22T10:00:00Z, or 30m, 12h, 7d.`);
  return time;
}

interface Listed {
  readonly name: string;
  readonly properties: {
    readonly roleName?: string;
    readonly permissions?: readonly { readonly dataActions?: readonly string[] }[];
    readonly roleDefinitionId?: string;
    readonly principalId?: string;
    readonly scope?: string;
  };
}

/** The roles that are assigned to the principal itself. */
async function grantedTo(
  server: Server,
  account: AccountStatus,
  { objectId }: Principal,
): Promise<readonly GrantedRole[]> {
  const list = async (type: string): Promise<readonly Listed[]> =>
    (await requireArm(server, "GET", `${account.resourceId}/${type}?api-version=2024-08-15`))[
      "value"
    ] as readonly Listed[];
  const definitions = new Map((await list("sqlRoleDefinitions")).map((each) => [each.name, each.properties]));
  return (await list("sqlRoleAssignments"))
    .filter(({ properties }) => properties.principalId?.toLowerCase() === objectId.toLowerCase())
    .map(({ properties }) => {
      const definition = definitions.get(properties.roleDefinitionId?.split("/").pop() ?? "");
      return {
        roleName: definition?.roleName ?? "",
        scope: properties.scope?.slice(account.resourceId.length) || "/",
        actions: (definition?.permissions ?? []).flatMap(({ dataActions }) => dataActions ?? []),
      };
    });
}

function remarks({ needed, impossible, unused }: RolePlan): string {
  const lines = [
    ...needed.map(({ scope, actions }) => `needed at ${scope}: ${actions.join(", ")}`),
    ...impossible.map(
      (operation) => `no data role can allow ${operation}: use Azure Resource Manager or a key`,
    ),
    ...byAssignment(unused),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

/** One line for each assignment with rights that nobody used. */
function byAssignment(unused: RolePlan["unused"]): readonly string[] {
  const actions = new Map<string, string[]>();
  for (const { roleName, scope, action } of unused) {
    const assignment = `"${roleName}" at ${scope}`;
    actions.set(assignment, [...(actions.get(assignment) ?? []), action]);
  }
  return [...actions].map(
    ([assignment, list]) => `granted by ${assignment} and not used: ${list.join(", ")}`,
  );
}

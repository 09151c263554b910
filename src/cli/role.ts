/** `celestite role`: Cosmos DB data roles from the command line, in one short form. */
import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { builtInDataRoles } from "../azure/cosmos-actions.ts";
import type { Principal } from "../azure/principal.ts";
import { dataDirectoryDefault } from "../config.ts";
import type { AccountStatus, ServerStatus } from "../operator/gateway.ts";
import { type Command, CommandError, UsageError } from "./command.ts";
import { operator, requireArm, requireServer, type Server } from "./server.ts";

const help = `Usage: celestite role assign --principal NAME --role ROLE [--scope SCOPE] [--account NAME]
       celestite role define --name NAME --actions ACTION,... [--account NAME]
       celestite role list [--account NAME]

Assigns a Cosmos DB data role (a sqlRoleAssignment), defines one (a sqlRoleDefinition), or lists definitions and
assignments. Takes effect on the next request.

Options:
  --principal NAME  name of a managed identity, user principal name, object id or client id
  --role ROLE       name or GUID of a role definition, e.g. "Cosmos DB Built-in Data Reader"
  --scope SCOPE     / (default), /dbs/DATABASE or /dbs/DATABASE/colls/CONTAINER
  --name NAME       name of the role to define; defining it again replaces its actions
  --actions LIST    data actions, whole or from readMetadata or sqlDatabases/ on, separated by commas
  --account NAME    the Cosmos account, when there are several
  --data DIR        data directory of the running server

Examples:
  celestite role assign --principal worker --role "Cosmos DB Built-in Data Contributor"
  celestite role assign --principal worker --role "Cosmos DB Built-in Data Reader" --scope /dbs/shop/colls/orders
  celestite role define --name "Feed Reader" --actions readMetadata,sqlDatabases/containers/readChangeFeed
  celestite role list
`;

const cosmosApi = "api-version=2024-08-15";

interface RoleDefinitionBody {
  readonly name: string;
  readonly properties: { readonly roleName: string };
}

interface RoleAssignmentBody {
  readonly properties: {
    readonly roleDefinitionId: string;
    readonly principalId: string;
    readonly scope: string;
  };
}

export const roleCommand: Command = {
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        principal: { type: "string" },
        role: { type: "string" },
        scope: { type: "string", default: "/" },
        name: { type: "string" },
        actions: { type: "string" },
        account: { type: "string" },
        data: { type: "string" },
      },
    });
    const server = await requireServer(
      values.data === undefined ? dataDirectoryDefault() : resolve(values.data),
    );
    const account = await chooseAccount(server, values.account);
    if (positionals[0] === "list" && positionals.length === 1) {
      terminal.out(await list(server, account));
      return 0;
    }
    if (positionals[0] === "define" && positionals.length === 1) {
      if (values.name === undefined || values.actions === undefined)
        throw new UsageError("--name and --actions are needed.");
      terminal.out(await define(server, account, values.name, values.actions.split(",")));
      return 0;
    }
    if (positionals[0] !== "assign" || positionals.length !== 1)
      throw new UsageError("Say 'assign', 'define' or 'list'.");
    if (values.principal === undefined || values.role === undefined) {
      throw new UsageError("--principal and --role are needed.");
    }
    terminal.out(await assign(server, account, values.principal, values.role, values.scope));
    return 0;
  },
};

/** The account of this name, or the only one; CommandError when that leaves a choice. */
export async function chooseAccount(server: Server, name: string | undefined): Promise<AccountStatus> {
  const { accounts } = await operator<ServerStatus>(server, "GET", "status");
  const named = accounts.filter(
    (account) => name === undefined || account.name.toLowerCase() === name.toLowerCase(),
  );
  const [account, second] = named;
  if (account !== undefined && second === undefined) return account;
  const names = accounts.map((candidate) => candidate.name).join(", ") || "none";
  if (account === undefined) throw new CommandError(`There is no such Cosmos account; there are: ${names}.`);
  throw new CommandError(`There are several Cosmos accounts; add --account with one of: ${names}.`);
}

async function definitions(server: Server, account: AccountStatus): Promise<readonly RoleDefinitionBody[]> {
  const body = await requireArm(server, "GET", `${account.resourceId}/sqlRoleDefinitions?${cosmosApi}`);
  return body["value"] as readonly RoleDefinitionBody[];
}

const dataReader =
  'Data roles are assigned in the account itself: use --role "Cosmos DB Built-in Data Reader".';

/** Names that articles tell people to pick under IAM, with why they are of no use here and what is meant. */
const aliases: Readonly<Record<string, string>> = {
  "cosmos db reader": `Azure has no role 'Cosmos DB Reader'. ${dataReader}`,
  "cosmos db data reader": `Azure has no role 'Cosmos DB Data Reader'. ${dataReader}`,
  "cosmos db operator":
    "'Cosmos DB Operator' is an Azure role for managing accounts and opens no data. For writing use --role \"Cosmos DB Built-in Data Contributor\".",
  "cosmos db account reader role": `'Cosmos DB Account Reader Role' is an Azure role for reading accounts and opens no data. ${dataReader}`,
};

async function assign(
  server: Server,
  account: AccountStatus,
  principalName: string,
  role: string,
  scope: string,
): Promise<string> {
  const all = await definitions(server, account);
  const wanted = role.toLowerCase();
  const definition = all.find(
    (candidate) =>
      candidate.name.toLowerCase() === wanted || candidate.properties.roleName.toLowerCase() === wanted,
  );
  if (definition === undefined) {
    const alias = aliases[wanted];
    if (alias !== undefined) throw new CommandError(alias);
    const names = all.map((candidate) => `"${candidate.properties.roleName}"`).join(", ");
    throw new CommandError(`The account ${account.name} has no role "${role}"; it has: ${names}.`);
  }
  const principal = await operator<Principal>(
    server,
    "GET",
    `principals?name=${encodeURIComponent(principalName)}`,
  );
  const fullScope = `${account.resourceId}${scope === "/" ? "" : scope.replace(/\/+$/, "")}`;
  const roleDefinitionId = `${account.resourceId}/sqlRoleDefinitions/${definition.name}`;
  const name = assignmentName([account.resourceId, roleDefinitionId, principal.objectId, fullScope]);
  await requireArm(server, "PUT", `${account.resourceId}/sqlRoleAssignments/${name}?${cosmosApi}`, {
    properties: { roleDefinitionId, scope: fullScope, principalId: principal.objectId },
  });
  return `${principal.displayName} (${principal.objectId}) has "${definition.properties.roleName}" at ${scope} of ${account.name}.\n`;
}

const actionPrefix = "Microsoft.DocumentDB/databaseAccounts/";

/** Creates or replaces a custom data role, assignable everywhere in the account. */
async function define(
  server: Server,
  account: AccountStatus,
  roleName: string,
  actions: readonly string[],
): Promise<string> {
  const all = await definitions(server, account);
  const same = all.find(({ properties }) => properties.roleName.toLowerCase() === roleName.toLowerCase());
  const name = same?.name ?? assignmentName([account.resourceId, "role", roleName]);
  const dataActions = actions
    .map((action) => action.trim())
    .map((action) =>
      action.toLowerCase().startsWith(actionPrefix.toLowerCase()) ? action : actionPrefix + action,
    );
  await requireArm(server, "PUT", `${account.resourceId}/sqlRoleDefinitions/${name}?${cosmosApi}`, {
    properties: {
      roleName,
      type: "CustomRole",
      assignableScopes: [account.resourceId],
      permissions: [{ dataActions }],
    },
  });
  return `The role "${roleName}" (${name}) of ${account.name} has ${dataActions.length === 1 ? "the data action" : "the data actions"} ${dataActions.join(", ")}.\n`;
}

/** The same assignment always gets the same GUID, so repeating the command changes nothing. */
function assignmentName(parts: readonly string[]): string {
  const hex = createHash("sha256").update(parts.join("\n").toLowerCase()).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

async function list(server: Server, account: AccountStatus): Promise<string> {
  const all = await definitions(server, account);
  const body = await requireArm(server, "GET", `${account.resourceId}/sqlRoleAssignments?${cosmosApi}`);
  const names = new Map(all.map((definition) => [definition.name, definition.properties.roleName]));
  const lines = (body["value"] as readonly RoleAssignmentBody[]).map(({ properties }) => {
    const role = names.get(properties.roleDefinitionId.split("/").pop() ?? "") ?? properties.roleDefinitionId;
    return `  ${properties.principalId}  ${role}  ${properties.scope.slice(account.resourceId.length) || "/"}\n`;
  });
  const builtIn = new Set(builtInDataRoles.map((role) => role.name));
  const defined = all.map(
    (d) => `  ${d.name}  ${d.properties.roleName}${builtIn.has(d.name) ? " (built in)" : ""}\n`,
  );
  return `Definitions of ${account.name}:\n${defined.join("")}Assignments:\n${lines.join("") || "  none\n"}`;
}

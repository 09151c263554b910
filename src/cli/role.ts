/** `celestite role`: Cosmos DB data roles from the command line, in one short form. */
import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { builtInDataRoles, cosmosActions } from "../azure/cosmos-actions.ts";
import type { Principal } from "../azure/principal.ts";
import { dataDirectoryDefault } from "../config.ts";
import type { AccountStatus, ServerStatus } from "../operator/gateway.ts";
import { assignAzureRole, findAzureRole, isAzureScope, noAzureRole, removeAzureRoles } from "./azure-role.ts";
import { type Command, CommandError, UsageError } from "./command.ts";
import { printable } from "./printable.ts";
import { operator, requireArm, requireServer, type Server } from "./server.ts";

const help = `Usage: celestite role assign --principal NAME --role ROLE [--scope SCOPE] [--account NAME]
       celestite role remove --principal NAME [--role ROLE] [--scope SCOPE] [--account NAME]
       celestite role define --name NAME --actions ACTION,... [--account NAME]
       celestite role list [--account NAME]

Assigns a Cosmos DB data role (a sqlRoleAssignment) or takes it away, defines one (a sqlRoleDefinition), or lists
definitions and assignments. Takes effect on the next request. At a scope that is the id of an Azure resource, 'assign'
and 'remove' are about Azure roles, which manage resources and never open data.

Options:
  --principal NAME  name of a managed identity, user principal name, object id or client id
  --role ROLE       name or GUID of a role definition, e.g. "Cosmos DB Built-in Data Reader"
  --scope SCOPE     / (default), /dbs/DATABASE or /dbs/DATABASE/colls/CONTAINER; or the id of an Azure subscription,
                    group or resource. 'remove' without --role and --scope takes all data roles away
  --name NAME       name of the role to define; defining it again replaces its actions
  --actions LIST    data actions, whole or by their ends, like items/read, separated by commas
  --account NAME    the Cosmos account, when there are several
  --data DIR        data directory of the running server

Examples:
  celestite role assign --principal worker --role "Cosmos DB Built-in Data Contributor"
  celestite role assign --principal worker --role "Cosmos DB Built-in Data Reader" --scope /dbs/shop/colls/orders
  celestite role assign --principal worker --role Reader --scope /subscriptions/S/resourceGroups/my-group
  celestite role remove --principal worker --role "Cosmos DB Built-in Data Contributor"
  celestite role define --name "Feed Reader" --actions readMetadata,readChangeFeed
  celestite role list
`;

const cosmosApi = "api-version=2024-08-15";

interface RoleDefinitionBody {
  readonly name: string;
  readonly properties: { readonly roleName: string };
}

interface RoleAssignmentBody {
  readonly id: string;
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
        scope: { type: "string" },
        name: { type: "string" },
        actions: { type: "string" },
        account: { type: "string" },
        data: { type: "string" },
      },
    });
    const work = workOf(positionals, values);
    const server = await requireServer(
      values.data === undefined ? dataDirectoryDefault() : resolve(values.data),
    );
    terminal.out(await work(server));
    return 0;
  },
};

interface RoleValues {
  readonly principal?: string | undefined;
  readonly role?: string | undefined;
  readonly scope?: string | undefined;
  readonly name?: string | undefined;
  readonly actions?: string | undefined;
  readonly account?: string | undefined;
}

/** What the command line asks for, to be done on a server; the text is for the terminal. Throws UsageError. */
function workOf(positionals: readonly string[], values: RoleValues): (server: Server) => Promise<string> {
  const { principal, role, scope, name, actions, account } = values;
  const verb = positionals.length === 1 ? positionals[0] : undefined;
  if (verb === "list") return async (server) => list(server, await chooseAccount(server, account));
  if (verb === "define") {
    if (name === undefined || actions === undefined) throw new UsageError("--name and --actions are needed.");
    return async (server) => define(server, await chooseAccount(server, account), name, actions.split(","));
  }
  if (verb === "assign") {
    if (principal === undefined || role === undefined)
      throw new UsageError("--principal and --role are needed.");
    return scope !== undefined && isAzureScope(scope)
      ? (server) => assignAtResource(server, principal, role, scope.replace(/\/+$/, ""))
      : async (server) => assign(server, await chooseAccount(server, account), principal, role, scope ?? "/");
  }
  if (verb === "remove") {
    if (principal === undefined) throw new UsageError("--principal is needed.");
    return async (server) =>
      scope !== undefined && isAzureScope(scope)
        ? removeAzureRoles(server, await findPrincipal(server, principal), scope.replace(/\/+$/, ""), role)
        : remove(server, await chooseAccount(server, account), await findPrincipal(server, principal), {
            role,
            scope,
          });
  }
  throw new UsageError("Say 'assign', 'remove', 'define' or 'list'.");
}

function findPrincipal(server: Server, name: string): Promise<Principal> {
  return operator<Principal>(server, "GET", `principals?name=${encodeURIComponent(name)}`);
}

/** An Azure role at an Azure resource, or a data role whose scope was written as a full id. */
async function assignAtResource(
  server: Server,
  principalName: string,
  role: string,
  scope: string,
): Promise<string> {
  const azure = await findAzureRole(server, scope, role);
  if (azure !== undefined) {
    const principal = await findPrincipal(server, principalName);
    return assignAzureRole(
      server,
      principal,
      azure,
      scope,
      assignmentName([scope, azure.id, principal.objectId]),
    );
  }
  const [, account, below = ""] = /\/databaseAccounts\/([^/]+)(.*)$/i.exec(scope) ?? [];
  if (account === undefined) throw noAzureRole(role, scope);
  return assign(server, await chooseAccount(server, account), principalName, role, below || "/");
}

/** Takes data roles away: all, or those of a role or at a scope. */
async function remove(
  server: Server,
  account: AccountStatus,
  principal: Principal,
  which: { readonly role: string | undefined; readonly scope: string | undefined },
): Promise<string> {
  const names = new Map((await definitions(server, account)).map((d) => [d.name, d.properties.roleName]));
  const nameOf = (id: string): string => id.split("/").pop() ?? "";
  const wanted = which.role?.toLowerCase();
  const scope = which.scope === undefined ? undefined : which.scope.replace(/\/+$/, "");
  const found = (await assignments(server, account)).filter(
    ({ properties: { principalId, roleDefinitionId, scope: at } }) =>
      principalId.toLowerCase() === principal.objectId.toLowerCase() &&
      (wanted === undefined ||
        [nameOf(roleDefinitionId), names.get(nameOf(roleDefinitionId))].some(
          (each) => each?.toLowerCase() === wanted,
        )) &&
      (scope === undefined || at.slice(account.resourceId.length) === scope),
  );
  if (found.length === 0)
    throw new CommandError(`${principal.displayName} has no such data role of ${account.name}.`);
  for (const { id } of found) await requireArm(server, "DELETE", `${id}?${cosmosApi}`);
  return found
    .map(({ properties }) => {
      const role = names.get(nameOf(properties.roleDefinitionId)) ?? properties.roleDefinitionId;
      const at = properties.scope.slice(account.resourceId.length) || "/";
      return `${principal.displayName} (${principal.objectId}) has no longer "${role}" at ${at} of ${account.name}.\n`;
    })
    .join("");
}

async function assignments(server: Server, account: AccountStatus): Promise<readonly RoleAssignmentBody[]> {
  const body = await requireArm(server, "GET", `${account.resourceId}/sqlRoleAssignments?${cosmosApi}`);
  return body["value"] as readonly RoleAssignmentBody[];
}

/** The full data action behind a name, from its end; `undefined` when there is none. */
export function dataActionOf(name: string): string | undefined {
  const wanted = name.toLowerCase();
  return Object.values(cosmosActions).find((action) => {
    const full = action.toLowerCase();
    return full === wanted || full.endsWith(`/${wanted}`);
  });
}

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
  const principal = await findPrincipal(server, principalName);
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
      action.toLowerCase().startsWith(actionPrefix.toLowerCase())
        ? action
        : (dataActionOf(action) ?? actionPrefix + action),
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

/** Display names by object id, of those whom the directory knows. */
export async function displayNames(
  server: Server,
  objectIds: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>();
  for (const id of new Set(objectIds)) {
    const principal = await findPrincipal(server, id).catch(() => undefined);
    if (principal !== undefined) names.set(id, principal.displayName);
  }
  return names;
}

async function list(server: Server, account: AccountStatus): Promise<string> {
  const all = await definitions(server, account);
  const names = new Map(all.map((definition) => [definition.name, definition.properties.roleName]));
  const assigned = await assignments(server, account);
  const people = await displayNames(
    server,
    assigned.map(({ properties }) => properties.principalId),
  );
  const lines = assigned.map(({ properties }) => {
    const role = names.get(properties.roleDefinitionId.split("/").pop() ?? "") ?? properties.roleDefinitionId;
    const who = people.get(properties.principalId) ?? "(not in the directory)";
    const scope = properties.scope.slice(account.resourceId.length) || "/";
    return `  ${properties.principalId} ${printable(who)}  ${printable(role)}  ${printable(scope)}\n`;
  });
  const builtIn = new Set(builtInDataRoles.map((role) => role.name));
  const defined = all.map(
    (d) => `  ${d.name}  ${printable(d.properties.roleName)}${builtIn.has(d.name) ? " (built in)" : ""}\n`,
  );
  return `Definitions of ${account.name}:\n${defined.join("")}Assignments:\n${lines.join("") || "  none\n"}`;
}

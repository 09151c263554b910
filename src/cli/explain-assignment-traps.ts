/** Traps in giving rights: refusals of the control plane for roles and their assignments. */
import type { Explanation } from "../operator/gateway.ts";
import type { Trap } from "./explain-traps.ts";
import { argument, quoted } from "./printable.ts";

interface Details {
  readonly properties?: {
    readonly roleName?: unknown;
    readonly roleDefinitionId?: unknown;
    readonly principalId?: unknown;
    readonly scope?: unknown;
    readonly permissions?: unknown;
  };
}

/** The trap behind a refused role definition or assignment. */
export function assignmentTrap(explanation: Explanation): Trap | undefined {
  const { record } = explanation;
  if (record.control?.details === undefined || record.statusCode < 400) return undefined;
  const { properties = {} } = JSON.parse(record.control.details) as Details;
  return (
    dataActionTrap(record.message ?? "", properties) ??
    cosmosRoleTrap(record.resource, properties) ??
    clientIdTrap(explanation, properties) ??
    unknownPrincipalTrap(explanation, properties) ??
    doubledScopeTrap(explanation, properties)
  );
}

type Properties = NonNullable<Details["properties"]>;

const cosmosPrefix = "Microsoft.DocumentDB/databaseAccounts/";

/** A Cosmos data action among the dataActions of an Azure custom role. */
function dataActionTrap(message: string, { permissions, roleName }: Properties): Trap | undefined {
  if (!message.includes("has not published any data operations") || !Array.isArray(permissions))
    return undefined;
  const actions = (permissions as { dataActions?: unknown }[])
    .flatMap(({ dataActions }) => (Array.isArray(dataActions) ? dataActions.map(String) : []))
    .filter((action) => action.toLowerCase().startsWith(cosmosPrefix.toLowerCase()));
  if (actions.length === 0) return undefined;
  return {
    name: "Cosmos data action in an Azure role",
    says: [
      `${actions.join(", ")} is a data action of Cosmos DB, which Azure roles do not know: it belongs into a sqlRoleDefinition of the account.`,
    ],
    fix: [
      `celestite role define --name ${quoted(String(roleName))} --actions ${argument(actions.map((action) => action.slice(cosmosPrefix.length)).join(","))}`,
    ],
  };
}

/** The GUID of a built-in data role, used as an Azure role definition. */
function cosmosRoleTrap(resource: string, { roleDefinitionId, principalId }: Properties): Trap | undefined {
  const id = String(roleDefinitionId ?? "");
  const name = id.split("/").pop() ?? "";
  const isDataRole = /^0{8}-0{4}-0{4}-0{4}-0{11}[12]$/.test(name) || /\/sqlRoleDefinitions\//i.test(id);
  if (!isDataRole || /\/sqlRoleAssignments\//i.test(resource)) return undefined;
  return {
    name: "data role used with roleAssignments",
    says: [
      `The id ${name} belongs to sqlRoleDefinitions; Microsoft.Authorization/roleAssignments knows it not.`,
    ],
    fix: [
      `celestite role assign --principal ${argument(String(principalId))} --role ${argument(name)} --scope "/"`,
    ],
  };
}

function clientIdTrap(explanation: Explanation, properties: Properties): Trap | undefined {
  const id = String(properties.principalId ?? "").toLowerCase();
  const meant = explanation.named?.[id];
  if (meant === undefined || meant.appId?.toLowerCase() !== id || meant.objectId.toLowerCase() === id)
    return undefined;
  return {
    name: "client id in place of the principal id",
    says: [`${id} is the clientId of ${meant.displayName}; its principalId is ${meant.objectId}.`],
    fix: [assignOf(explanation, properties, meant.objectId)],
  };
}

function unknownPrincipalTrap(explanation: Explanation, properties: Properties): Trap | undefined {
  const id = String(properties.principalId ?? "");
  const message = explanation.record.message ?? "";
  const isUnknown =
    message.includes("was not found in the AAD tenant") ||
    message.includes("does not exist in the directory");
  if (id === "" || !isUnknown) return undefined;
  return {
    name: "principal not (yet) known",
    says: [
      `The directory knows no principal ${id}. In Azure a new identity takes a while until it is known, so retry; here it is known at once, so the id is of one that was deleted, or was mistyped.`,
    ],
    fix: ["Assign by the identity's name:", assignOf(explanation, properties, "NAME")],
  };
}

function doubledScopeTrap(explanation: Explanation, properties: Properties): Trap | undefined {
  const sent = String(properties.scope ?? "");
  const parts = sent.split(/(?=\/subscriptions\/)/i);
  if (parts.length !== 2) return undefined;
  const scope = (parts[1] ?? "").replace(/^.*?\/databaseAccounts\/[^/]+/i, "") || "/";
  return {
    name: "scope with two prefixes",
    says: [
      `The scope was sent as ${sent}: the tool put the account's id before a full id, because that was written in another letter case.`,
    ],
    fix: [assignOf(explanation, properties, String(properties.principalId ?? ""), scope)],
  };
}

/** The same assignment in the short form. */
function assignOf(
  { record }: Explanation,
  { roleDefinitionId, scope }: Properties,
  principal: string,
  at: string | undefined = undefined,
): string {
  const account = /\/databaseAccounts\/([^/]+)/i.exec(record.resource)?.[1];
  const role =
    String(roleDefinitionId ?? "")
      .split("/")
      .pop() ?? "";
  const where =
    at ??
    (String(scope ?? "")
      .replace(/^.*?\/databaseAccounts\/[^/]+/i, "")
      .replace(/\/+$/, "") ||
      "/");
  const accountOption = account === undefined ? "" : ` --account ${argument(account)}`;
  return `celestite role assign${accountOption} --principal ${argument(principal)} --role ${argument(role)} --scope ${quoted(where)}`;
}

/** Suggested roles as a Bicep file, an ARM template, az commands or Terraform. */
import { createHash } from "node:crypto";
import { argument, literal, printable, quoted } from "./printable.ts";
import type { NeededRole } from "./suggest-role-plan.ts";

export interface Suggestion {
  readonly accountName: string;
  readonly accountId: string;
  readonly principalId: string;
  /** How people call the principal; part of the roles' names. */
  readonly principalName: string;
  readonly roles: readonly NeededRole[];
}

export const formats = ["bicep", "json", "az", "terraform"] as const;
export type Format = (typeof formats)[number];

/** A definition for each distinct set of actions, and the scopes at which it is assigned. */
interface Definition {
  readonly guid: string;
  readonly roleName: string;
  readonly actions: readonly string[];
  readonly scopes: readonly { readonly scope: string; readonly guid: string }[];
}

export function writeSuggestion(suggestion: Suggestion, format: Format): string {
  const definitions = definitionsOf(suggestion);
  switch (format) {
    case "bicep":
      return bicep(suggestion, definitions);
    case "json":
      return `${JSON.stringify(template(suggestion, definitions), undefined, 2)}\n`;
    case "az":
      return az(suggestion, definitions);
    case "terraform":
      return terraform(suggestion, definitions);
  }
}

function definitionsOf({ accountId, principalId, principalName, roles }: Suggestion): readonly Definition[] {
  const sets = new Map<string, string[]>();
  for (const { scope, actions } of roles) {
    const key = actions.join();
    sets.set(key, [...(sets.get(key) ?? []), scope]);
  }
  return [...sets].map(([key, scopes], at) => ({
    guid: guidOf(accountId, principalId, key),
    roleName:
      sets.size === 1 ? `${principalName} least privilege` : `${principalName} least privilege ${at + 1}`,
    actions: key.split(","),
    scopes: scopes.map((scope) => ({ scope, guid: guidOf(accountId, principalId, key, scope) })),
  }));
}

/** The same suggestion always has the same GUIDs, so applying it again changes nothing. */
function guidOf(...parts: readonly string[]): string {
  const hex = createHash("sha256").update(parts.join("\n").toLowerCase()).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** Text inside a string of Bicep: nothing in it ends the string or is evaluated. */
function inBicep(text: string): string {
  return printable(text).replace(/\\|'|\$\{/g, (part) => (part === "${" ? "\\${" : `\\${part}`));
}

function bicepText(text: string): string {
  return `'${inBicep(text)}'`;
}

/** Text inside a quoted template of Terraform. */
function inTerraform(text: string): string {
  return JSON.stringify(printable(text))
    .slice(1, -1)
    .replaceAll("${", () => "$${")
    .replaceAll("%{", () => "%%{");
}

function below(scope: string): string {
  return scope === "/" ? "" : scope;
}

const apiVersion = "2024-08-15";

function bicep({ accountName, principalId }: Suggestion, definitions: readonly Definition[]): string {
  const parts = definitions.map(({ guid, roleName, actions, scopes }, at) => {
    const definition = `resource role${at + 1} 'Microsoft.DocumentDB/databaseAccounts/sqlRoleDefinitions@${apiVersion}' = {
  parent: account
  name: '${guid}'
  properties: {
    roleName: ${bicepText(roleName)}
    type: 'CustomRole'
    assignableScopes: [
      account.id
    ]
    permissions: [
      {
        dataActions: [
${actions.map((action) => `          '${action}'`).join("\n")}
        ]
      }
    ]
  }
}
`;
    const assignments = scopes.map(
      (
        { scope, guid: name },
        number,
      ) => `resource assignment${at + 1}${scopes.length === 1 ? "" : `_${number + 1}`} 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@${apiVersion}' = {
  parent: account
  name: '${name}'
  properties: {
    roleDefinitionId: role${at + 1}.id
    principalId: principalId
    scope: '\${account.id}${inBicep(below(scope))}'
  }
}
`,
    );
    return [definition, ...assignments].join("\n");
  });
  return `param accountName string = '${accountName}'
param principalId string = '${principalId}'

resource account 'Microsoft.DocumentDB/databaseAccounts@${apiVersion}' existing = {
  name: accountName
}

${parts.join("\n")}`;
}

function template({ accountName, principalId }: Suggestion, definitions: readonly Definition[]): object {
  const account = "resourceId('Microsoft.DocumentDB/databaseAccounts', parameters('accountName'))";
  const type = "Microsoft.DocumentDB/databaseAccounts";
  const resources = definitions.flatMap(({ guid, roleName, actions, scopes }) => [
    {
      type: `${type}/sqlRoleDefinitions`,
      apiVersion,
      name: `[concat(parameters('accountName'), '/${guid}')]`,
      properties: {
        roleName,
        type: "CustomRole",
        assignableScopes: [`[${account}]`],
        permissions: [{ dataActions: actions }],
      },
    },
    ...scopes.map(({ scope, guid: name }) => ({
      type: `${type}/sqlRoleAssignments`,
      apiVersion,
      name: `[concat(parameters('accountName'), '/${name}')]`,
      dependsOn: [`[resourceId('${type}/sqlRoleDefinitions', parameters('accountName'), '${guid}')]`],
      properties: {
        roleDefinitionId: `[resourceId('${type}/sqlRoleDefinitions', parameters('accountName'), '${guid}')]`,
        principalId: "[parameters('principalId')]",
        scope: `[concat(${account}, '${below(scope).replaceAll("'", "''")}')]`,
      },
    })),
  ]);
  return {
    $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
    contentVersion: "1.0.0.0",
    parameters: {
      accountName: { type: "string", defaultValue: accountName },
      principalId: { type: "string", defaultValue: principalId },
    },
    resources,
  };
}

function az({ accountName, accountId, principalId }: Suggestion, definitions: readonly Definition[]): string {
  const group = /\/resourceGroups\/([^/]+)/i.exec(accountId)?.[1] ?? "";
  const target = `--account-name ${argument(accountName)} --resource-group ${argument(group)}`;
  return definitions
    .map(({ guid, roleName, actions, scopes }) => {
      const body = JSON.stringify({
        Id: guid,
        RoleName: roleName,
        Type: "CustomRole",
        AssignableScopes: ["/"],
        Permissions: [{ DataActions: actions }],
      });
      const create = `az cosmosdb sql role definition create ${target} --body ${literal(body)}\n`;
      const assign = scopes.map(
        ({ scope, guid: name }) =>
          `az cosmosdb sql role assignment create ${target} --role-assignment-id ${name} --role-definition-id ${guid} --principal-id ${principalId} --scope ${quoted(scope)}\n`,
      );
      return create + assign.join("");
    })
    .join("");
}

function terraform(
  { accountName, accountId, principalId }: Suggestion,
  definitions: readonly Definition[],
): string {
  const group = /\/resourceGroups\/([^/]+)/i.exec(accountId)?.[1] ?? "";
  const data = `data "azurerm_cosmosdb_account" "account" {
  name                = "${accountName}"
  resource_group_name = "${group}"
}
`;
  const place = `  resource_group_name = data.azurerm_cosmosdb_account.account.resource_group_name
  account_name        = data.azurerm_cosmosdb_account.account.name`;
  const parts = definitions.map(({ guid, roleName, actions, scopes }, at) => {
    const definition = `
resource "azurerm_cosmosdb_sql_role_definition" "role${at + 1}" {
  role_definition_id  = "${guid}"
${place}
  name                = "${inTerraform(roleName)}"
  type                = "CustomRole"
  assignable_scopes   = [data.azurerm_cosmosdb_account.account.id]

  permissions {
    data_actions = [
${actions.map((action) => `      "${action}",`).join("\n")}
    ]
  }
}
`;
    const assignments = scopes.map(
      ({ scope, guid: name }, number) => `
resource "azurerm_cosmosdb_sql_role_assignment" "assignment${at + 1}${scopes.length === 1 ? "" : `_${number + 1}`}" {
  name                = "${name}"
${place}
  role_definition_id  = azurerm_cosmosdb_sql_role_definition.role${at + 1}.id
  principal_id        = "${principalId}"
  scope               = "\${data.azurerm_cosmosdb_account.account.id}${inTerraform(below(scope))}"
}
`,
    );
    return definition + assignments.join("");
  });
  return data + parts.join("");
}

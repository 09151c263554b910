/**
 * Where `celestite deploy` puts a template: the scope follows from its schema. At management groups and at the tenant
 * nobody holds a right from the beginning, so the command takes one for the time of the deployment and gives it back.
 */
import { managementGroupId } from "../azure/resource-id.ts";
import { ownerRoleName } from "../azure/roles.ts";
import { openEntropy, uuid } from "../clock.ts";
import type { ServerStatus } from "../operator/gateway.ts";
import { CommandError } from "./command.ts";
import { arm, operator, requireArm, type Server } from "./server.ts";

export interface DeployScope {
  /** The id that the deployment hangs below; empty for the tenant. */
  readonly id: string;
  /** What progress lines call it. */
  readonly label: string;
  readonly kind: "group" | "subscription" | "managementGroup" | "tenant";
}

export interface ScopeNames {
  readonly group: string;
  readonly managementGroup?: string;
}

/** The scope that the schema of `template` means. */
export function scopeOf(template: unknown, names: ScopeNames, status: ServerStatus): DeployScope {
  const { $schema } = (template ?? {}) as { $schema?: unknown };
  const found = /(subscription|managementGroup|tenant)DeploymentTemplate\.json/i.exec(String($schema))?.[1];
  const subscription = `/subscriptions/${status.subscriptionId}`;
  const group = names.managementGroup ?? status.tenantId;
  switch (found?.toLowerCase()) {
    case "subscription":
      return { id: subscription, label: "the subscription", kind: "subscription" };
    case "managementgroup": {
      const label = `the management group ${group}`;
      return { id: managementGroupId(encodeURIComponent(group)), label, kind: "managementGroup" };
    }
    case "tenant":
      return { id: "", label: "the tenant", kind: "tenant" };
    default:
      return {
        id: `${subscription}/resourceGroups/${encodeURIComponent(names.group)}`,
        label: names.group,
        kind: "group",
      };
  }
}

const authorization = "/providers/Microsoft.Authorization";
const version = "api-version=2022-04-01";

interface Assignment {
  readonly id: string;
  readonly properties: {
    readonly principalId: string;
    readonly roleDefinitionId: string;
    readonly scope: string;
  };
}

/** Runs `work` while the bootstrap user is Owner of the tenant; afterwards it holds what it held before. */
export async function withTenantRights<T>(server: Server, work: () => Promise<T>): Promise<T> {
  const principalId = await bootstrapUser(server);
  const before = (await assignmentsAtTenant(server, principalId)) ?? [];
  if (before.some(isOwner)) return work();
  await requireArm(server, "POST", `${authorization}/elevateAccess?api-version=2016-07-01`);
  try {
    const name = uuid(openEntropy());
    const roleDefinitionId = `${authorization}/roleDefinitions/${ownerRoleName}`;
    await requireArm(server, "PUT", `${authorization}/roleAssignments/${name}?${version}`, {
      properties: { roleDefinitionId, principalId, principalType: "User" },
    });
    return await work();
  } finally {
    await giveBack(server, principalId, before);
  }
}

/** Ownership first: taking it away needs the other role. */
async function giveBack(server: Server, principalId: string, before: readonly Assignment[]): Promise<void> {
  const kept = new Set(before.map(({ id }) => id));
  const added = ((await assignmentsAtTenant(server, principalId)) ?? []).filter(({ id }) => !kept.has(id));
  for (const { id } of added.sort((a, b) => Number(isOwner(b)) - Number(isOwner(a)))) {
    await requireArm(server, "DELETE", `${id}?${version}`);
  }
}

function isOwner({ properties }: Assignment): boolean {
  return properties.roleDefinitionId.toLowerCase().endsWith(ownerRoleName);
}

/** What the bootstrap user holds at the tenant itself; undefined when it may not even see that. */
async function assignmentsAtTenant(
  server: Server,
  principalId: string,
): Promise<readonly Assignment[] | undefined> {
  const path = `${authorization}/roleAssignments?$filter=${encodeURIComponent("atScope()")}&${version}`;
  const { status, body } = await arm(server, "GET", path);
  if (status !== 200) return undefined;
  const all = body["value"] as readonly Assignment[];
  return all.filter(({ properties }) => properties.scope === "/" && properties.principalId === principalId);
}

/** The object id in the token with which this command asks. */
async function bootstrapUser(server: Server): Promise<string> {
  const { token } = await operator<{ token: string }>(server, "POST", "token");
  const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8")) as {
    oid?: unknown;
  };
  if (typeof claims.oid !== "string") throw new CommandError("The server's token names no user.");
  return claims.oid;
}

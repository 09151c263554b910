/** Everything that only the running server can look up about a record, for those who explain it. */
import type { Decision } from "../authz/decision.ts";
import type { Principal } from "../azure/principal.ts";
import { scopeCovers } from "../azure/resource-id.ts";
import { builtInRoles } from "../azure/roles.ts";
import type { Engine } from "../cosmos/engine/engine.ts";
import type { Identity } from "../identity/identity.ts";
import type { DiagnosticRecord } from "../observability/diagnostic-records.ts";
import type { Explanation } from "../operator/gateway.ts";

interface Facts {
  readonly identity: Identity;
  readonly engine: Engine;
}

/** Principals looked up for one record; an account may have thousands of assignments. */
const namedMax = 50;

export async function explainRecord(facts: Facts, record: DiagnosticRecord): Promise<Explanation> {
  const { directory } = facts.identity;
  const principal = record.principalId === undefined ? undefined : await directory.find(record.principalId);
  const account = facts.engine.catalog.find(record.account)?.record.account;
  const azureRoles =
    account === undefined || record.principalId === undefined
      ? []
      : await azureRolesOf(facts, record.principalId, account.resourceId);
  return {
    record,
    ...(principal === undefined ? {} : { principal }),
    ...(account === undefined ? {} : { accountId: account.resourceId }),
    ...(account === undefined
      ? {}
      : {
          account: {
            name: account.name,
            tenantId: account.tenantId,
            disableLocalAuth: account.disableLocalAuth,
            disableKeyBasedMetadataWriteAccess: account.disableKeyBasedMetadataWriteAccess,
          },
        }),
    ...(azureRoles.length === 0 ? {} : { azureRoles }),
    named: await principalsOf(facts.identity, record),
  };
}

/** Azure roles at the account or above. */
async function azureRolesOf(
  { identity, engine }: Facts,
  principalId: string,
  accountId: string,
): Promise<readonly { readonly roleName: string; readonly scope: string }[]> {
  const { loadRights, roleNameOf, getDefinition } = await import("../arm/role-assignments.ts");
  const { assignments } = await loadRights(engine.store, identity.directory, principalId, engine.clock.now());
  const covering = assignments.filter(({ scope }) => scopeCovers(scope, accountId));
  return Promise.all(
    covering.map(async ({ roleDefinitionId, scope }) => {
      const name = roleNameOf(roleDefinitionId);
      const definition =
        builtInRoles.find((role) => role.name === name) ?? (await getDefinition(engine.store, name));
      return { roleName: definition?.roleName ?? name, scope };
    }),
  );
}

async function principalsOf(
  { directory }: Identity,
  record: DiagnosticRecord,
): Promise<Readonly<Record<string, Principal>>> {
  const decision = record.decision as Decision | undefined;
  const ids = new Set(decision?.considered.map(({ principalId }) => principalId.toLowerCase()));
  const wanted = assignedPrincipal(record.control?.details);
  if (wanted !== undefined) ids.add(wanted);
  const named: Record<string, Principal> = {};
  for (const id of [...ids].slice(0, namedMax)) {
    const principal = (await directory.find(id)) ?? (await directory.findByAppId(id));
    if (principal !== undefined) named[id] = principal;
  }
  return named;
}

/** The principal that a recorded role assignment was for. */
function assignedPrincipal(details: string | undefined): string | undefined {
  if (details === undefined) return undefined;
  const { properties } = JSON.parse(details) as { properties?: { principalId?: unknown } };
  return typeof properties?.principalId === "string" ? properties.principalId.toLowerCase() : undefined;
}

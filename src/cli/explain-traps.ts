/**
 * The traps that people really fall into with access to Cosmos DB, each recognised by name from a recorded refusal,
 * with one plain sentence and the smallest thing that mends it. Pure: facts in, words out.
 */
import type { ConsideredAssignment, Decision } from "../authz/decision.ts";
import type { Diagnosis } from "../authz/diagnosis.ts";
import { cosmosActions } from "../azure/cosmos-actions.ts";
import { isSignIn } from "../observability/diagnostic-records.ts";
import type { Explanation } from "../operator/gateway.ts";
import { assignmentTrap } from "./explain-assignment-traps.ts";
import { signInTrap } from "./explain-sign-ins.ts";
import { tokenFaults } from "./explain-token-faults.ts";
import { argument, literal, quoted } from "./printable.ts";

export interface Trap {
  readonly name: string;
  /** What is wrong, in full sentences. */
  readonly says: readonly string[];
  /** What mends it: commands to run as they stand, or a sentence where no command can. */
  readonly fix: readonly string[];
}

type Denied = Extract<Decision, { allowed: false }>;

const armApi = "?api-version=2024-08-15";

/** The trap behind a refusal, or `undefined` when it is a plain denial. */
export function findTrap(explanation: Explanation): Trap | undefined {
  const { record } = explanation;
  if (record.category === "ControlPlaneRequests") return assignmentTrap(explanation);
  if (isSignIn(record)) return signInTrap(record);
  const decision = record.decision as Decision | undefined;
  if (decision?.allowed === false) return lockTrap(explanation, decision) ?? roleTrap(explanation, decision);
  const diagnosis = record.diagnosis as Diagnosis | undefined;
  return diagnosis === undefined ? undefined : credentialTrap(explanation, diagnosis);
}

/** What is wrong with the credential itself. */
function credentialTrap(explanation: Explanation, diagnosis: Diagnosis): Trap | undefined {
  const { record } = explanation;
  switch (diagnosis.kind) {
    case "token": {
      const { claimed, accountTenantId } = diagnosis;
      if (claimed.tenantId === undefined || claimed.tenantId === accountTenantId)
        return tokenFaults[diagnosis.fault];
      return {
        name: "token of another tenant",
        says: [
          `The token is of tenant ${claimed.tenantId}, the account belongs to tenant ${accountTenantId}; it was issued to the application ${claimed.appId ?? "(none)"}.`,
          "A credential that remembers an earlier sign-in (az CLI, Visual Studio) sends such tokens.",
        ],
        fix: [`Ask the account's tenant for the token: AZURE_TENANT_ID=${accountTenantId}`],
      };
    }
    case "audience":
      return {
        name: "wrong audience",
        says: [
          `The token is for ${diagnosis.claimed.audience ?? "(no audience)"}, which is no name of this account: no trailing slash, no regional host.`,
        ],
        fix: [`Request the scope https://${record.account}.documents.azure.com/.default`],
      };
    case "signatureDate": {
      const minutes = Math.round((diagnosis.given - diagnosis.now) / 60_000);
      const direction = minutes > 0 ? "ahead of" : "behind";
      return {
        name: "clock skew",
        says: [
          `x-ms-date is ${Math.abs(minutes)} min ${direction} the server's time; accepted are 30 min behind to 15 min ahead.`,
        ],
        fix: [
          `Set the client's clock (the server's time was ${new Date(diagnosis.now).toUTCString()}) and send the request again.`,
        ],
      };
    }
    case "resourceToken":
      return {
        name: diagnosis.fault === "expired" ? "expired resource token" : "revoked resource token",
        says: [
          diagnosis.fault === "expired"
            ? `The token of ${diagnosis.permission} ended at ${new Date(diagnosis.ended ?? 0).toISOString()}.`
            : `The permission ${diagnosis.permission} does not exist any more, and its tokens ended with it.`,
        ],
        fix: ["Ask whoever gives out the tokens for a new one."],
      };
    case "network":
      return {
        name: "network rules",
        says: [
          `The request came from ${diagnosis.address}; publicNetworkAccess is ${diagnosis.publicNetworkAccess}, ipRules are [${diagnosis.ipRules.join(", ")}].`,
        ],
        fix: networkFix(explanation, diagnosis),
      };
    case "signature":
      return {
        name: "wrong key or signature",
        says: [
          "The signature was made with no key of this account: the key may be of another account or server, or regenerated since; or the client signed something else than it sent.",
        ],
        fix: [
          "Sign with one of its keys; this shows them:",
          `celestite keys list --account ${argument(record.account)}`,
          "The key of Microsoft's emulator is taken by 'celestite start --emulator-key' only.",
        ],
      };
  }
}

/** Lets the address in, beside those that are let in already. */
function networkFix(
  explanation: Explanation,
  { address, publicNetworkAccess, ipRules }: Extract<Diagnosis, { kind: "network" }>,
): string[] {
  if (explanation.accountId === undefined) return [];
  const allowed = ipRules.length === 0 || ipRules.includes(address) ? ipRules : [...ipRules, address];
  return [
    patchAccount(explanation, {
      ...(publicNetworkAccess === "Enabled" ? {} : { publicNetworkAccess: "Enabled" }),
      ...(allowed === ipRules ? {} : { ipRules: allowed.map((rule) => ({ ipAddressOrRange: rule })) }),
    }),
  ];
}

/** What the account or the credential's own limits forbid. */
function lockTrap(explanation: Explanation, decision: Denied): Trap | undefined {
  const { record } = explanation;
  const { credential } = decision;
  switch (decision.reason) {
    case "localAuthDisabled": {
      const sent =
        credential.kind === "accountKey"
          ? `type=master (${credential.key} key)`
          : credential.kind === "resourceToken"
            ? `type=resource (${credential.permission})`
            : "an Entra token";
      return {
        name: "key while disableLocalAuth",
        says: [`The request was sent with ${sent}; the account has disableLocalAuth, so key auth is off.`],
        fix: [
          "Use an Entra token (DefaultAzureCredential) in place of the key, or switch keys on:",
          patchAccount(explanation, { disableLocalAuth: false }),
        ],
      };
    }
    case "keyMetadataWriteDisabled":
      return {
        name: "metadata-write lock",
        says: [
          `The account has disableKeyBasedMetadataWriteAccess: '${record.operationName}' goes through Azure Resource Manager only, whatever the credential.`,
        ],
        fix: [
          ...armRoute(explanation),
          patchAccount(explanation, { disableKeyBasedMetadataWriteAccess: false }),
        ],
      };
    case "readOnlyKey": {
      const key = credential.kind === "accountKey" ? keyWords[credential.key] : "a read-only key";
      return {
        name: "read-only key",
        says: [`The signature matches the ${key}, and '${record.operationName}' writes.`],
        fix: [
          "Sign with a read-write key; this shows them:",
          `celestite keys list --account ${argument(record.account)}`,
        ],
      };
    }
    case "outsideResourceToken":
      return tokenTrap(explanation, decision);
    default:
      return undefined;
  }
}

const keyWords = {
  primary: "primary key",
  secondary: "secondary key",
  primaryReadonly: "primary read-only key",
  secondaryReadonly: "secondary read-only key",
} as const;

function tokenTrap({ record }: Explanation, { credential, resource }: Denied): Trap | undefined {
  if (credential.kind !== "resourceToken") return undefined;
  const asked = record.data?.partitionKey;
  const words = (key: string | undefined): string =>
    key === undefined ? "every partition" : `partition ${key}`;
  const own = credential.partitionKey === undefined ? undefined : JSON.stringify(credential.partitionKey);
  const id = credential.permission.split("/").pop() ?? "";
  const wider = {
    id,
    permissionMode: "All",
    resource,
    ...(asked === undefined ? {} : { resourcePartitionKey: JSON.parse(asked) as unknown }),
  };
  return {
    name: "token narrower than the request",
    says: [
      `permission ${id}: ${credential.mode}, ${credential.resource}, ${words(own)}; request: ${record.operationName}, ${resource}, ${words(asked)}.`,
    ],
    fix: [
      "Let the broker give a permission that covers it:",
      `PUT /${credential.permission} ${JSON.stringify(wider)}`,
    ],
  };
}

/** What a missing right comes from. */
function roleTrap(explanation: Explanation, decision: Denied): Trap | undefined {
  if (decision.credential.kind !== "aad") return undefined;
  if (decision.reason === "notPossibleWithAad") {
    return {
      name: "management operation with an Entra token",
      says: [
        `'${explanation.record.operationName}' is a management operation: no data role allows it. Use Azure Resource Manager (az, Bicep) or an account key.`,
      ],
      fix: armRoute(explanation),
    };
  }
  if (decision.reason !== "noMatchingAssignment") return undefined;
  const ids = [decision.credential.principalId, ...decision.credential.groups].map((id) => id.toLowerCase());
  const own = decision.considered.filter(({ principalId }) => ids.includes(principalId.toLowerCase()));
  return (
    databaseReadTrap(explanation, decision, own) ??
    readFeedTrap(explanation, decision, own) ??
    groupTrap(explanation, decision) ??
    azureRoleTrap(explanation, decision, own)
  );
}

function databaseReadTrap(
  explanation: Explanation,
  decision: Denied,
  own: readonly ConsideredAssignment[],
): Trap | undefined {
  if (decision.action !== cosmosActions.readMetadata || !/^dbs\/[^/]+$/.test(decision.resource))
    return undefined;
  const deeper = own.find(({ scope, failed }) => failed.join() === "scope" && scope.includes("/colls/"));
  if (deeper === undefined) return undefined;
  const scope = `/${decision.resource}`;
  const { method } = explanation.record;
  return {
    name: "container scope, and the client reads the database",
    says: [
      `${method} ${scope} needs readMetadata at database scope; "${deeper.roleName}" is held at ${below(deeper.scope)}, which begins below it.`,
    ],
    fix: oneActionRole(explanation, "Metadata Reader", "readMetadata", scope),
  };
}

function readFeedTrap(
  explanation: Explanation,
  decision: Denied,
  own: readonly ConsideredAssignment[],
): Trap | undefined {
  const near = own.find(({ failed }) => failed.join() === "action");
  if (decision.action !== cosmosActions.readChangeFeed || near === undefined) return undefined;
  return {
    name: "no readChangeFeed",
    says: [
      `This is a read feed, not a query: it needs readChangeFeed, which "${near.roleName}" does not contain.`,
    ],
    fix: oneActionRole(
      explanation,
      "Feed Reader",
      "sqlDatabases/containers/readChangeFeed",
      `/${decision.resource}`,
    ),
  };
}

function groupTrap(explanation: Explanation, decision: Denied): Trap | undefined {
  const named = explanation.named ?? {};
  const forGroup = decision.considered.find(
    ({ failed, principalId }) =>
      failed.join() === "principal" && named[principalId.toLowerCase()]?.type === "Group",
  );
  if (forGroup === undefined) return undefined;
  const group = named[forGroup.principalId.toLowerCase()];
  const scope = below(forGroup.scope);
  return {
    name: "assignment for a group",
    says: [
      `"${forGroup.roleName}" at ${scope} is for the group ${group?.displayName ?? ""} (${forGroup.principalId}); the principal is no member of it, and its token names no such group.`,
    ],
    fix: [
      "Make it a member of the group, or assign the role to itself:",
      assign(explanation, forGroup.roleName, scope),
    ],
  };
}

function azureRoleTrap(
  explanation: Explanation,
  decision: Denied,
  own: readonly ConsideredAssignment[],
): Trap | undefined {
  const [role] = explanation.azureRoles ?? [];
  if (role === undefined || own.length > 0) return undefined;
  return {
    name: "Azure role expected to open data",
    says: [
      `${principalName(explanation)} holds the Azure role "${role.roleName}" at ${role.scope}; Azure roles grant no data actions. Missing is ${decision.action} on ${decision.resource}.`,
    ],
    fix: [assign(explanation, builtInFor(decision.action), scopeOf(decision.resource))],
  };
}

/** Actions that the built-in reader role contains; anything else needs the contributor. */
const readActions: ReadonlySet<string> = new Set([
  cosmosActions.readMetadata,
  cosmosActions.readItem,
  cosmosActions.executeQuery,
  cosmosActions.readChangeFeed,
]);

export function builtInFor(action: string): string {
  return readActions.has(action) ? "Cosmos DB Built-in Data Reader" : "Cosmos DB Built-in Data Contributor";
}

/** A resource of the data plane as the command line names scopes. */
export function scopeOf(resource: string): string {
  return resource === "/" ? "/" : `/${resource}`;
}

/** The command that gives the request's principal a role. */
export function assign(explanation: Explanation, role: string, scope: string): string {
  const account = `--account ${argument(explanation.record.account)}`;
  const principal = argument(principalName(explanation));
  return `celestite role assign ${account} --principal ${principal} --role ${quoted(role)} --scope ${quoted(scope)}`;
}

/** The command that gives the request's principal an Azure role. */
export function assignAzure(explanation: Explanation, role: string, scope: string): string {
  const principal = argument(principalName(explanation));
  return `celestite role assign --principal ${principal} --role ${quoted(role)} --scope ${quoted(scope)}`;
}

function principalName({ principal, record }: Explanation): string {
  if (principal?.managedIdentity === "user") return principal.displayName;
  return principal?.userPrincipalName ?? record.principalId ?? "";
}

/** A role of a single action, and its assignment. */
function oneActionRole(explanation: Explanation, name: string, action: string, scope: string): string[] {
  const account = `--account ${argument(explanation.record.account)}`;
  return [
    `celestite role define ${account} --name ${quoted(name)} --actions ${argument(action)}`,
    assign(explanation, name, scope),
  ];
}

/** The part of a scope below its account. */
function below(scope: string): string {
  return scope.replace(/^.*?\/databaseAccounts\/[^/]+/i, "") || "/";
}

function patchAccount({ accountId }: Explanation, properties: object): string {
  return `celestite rest PATCH ${quoted(`${accountId ?? ""}${armApi}`)} --body ${literal(JSON.stringify({ properties }))}`;
}

/** The same change through the control plane, where the record tells enough to write it down. */
function armRoute({ record, accountId }: Explanation): string[] {
  const wanted = record.data?.wanted;
  const database = record.data?.databaseName;
  if (wanted === undefined || accountId === undefined) return [];
  const { id, paths } = wanted;
  if (record.operationName === "CreateDatabase") {
    return [put(`${accountId}/sqlDatabases/${segment(id)}`, { id })];
  }
  const partitionKey = { paths: paths ?? ["/id"], kind: "Hash", version: 2 };
  const owner = `${accountId}/sqlDatabases/${segment(database ?? "")}`;
  return [put(`${owner}/containers/${segment(id)}`, { id, partitionKey })];
}

function put(path: string, resource: object): string {
  const body = JSON.stringify({ properties: { resource } });
  return `celestite rest PUT ${quoted(`${path}${armApi}`)} --body ${literal(body)}`;
}

/** A name in a path: whatever it is, it stays one segment. */
function segment(name: string): string {
  return encodeURIComponent(name);
}

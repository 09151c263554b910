/** `celestite explain`: why a request was allowed or denied, from the decision that the server recorded. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Decision } from "../authz/decision.ts";
import { cosmosActions } from "../azure/cosmos-actions.ts";
import { dataDirectoryDefault } from "../config.ts";
import type { Explanation } from "../operator/gateway.ts";
import { type Command, UsageError } from "./command.ts";
import { operator, requireServer } from "./server.ts";

const help = `Usage: celestite explain [ACTIVITY-ID | --last] [--json]

Shows the principal, the required action, every role assignment that was considered and why it did or did not apply,
and for a denial the smallest command that mends it. Without an id, the last denied request.

Options:
  --last       the last request of all, allowed or denied
  --json       the recorded decision as JSON
  --data DIR   data directory of the running server

Examples:
  celestite explain
  celestite explain --last
  celestite explain 2f7c1c5e-5d0c-4c55-9d3f-0a1f2f6e4c11
`;

export const explainCommand: Command = {
  name: "explain",
  summary: "why was a request allowed or denied",
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { last: { type: "boolean" }, json: { type: "boolean" }, data: { type: "string" } },
    });
    if (positionals.length > 1) throw new UsageError("Name one activity id.");
    const server = await requireServer(
      values.data === undefined ? dataDirectoryDefault() : resolve(values.data),
    );
    const [id] = positionals;
    const path = id ?? (values.last === true ? "last" : "last?denied=true");
    const explanation = await operator<Explanation>(server, "GET", `decisions/${path}`);
    terminal.out(
      values.json === true
        ? `${JSON.stringify(explanation, undefined, 2)}\n`
        : renderExplanation(explanation),
    );
    return 0;
  },
};

/** The explanation as text. */
export function renderExplanation(explanation: Explanation): string {
  const { record } = explanation;
  const decision = record.decision as Decision | undefined;
  const head = [
    `${record.method} ${record.resource} on ${record.account}`,
    `  ${record.operationName} at ${new Date(record.time).toISOString()}, activity ${record.activityId}`,
    `  answered ${record.statusCode}${record.substatus === 0 ? "" : ` (substatus ${record.substatus})`}`,
  ];
  if (decision === undefined) {
    return lines([...head, "", `No access decision was made. ${record.message ?? ""}`.trimEnd()]);
  }
  const verdict = decision.allowed
    ? ["", "Allowed."]
    : ["", `Denied: ${reasons[decision.reason]}`, ...suggestion(explanation, decision)];
  return lines([...head, "", ...who(explanation, decision), ...considered(decision), ...verdict]);
}

const reasons: Readonly<Record<Extract<Decision, { allowed: false }>["reason"], string>> = {
  noMatchingAssignment: "no role assignment grants this action at this resource or above it.",
  denyAssignment: "a deny assignment covers this action.",
  principalDeleted: "the principal does not exist (any more); a token outlives it, its rights do not.",
  notPossibleWithAad:
    "no data role can allow this operation. Databases, containers, throughput, scripts, users and permissions are managed through Azure Resource Manager (celestite deploy, az, Bicep) or with an account key.",
  readOnlyKey: "the request was signed with a read-only key and writes.",
  localAuthDisabled: "account keys are switched off (disableLocalAuth).",
  keyMetadataWriteDisabled: "metadata cannot be changed here (disableKeyBasedMetadataWriteAccess); use ARM.",
};

function who({ principal }: Explanation, decision: Decision): string[] {
  const required = [`  required action  ${decision.action}`, `  on resource      ${decision.resource}`];
  if (decision.credential.kind === "accountKey")
    return [`  account key      ${decision.credential.key}`, ...required];
  const { principalId, groups } = decision.credential;
  const name =
    principal === undefined ? "(not in the directory)" : `${principal.displayName}, ${principal.type}`;
  return [
    `  principal        ${principalId} ${name}`,
    ...(groups.length === 0 ? [] : [`  member of        ${groups.join(", ")}`]),
    ...required,
  ];
}

const failures: Readonly<Record<string, string>> = {
  principal: "it is for another principal",
  scope: "its scope does not cover the resource",
  action: "its role does not contain the action",
  definitionMissing: "its role definition does not exist",
};

function considered(decision: Decision): string[] {
  if (decision.credential.kind === "accountKey") return [];
  if (decision.considered.length === 0) return ["", "No role assignment was considered: there is none."];
  return [
    "",
    "Role assignments considered:",
    ...decision.considered.flatMap((assignment) => [
      `  ${assignment.assignmentId}  ${assignment.roleName || assignment.roleDefinitionId}`,
      `    for ${assignment.principalId} at ${assignment.scope}`,
      `    ${assignment.grants ? "grants the action" : `does not apply: ${assignment.failed.map((why) => failures[why] ?? why).join("; ")}`}`,
    ]),
  ];
}

/** Actions that the built-in reader role contains; anything else needs the contributor. */
const readActions: ReadonlySet<string> = new Set([
  cosmosActions.readMetadata,
  cosmosActions.readItem,
  cosmosActions.executeQuery,
  cosmosActions.readChangeFeed,
]);

function suggestion({ record, principal, accountId }: Explanation, decision: Decision): string[] {
  if (decision.allowed || decision.reason !== "noMatchingAssignment") return [];
  if (
    record.category !== "DataPlaneRequests" ||
    decision.credential.kind !== "aad" ||
    accountId === undefined
  )
    return [];
  const role = readActions.has(decision.action)
    ? "Cosmos DB Built-in Data Reader"
    : "Cosmos DB Built-in Data Contributor";
  const scope = decision.resource === "/" ? "/" : `/${decision.resource}`;
  const name =
    principal?.managedIdentity === "user" ? principal.displayName : decision.credential.principalId;
  const command = `celestite role assign --account ${record.account} --principal ${name} --role "${role}" --scope "${scope}"`;
  return ["", "The smallest fix:", `  ${command}`];
}

function lines(all: readonly string[]): string {
  return `${all.join("\n")}\n`;
}

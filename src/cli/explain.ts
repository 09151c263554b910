/** `celestite explain`: why a request was allowed or denied, from the decision that the server recorded. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Decision } from "../authz/decision.ts";
import type { Principal } from "../azure/principal.ts";
import { dataDirectoryDefault } from "../config.ts";
import { isSignIn } from "../observability/diagnostic-records.ts";
import type { Explanation } from "../operator/gateway.ts";
import { assignableScope, narrowestRole } from "./azure-role.ts";
import { type Command, UsageError } from "./command.ts";
import { explainQuery, renderQueryExplanation } from "./explain-query.ts";
import { assign, assignAzure, builtInFor, findTrap, scopeOf, type Trap } from "./explain-traps.ts";
import { argument, printableJson, printableValue, quoted } from "./printable.ts";
import { operator, requireServer } from "./server.ts";

const help = `Usage: celestite explain [ACTIVITY-ID | --last] [--json]
       celestite explain --query TEXT --container [ACCOUNT/]DATABASE/CONTAINER [--parameter @NAME=VALUE]...

Shows the principal, the required action, every role assignment that was considered and why it did or did not apply,
and for a denial the smallest command that mends it. Without an id, the last denied request, or the last request for a
token that was refused, whichever came later; a correlation id of the authority is an id, too.
With --query: how the query finds its items, what its first page costs, and which indexes would help.

Options:
  --last       the last request of all, allowed or denied
  --json       the recorded decision as JSON
  --data DIR   data directory of the running server
  --query TEXT           a query to explain; its first page is run
  --container NAMES      the container that it is for; the account may be left out when there is one
  --parameter @N=VALUE   a parameter of the query, as JSON or text; may be repeated
  --partition-key VALUE  only this partition is asked

Examples:
  celestite explain
  celestite explain --last
  celestite explain 2f7c1c5e-5d0c-4c55-9d3f-0a1f2f6e4c11
  celestite explain --container shop/orders --query "SELECT * FROM c WHERE c.total > @t" --parameter @t=100
`;

export const explainCommand: Command = {
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        last: { type: "boolean" },
        json: { type: "boolean" },
        data: { type: "string" },
        query: { type: "string" },
        container: { type: "string" },
        parameter: { type: "string", multiple: true, default: [] },
        "partition-key": { type: "string" },
      },
    });
    if (positionals.length > 1) throw new UsageError("Name one activity id.");
    const server = await requireServer(
      values.data === undefined ? dataDirectoryDefault() : resolve(values.data),
    );
    const { query, container, parameter: parameters, "partition-key": partitionKey } = values;
    if (query !== undefined) {
      const found = await explainQuery(server, { query, container, parameters, partitionKey });
      terminal.out(
        values.json === true ? `${JSON.stringify(found, undefined, 2)}\n` : renderQueryExplanation(found),
      );
      return 0;
    }
    const [id] = positionals;
    const path = id ?? (values.last === true ? "last" : "last?denied=true");
    const explanation = await operator<Explanation>(server, "GET", `decisions/${path}`);
    terminal.out(
      values.json === true
        ? `${printableJson(JSON.stringify({ ...explanation, trap: findTrap(explanation) }, undefined, 2))}\n`
        : withData(renderExplanation(explanation), values.data),
    );
    return 0;
  },
};

/** The commands in a text, to be run as they stand, for the server that was asked. */
export function withData(text: string, directory: string | undefined): string {
  if (directory === undefined) return text;
  const option = ` --data ${argument(directory)}`;
  // What follows `--` is another program's.
  return text.replace(
    /^( {2}celestite .*?)( -- .*)?$/gm,
    (_, own: string, other = "") => `${own}${option}${other}`,
  );
}

/** The explanation as text. */
export function renderExplanation(recorded: Explanation): string {
  const explanation = printableValue(recorded);
  const { record } = explanation;
  const decision = record.decision as Decision | undefined;
  const { appId, resource } = record.signIn ?? {};
  const asked = [resource ?? "(no resource)", ...(appId === undefined ? [] : [`as client ${appId}`])];
  const head = [
    `${record.method} ${record.resource} on ${record.account}`,
    ...(isSignIn(record) ? [`  a token for ${asked.join(" ")}`] : []),
    `  ${record.operationName} at ${new Date(record.time).toISOString()}, activity ${record.activityId}`,
    `  answered ${record.statusCode}${record.substatus === 0 ? "" : ` (substatus ${record.substatus})`}`,
  ];
  if (decision === undefined) {
    const trap = findTrap(explanation);
    const verdict = isSignIn(record) ? "No token was given." : "No access decision was made.";
    const why = `${verdict} ${record.message?.split("\r\n")[0] ?? ""}`.trimEnd();
    return lines([...head, "", why, ...(trap === undefined ? [] : renderTrap(trap))]);
  }
  return lines([...head, "", renderDecision(explanation, decision).trimEnd()]);
}

/** The decision itself as text: who, what, every assignment considered, the verdict and what mends it. */
export function renderDecision(recorded: Explanation, made: Decision): string {
  const [explanation, decision] = [printableValue(recorded), printableValue(made)];
  return lines([
    ...who(explanation, decision),
    ...considered(explanation, decision),
    ...verdict(explanation, decision),
  ]);
}

/** The verdict, the trap behind it if it is a known one, and what mends it. */
function verdict(explanation: Explanation, decision: Decision): string[] {
  const { record } = explanation;
  const trap = findTrap(explanation);
  if (decision.allowed && trap === undefined) return ["", "Allowed.", ...refusedLater(record)];
  const denied = decision.allowed
    ? [`Allowed, but refused: ${record.message ?? ""}`.split("\r\n")[0] ?? ""]
    : [
        `${record.wouldDeny === undefined ? "Denied" : "Audit mode let pass"}: ${reasons[decision.reason]}`,
        ...(decision.deny === undefined ? [] : [`  '${decision.deny.displayName}', ${decision.deny.id}`]),
      ];
  if (trap !== undefined) return ["", ...denied, ...renderTrap(trap)];
  return ["", ...denied, ...suggestion(explanation, decision)];
}

function refusedLater({ statusCode, message }: Explanation["record"]): string[] {
  return statusCode < 400 || message === undefined
    ? []
    : [`The request failed afterwards: ${message.split("\r\n")[0] ?? ""}`];
}

function renderTrap({ name, says, fix }: Trap): string[] {
  const mends = fix.length === 0 ? [] : ["", "The smallest fix:", ...fix.map((line) => `  ${line}`)];
  return ["", `Known trap: ${name}.`, ...says.map((line) => `  ${line}`), ...mends];
}

const reasons: Readonly<Record<Extract<Decision, { allowed: false }>["reason"], string>> = {
  noMatchingAssignment: "no role assignment grants this action at this resource or above it.",
  denyAssignment: "a deny assignment takes away what a role grants.",
  principalDeleted: "the principal does not exist (any more); a token outlives it, its rights do not.",
  notPossibleWithAad:
    "no data role can allow this operation. Databases, containers, throughput, scripts, users and permissions are managed through Azure Resource Manager (celestite deploy, az, Bicep) or with an account key.",
  readOnlyKey: "the request was signed with a read-only key and writes.",
  localAuthDisabled: "account keys are switched off (disableLocalAuth).",
  outsideResourceToken: "the permission behind the resource token does not cover the request.",
  keyMetadataWriteDisabled: "metadata cannot be changed here (disableKeyBasedMetadataWriteAccess); use ARM.",
};

function who({ principal }: Explanation, decision: Decision): string[] {
  const none = "none: no data action stands for this operation";
  const required = [
    `  required action  ${decision.action === "" ? none : decision.action}`,
    `  on resource      ${decision.resource}`,
  ];
  if (decision.credential.kind === "accountKey")
    return [`  account key      ${decision.credential.key}`, ...required];
  if (decision.credential.kind === "resourceToken") {
    const { permission, mode, resource, partitionKey } = decision.credential;
    const partition = partitionKey === undefined ? "" : ` in partition ${JSON.stringify(partitionKey)}`;
    return [`  resource token   ${permission}: ${mode} of ${resource}${partition}`, ...required];
  }
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
  condition: "its condition is not fulfilled",
  pending: "it was made and is not in effect yet (the server delays changes of roles)",
};

/** An object id with the name behind it, where the directory knows it. */
function called(principal: Principal | undefined, objectId: string): string {
  return principal === undefined ? objectId : `${principal.displayName} (${objectId})`;
}

/** What is refused without a look at any role. */
const beforeRoles: ReadonlySet<string> = new Set([
  "notPossibleWithAad",
  "keyMetadataWriteDisabled",
  "principalDeleted",
]);

function considered({ named = {} }: Explanation, decision: Decision): string[] {
  if (decision.credential.kind !== "aad") return [];
  if (!decision.allowed && beforeRoles.has(decision.reason)) return [];
  if (decision.considered.length === 0) return ["", "No role assignment was considered: there is none."];
  return [
    "",
    "Role assignments considered:",
    ...decision.considered.flatMap((assignment) => [
      `  ${assignment.assignmentId}  ${assignment.roleName || assignment.roleDefinitionId}`,
      `    for ${called(named[assignment.principalId.toLowerCase()], assignment.principalId)} at ${assignment.scope}`,
      `    ${assignment.grants ? "grants the action" : `does not apply: ${assignment.failed.map((why) => failures[why] ?? why).join("; ")}`}`,
    ]),
    ...(decision.allowed || decision.notShown === undefined
      ? []
      : [`  and ${decision.notShown} more, further off`]),
  ];
}

function suggestion(explanation: Explanation, decision: Decision): string[] {
  const { record, accountId } = explanation;
  if (decision.allowed) return [];
  if (decision.deny !== undefined) {
    const removal = `celestite rest DELETE ${quoted(`${decision.deny.id}?api-version=2024-07-01-preview`)}`;
    return ["", "Somebody whom it does not deny can remove it:", `  ${removal}`];
  }
  if (decision.reason !== "noMatchingAssignment") return [];
  if (decision.considered.some(({ failed }) => failed.join() === "pending")) {
    return ["", "Nothing is missing: the assignment takes effect when the server's --role-delay is over."];
  }
  if (decision.credential.kind !== "aad") return [];
  if (record.category === "ControlPlaneRequests") return azureSuggestion(explanation, decision);
  if (accountId === undefined) return [];
  const command = assign(explanation, builtInFor(decision.action), scopeOf(decision.resource));
  return ["", "The smallest fix:", `  ${command}`];
}

/** An Azure role for who was denied by Azure Resource Manager. */
function azureSuggestion(explanation: Explanation, { action, resource }: Decision): string[] {
  const role = narrowestRole(action);
  if (role === undefined) return ["", `No built-in role allows ${action}: it takes a role of your own.`];
  const scope = assignableScope(action, resource);
  // Nobody holds a right there at first, the bootstrap user that the commands act as included.
  if (!/^\/subscriptions\//i.test(scope)) {
    return [
      "",
      `The role "${role}" at ${scope} allows it; the tenant's administrator gives it after elevateAccess (docs/control-plane.md).`,
    ];
  }
  return ["", "The smallest fix:", `  ${assignAzure(explanation, role, scope)}`];
}

function lines(all: readonly string[]): string {
  return `${all.join("\n")}\n`;
}

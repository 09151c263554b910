/** `celestite can-i`: a decision without a request. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Decision } from "../authz/decision.ts";
import { cosmosActions } from "../azure/cosmos-actions.ts";
import { dataDirectoryDefault } from "../config.ts";
import type { Explanation } from "../operator/gateway.ts";
import { type Command, UsageError } from "./command.ts";
import { renderDecision, withData } from "./explain.ts";
import { chooseAccount, dataActionOf } from "./role.ts";
import { operator, requireServer } from "./server.ts";

const help = `Usage: celestite can-i PRINCIPAL ACTION SCOPE [--account NAME] [--json]

Says whether a principal may do something, and why, without sending a request. The exit code is 0 for yes and 1 for no.

A data action of Cosmos DB (readMetadata, items/read, executeQuery, or in full) is judged at /, /dbs/DATABASE or
/dbs/DATABASE/colls/CONTAINER of the account; any other action at the id of an Azure resource, group or subscription.

Options:
  --account NAME  the Cosmos account, when there are several
  --json          the decision as JSON
  --data DIR      data directory of the running server

Examples:
  celestite can-i worker items/read /dbs/shop/colls/orders
  celestite can-i worker readMetadata / --account shop
  celestite can-i worker Microsoft.DocumentDB/databaseAccounts/listKeys/action /subscriptions/S/resourceGroups/my-group
`;

export const canICommand: Command = {
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { account: { type: "string" }, json: { type: "boolean" }, data: { type: "string" } },
    });
    const [principal, named, scope, extra] = positionals;
    if (principal === undefined || named === undefined || scope === undefined || extra !== undefined) {
      throw new UsageError("Say who, what and where: PRINCIPAL ACTION SCOPE.");
    }
    const server = await requireServer(
      values.data === undefined ? dataDirectoryDefault() : resolve(values.data),
    );
    const action = dataActionOf(named);
    if (action === undefined && /^\/(dbs(\/|$)|$)/.test(scope) && !/^(\*|[\w-]+\.[\w.-]+\/)/.test(named)) {
      const names = Object.values(cosmosActions).map((each) => each.replace(shortened, ""));
      throw new UsageError(`'${named}' is no data action; there are: ${names.join(", ")}.`);
    }
    const isData = action !== undefined && !scope.toLowerCase().startsWith("/subscriptions");
    const account = isData ? (await chooseAccount(server, values.account)).name : undefined;
    const explanation = await operator<Explanation>(server, "POST", "can-i", {
      principal,
      action: isData ? action : named,
      scope,
      ...(account === undefined ? {} : { account }),
    });
    const decision = explanation.record.decision as Decision;
    terminal.out(
      values.json === true
        ? `${JSON.stringify({ allowed: decision.allowed, ...explanation }, undefined, 2)}\n`
        : `${decision.allowed ? "yes" : "no"}\n${withData(renderDecision(explanation, decision), values.data)}`,
    );
    return decision.allowed ? 0 : 1;
  },
};

/** What the names of data actions begin with and may be left out. */
const shortened = /^Microsoft\.DocumentDB\/databaseAccounts\/(sqlDatabases\/containers\/)?/;

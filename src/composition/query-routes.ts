/** The operator's operation for queries: how one finds its items and what that costs. */
import type { Engine } from "../cosmos/engine/engine.ts";
import { CosmosError } from "../cosmos/errors.ts";
import { type OperatorCall, OperatorError, type OperatorRoute } from "../operator/gateway.ts";
import { text } from "./identity-routes.ts";

/** Operations under `METHOD name`, for `OperatorParts.routes`. */
export function queryRoutes(engine: Engine): Readonly<Record<string, OperatorRoute>> {
  return {
    "POST query-explanations": async ({ body }) => {
      const { explainQuery } = await import("../cosmos/operations/query-explain.ts");
      const partitionKey = body["partitionKey"];
      const parameters: unknown = body["parameters"] ?? [];
      if (!Array.isArray(parameters)) throw new OperatorError("'parameters' is a list.");
      try {
        return await explainQuery(engine, {
          account: accountName(engine, body),
          database: text(body, "database"),
          container: text(body, "container"),
          query: text(body, "query"),
          parameters,
          ...(typeof partitionKey === "string" ? { partitionKey } : {}),
        });
      } catch (error) {
        if (error instanceof CosmosError) throw new OperatorError(plainMessage(error, body));
        throw error;
      }
    },
  };
}

/** The account that the body names, or the only one there is. */
function accountName(engine: Engine, body: OperatorCall["body"]): string {
  const { account } = body;
  if (typeof account === "string" && account !== "") return account;
  const names = [...engine.catalog.all()].map(({ record }) => record.account.name);
  const [only] = names;
  if (only !== undefined && names.length === 1) return only;
  throw new OperatorError(
    names.length === 0
      ? "There is no Cosmos account yet. Deploy a template that has one."
      : `Name the account: ${names.join(", ")}.`,
  );
}

/** What is wrong, without the wrapping that SDKs expect. */
function plainMessage(error: CosmosError, body: OperatorCall["body"]): string {
  if (error.status === 404) {
    return `There is no container '${String(body["container"])}' in a database '${String(body["database"])}'.`;
  }
  const found = /^Message: (\{.*\})/s.exec(error.message)?.[1];
  if (found === undefined) return error.message;
  const { errors = [], Errors: texts = [] } = JSON.parse(found) as {
    readonly errors?: readonly { readonly message: string; readonly location?: { readonly start: number } }[];
    readonly Errors?: readonly string[];
  };
  const lines = errors.map(
    ({ message, location }) =>
      `${message}${location === undefined ? "" : ` (at character ${location.start})`}`,
  );
  return [...lines, ...texts].join("\n");
}

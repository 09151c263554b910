/** `POST sprocs/{id}`: runs a stored procedure in one transaction of one logical partition. */
import { findChild } from "../engine/child-resources.ts";
import { badRequest, notFound } from "../errors.ts";
import { commitWithScripts } from "../scripts/execute.ts";
import { logHeader } from "../scripts/failures.ts";
import { flag } from "../wire/headers.ts";
import {
  accountNameOf,
  leafId,
  type Operation,
  type OperationContext,
  parseBody,
  requireContainer,
  requirePartition,
} from "./operation.ts";
import { scriptPlace } from "./script-place.ts";

/** Request units of running a script, besides those of what it does. */
const baseCharge = 1;

export const executeStoredProcedure: Operation = async (context) => {
  const container = requireContainer(context);
  const { engine } = context;
  const account = accountNameOf(context);
  const place = scriptPlace(account, container, "storedProcedure");
  const procedure = await findChild(engine.store, place, leafId(context));
  if (procedure === undefined) throw notFound();
  const logical = requirePartition(context, container);
  const given = argumentsOf(context);
  const { result, partition, lsn } = await commitWithScripts(
    { engine, account, container, logical },
    async (_, session) => {
      const ran = await session.run(procedure, {
        role: "procedure",
        arguments: given,
        request: { body: given, headers: context.headers },
        logging: flag(context.headers, "x-ms-documentdb-script-enable-logging"),
      });
      return { ...ran, charge: session.charge() };
    },
  );
  return {
    status: 200,
    // A script that sets no body answers with the empty text, as a value.
    body: result.body ?? '""',
    charge: Math.round((baseCharge + result.charge) * 100) / 100,
    headers: logHeader(result.log),
    partition,
    ...(lsn === 0 ? {} : { lsn }),
  };
};

/** The arguments as JSON text; 400 for anything but an array. */
function argumentsOf({ body }: OperationContext): string {
  if (body.length === 0) return "[]";
  const values = parseBody(body);
  if (!Array.isArray(values)) throw badRequest("The arguments of a stored procedure must be an array.");
  return JSON.stringify(values);
}

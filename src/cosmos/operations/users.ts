/** Users of a database: names under which permissions hang. */
import type { ChildPlace } from "../engine/child-resources.ts";
import { renderChild } from "../engine/child-resources.ts";
import { readDatabase } from "../engine/containers.ts";
import { deleteRange } from "../engine/purge.ts";
import { contentRange } from "../engine/records.ts";
import { userRid } from "../engine/resource-ids.ts";
import { type ChildOperations, childOperations, ownProperties } from "./child-family.ts";
import { accountNameOf, type OperationContext, requireDatabase } from "./operation.ts";

/** Where the users of the addressed database live; 404/1003 without the database. */
export function userPlace(context: OperationContext): ChildPlace {
  const { id, rid } = requireDatabase(context).record;
  const account = accountNameOf(context);
  return {
    account,
    kind: "user",
    names: [id],
    ownerRid: rid,
    link: `dbs/${rid}/users/`,
    ridOf: (number) => userRid(rid, number),
    ownerExists: async (transaction) => (await readDatabase(transaction, account, id))?.rid === rid,
  };
}

export const users: ChildOperations = childOperations({
  feedName: "Users",
  place: async (context) => userPlace(context),
  properties: (_, resource) => ownProperties(resource),
  render: (_, place, record) => ({ ...renderChild(place, record), _permissions: "permissions/" }),
  async beforeDelete(context, record, transaction) {
    const { id } = requireDatabase(context).record;
    const permissions = contentRange(accountNameOf(context), "permission", id, record.rid);
    await deleteRange(transaction, permissions);
  },
});

/** The conflict feed of a container. With one write region there are no conflicts: the feed is empty, and stays so. */
import { notFound } from "../errors.ts";
import { feed } from "./feed.ts";
import { itemScope } from "./item-scope.ts";
import { type Operation, requireContainer } from "./operation.ts";
import { checkCrossPartition, listQuery } from "./query-items.ts";

export const listConflicts: Operation = async (context) =>
  feed(context, "Conflicts", requireContainer(context).rid, []);

/** As for items, a query of the whole container must say that it is meant to cross partitions. */
export const queryConflicts: Operation = async (context) => {
  const container = requireContainer(context);
  const scope = await itemScope(context, container);
  if (scope.kind === "container") checkCrossPartition(context);
  return listQuery(context, "Conflicts", container.rid, []);
};

/** Reading or deleting one: 404, as none exists. */
export const noConflict: Operation = async (context) => {
  requireContainer(context);
  throw notFound();
};

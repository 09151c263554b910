/** The conflict feed of a container. With one write region there are no conflicts: the feed is empty, and stays so. */
import { notFound } from "../errors.ts";
import { feed } from "./feed.ts";
import { type Operation, requireContainer } from "./operation.ts";
import { listQuery } from "./query-items.ts";

export const listConflicts: Operation = async (context) =>
  feed(context, "Conflicts", requireContainer(context).rid, []);

export const queryConflicts: Operation = async (context) =>
  listQuery(context, "Conflicts", requireContainer(context).rid, []);

/** Reading or deleting one: 404, as none exists. */
export const noConflict: Operation = async (context) => {
  requireContainer(context);
  throw notFound();
};

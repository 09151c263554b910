/** Feeds of metadata resources: the envelope, paging by position, and the continuation token of such a page. */
import { metadataCharge } from "../engine/request-charge.ts";
import { badRequest } from "../errors.ts";
import { pageSize } from "../wire/headers.ts";
import type { OperationContext, OperationResult } from "./operation.ts";

/** One page of `resources` under the name that the resource type's feeds use. */
export function feed(
  context: Pick<OperationContext, "headers">,
  name: string,
  parentRid: string,
  resources: readonly object[],
): OperationResult {
  const start = continuationOffset(context.headers["x-ms-continuation"]);
  const size = pageSize(context.headers);
  const page = resources.slice(start, start + size);
  const next = start + page.length;
  const more: Record<string, string> =
    next < resources.length ? { "x-ms-continuation": `offset:${next}` } : {};
  return {
    status: 200,
    body: { _rid: parentRid, [name]: page, _count: page.length },
    charge: metadataCharge,
    headers: { ...more, "x-ms-item-count": String(page.length) },
  };
}

function continuationOffset(token: string | undefined): number {
  if (token === undefined || token === "") return 0;
  const match = /^offset:(\d{1,9})$/.exec(token);
  if (match === null) throw badRequest("Invalid Continuation Token");
  return Number(match[1]);
}

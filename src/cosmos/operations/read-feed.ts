/**
 * `GET docs`: the items of the container, or of the part that the headers name, in the order of their creation. Of several
 * ranges the gateway reads one after the other, and a page ends where one of them does.
 */
import { readCharge } from "../engine/request-charge.ts";
import { badRequest } from "../errors.ts";
import { crossesRange } from "../index/item-feed.ts";
import { pageSize } from "../wire/headers.ts";
import { itemScope, itemSource, sessionOf } from "./item-scope.ts";
import { type Operation, requireContainer } from "./operation.ts";

/** Largest page (service limit); one item always fits. */
const pageBytesMax = 4 * 1024 * 1024;

export const readFeed: Operation = async (context) => {
  const container = requireContainer(context);
  const size = pageSize(context.headers);
  let position = startPosition(context.headers["x-ms-continuation"]);
  const scope = await itemScope(context, container);
  const byRange = scope.kind === "container";
  const source = itemSource(context, container, scope);
  const rows: string[] = [];
  let bytes = 0;
  let more = true;
  while (rows.length < size && bytes < pageBytesMax && more) {
    const page = await source(position);
    more = page.length > 0;
    for (const item of page) {
      if (rows.length === size || (bytes > 0 && bytes + item.json.length > pageBytesMax)) break;
      if (byRange && bytes > 0 && crossesRange(position - 1, item.number)) break;
      rows.push(item.json.toString("utf8"));
      bytes += item.json.length;
      position = item.number + 1;
    }
    if (more && position <= (page.at(-1)?.number ?? 0)) break;
  }
  const body = `{"_rid":"${container.rid}","Documents":[${rows.join(",")}],"_count":${rows.length}}`;
  const headers = {
    "x-ms-item-count": String(rows.length),
    ...(more && (await source(position)).length > 0 ? { "x-ms-continuation": `from:${position}` } : {}),
  };
  return { status: 200, body, charge: readCharge(body.length), headers, ...sessionOf(scope) };
};

function startPosition(token: string | undefined): number {
  if (token === undefined || token === "") return 0;
  const match = /^from:(\d{1,16})$/.exec(token);
  if (match === null || !Number.isSafeInteger(Number(match[1])))
    throw badRequest("Invalid Continuation Token");
  return Number(match[1]);
}

/** `GET docs`: all items of the container in the order of their creation, page by page. */
import { scanItems } from "../engine/documents.ts";
import { extractPartitionKey, parsePartitionKeyHeader } from "../engine/partition-key.ts";
import { readCharge } from "../engine/request-charge.ts";
import { checkSession } from "../engine/sessions.ts";
import { badRequest } from "../errors.ts";
import { pageSize } from "../wire/headers.ts";
import { type Operation, requireContainer } from "./operation.ts";

export const readFeed: Operation = async (context) => {
  const container = requireContainer(context);
  const [range] = container.ranges;
  if (range === undefined) throw new Error("a container has at least one range");
  const partition = await context.engine.partitions.open(container, range);
  checkSession(context.headers["x-ms-session-token"], partition);
  const size = pageSize(context.headers);
  const header = context.headers["x-ms-documentdb-partitionkey"];
  const wanted = header === undefined ? undefined : parsePartitionKeyHeader(header);
  const rows: string[] = [];
  let position = startPosition(context.headers["x-ms-continuation"]);
  let more = true;
  while (rows.length < size && more) {
    const batch = await scanItems(context.engine.store, partition, position, size);
    more = batch.length === size;
    for (const item of batch) {
      if (rows.length === size) {
        more = true;
        break;
      }
      position = item.number;
      const text = item.json.toString("utf8");
      if (wanted !== undefined) {
        const own = extractPartitionKey(JSON.parse(text) as Record<string, unknown>, container.partitionKey);
        if (!wanted.every((component, at) => component === own[at])) continue;
      }
      rows.push(text);
    }
  }
  const body = `{"_rid":"${container.rid}","Documents":[${rows.join(",")}],"_count":${rows.length}}`;
  const headers = {
    "x-ms-item-count": String(rows.length),
    ...(more ? { "x-ms-continuation": `after:${position}` } : {}),
  };
  return { status: 200, body, charge: readCharge(body.length), headers, partition };
};

function startPosition(token: string | undefined): number {
  if (token === undefined || token === "") return 0;
  const match = /^after:(\d{1,15})$/.exec(token);
  if (match === null) throw badRequest("The continuation token is invalid.");
  return Number(match[1]);
}

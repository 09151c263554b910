/**
 * Loading many items through bulk requests of a hundred creates, as the SDKs' bulk mode sends them: how fast they come
 * in, every one durable when answered, and what memory the server holds at the end.
 */
import type { RequestParts } from "../exchange.ts";
import { numberMark, requestTemplate } from "../exchange.ts";
import { type Access, commonHeaders, containerName, databaseName, itemBytes } from "../items.ts";
import { ownMegabytes, residentMegabytes } from "../machine.ts";
import { grouped } from "../results.ts";
import { startCelestite } from "../subjects/celestite.ts";
import type { Workload } from "./workload.ts";

const itemsPerRequest = 100;
/** Items in a short run and in one of full size. */
const itemsShort = 40_000;
const itemsFull = 1_000_000;
/** Bulk clients keep a few requests under way for each range. */
const connections = 8;
/** The counted time ends with the items; this is only a bound. */
const secondsMax = 780;

export const bulkWorkload: Workload = {
  name: "bulk",
  summary: "loading items through bulk requests (a million with --large)",
  async run({ processes, generator, large, nodeOptions }) {
    const items = large ? itemsFull : itemsShort;
    const subject = await startCelestite(processes, nodeOptions);
    const result = await generator.perform({
      target: subject.access.target,
      connections,
      rampSeconds: 0,
      seconds: secondsMax,
      request: requestTemplate(bulkCreate(subject.access), subject.access.target.port),
      numbers: { kind: "upwards", first: 0, end: items / itemsPerRequest },
      expectedStatus: 200,
      bodyBytesMin: itemsPerRequest * 10,
    });
    const memory = (await residentMegabytes(subject.pid)) ?? null;
    const own = (await ownMegabytes(subject.pid)) ?? null;
    await subject.stop();
    const perSecond = (result.answered * itemsPerRequest) / result.elapsedSeconds;
    const loaded = result.answered * itemsPerRequest;
    return {
      workload: "bulk",
      title: "Bulk load",
      description: `${grouped(loaded, 0)} items of ${itemBytes} bytes in bulk requests of ${itemsPerRequest} creates over ${connections} connections, each item in a logical partition of its own and on disk when its request is answered.`,
      columns: [
        { title: "items/s", digits: 0 },
        { title: "seconds", digits: 1 },
        { title: "memory MB", digits: 0 },
        { title: "memory MB without the store's mapped pages", digits: 0 },
      ],
      ratioTitle: "Celestite does",
      rows: [
        {
          subject: subject.name,
          what: subject.what,
          values: [perSecond, result.elapsedSeconds, memory, own],
        },
      ],
      budgets: [
        {
          what: "at least 4,000 items/s",
          measured: `${grouped(perSecond, 0)}/s`,
          met: perSecond >= 4000,
        },
        {
          what: "memory below 1,500 MB, without the mapped pages of the store",
          measured: own === null ? "not told by the system" : `${Math.round(own)} MB`,
          met: own !== null && own < 1500,
        },
      ],
      notes: [],
    };
  },
};

/** A hundred creates; the request's number and the part's place make the ids. */
function bulkCreate(access: Access): RequestParts {
  const parts = Array.from({ length: itemsPerRequest }, (_, at) => {
    const id = `${numberMark}-${String(at).padStart(2, "0")}`;
    const item = (note: string): object => ({ id, pk: id, n: at, status: "shipped", total: 129.95, note });
    const empty = JSON.stringify(item("")).length;
    return {
      operationType: "Create",
      partitionKey: JSON.stringify([id]),
      resourceBody: item("n".repeat(itemBytes - empty)),
    };
  });
  return {
    method: "POST",
    path: `/dbs/${databaseName}/colls/${containerName}/docs`,
    headers: {
      ...commonHeaders(access),
      "x-ms-cosmos-is-batch-request": "True",
      "x-ms-cosmos-batch-atomic": "False",
      "x-ms-cosmos-batch-continue-on-error": "True",
      "x-ms-documentdb-partitionkeyrangeid": "0",
      prefer: "return=minimal",
      "Content-Type": "application/json",
    },
    body: JSON.stringify(parts),
  };
}

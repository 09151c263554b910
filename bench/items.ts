/** The items that the workloads write and read: 1 KB each, one in a logical partition, and the requests about them. */
import { numberMark, type RequestParts } from "./exchange.ts";
import type { Target } from "./load/job.ts";

export const databaseName = "bench";
export const containerName = "items";

/** Bytes of an item as the client sends it. */
export const itemBytes = 1024;

const collection = `/dbs/${databaseName}/colls/${containerName}`;

/** What a subject is asked with: its address, and the credential that every request carries. */
export interface Access {
  readonly target: Target;
  /** Value of the authorization header. */
  readonly authorization: string;
  /** Value of `x-ms-date`. */
  readonly date: string;
}

/** An item of exactly `itemBytes`. */
function itemBody(): string {
  const item = (text: string): string =>
    JSON.stringify({
      id: `item-${numberMark}`,
      pk: `customer-${numberMark}`,
      status: "shipped",
      total: 129.95,
      express: false,
      address: { street: "1 Example Street", city: "Springfield", zip: "12345", country: "US" },
      lines: [
        { sku: "A-1001", name: "kettle", quantity: 1, price: 49.95 },
        { sku: "B-2040", name: "teapot", quantity: 2, price: 40 },
      ],
      tags: ["spring", "returning", "newsletter"],
      note: text,
    });
  return item("n".repeat(itemBytes - item("").length));
}

/** The headers of every request. */
export function commonHeaders(access: Access): Record<string, string> {
  return {
    "User-Agent": "celestite-bench",
    "x-ms-version": "2020-07-15",
    "x-ms-date": access.date,
    Accept: "application/json",
    authorization: access.authorization,
  };
}

/** The headers that the JavaScript SDK sends with every request about an item. */
function itemHeaders(access: Access): Record<string, string> {
  return {
    "Cache-Control": "no-cache",
    ...commonHeaders(access),
    "x-ms-documentdb-partitionkey": `["customer-${numberMark}"]`,
  };
}

export function pointRead(access: Access): RequestParts {
  return {
    method: "GET",
    path: `${collection}/docs/item-${numberMark}`,
    headers: itemHeaders(access),
    body: "",
  };
}

export function create(access: Access): RequestParts {
  const headers = { ...itemHeaders(access), "Content-Type": "application/json" };
  return { method: "POST", path: `${collection}/docs`, headers, body: itemBody() };
}

/**
 * The query options of a list or an object of Microsoft Graph: which rows (`$filter`), in which order (`$orderby`), how
 * many (`$top`, `$skiptoken`, `$count`) and which members (`$select`). Apart from the gateway, which owns who may ask.
 */
import { parseFilter } from "./filter.ts";
import { badRequest, GraphError, type Shape } from "./shapes.ts";

const pageSizeMax = 999;
const pageSizeDefault = 100;

/** A page of a list: its values, where the next one starts, and how many there are in all when that was asked for. */
export interface Page {
  /** Whole, as `$select` and `$expand` are put to each. */
  readonly values: readonly Shape[];
  readonly next?: number;
  readonly count?: number;
}

/**
 * The rows that the query asks for. `eventual` says that the caller sent `ConsistencyLevel: eventual`, without which
 * Graph leaves `$count` aside. Throws GraphError: 400 for what cannot be read, 501 for `$search`, which would choose rows.
 */
export function pageOf(found: readonly Shape[], query: URLSearchParams, eventual: boolean): Page {
  if (query.has("$search")) {
    throw new GraphError(501, "NotImplemented", "Celestite does not implement '$search' of Microsoft Graph.");
  }
  const rows = inOrder(filtered(found, query.get("$filter")), query.get("$orderby"));
  const size = readNumber(query, "$top", pageSizeDefault, pageSizeMax);
  const start = readNumber(query, "$skiptoken", 0, Number.MAX_SAFE_INTEGER);
  return {
    values: rows.slice(start, start + size),
    ...(start + size < rows.length ? { next: start + size } : {}),
    ...(eventual && query.get("$count")?.toLowerCase() === "true" ? { count: rows.length } : {}),
  };
}

/** How many rows the `$filter` leaves: the answer to `/$count`. */
export function countOf(found: readonly Shape[], query: URLSearchParams): number {
  return filtered(found, query.get("$filter")).length;
}

/**
 * The members that `$select` names; all without it, and with `*`. A member that the object does not have is null, as one
 * that nobody set is there. Names are found without regard to case; the type in a list of mixed objects always stays.
 */
export function selected(
  value: Readonly<Record<string, unknown>>,
  query: URLSearchParams,
): Readonly<Record<string, unknown>> {
  const text = query.get("$select");
  if (text === null) return value;
  const names = text.split(",").map((name) => name.trim());
  const strange = names.find((name) => name !== "*" && !/^[A-Za-z]\w*$/.test(name));
  if (strange !== undefined) {
    throw badRequest(`Parsing OData Select and Expand failed: '${strange.slice(0, 100)}' is no property.`);
  }
  if (names.includes("*")) return value;
  const members = new Map(Object.entries(value).map((entry) => [entry[0].toLowerCase(), entry]));
  const type = value["@odata.type"];
  return Object.fromEntries([
    ...(type === undefined ? [] : [["@odata.type", type]]),
    ...names.map((name) => members.get(name.toLowerCase()) ?? [name, null]),
  ]);
}

function filtered(found: readonly Shape[], filter: string | null): readonly Shape[] {
  if (filter === null) return found;
  const condition = parseFilter(filter);
  if (condition === undefined) throw unsupported(filter);
  return found.filter(condition);
}

/** By one member or several, each with `asc` or `desc`; texts without regard to case, rows alike as they were. */
function inOrder(rows: readonly Shape[], order: string | null): readonly Shape[] {
  if (order === null) return rows;
  const keys = order.split(",").map((key) => {
    const [, name, direction] = /^\s*([A-Za-z]\w*)(?:\s+(asc|desc))?\s*$/i.exec(key) ?? [];
    if (name === undefined) throw unsupported(order);
    return { name, sign: direction?.toLowerCase() === "desc" ? -1 : 1 };
  });
  const textOf = (row: Shape, name: string): string => String(row[name] ?? "").toLowerCase();
  return rows.toSorted((a, b) => {
    for (const { name, sign } of keys) {
      const [left, right] = [textOf(a, name), textOf(b, name)];
      if (left !== right) return left < right ? -sign : sign;
    }
    return 0;
  });
}

function unsupported(text: string): GraphError {
  return new GraphError(400, "Request_UnsupportedQuery", `Unsupported Query: ${text.slice(0, 300)}`);
}

function readNumber(query: URLSearchParams, name: string, otherwise: number, max: number): number {
  const text = query.get(name);
  if (text === null) return otherwise;
  if (!/^\d{1,15}$/.test(text) || Number(text) > max) {
    throw badRequest(`Invalid value '${text.slice(0, 100)}' for '${name}'.`);
  }
  return Number(text);
}

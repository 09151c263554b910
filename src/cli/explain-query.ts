/** `celestite explain --query`: how a query finds its items, what that costs, and which index would help. */
import type { ExplainedVectors, QueryExplanation } from "../cosmos/operations/query-explain.ts";
import { UsageError } from "./command.ts";
import { operator, type Server } from "./server.ts";

export interface QueryArguments {
  readonly query: string;
  /** `[ACCOUNT/]DATABASE/CONTAINER`. */
  readonly container: string | undefined;
  /** `@name=JSON`. */
  readonly parameters: readonly string[];
  readonly partitionKey: string | undefined;
}

/** Asks the server; the explanation as it is sent. */
export async function explainQuery(server: Server, given: QueryArguments): Promise<QueryExplanation> {
  const names = (given.container ?? "").split("/");
  const [container, database, account] = names.toReversed();
  if (names.length > 3 || container === undefined || database === undefined || names.includes("")) {
    throw new UsageError("Name the container: --container [ACCOUNT/]DATABASE/CONTAINER.");
  }
  return operator<QueryExplanation>(server, "POST", "query-explanations", {
    query: given.query,
    database,
    container,
    parameters: given.parameters.map(parameter),
    ...(account === undefined ? {} : { account }),
    ...(given.partitionKey === undefined ? {} : { partitionKey: partitionKeyList(given.partitionKey) }),
  });
}

/** A value is JSON; what is no JSON is text. */
function parameter(text: string): { readonly name: string; readonly value: unknown } {
  const match = /^(@[A-Za-z_]\w*)=(.*)$/s.exec(text);
  if (match === null) throw new UsageError(`A parameter is @name=VALUE, not '${text}'.`);
  return { name: match[1] ?? "", value: jsonOrText(match[2] ?? "") };
}

function partitionKeyList(text: string): string {
  const value = jsonOrText(text);
  return JSON.stringify(Array.isArray(value) ? value : [value]);
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const orders = {
  index: "in the order of the index, without sorting",
  sorted: "all rows are sorted",
  none: "none",
} as const;

const covers = {
  items: "from the index alone; no item is loaded",
  texts: "items are filtered and ordered by the index and sent as they are stored",
  filter: "items that fail the filter are not loaded",
  none: "every candidate is loaded and tested",
} as const;

/** The explanation as text. */
export function renderQueryExplanation(found: QueryExplanation): string {
  const lines = [
    ...accessLines(found.access),
    "",
    found.ranges === undefined ? "First page" : `First page, of the first of ${found.ranges} physical ranges`,
    `  index keys   ${found.keys} in ${found.seeks} lookup${found.seeks === 1 ? "" : "s"}`,
    `  items        ${found.itemsLoaded} loaded (${found.bytesLoaded} bytes)`,
    `  rows         ${found.rows}${found.more ? ", more follow" : ""}`,
    `  charge       ${found.requestCharge} RU`,
    ...indexLines("Indexes used", found.indexMetrics.Utilized),
    ...indexLines("Indexes that would help", found.indexMetrics.Potential),
  ];
  return `${lines.join("\n")}\n`;
}

function accessLines(access: QueryExplanation["access"]): readonly string[] {
  if (access.kind === "none") return ["The query reads no items."];
  if (access.kind === "scan") return [`Scan: ${access.reason}`];
  return [
    "Index",
    ...lookupLines(access.lookups),
    `  order        ${orders[access.order]}`,
    `  reads        ${covers[access.covers]}`,
    `  candidates   ${access.candidates} in ${access.segments} segment${access.segments === 1 ? "" : "s"}`,
    ...(access.vectors === undefined ? [] : [vectorLine(access.vectors)]),
  ];
}

function vectorLine({ path, type, exact, compared, ranked }: ExplainedVectors): string {
  const how = exact ? "exact" : "approximate";
  return `  vectors      ${path} ${type}, ${how}: ${compared} compared, then ${ranked} items by their own numbers`;
}

type Lookups = Extract<QueryExplanation["access"], { kind: "index" }>["lookups"];

/** Alternatives that are written out. */
const lookupsMax = 8;

function lookupLines(lookups: Lookups): readonly string[] {
  const lines = lookups.slice(0, lookupsMax).map((conditions, at) => {
    const texts = conditions.map(({ path, test, values, indexed }) => {
      const many = values > 1 ? ` (${values} values)` : "";
      return `${path} ${test}${many}${indexed ? "" : " (not indexed)"}`;
    });
    return `  ${at === 0 ? "lookup      " : "or          "} ${texts.join(" and ")}`;
  });
  const rest = lookups.length - lookupsMax;
  return rest > 0 ? [...lines, `  or           ${rest} more`] : lines;
}

function indexLines(title: string, use: QueryExplanation["indexMetrics"]["Utilized"]): readonly string[] {
  const specs = [
    ...use.SingleIndexes.map(({ IndexSpec }) => `  ${IndexSpec}`),
    ...use.CompositeIndexes.map(({ IndexSpecs }) => `  ${IndexSpecs.join(", ")}`),
  ];
  return specs.length === 0 ? [] : ["", title, ...specs];
}

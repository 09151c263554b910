/**
 * Code that runs inside the sandbox: the query functions of the collection (`filter`, `map`, `chain` and so on) over
 * `queryDocuments`. The service translates the functions it is given into its query language; here they run on the
 * documents. Handed over as text, like `server-api.ts`.
 */
import { type ApiCallback, type ApiCollection, apiFailure, checkedOptions } from "./api-parts.ts";

interface Stage {
  readonly apply: (feed: readonly unknown[]) => unknown[];
  /** A stage that must see everything before it can give anything. */
  readonly needsAll: boolean;
}

interface StageCall {
  readonly stage: Stage;
  /** What was given after the stage's own arguments. */
  readonly rest: readonly unknown[];
}

interface Feed {
  readonly error?: unknown;
  readonly rows?: readonly unknown[];
  readonly continuation?: string;
}

/** The functions of this file, in the form in which they enter the sandbox. */
export function queryApiParts(): readonly ((...args: never[]) => unknown)[] {
  return [
    addQueryApi,
    chainOf,
    stageOf,
    sortStage,
    unwindStage,
    requiredFunction,
    compareKeys,
    runStages,
    collect,
  ];
}

/** Adds the query functions; `response` takes the results of calls without a callback. */
export function addQueryApi(
  collection: ApiCollection,
  response: Readonly<Record<string, unknown>> | undefined,
): void {
  const run = (stages: readonly Stage[], given: unknown, back: unknown): { isAccepted: boolean } => {
    const { options, callback } = checkedOptions(given, back);
    const intoResponse: ApiCallback = (error, rows) => {
      if (error !== undefined) throw error;
      const getBody = response?.["getBody"] as (() => unknown) | undefined;
      if (response === undefined || getBody === undefined) {
        throw apiFailure(
          400,
          "A query without a callback needs a response, which a pre-trigger does not have.",
        );
      }
      const write = response[getBody() === undefined ? "setBody" : "appendBody"] as (value: unknown) => void;
      write(getBody() === undefined ? rows : JSON.stringify(rows));
    };
    return { isAccepted: runStages(collection, stages, options, callback ?? intoResponse) };
  };
  const names = ["filter", "map", "sortBy", "sortByDescending", "flatten", "pluck", "unwind"];
  for (const name of names) {
    collection[name] = (...args: readonly unknown[]) => {
      const { stage, rest } = stageOf(name, args);
      return run([stage], rest[0], rest[1]);
    };
  }
  collection["chain"] = () => chainOf(names, [], run);
}

/** The object that a chain goes on with: every stage gives a new one, `value` runs it. */
function chainOf(
  names: readonly string[],
  stages: readonly Stage[],
  run: (stages: readonly Stage[], given: unknown, back: unknown) => { isAccepted: boolean },
): Readonly<Record<string, unknown>> {
  const chain: Record<string, unknown> = {
    isAccepted: true,
    value: (given: unknown, back: unknown) => run(stages, given, back),
  };
  for (const name of names) {
    chain[name] = (...args: readonly unknown[]) => {
      const { stage, rest } = stageOf(name, args);
      if (rest.length > 0)
        throw apiFailure(400, "In a chain, options and callback belong to the call of value.");
      return chainOf(names, [...stages, stage], run);
    };
  }
  return chain;
}

/** Reads the arguments of one query function; the collection itself may come first. */
function stageOf(name: string, args: readonly unknown[]): StageCall {
  const first = args[0] as { getSelfLink?: unknown } | undefined | null;
  const given = typeof first?.getSelfLink === "function" ? args.slice(1) : args;
  const [own, ...rest] = given;
  switch (name) {
    case "filter": {
      const test = requiredFunction(own);
      return { stage: { apply: (feed) => feed.filter((item) => test(item)), needsAll: false }, rest };
    }
    case "map": {
      const change = requiredFunction(own);
      return { stage: { apply: (feed) => feed.map((item) => change(item)), needsAll: false }, rest };
    }
    case "pluck": {
      if (typeof own !== "string" || own === "") throw apiFailure(400, "The property name must be a text.");
      const value = (item: unknown): unknown => (item as Record<string, unknown> | undefined)?.[own];
      return { stage: { apply: (feed) => feed.map(value), needsAll: false }, rest };
    }
    case "flatten": {
      const isShallow = own === true;
      const apply = (feed: readonly unknown[]): unknown[] =>
        isShallow ? feed.flat(1) : feed.flat(Number.POSITIVE_INFINITY);
      return { stage: { apply, needsAll: false }, rest: typeof own === "boolean" ? rest : given };
    }
    case "unwind":
      return unwindStage(requiredFunction(own), rest);
    default:
      return { stage: sortStage(requiredFunction(own), name === "sortByDescending" ? -1 : 1), rest };
  }
}

function sortStage(keyOf: (item: unknown) => unknown, direction: 1 | -1): Stage {
  return {
    needsAll: true,
    apply: (feed) =>
      feed
        .map((item) => ({ item, key: keyOf(item) }))
        .sort((a, b) => direction * compareKeys(a.key, b.key))
        .map(({ item }) => item),
  };
}

function unwindStage(inner: (item: unknown) => unknown, rest: readonly unknown[]): StageCall {
  const [pair, ...others] = rest;
  const hasPair = typeof pair === "function";
  const elements = (item: unknown): readonly unknown[] => {
    const found = inner(item);
    return Array.isArray(found) ? found : [];
  };
  const apply = (feed: readonly unknown[]): unknown[] =>
    feed.flatMap((item) => elements(item).map((element) => (hasPair ? pair(item, element) : element)));
  return { stage: { apply, needsAll: false }, rest: hasPair ? others : rest };
}

function requiredFunction(value: unknown): (item: unknown) => unknown {
  if (typeof value !== "function") throw apiFailure(400, "The query function needs a function to apply.");
  return value as (item: unknown) => unknown;
}

/** The order of ORDER BY: by type first, then by value. */
function compareKeys(a: unknown, b: unknown): number {
  const types = ["undefined", "null", "boolean", "number", "string", "object"];
  const typeOf = (value: unknown): number => types.indexOf(value === null ? "null" : typeof value);
  const byType = typeOf(a) - typeOf(b);
  if (byType !== 0 || typeof a === "object") return byType;
  const [left, right] = [a as string, b as string];
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Runs the stages over pages of documents until a page of results is full; false when it is too late to start. */
function runStages(
  collection: ApiCollection,
  stages: readonly Stage[],
  options: Readonly<Record<string, unknown>>,
  callback: ApiCallback,
): boolean {
  const asked = Number(options["pageSize"]);
  const size = asked > 0 ? asked : 100;
  const needsAll = stages.some((stage) => stage.needsAll);
  const apply = (rows: readonly unknown[]): readonly unknown[] =>
    stages.reduce((feed: readonly unknown[], stage) => stage.apply(feed), rows);
  const done = ({ error, rows = [], continuation }: Feed): void => {
    if (error !== undefined) callback(error);
    else callback(undefined, rows, continuation === undefined ? {} : { continuation });
  };
  const token = String(options["continuation"] ?? "");
  if (!needsAll) {
    return collect(collection, apply, { page: size, enough: size, from: token }, done);
  }
  const offset = /^sorted:(\d{1,9})$/.exec(token);
  const start = offset === null ? 0 : Number(offset[1]);
  const all = { page: 1000, enough: Number.POSITIVE_INFINITY, from: "" };
  return collect(
    collection,
    (rows) => rows,
    all,
    (feed) => {
      if (feed.rows === undefined) return done(feed);
      let sorted: readonly unknown[];
      try {
        sorted = apply(feed.rows);
      } catch (error) {
        return done({ error });
      }
      const end = start + size;
      done({
        rows: sorted.slice(start, end),
        ...(end < sorted.length ? { continuation: `sorted:${end}` } : {}),
      });
    },
  );
}

/** Reads pages and applies the stages to each, until there is enough or nothing more. */
function collect(
  collection: ApiCollection,
  apply: (rows: readonly unknown[]) => readonly unknown[],
  want: { readonly page: number; readonly enough: number; readonly from: string },
  done: (feed: Feed) => void,
): boolean {
  const found: unknown[] = [];
  const next = (continuation: string): boolean =>
    collection.queryDocuments(
      collection.getSelfLink(),
      "SELECT * FROM root",
      { pageSize: want.page, continuation },
      (error: unknown, page: readonly unknown[], info: { continuation?: string } | undefined) => {
        if (error !== undefined) return done({ error });
        try {
          found.push(...apply(page));
        } catch (failure) {
          return done({ error: failure });
        }
        const more = info?.continuation;
        if (more === undefined) return done({ rows: found });
        if (found.length >= want.enough) return done({ rows: found, continuation: more });
        if (next(more)) return;
        // Too late for another page: what was found so far is given out, unless an order needs all of it.
        if (want.enough === Number.POSITIVE_INFINITY) {
          done({ error: apiFailure(408, "There was not enough time to read all documents.") });
        } else done({ rows: found, continuation: more });
      },
    );
  return next(want.from);
}

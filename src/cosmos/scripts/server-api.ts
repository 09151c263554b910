/**
 * Code that runs inside the sandbox: the documented server-side API (`getContext`, the collection, request and
 * response) over one host function that takes calls as JSON. Handed over as text, like `sandbox-base.ts`: functions
 * know each other by name and nothing from outside.
 */
import { type ApiCallback, type ApiCollection, apiFailure, checkedOptions } from "./api-parts.ts";
import { addQueryApi, queryApiParts } from "./query-api.ts";
import { describeException } from "./sandbox-base.ts";

export interface ApiHost {
  /** Queues a call; false when it is too late for another one. */
  call(id: number, json: string): boolean;
  log(text: string): void;
  /** Ends the script; takes the description of the exception. */
  abort(thrown: string): void;
}

export interface ApiSettings {
  readonly role: "procedure" | "preTrigger" | "postTrigger";
  readonly selfLink: string;
  readonly altLink: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly operationType?: string;
  readonly request?: unknown;
  readonly response?: unknown;
  readonly logging: boolean;
  readonly logLengthMax: number;
}

/** What the host tells of a finished call. */
interface ApiReply {
  readonly error?: { readonly number: number; readonly body: string };
  readonly resource?: unknown;
  readonly options: Readonly<Record<string, unknown>>;
}

interface ApiCalls {
  send(
    operation: string,
    payload: object,
    arrange: (reply: ApiReply) => unknown[],
    callback?: ApiCallback,
  ): boolean;
  settle(id: number, reply: ApiReply): void;
}

/** What the thread calls: settles a call, and reads the results as JSON (empty for none). */
export interface InstalledApi {
  settle(id: number, json: string): void;
  requestBody(): string;
  responseBody(): string;
}

/** Text of a function `(host, settings as JSON) => InstalledApi`. */
export function serverApiSource(): string {
  const parts = [
    apiFailure,
    openCalls,
    checkedOptions,
    errorCodes,
    isCollectionLink,
    documentTarget,
    bodyText,
    makeCollection,
    addDocumentCalls,
    addFeedCalls,
    makeMessage,
    formatted,
    installApi,
    describeException,
    ...queryApiParts(),
  ];
  return `(function () { "use strict";\n${parts.join("\n")}\nreturn installApi; })()`;
}

function installApi(host: ApiHost, json: string): InstalledApi {
  const settings = JSON.parse(json) as ApiSettings;
  const { parse, stringify } = JSON;
  const calls = openCalls(host, stringify);
  const collection = makeCollection(calls, settings);
  const { role } = settings;
  const request = makeMessage(settings.request, role === "preTrigger", settings.headers, stringify);
  const response = makeMessage(settings.response, true, {}, stringify);
  if (role !== "procedure") request.api["getOperationType"] = () => settings.operationType;
  const context: Record<string, unknown> = {
    getCollection: () => collection,
    getRequest: () => request.api,
    abort: (error: unknown) => host.abort(stringify(describeException(error))),
  };
  if (role !== "preTrigger") context["getResponse"] = () => response.api;
  addQueryApi(collection, role === "preTrigger" ? undefined : response.api);
  const shortcut = Object.create(collection) as Record<string, unknown>;
  shortcut["request"] = request.api;
  if (role !== "preTrigger") shortcut["response"] = response.api;
  const globals: Record<string, unknown> = {
    getContext: () => context,
    __: shortcut,
    ErrorCodes: errorCodes(),
  };
  if (settings.logging) {
    let length = 0;
    const log = (...values: readonly unknown[]): void => {
      const text = formatted(values);
      length += encodeURIComponent(text).length;
      if (length > settings.logLengthMax) throw apiFailure(413, "The script log would be too large.");
      host.log(text);
    };
    globals["console"] = { log };
  }
  for (const [name, value] of Object.entries(globals)) {
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
  }
  return {
    settle: (id, text) => calls.settle(id, parse(text) as ApiReply),
    requestBody: () => request.json(),
    responseBody: () => response.json(),
  };
}

/** The statuses of failed calls by name, as scripts know them. */
function errorCodes(): Readonly<Record<string, number>> {
  return Object.freeze({
    BadRequest: 400,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    PreconditionFailed: 412,
    RequestEntityTooLarge: 413,
    RetryWith: 449,
    InternalServerError: 500,
  });
}

function openCalls(host: ApiHost, stringify: (value: unknown) => string): ApiCalls {
  const pending = new Map<number, (reply: ApiReply) => void>();
  let last = 0;
  return {
    send(operation, payload, arrange, callback) {
      last++;
      if (!host.call(last, stringify({ operation, ...payload }))) return false;
      pending.set(last, (reply) => {
        if (reply.error === undefined) {
          if (callback !== undefined) callback(undefined, ...arrange(reply));
          return;
        }
        const { number, body } = reply.error;
        const error = Object.assign(apiFailure(number, body), { body });
        if (callback === undefined) throw error;
        callback(error);
      });
      return true;
    },
    settle(id, reply) {
      const settle = pending.get(id);
      pending.delete(id);
      settle?.(reply);
    },
  };
}

function isCollectionLink(link: unknown, settings: ApiSettings): boolean {
  if (typeof link !== "string") return false;
  const plain = link.replace(/\/$/, "");
  return plain === settings.selfLink.replace(/\/$/, "") || plain === settings.altLink;
}

/** Which document of this collection a link names. */
function documentTarget(link: unknown, settings: ApiSettings): { by: "id" | "rid"; value: string } {
  const segments = typeof link === "string" ? link.replace(/\/$/, "").split("/") : [];
  const [, , , , type = "", id = ""] = segments;
  if (segments.length !== 6 || type.toLowerCase() !== "docs" || id === "") {
    throw apiFailure(400, `Invalid document link: "${String(link)}".`);
  }
  const owner = segments.slice(0, 4).join("/");
  if (!isCollectionLink(owner, settings)) {
    throw apiFailure(400, `The document link "${String(link)}" is outside of the current collection.`);
  }
  return { by: owner === settings.altLink ? "id" : "rid", value: id };
}

/** A document as JSON text; with `makeId`, one without id gets one. */
function bodyText(body: unknown, makeId: boolean): string {
  if (body === null || (typeof body !== "object" && typeof body !== "string")) {
    throw apiFailure(400, "The document must be an object, or a string with the JSON of one.");
  }
  const document = (typeof body === "string" ? JSON.parse(body) : body) as Record<string, unknown>;
  if (!makeId || document["id"]) return typeof body === "string" ? body : JSON.stringify(body);
  const digits = (length: number): string =>
    Array.from({ length }, () => Math.floor(Math.random() * 16).toString(16)).join("");
  const id = [8, 4, 4, 4, 12].map(digits).join("-");
  return JSON.stringify({ ...document, id });
}

function makeCollection(calls: ApiCalls, settings: ApiSettings): ApiCollection {
  const collection = {
    getSelfLink: () => settings.selfLink,
    getAltLink: () => settings.altLink,
  } as ApiCollection;
  addDocumentCalls(collection, calls, settings);
  addFeedCalls(collection, calls, settings);
  return collection;
}

function addDocumentCalls(collection: ApiCollection, calls: ApiCalls, settings: ApiSettings): void {
  const one = (reply: ApiReply): unknown[] => [reply.resource, reply.options];
  const add =
    (operation: "create" | "upsert") => (link: unknown, body: unknown, given?: unknown, back?: unknown) => {
      if (!isCollectionLink(link, settings))
        throw apiFailure(400, `Invalid collection link: "${String(link)}".`);
      const { options, callback } = checkedOptions(given, back);
      const text = bodyText(body, options["disableAutomaticIdGeneration"] !== true);
      const match = operation === "upsert" && options["etag"] ? { ifMatch: String(options["etag"]) } : {};
      return calls.send(operation, { body: text, ...match }, one, callback);
    };
  collection["createDocument"] = add("create");
  collection["upsertDocument"] = add("upsert");
  collection["replaceDocument"] = (link: unknown, body: unknown, given?: unknown, back?: unknown) => {
    const target = documentTarget(link, settings);
    const { options, callback } = checkedOptions(given, back);
    const match = options["etag"] ? { ifMatch: String(options["etag"]) } : {};
    return calls.send("replace", { target, body: bodyText(body, false), ...match }, one, callback);
  };
  collection["readDocument"] = (link: unknown, given?: unknown, back?: unknown) => {
    const target = documentTarget(link, settings);
    const { options, callback } = checkedOptions(given, back);
    const match = options["ifNoneMatch"] ? { ifNoneMatch: String(options["ifNoneMatch"]) } : {};
    return calls.send("read", { target, ...match }, one, callback);
  };
  collection["deleteDocument"] = (link: unknown, given?: unknown, back?: unknown) => {
    const target = documentTarget(link, settings);
    const { options, callback } = checkedOptions(given, back);
    const match = options["etag"] ? { ifMatch: String(options["etag"]) } : {};
    return calls.send("delete", { target, ...match }, (reply) => [reply.options], callback);
  };
}

function addFeedCalls(collection: ApiCollection, calls: ApiCalls, settings: ApiSettings): void {
  const feed = (reply: ApiReply): unknown[] => [reply.resource, reply.options];
  const run = (link: unknown, query: unknown, given: unknown, back: unknown): boolean => {
    if (!isCollectionLink(link, settings))
      throw apiFailure(400, `Invalid collection link: "${String(link)}".`);
    const { options, callback } = checkedOptions(given, back);
    const { pageSize, continuation } = options;
    return calls.send("query", { query, pageSize, continuation }, feed, callback);
  };
  collection.queryDocuments = (link, query, given, back) => {
    const isQuery = typeof query === "string" || (typeof query === "object" && query !== null);
    if (!isQuery) throw apiFailure(400, "The query must be a text, or an object with text and parameters.");
    return run(link, typeof query === "string" ? { query } : query, given, back);
  };
  collection["readDocuments"] = (link: unknown, given?: unknown, back?: unknown) =>
    run(link, { query: "SELECT * FROM root" }, given, back);
}

/** A request or response: a body, which may be read-only, and headers. */
function makeMessage(
  initial: unknown,
  writable: boolean,
  headers: Readonly<Record<string, string>>,
  stringify: (value: unknown) => string | undefined,
): { readonly api: Record<string, unknown>; readonly json: () => string } {
  let body = initial;
  const isBody = (name: unknown): boolean => String(name).toLowerCase() === "body";
  const checkWritable = (name: unknown): void => {
    if (!isBody(name)) throw apiFailure(400, `The value "${String(name)}" cannot be set.`);
    if (!writable) throw apiFailure(403, `The value "${String(name)}" cannot be changed.`);
  };
  const append = (value: unknown): void => {
    const isEmpty = body === undefined || body === null || body === "";
    body = isEmpty ? value : `${typeof body === "object" ? stringify(body) : String(body)}${String(value)}`;
  };
  const api: Record<string, unknown> = {
    getBody: () => body,
    getValue: (name: unknown) => (isBody(name) ? body : headers[String(name).toLowerCase()]),
    setValue(name: unknown, value: unknown) {
      checkWritable(name);
      body = value;
    },
    appendValue(name: unknown, value: unknown) {
      checkWritable(name);
      append(value);
    },
  };
  if (writable) {
    api["setBody"] = (value: unknown) => {
      body = value;
    };
    api["appendBody"] = append;
  }
  return { api, json: () => (body === undefined ? "" : (stringify(body) ?? "")) };
}

/** The text of `console.log`: `%s` stands for the next argument, `%%` for a percent sign. */
function formatted(values: readonly unknown[]): string {
  const [first, ...rest] = values;
  if (rest.length === 0) return String(first);
  if (typeof first !== "string") {
    throw apiFailure(400, "The first argument of console.log must be a text when there are several.");
  }
  let next = 0;
  return first.replace(/%(%|s)/g, (_, kind) => (kind === "%" ? "%" : String(rest[next++])));
}

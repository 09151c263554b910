/** Pieces that both halves of the server-side API use inside the sandbox; text like those (see `server-api.ts`). */

export type ApiCallback = (error?: unknown, ...results: unknown[]) => void;

export interface ApiOptions {
  readonly options: Readonly<Record<string, unknown>>;
  readonly callback?: ApiCallback;
}

export interface ApiCollection {
  getSelfLink(): string;
  getAltLink(): string;
  queryDocuments(link: unknown, query: unknown, options?: unknown, callback?: unknown): boolean;
  [name: string]: unknown;
}

/** An error as the collection's functions throw and report them. */
export function apiFailure(number: number, message: string): Error {
  return Object.assign(new Error(message), { number });
}

/**
 * Options and callback of a call, both optional: a function in the place of the options is the callback. The REST form
 * of a precondition (`accessCondition`) is taken as well as the API's own (`etag`, `ifNoneMatch`).
 */
export function checkedOptions(options: unknown, callback: unknown): ApiOptions {
  if (typeof options === "function" && callback === undefined) {
    return { options: {}, callback: options as ApiCallback };
  }
  if (options !== undefined && options !== null && typeof options !== "object") {
    throw apiFailure(400, `The options of a call must be an object, not a value of type ${typeof options}.`);
  }
  if (callback !== undefined && callback !== null && typeof callback !== "function") {
    throw apiFailure(
      400,
      `The callback of a call must be a function, not a value of type ${typeof callback}.`,
    );
  }
  const given = (options ?? {}) as Record<string, unknown>;
  const access = given["accessCondition"] as { type?: unknown; condition?: unknown } | undefined;
  const type = String(access?.type).toLowerCase();
  const checked = {
    ...given,
    ...(type === "ifmatch" ? { etag: access?.condition } : {}),
    ...(type === "ifnonematch" ? { ifNoneMatch: access?.condition } : {}),
  };
  return typeof callback === "function"
    ? { options: checked, callback: callback as ApiCallback }
    : { options: checked };
}

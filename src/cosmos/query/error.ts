/**
 * The one error of this room. Every refusal of a query - lexical, syntactic, semantic or during execution - is made
 * here with its code and exact text, so that the data plane renders it in one place and the tests can compare it.
 */

/** Half-open range of characters of the query text. */
export interface Location {
  readonly start: number;
  readonly end: number;
}

/** One entry of the service's `errors` list. `code` is `SCnnnn`, or a number for errors of the index planner. */
export interface Diagnostic {
  readonly severity: "Error";
  readonly location?: Location;
  readonly code: string | number;
  readonly message: string;
}

/**
 * A query that cannot be served: HTTP 400. `message` is the JSON text the service puts after `Message: `:
 * `{"errors":[..]}` for diagnostics with a code, `{"Errors":["text"]}` for errors of planning and execution.
 */
export class QueryError extends Error {
  override readonly name = "QueryError";
  readonly status = 400;
  /** `x-ms-substatus` when it is not 0. */
  readonly substatus: number;
  readonly errors: readonly Diagnostic[];
  readonly texts: readonly string[];

  constructor(errors: readonly Diagnostic[], texts: readonly string[], substatus = 0) {
    super(JSON.stringify(errors.length > 0 ? { errors } : { Errors: texts }));
    this.errors = errors;
    this.texts = texts;
    this.substatus = substatus;
  }
}

/** Not a refusal: the query is at work longer at a stretch than the caller allowed, who should run it elsewhere. */
export class QueryOverrun extends Error {
  override readonly name = "QueryOverrun";
}

/** A diagnostic with a place in the query text. */
export function diagnostic(code: string, message: string, { start, end }: Location): Diagnostic {
  return { severity: "Error", location: { start, end }, code, message };
}

/** One coded error at one place. */
export function errorAt(code: string, message: string, location: Location): QueryError {
  return new QueryError([diagnostic(code, message, location)], []);
}

/** An error without code and place, as the service reports planning and execution failures. */
export function plainError(text: string): QueryError {
  return new QueryError([], [text]);
}

/** SC1001: `token` is the offending text as written. */
export function syntaxError(token: string, location: Location): QueryError {
  return errorAt("SC1001", `Syntax error, incorrect syntax near '${token}'.`, location);
}

/** SC1010: `token` is a character that starts no token. */
export function invalidToken(token: string, location: Location): QueryError {
  return errorAt("SC1010", `Syntax error, invalid token '${token}'.`, location);
}

/** SC1002: the text ended where something was still needed. */
export function endOfFile(length: number): QueryError {
  return errorAt("SC1002", "Syntax error, unexpected end-of-file.", { start: length, end: length });
}

/** A result row with NaN or an infinity: legal on the way, but JSON cannot say it. */
export function nonFiniteResult(): QueryError {
  const text = "The query result contains a number that is not finite, which JSON cannot represent.";
  const error: Diagnostic = { severity: "Error", code: NON_FINITE_SUBSTATUS, message: text };
  return new QueryError([error], [], NON_FINITE_SUBSTATUS);
}

const NON_FINITE_SUBSTATUS = 4001;

/** A limit of this engine, in the shape of an execution error. */
export function limitExceeded(what: string, limit: number): QueryError {
  return plainError(`The query exceeds the maximum ${what} of ${limit}.`);
}

/** An ORDER BY item that is not a property path; the service gives this error a number and no place. */
export const ORDER_BY_NOT_A_PATH: Diagnostic = {
  severity: "Error",
  code: 2206,
  message: "Unsupported ORDER BY clause. ORDER BY item expression could not be mapped to a document path.",
};

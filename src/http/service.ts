/**
 * The types every service shares with the listener: a request as it arrived (raw target, nothing decoded or
 * collapsed) and a reply. A service is a function; there is no middleware.
 */

export interface Request {
  readonly method: string;
  /** The request target exactly as sent, path and query; an absolute-form target is reduced to its path. */
  readonly target: string;
  /** Header names in lower case; repeated headers joined with `, ` (Node's rules). */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Uint8Array;
  /** Set when the body was longer than the listener accepts; `body` is empty then and the service answers 413 in its own form. */
  readonly bodyTooLarge?: boolean;
  /** Scheme, host and port as the caller wrote them, e.g. `https://localhost:8081`: the base of every URL we return. */
  readonly origin: string;
  readonly remoteAddress: string;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** Break the connection off instead of answering: a fault that an operator asked for. */
  readonly reset?: true;
}

export type Service = (request: Request) => Promise<Reply>;

/** Builders for the replies that several services send. */
import type { Reply } from "./service.ts";

/** A JSON reply with `Content-Type: application/json; charset=utf-8`; `headers` are added and may override. */
export function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  return {
    status,
    headers: { "content-type": "application/json; charset=utf-8", ...headers },
    body: JSON.stringify(body),
  };
}

/** A reply without a body. */
export function empty(status: number, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, headers };
}

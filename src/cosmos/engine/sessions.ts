/**
 * Session tokens: `{range id}:{version}#{lsn}`, several joined with commas. A reader whose token is ahead of this
 * server must not see older data: it gets 404/1002, as from a replica that lags.
 */
import { badRequest, sessionNotAvailable } from "../errors.ts";
import type { Partition } from "./partitions.ts";

/** The token that proves the state of a range up to `lsn`. */
export function sessionToken(partition: Partition, lsn: number): string {
  return `${partition.range.id}:-1#${lsn}`;
}

/**
 * Refuses a read whose token demands more than is committed in the range; other ranges' parts are ignored. A token of
 * a range that was split holds for its descendants, whose numbers go on from it. 400 for what is no session token.
 */
export function checkSession(token: string | undefined, partition: Partition): void {
  if (token === undefined || token === "") return;
  for (const part of token.split(",")) {
    const match = /^\s*([^:]+):(?:[^#]*#)?(-?\d+)(?:#.*)?\s*$/.exec(part);
    if (match === null) throw badRequest(`The session token provided '${token.slice(0, 100)}' is invalid.`);
    const [, id = ""] = match;
    if (id !== partition.range.id && !partition.range.parents.includes(id)) continue;
    if (Number(match[2]) > partition.committedLsn) throw sessionNotAvailable();
  }
}

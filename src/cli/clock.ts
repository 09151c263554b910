/** `celestite clock`: the time of a server that was started for development. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { dataDirectoryDefault } from "../config.ts";
import { type Command, UsageError } from "./command.ts";
import { operator, requireServer } from "./server.ts";

const help = `Usage: celestite clock [show | advance DURATION] [--json]

Shows or moves the time by which the server judges tokens, secrets, certificates and the life of items. Only for a server
started with --development; the clock moves forward only. TLS certificates keep the machine's time. A server
that is started again is back at it, and takes what was made in its future for not valid yet.

DURATION is a number with s, m, h or d: 90s, 15m, 28h, 46d.

Examples:
  celestite start --development
  celestite clock advance 2h        # a user's token has expired now
  celestite clock advance 90d       # every secret of three months, too
`;

const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

export const clockCommand: Command = {
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { data: { type: "string" }, json: { type: "boolean" } },
    });
    const [verb = "show", duration, ...rest] = positionals;
    if (
      rest.length > 0 ||
      !["show", "advance"].includes(verb) ||
      (verb === "show") !== (duration === undefined)
    )
      throw new UsageError("Say 'show' or 'advance DURATION'.");
    const seconds = duration === undefined ? undefined : parseDuration(duration);
    const server = await requireServer(
      values.data === undefined ? dataDirectoryDefault() : resolve(values.data),
    );
    const { now } = await operator<{ now: string }>(
      server,
      seconds === undefined ? "GET" : "POST",
      "clock",
      seconds === undefined ? undefined : { seconds },
    );
    terminal.out(values.json === true ? `${JSON.stringify({ now })}\n` : `The server's time is ${now}.\n`);
    return 0;
  },
};

/** `90s`, `15m`, `28h` or `46d` in seconds. UsageError for another form. */
export function parseDuration(text: string): number {
  const [, number, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const seconds = Number(number) * (units[unit ?? ""] ?? Number.NaN);
  if (!Number.isFinite(seconds) || seconds <= 0)
    throw new UsageError(`'${text}' is no duration such as 15m or 28h.`);
  return seconds;
}

/** `celestite fault`: failing, slow and broken answers on order, to try the retry settings of a program. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { dataDirectoryDefault } from "../config.ts";
import { faultTargets, type StandingFault } from "../operator/faults.ts";
import { type Command, type Terminal, UsageError } from "./command.ts";
import { operator, requireServer, type Server } from "./server.ts";

const help = `Usage: celestite fault add TARGET [--status N] [--retry-after S] [--delay MS] [--reset] [--times N] [--match TEXT]
       celestite fault list | clear [ID]

The next requests to TARGET fail in the way that is asked for; then it answers as before.
TARGET is one of ${faultTargets.join(", ")}.

Options:
  --status N       answer with this status (400 to 599)
  --retry-after S  and this Retry-After, in seconds
  --delay MS       wait before answering; alone, the answer is the usual one
  --reset          break the connection off
  --times N        how many requests it meets (default 1)
  --match TEXT     only requests whose path and query contain TEXT
  --json           print JSON
  --data DIR       data directory of the running server

Examples:
  celestite fault add imds --status 429 --retry-after 1 --times 3
  celestite fault add imds --status 410
  celestite fault add cosmos --status 503 --times 2 --match /docs
  celestite fault add token --delay 5000
  celestite fault clear
`;

export const faultCommand: Command = {
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        status: { type: "string" },
        "retry-after": { type: "string" },
        delay: { type: "string" },
        reset: { type: "boolean" },
        times: { type: "string" },
        match: { type: "string" },
        json: { type: "boolean" },
        data: { type: "string" },
      },
    });
    const [verb, subject, ...rest] = positionals;
    if (rest.length > 0) throw new UsageError(`'${rest[0]}' is one argument too many.`);
    if (!["add", "list", "clear"].includes(verb ?? "") || (verb === "add" && subject === undefined))
      throw new UsageError("Say 'add TARGET', 'list' or 'clear'.");
    const wanted = {
      target: subject,
      ...number("status", values.status),
      ...number("retryAfter", values["retry-after"]),
      ...number("delayMilliseconds", values.delay),
      ...number("times", values.times),
      ...(values.reset === true ? { reset: true } : {}),
      ...(values.match === undefined ? {} : { match: values.match }),
    };
    const server = await requireServer(
      values.data === undefined ? dataDirectoryDefault() : resolve(values.data),
    );
    return act(server, { verb, subject, wanted, json: values.json === true }, terminal);
  },
};

function number(name: string, text: string | undefined): Readonly<Record<string, number>> {
  if (text === undefined) return {};
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`'${text}' is no whole number.`);
  return { [name]: Number(text) };
}

async function act(
  server: Server,
  order: {
    readonly verb: string | undefined;
    readonly subject: string | undefined;
    readonly wanted: Readonly<Record<string, unknown>>;
    readonly json: boolean;
  },
  terminal: Terminal,
): Promise<number> {
  switch (order.verb) {
    case "add": {
      const added = await operator<StandingFault>(server, "POST", "faults", order.wanted);
      terminal.out(order.json ? `${JSON.stringify(added)}\n` : describe(added));
      return 0;
    }
    case "list": {
      const { faults } = await operator<{ faults: readonly StandingFault[] }>(server, "GET", "faults");
      terminal.out(
        order.json ? `${JSON.stringify(faults)}\n` : faults.map(describe).join("") || "No faults.\n",
      );
      return 0;
    }
    default: {
      const path = order.subject === undefined ? "faults" : `faults/${encodeURIComponent(order.subject)}`;
      const { removed } = await operator<{ removed: number }>(server, "DELETE", path);
      terminal.out(order.json ? `${JSON.stringify({ removed })}\n` : `Removed ${removed}.\n`);
      return 0;
    }
  }
}

function describe({ id, target, status, delayMilliseconds, reset, times, match }: StandingFault): string {
  const parts = [
    ...(delayMilliseconds === undefined ? [] : [`${delayMilliseconds} ms late`]),
    ...(status === undefined ? [] : [`status ${status}`]),
    ...(reset === true ? ["broken off"] : []),
  ];
  const where = match === undefined ? "" : ` that contain '${match}'`;
  return `${id}  ${target}: ${parts.join(", ")}, for ${times} more request(s)${where}\n`;
}

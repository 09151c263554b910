/** `celestite logs`: the requests that the server answered, as they come, filtered. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { dataDirectoryDefault } from "../config.ts";
import { type DiagnosticRecord, isSignIn } from "../observability/diagnostic-records.ts";
import { logLines } from "../observability/log-lines.ts";
import { type Command, CommandError, type Terminal, UsageError } from "./command.ts";
import { printable, printableJson } from "./printable.ts";
import { operator, requireServer, type Server } from "./server.ts";

const help = `Usage: celestite logs [--follow] [FILTERS] [--json]

Shows the last requests of the data plane and of Azure Resource Manager, and those for tokens that were refused; with
--follow each further one, too. The server
remembers some thousands; 'celestite start --log-files DIR' writes them all to files.

Options:
  --follow          go on until Ctrl-C
  --last N          how many to begin with (default 20)
  --account NAME    of one Cosmos account
  --category NAME   DataPlaneRequests, ControlPlaneRequests, or for refused tokens ManagedIdentitySignInLogs,
                    ServicePrincipalSignInLogs and NonInteractiveUserSignInLogs
  --operation NAME  of this operation, e.g. CreateItem
  --principal ID    of the principal with this object id
  --status CODE     answered with this status, or this class of them: 403, 4xx
  --denied          answered 401 or 403, refused a token, or let pass by audit mode only
  --json            each as a line of Azure's diagnostic log in JSON
  --data DIR        data directory of the running server

Examples:
  celestite logs --follow
  celestite logs --denied --account shop
  celestite logs --follow --status 5xx --json
`;

interface Filters {
  readonly account?: string | undefined;
  readonly category?: string | undefined;
  readonly operation?: string | undefined;
  readonly principal?: string | undefined;
  readonly status?: string | undefined;
  readonly denied: boolean;
}

/** Pause between two looks at the server. */
const pollMilliseconds = 300;

export const logsCommand: Command = {
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        follow: { type: "boolean" },
        last: { type: "string", default: "20" },
        account: { type: "string" },
        category: { type: "string" },
        operation: { type: "string" },
        principal: { type: "string" },
        status: { type: "string" },
        denied: { type: "boolean" },
        json: { type: "boolean" },
        data: { type: "string" },
      },
    });
    if (positionals.length > 0) throw new UsageError(`'${positionals[0]}' is not an option.`);
    const last = Number(values.last);
    if (!Number.isInteger(last) || last < 0 || last > 1000)
      throw new UsageError("--last takes a number up to 1000.");
    if (values.status !== undefined && !/^[1-5](\d\d|xx)$/i.test(values.status)) {
      throw new UsageError("--status takes a status like 403, or a class like 4xx.");
    }
    const filters: Filters = { ...values, denied: values.denied === true };
    const server = await requireServer(
      values.data === undefined ? dataDirectoryDefault() : resolve(values.data),
    );
    const show = values.json === true ? jsonLines : textLine;
    await print(server, terminal, { filters, last, show, follow: values.follow === true });
    return 0;
  },
};

interface Printing {
  readonly filters: Filters;
  readonly last: number;
  readonly show: (record: DiagnosticRecord) => string;
  readonly follow: boolean;
}

async function print(
  server: Server,
  terminal: Terminal,
  { filters, last, show, follow }: Printing,
): Promise<void> {
  let stopped = false;
  if (follow) {
    process.once("SIGINT", () => {
      stopped = true;
    });
  }
  const first = await recordsAfter(server, undefined);
  const wanted = first.filter((record) => matches(filters, record));
  for (const record of last === 0 ? [] : wanted.slice(-last)) terminal.out(show(record));
  let seen = first.at(-1);
  while (follow && !stopped) {
    await new Promise((done) => setTimeout(done, pollMilliseconds));
    const records = await recordsAfter(server, seen);
    for (const record of records) if (matches(filters, record)) terminal.out(show(record));
    seen = records.at(-1) ?? seen;
  }
}

async function recordsAfter(
  server: Server,
  seen: DiagnosticRecord | undefined,
): Promise<readonly DiagnosticRecord[]> {
  const after = seen === undefined ? "" : `?after=${encodeURIComponent(`${seen.time}/${seen.activityId}`)}`;
  try {
    return (await operator<{ records: readonly DiagnosticRecord[] }>(server, "GET", `records${after}`))
      .records;
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError("The server has stopped.");
  }
}

/** True for a record that the filters let through. */
export function matches(filters: Filters, record: DiagnosticRecord): boolean {
  const { account, category, operation, principal, status, denied } = filters;
  const same = (wanted: string | undefined, own: string | undefined): boolean =>
    wanted === undefined || wanted.toLowerCase() === own?.toLowerCase();
  const code = String(record.statusCode);
  const refused = code === "401" || code === "403" || record.wouldDeny !== undefined || isSignIn(record);
  return (
    same(account, record.account) &&
    same(category, record.category) &&
    same(operation, record.operationName) &&
    same(principal, record.principalId) &&
    (status === undefined || code === status || code[0] === status.toLowerCase().replace("xx", "")) &&
    (!denied || refused)
  );
}

function jsonLines(record: DiagnosticRecord): string {
  return logLines(record)
    .map(({ text }) => `${printableJson(text)}\n`)
    .join("");
}

function textLine(record: DiagnosticRecord): string {
  const status = `${record.statusCode}${record.substatus === 0 ? "" : `/${record.substatus}`}`;
  const who = record.principalId ?? record.signIn?.appId ?? record.authTokenType;
  const audit = record.wouldDeny === undefined ? "" : ` (audit: would be ${record.wouldDeny.statusCode})`;
  const why = isSignIn(record) ? ` ${record.message ?? ""}` : "";
  const line = `${new Date(record.time).toISOString()} ${status.padEnd(8)} ${record.account} ${record.operationName} ${record.resource} ${who} ${record.duration}ms ${record.requestCharge}RU ${record.activityId}${audit}${why}`;
  return `${printable(line)}\n`;
}

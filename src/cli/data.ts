/** `celestite data`: the personal data of one subject, exported and erased. */
import { open } from "node:fs/promises";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "../clock.ts";
import { dataDirectoryDefault } from "../config.ts";
import { type Command, CommandError, type Terminal, UsageError } from "./command.ts";
import { type DataClient, type Item, openData } from "./data-client.ts";
import { printableJson } from "./printable.ts";
import { chooseAccount } from "./role.ts";
import { requireServer } from "./server.ts";

const help = `Usage: celestite data export --container DATABASE/CONTAINER SUBJECT [--out FILE] [--account NAME]
       celestite data erase  --container DATABASE/CONTAINER SUBJECT [--ttl SECONDS] --yes [--account NAME]

Exports every item of a data subject as NDJSON, or erases them. SUBJECT says which items those are: a condition, or a
partition key when the container is partitioned by subject. Where a subject's data lies is for you to know; run the
command once for each container. It works with an account key, so the account must take keys.

Options:
  --where CONDITION     a condition of the query language over the item c
  --param NAME=VALUE    a parameter of the condition; VALUE is JSON, or else text (may be repeated)
  --partition-key JSON  every item of one logical partition, e.g. '["ada"]'
  --ttl SECONDS         let the items expire after so many seconds, in place of deleting them now; the container must
                        have time to live switched on
  --yes                 erase; without it only the number of items is shown
  --out FILE            write to a file that only you can read, in place of the terminal
  --account NAME        the Cosmos account, when there are several
  --data DIR            data directory of the running server

Examples:
  celestite data export --container shop/orders --where "c.customer = @id" --param id=ada --out ada.ndjson
  celestite data erase --container shop/orders --where "c.customer = @id" --param id=ada
  celestite data erase --container shop/profiles --partition-key '["ada"]' --yes
  celestite data erase --container shop/events --where "c.user = 'ada'" --ttl 86400 --yes
`;

interface Subject {
  readonly text: string;
  readonly parameters: readonly { readonly name: string; readonly value: unknown }[];
  readonly partitionKey: string | undefined;
}

export const dataCommand: Command = {
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        container: { type: "string" },
        where: { type: "string" },
        param: { type: "string", multiple: true, default: [] },
        "partition-key": { type: "string" },
        ttl: { type: "string" },
        yes: { type: "boolean" },
        out: { type: "string" },
        account: { type: "string" },
        data: { type: "string" },
      },
    });
    const [verb, extra] = positionals;
    if ((verb !== "export" && verb !== "erase") || extra !== undefined)
      throw new UsageError("Say 'export' or 'erase'.");
    if (values.container === undefined) throw new UsageError("--container is needed.");
    const subject = subjectOf(values.where, values.param, values["partition-key"]);
    const ttl = values.ttl === undefined ? undefined : Number(values.ttl);
    if (ttl !== undefined && (!Number.isInteger(ttl) || ttl < 1 || ttl > 2_147_483_647)) {
      throw new UsageError("--ttl takes a number of seconds from 1 to 2147483647.");
    }
    const server = await requireServer(
      values.data === undefined ? dataDirectoryDefault() : resolve(values.data),
    );
    const account = await chooseAccount(server, values.account);
    const client = await openData(server, account, values.container, systemClock);
    try {
      if (verb === "export") await exportItems(client, subject, values.out, terminal);
      else await eraseItems(client, subject, { ttl, yes: values.yes === true }, terminal);
    } finally {
      client.close();
    }
    return 0;
  },
};

function subjectOf(
  where: string | undefined,
  parameters: readonly string[],
  partitionKey: string | undefined,
): Subject {
  if (where === undefined && partitionKey === undefined)
    throw new UsageError("--where or --partition-key is needed.");
  if (partitionKey !== undefined && !Array.isArray(parsedJson(partitionKey))) {
    throw new UsageError(`--partition-key takes a JSON array, e.g. '["ada"]'.`);
  }
  return {
    text: where === undefined ? "SELECT * FROM c" : `SELECT * FROM c WHERE ${where}`,
    parameters: parameters.map((text) => {
      const [, name, value = ""] = /^@?(\w+)=(.*)$/s.exec(text) ?? [];
      if (name === undefined) throw new UsageError(`'${text}' is no parameter: say NAME=VALUE.`);
      return { name: `@${name}`, value: parsedJson(value) ?? value };
    }),
    partitionKey,
  };
}

/** The JSON value of a text, or `undefined`. */
function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What the system adds to items and means nothing elsewhere. */
const systemProperties: ReadonlySet<string> = new Set(["_rid", "_self", "_etag", "_attachments"]);

async function exportItems(
  client: DataClient,
  subject: Subject,
  file: string | undefined,
  terminal: Terminal,
): Promise<void> {
  const target = file === undefined ? undefined : await open(resolve(file), "w", 0o600);
  let count = 0;
  try {
    // The mode above counts only for a new file.
    if ((await target?.stat())?.isFile() === true) await target?.chmod(0o600);
    for await (const item of client.query(subject.text, subject.parameters, subject.partitionKey)) {
      const own = Object.fromEntries(Object.entries(item).filter(([name]) => !systemProperties.has(name)));
      const line = `${JSON.stringify(own)}\n`;
      if (target === undefined) terminal.out(printableJson(line));
      else await target.write(line);
      count++;
    }
  } finally {
    await target?.close();
  }
  terminal.error(`${count} item${count === 1 ? "" : "s"} exported.\n`);
}

async function eraseItems(
  client: DataClient,
  subject: Subject,
  { ttl, yes }: { readonly ttl: number | undefined; readonly yes: boolean },
  terminal: Terminal,
): Promise<void> {
  if (ttl !== undefined && client.defaultTtl === undefined) {
    throw new CommandError(
      "Time to live is switched off for the container, so --ttl would do nothing: set its defaultTtl to -1 first, or erase without --ttl.",
    );
  }
  // All are found before any is changed: a query must not page through what it is shrinking.
  const items: Item[] = [];
  for await (const item of client.query(subject.text, subject.parameters, subject.partitionKey))
    items.push(item);
  const what = `${items.length} item${items.length === 1 ? "" : "s"}`;
  if (!yes) {
    terminal.out(`${what} would be erased. Add --yes to do it.\n`);
    return;
  }
  const isWholePartition = subject.partitionKey !== undefined && subject.text === "SELECT * FROM c";
  if (ttl !== undefined) {
    for (const item of items) await client.expireItem(item, ttl);
    terminal.out(`${what} will expire in ${ttl} seconds.\n`);
  } else if (isWholePartition && subject.partitionKey !== undefined) {
    await client.deletePartition(subject.partitionKey);
    terminal.out(`${what} erased with their partition.\n`);
  } else {
    for (const item of items) await client.deleteItem(item);
    terminal.out(`${what} erased.\n`);
  }
}

/**
 * The account of the access table on a real TLS socket, for SDKs of other languages: prints where it is, who may use
 * it, and the table as one line of JSON, and goes when its standard input ends.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openAccessRoom } from "../test/access/credentials.ts";
import { readAccessTable } from "../test/access/table.ts";
import { accountName } from "../test/cosmos/fixture.ts";
import { withWire } from "../test/cosmos/wire-fixture.ts";
import { withDirectory } from "../test/fixtures.ts";

/** Tokens of the room are made a day after its start, so that some of them have expired. */
const lead = 25 * 3_600_000;

const { fixture, columns } = await openAccessRoom(Date.now() - lead);
await withDirectory((directory) =>
  withWire(fixture, async ({ endpoint, agent }) => {
    const caFile = join(directory, "ca.pem");
    await writeFile(caFile, String(agent.options.ca));
    const keys = await fixture.control.listKeys(fixture.store, accountName);
    const keyOf = (key: string): string =>
      key === "wrong" ? Buffer.alloc(64, 1).toString("base64") : String(keys?.[key as keyof typeof keys]);
    const credentials = [...columns].map(([name, column]) => [
      name,
      column.kind === "key"
        ? { kind: "key", secret: keyOf(column.key) }
        : { kind: column.kind, secret: column.token },
    ]);
    const table = Object.fromEntries(
      readAccessTable().map(({ row, column, expected }) => [`${row} ${column}`, expected]),
    );
    const room = { endpoint, caFile, credentials: Object.fromEntries(credentials), table };
    process.stdout.write(`${JSON.stringify(room)}\n`);
    await new Promise((resolve) => process.stdin.once("end", resolve).resume());
  }),
);

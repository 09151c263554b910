/**
 * Writes docs/reference from the tables in the source: the support matrix of the data plane, the built-in data roles
 * and the commands. `--check` changes nothing and fails when a page is out of date.
 */
import { readFileSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { builtInDataRoles, cosmosActions } from "../src/azure/cosmos-actions.ts";
import { commands } from "../src/cli/command-line.ts";
import { type OperationRow, operations } from "../src/cosmos/wire/operations.ts";
import { checklist } from "./checklist.ts";

const proven = JSON.parse(
  readFileSync(fileURLToPath(new URL("../../conformance/proven.json", import.meta.url)), "utf8"),
) as Readonly<Record<string, readonly string[]>>;
/** SDKs by operation and status. */
const statuses = JSON.parse(
  readFileSync(fileURLToPath(new URL("../../conformance/proven-statuses.json", import.meta.url)), "utf8"),
) as Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
const directory = fileURLToPath(new URL("../../docs/reference/", import.meta.url));

function rightOf(row: OperationRow): string {
  if (row.action === "notWithAad") return "keys only (403/5300 with a token)";
  if (row.action === "actionsOfParts") return "the right of each part";
  const action = cosmosActions[row.action].replace("Microsoft.DocumentDB/databaseAccounts/", "");
  return `\`${action}\` ${row.at === "anyScope" ? "at any scope" : `at ${row.at} or above`}`;
}

function supportMatrix(): string {
  const rows = operations.map((row) => {
    const request = `${row.method} ${row.address}${row.mark === "plain" ? "" : ` (${row.mark})`}`;
    const built = row.handler === undefined ? "not implemented (501)" : "yes";
    return `| ${row.name} | ${request} | ${rightOf(row)} | ${built} | ${(proven[row.name] ?? []).join(", ")} |`;
  });
  const built = operations.filter((row) => row.handler !== undefined).length;
  return `# Data plane: support matrix

Generated from \`src/cosmos/wire/operations.ts\` by \`npm run docs\`. ${built} of ${operations.length} operations are built; the others answer
501 and say so. The last column names the official SDKs that have had the operation answered in a conformance run
(\`npm run conformance\` records them in \`conformance/proven.json\`).

| operation | request | right needed | built | proven with |
|---|---|---|---|---|
${rows.join("\n")}

## Checklist

What the protocol asks of a server, with the SDKs that had all of a row's operations answered, and those that met each
error.

| # | what | proven with | errors met | elsewhere |
|---|---|---|---|---|
${checklistRows().join("\n")}
`;
}

function checklistRows(): string[] {
  return checklist.map(({ number, what, operations: names, errors, note = "" }) => {
    const [first = [], ...others] = names.map((name) => proven[name] ?? []);
    const all = first.filter((sdk) => others.every((sdks) => sdks.includes(sdk)));
    const met = errors.map((status) => {
      const sdks = [...new Set(names.flatMap((name) => statuses[name]?.[status] ?? []))].sort();
      return `${status}${sdks.length === 0 ? "" : ` (${sdks.join(", ")})`}`;
    });
    return `| ${number} | ${what} | ${all.join(", ")} | ${met.join("; ")} | ${note} |`;
  });
}

function dataRoles(): string {
  const actions = Object.values(cosmosActions).map((action) => `- \`${action}\``);
  const roles = builtInDataRoles.map(
    (role) =>
      `| ${role.roleName} | \`${role.name}\` | ${role.dataActions.map((action) => `\`${action}\``).join("<br>")} |`,
  );
  return `# Data actions and built-in data roles

Generated from \`src/azure/cosmos-actions.ts\` by \`npm run docs\`.

${actions.join("\n")}

| role | id | data actions |
|---|---|---|
${roles.join("\n")}
`;
}

async function commandLine(): Promise<string> {
  const sections = await Promise.all(
    commands.map(
      async ({ name, load }) => `## celestite ${name}\n\n\`\`\`text\n${(await load()).help}\`\`\`\n`,
    ),
  );
  return `# Commands

Generated from the help texts by \`npm run docs\`.

${sections.join("\n")}`;
}

const pages: Readonly<Record<string, string>> = {
  "support-matrix.md": supportMatrix(),
  "data-roles.md": dataRoles(),
  "commands.md": await commandLine(),
};

const check = process.argv.includes("--check");
await mkdir(directory, { recursive: true });
for (const [name, text] of Object.entries(pages)) {
  const path = join(directory, name);
  const current = await readFile(path, "utf8").catch(() => "");
  if (current === text) continue;
  if (check) {
    process.stderr.write(`docs/reference/${name} is out of date; run 'npm run docs'.\n`);
    process.exitCode = 1;
  } else await writeFile(path, text);
}

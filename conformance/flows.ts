/**
 * The flows that every language must show: a passwordless program under `celestite run`, granted, denied, mended
 * without a restart, confined to its container, ended with its identity. The program is the language's `app`.
 */
import { fileURLToPath } from "node:url";
import { type Conversation, converse } from "./lib/processes.ts";
import type { Report } from "./lib/report.ts";
import { cli, type ServerUnderTest, withAccount } from "./lib/server.ts";

export interface Language {
  readonly name: string;
  /** The command that runs the language's app. */
  readonly app: readonly [string, ...string[]];
}

interface Line {
  readonly ok: boolean;
  readonly status?: number | null;
  readonly substatus?: number | null;
  readonly message?: string;
  readonly id?: string;
  readonly oid?: string;
}

interface Flow {
  readonly server: ServerUnderTest;
  readonly language: Language;
  readonly report: Report;
  /** Runs the app under an identity and returns the line it prints. */
  app(identity: string, ...args: string[]): Promise<Line>;
}

export async function runFlows(server: ServerUnderTest, language: Language, report: Report): Promise<void> {
  const flow: Flow = {
    server,
    language,
    report,
    async app(identity, ...args) {
      const finished = await server.celestite("run", "--identity", identity, "--", ...language.app, ...args);
      return parse(finished.stdout, finished.stderr);
    },
  };
  await grantedAndConfined(flow);
  await deniedAndMended(flow);
  await twoPrincipals(flow);
  await endedIdentities(flow);
}

function parse(stdout: string, stderr: string): Line {
  const last = stdout.trim().split("\n").pop() ?? "";
  try {
    return JSON.parse(last) as Line;
  } catch {
    return { ok: false, message: `no line of JSON; stdout: ${stdout} stderr: ${stderr.slice(-2000)}` };
  }
}

async function grantedAndConfined({ language: { name }, report, app }: Flow): Promise<void> {
  const id = `item-${name}`;
  const created = await app("worker", "create", "orders", id);
  report.check(`${name}: the worker creates an item`, created.ok, created.message);
  await app("worker", "create", "customers", id);
  const read = await app("worker", "read", "orders", id);
  report.check(`${name}: DefaultAzureCredential and read_item`, read.ok && read.id === id, read.message);
  const inside = await app("scoped", "read", "orders", id);
  report.check(
    `${name}: a role at a container opens that container`,
    inside.ok && inside.id === id,
    inside.message,
  );
  const sibling = await app("scoped", "read", "customers", id);
  const where = "on resource [dbs/shop/colls/customers]";
  report.check(
    `${name}: and not its sibling (403)`,
    !sibling.ok && sibling.status === 403 && sibling.message?.includes(where) === true,
    JSON.stringify(sibling),
  );
  const readerWrites = await app("reader", "create", "orders", `other-${name}`);
  report.check(
    `${name}: a reader cannot create (403, items/create)`,
    readerWrites.status === 403 &&
      readerWrites.message?.includes("sqlDatabases/containers/items/create") === true,
    JSON.stringify(readerWrites),
  );
}

async function deniedAndMended({ server, language: { name }, report, app }: Flow): Promise<void> {
  const nobody = `nobody-${name}`;
  const id = `item-${name}`;
  const denied = await app(nobody, "read", "orders", id);
  const text =
    "does not have required RBAC permissions to perform action [Microsoft.DocumentDB/databaseAccounts/";
  report.check(
    `${name}: no role, 403 with the service's text and substatus`,
    denied.status === 403 &&
      (denied.substatus === 5301 || denied.substatus === 5302) &&
      denied.message?.includes(text) === true,
    JSON.stringify(denied),
  );
  const explained = await server.celestite("explain", "--last");
  const oid = /principal \[([0-9a-f-]{36})\]/.exec(denied.message ?? "")?.[1] ?? "no oid";
  report.check(
    `${name}: explain names principal, action, assignments and one command`,
    [
      oid,
      nobody,
      "required action",
      "Role assignments considered:",
      "it is for another principal",
      "The smallest fix:",
    ].every((part) => explained.stdout.includes(part)),
    explained.stdout + explained.stderr,
  );
  const command = /^\s*celestite (role assign .+)$/m.exec(explained.stdout)?.[1] ?? "";
  const args = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? "");
  const fixed = await server.celestite(...args);
  const after = await app(nobody, "read", "orders", id);
  report.check(
    `${name}: after that command it reads, without a restart`,
    after.ok && after.id === id,
    fixed.stderr + (after.message ?? ""),
  );
  const write = await app(nobody, "create", "orders", `more-${name}`);
  report.check(
    `${name}: but what it was given is only reading (403)`,
    write.status === 403,
    JSON.stringify(write),
  );
}

async function twoPrincipals({ server, language, report, app }: Flow): Promise<void> {
  const [a, b] = await Promise.all([app("worker", "whoami"), app("reader", "whoami")]);
  report.check(
    `${language.name}: two programs at once under two identities are two principals`,
    a.ok && b.ok && a.oid !== undefined && a.oid !== b.oid,
    JSON.stringify([a, b]),
  );
  const stolen = await server.celestite(
    "run",
    "--identity",
    "worker",
    "--",
    "env",
    "IDENTITY_HEADER=wrong",
    ...language.app,
    "whoami",
  );
  const line = parse(stolen.stdout, stolen.stderr);
  report.check(`${language.name}: a wrong identity header gets no token`, !line.ok, JSON.stringify(line));
  const foreign = await server.celestite(
    "run",
    "--identity",
    "worker",
    "--",
    "env",
    `AZURE_CLIENT_ID=${server.outputs["readerClientId"] ?? ""}`,
    ...language.app,
    "whoami",
  );
  const refused = parse(foreign.stdout, foreign.stderr);
  report.check(
    `${language.name}: the client id of an identity that the workload does not have gets no token`,
    !refused.ok && refused.oid === undefined,
    JSON.stringify(refused),
  );
}

/** A token outlives its identity, and a program its host; their rights must not. */
async function endedIdentities({ server, language: { name, app }, report }: Flow): Promise<void> {
  const template = fileURLToPath(new URL("../../conformance/short-lived.json", import.meta.url));
  const deployed = await server.celestite(
    "deploy",
    template,
    "-g",
    "conformance",
    "-p",
    `name=${name}`,
    "--json",
  );
  const { properties } = JSON.parse(deployed.stdout) as {
    properties: { outputs: Record<string, { value: string }> };
  };
  const identity = properties.outputs["identityId"]?.value ?? "";
  const web = properties.outputs["webId"]?.value ?? "";
  const open = (...who: string[]): Conversation =>
    converse(
      process.execPath,
      [
        cli,
        ...withAccount(["run", ...who], server.outputs["accountName"]),
        "--",
        ...app,
        "read-again-and-again",
        "orders",
        `item-${name}`,
      ],
      server.env,
    );
  const line = async (conversation: Conversation): Promise<Line> =>
    parse((await conversation.next()) ?? "", "no output");

  const onHost = open("--as", web);
  const own = open("--identity", identity);
  const [hostBefore, ownBefore] = [await line(onHost), await line(own)];
  report.check(
    `${name}: a program on a web app reads under its system-assigned identity`,
    hostBefore.ok,
    JSON.stringify(hostBefore),
  );
  report.check(
    `${name}: a program reads under a user-assigned identity`,
    ownBefore.ok,
    JSON.stringify(ownBefore),
  );

  await server.celestite("rest", "DELETE", `${web}?api-version=2023-12-01`);
  onHost.say("again");
  own.say("again");
  const [hostAfter, ownAfter] = [await line(onHost), await line(own)];
  const denied = (after: Line): boolean => !after.ok && after.status === 403;
  report.check(
    `${name}: with the web app its system-assigned identity ends (403)`,
    denied(hostAfter),
    JSON.stringify(hostAfter),
  );
  report.check(
    `${name}: the user-assigned identity outlives the web app`,
    ownAfter.ok,
    JSON.stringify(ownAfter),
  );

  await server.celestite("rest", "DELETE", `${identity}?api-version=2023-01-31`);
  own.say("again");
  const ended = await line(own);
  report.check(
    `${name}: a role of a deleted identity opens nothing, whatever token it holds (403)`,
    denied(ended),
    JSON.stringify(ended),
  );
  await Promise.all([onHost.end(), own.end()]);
}

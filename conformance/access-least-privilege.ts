/**
 * Least privilege, proved with the SDKs' own tests: what they do under Entra tokens is recorded, `suggest-role` says
 * which roles that needs, only those are deployed, the same tests pass again, and with any single action taken away they fail.
 * Apart from run.ts because it needs a server of its own, whose roles it takes to pieces.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Report } from "./lib/report.ts";
import { type ServerUnderTest, startServer } from "./lib/server.ts";

/** The data-plane tests of one language: everything that they do, they do as a managed identity. */
export interface RecordedTests {
  readonly language: string;
  run(
    env: Readonly<Record<string, string>>,
  ): Promise<{ readonly passed: number; readonly failed: number; readonly output: string }>;
}

/** The identities under which the tests read and write data. */
const identities = ["worker", "reader"] as const;

const apiVersion = "api-version=2024-08-15";

interface Definition {
  readonly name: string;
  readonly properties: {
    readonly roleName: string;
    readonly type: string;
    readonly assignableScopes: readonly string[];
    readonly permissions: readonly { readonly dataActions: readonly string[] }[];
  };
}

interface Assignment {
  readonly id: string;
  readonly properties: {
    readonly principalId: string;
    readonly roleDefinitionId: string;
    readonly scope: string;
  };
}

/** Records, suggests, deploys, proves; `environment` is what a language's tests find in their environment. */
export async function runLeastPrivilege(
  tests: readonly RecordedTests[],
  environment: (server: ServerUnderTest) => Promise<Readonly<Record<string, string>>>,
  report: Report,
): Promise<void> {
  const server = await startServer();
  try {
    const env = await environment(server);
    for (const { language, run } of tests) {
      const { failed, output } = await run(env);
      report.check(`least privilege: the ${language} tests are recorded`, failed === 0, output);
    }
    const suggestions = await suggestAll(server, report);
    await removeRoles(server);
    await expectFailure(tests, env, report, "any role");
    for (const file of suggestions) {
      const deployed = await server.celestite("deploy", file, "-g", "conformance");
      report.check("least privilege: the suggestion is deployed", deployed.code === 0, deployed.stderr);
    }
    await expectPass(tests, env, report, "with the suggested roles alone");
    const removed = await removeEachAction(server, tests, env, report);
    report.check(
      "least privilege: enough actions were taken away to mean something",
      removed >= 12,
      String(removed),
    );
    await expectPass(tests, env, report, "with every action given back");
  } finally {
    await server.stop();
  }
}

/** One template for each identity, from what was recorded. */
async function suggestAll(server: ServerUnderTest, report: Report): Promise<readonly string[]> {
  const files: string[] = [];
  for (const principal of identities) {
    const said = await server.celestite(
      "suggest-role",
      "--principal",
      principal,
      "--account",
      server.outputs["accountName"] ?? "",
      "--format",
      "json",
    );
    report.check(
      `least privilege: a role is suggested for the ${principal}, without wildcards`,
      said.code === 0 && !said.stdout.includes("*"),
      said.stdout + said.stderr,
    );
    const file = join(server.data, `suggested-${principal}.json`);
    await writeFile(file, said.stdout);
    files.push(file);
  }
  return files;
}

async function list<T>(server: ServerUnderTest, type: string): Promise<readonly T[]> {
  const { stdout } = await server.celestite(
    "rest",
    "GET",
    `${server.outputs["accountId"]}/${type}?${apiVersion}`,
  );
  return (JSON.parse(stdout) as { readonly value: readonly T[] }).value;
}

async function removeRoles(server: ServerUnderTest): Promise<void> {
  for (const { id } of await list<Assignment>(server, "sqlRoleAssignments")) {
    await server.celestite("rest", "DELETE", `${id}?${apiVersion}`);
  }
}

async function expectPass(
  tests: readonly RecordedTests[],
  env: Readonly<Record<string, string>>,
  report: Report,
  when: string,
): Promise<void> {
  for (const { language, run } of tests) {
    const { passed, failed, output } = await run(env);
    report.check(`least privilege: the ${language} tests pass ${when}`, failed === 0 && passed > 0, output);
  }
}

/** The first language whose tests fail is enough; none of them failing is what must not be. */
async function expectFailure(
  tests: readonly RecordedTests[],
  env: Readonly<Record<string, string>>,
  report: Report,
  without: string,
): Promise<void> {
  for (const { language, run } of tests) {
    if ((await run(env)).failed === 0) continue;
    report.check(`least privilege: the ${language} tests fail without ${without}`, true);
    return;
  }
  report.check(`least privilege: some test fails without ${without}`, false);
}

/** Takes each action of each suggested role away by itself and gives it back; the number of actions tried. */
async function removeEachAction(
  server: ServerUnderTest,
  tests: readonly RecordedTests[],
  env: Readonly<Record<string, string>>,
  report: Report,
): Promise<number> {
  const assignments = await list<Assignment>(server, "sqlRoleAssignments");
  const definitions = (await list<Definition>(server, "sqlRoleDefinitions")).filter(({ name }) =>
    assignments.some(({ properties }) => properties.roleDefinitionId.endsWith(name)),
  );
  let count = 0;
  for (const definition of definitions) {
    const actions = definition.properties.permissions.flatMap(({ dataActions }) => dataActions);
    for (const action of actions) {
      const rest = actions.filter((one) => one !== action);
      const held = assignments.filter(({ properties }) =>
        properties.roleDefinitionId.endsWith(definition.name),
      );
      await put(server, definition, rest, held);
      const { roleName } = definition.properties;
      await expectFailure(tests, env, report, `${action.split("databaseAccounts/").pop()} of "${roleName}"`);
      await put(server, definition, actions, held);
      count++;
    }
  }
  return count;
}

/** Writes the role with these actions; a role needs one at least, so one without any loses its assignments instead. */
async function put(
  server: ServerUnderTest,
  { name, properties }: Definition,
  dataActions: readonly string[],
  held: readonly Assignment[],
): Promise<void> {
  if (dataActions.length === 0) {
    for (const { id } of held) await server.celestite("rest", "DELETE", `${id}?${apiVersion}`);
    return;
  }
  const path = `${server.outputs["accountId"]}/sqlRoleDefinitions/${name}?${apiVersion}`;
  const body = { properties: { ...properties, permissions: [{ dataActions }] } };
  const written = await server.celestite("rest", "PUT", path, "--body", JSON.stringify(body));
  if (written.code !== 0) throw new Error(`the role could not be written: ${written.stderr}`);
  if (dataActions.length > 1) return;
  for (const { id, properties: assigned } of held) {
    await server.celestite(
      "rest",
      "PUT",
      `${id}?${apiVersion}`,
      "--body",
      JSON.stringify({ properties: assigned }),
    );
  }
}

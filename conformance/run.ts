/**
 * Runs the official SDKs, unmodified and in their own runtimes, against the shipped command line. Installs what it
 * needs. Arguments name languages (`npm run conformance -- js`), `access` for the proof of least privilege, or `identity`
 * for the identity flows of every language alone. On request only: `live` runs the live tests of azure-cosmos, `rust`
 * compiles the SDK for Rust and runs what it can do. A missing toolchain is a failure when CI=true, and said plainly
 * otherwise. The last line counts.
 */
import { existsSync, readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type RecordedTests, runLeastPrivilege } from "./access-least-privilege.ts";
import { type Language, runFlows } from "./flows.ts";
import { runIdentityFlows } from "./identity-flows.ts";
import { run } from "./lib/processes.ts";
import { createReport, type Report } from "./lib/report.ts";
import { cli, type ServerUnderTest, startServer } from "./lib/server.ts";
import { createThrowAway, type ThrowAway } from "./lib/throw-away.ts";
import { runLive } from "./live.ts";
import { runRust } from "./rust.ts";

const here = fileURLToPath(new URL("../../conformance/", import.meta.url));
const wanted = process.argv.slice(2);

interface Suite {
  readonly name: string;
  /** Only its own tests: it has no app for the flows that every language shows. */
  readonly ownTestsOnly?: true;
  /**
   * Known once it is prepared: some runtimes need paths that the build finds. `reach` gives the path under which the
   * user who runs it can read what it needs.
   */
  language(reach?: ThrowAway["reach"]): Language;
  /** Installs runtime and SDKs; the text says why it could not. */
  prepare(): Promise<string | undefined>;
  /** Runs the language's own tests; the server's settings are in the environment. */
  test(env: Readonly<Record<string, string>>): Promise<Counts>;
}

const jsNode = join(here, "js/node_modules/.bin/node");
const python = join(here, "python/.venv/bin/python");

const azPython = join(here, "az/.venv/bin/python");
const goApp = join(here, "go/bin/app");
const javaTarget = join(here, "java/target");

/** Counts of a suite that closes with the line "N passed, N failed". */
function countedLine(output: string, code: number): { readonly passed: number; readonly failed: number } {
  const [, passed = "0", failed = "0"] = /^(\d+) passed, (\d+) failed$/m.exec(output) ?? [];
  return { passed: Number(passed), failed: Math.max(Number(failed), code === 0 ? 0 : 1) };
}

const itself: ThrowAway["reach"] = (path) => path;

function javaCommand(main: string, reach = itself): readonly [string, ...string[]] {
  const path = join(javaTarget, "classpath.txt");
  const jars = existsSync(path) ? readFileSync(path, "utf8").trim().split(":") : [];
  const classpath = [join(javaTarget, "classes"), ...jars].map((entry) => reach(entry));
  return ["java", "-cp", classpath.join(":"), `dev.celestite.${main}`];
}

/** The program of the Python flows; an interpreter that had to be copied is told where its own parts are. */
function pythonCommand(reach: ThrowAway["reach"]): readonly [string, ...string[]] {
  const interpreter = realpathSync(python);
  const base = dirname(dirname(interpreter));
  const reached = reach(base, ["bin", "lib"]);
  const members = ["app.py", reached === base ? ".venv" : ".venv/lib"];
  const program = join(reach(join(here, "python"), members), "app.py");
  if (reached === base) return [join(dirname(program), ".venv/bin/python"), program];
  const lib = join(dirname(program), ".venv/lib");
  const packages = readdirSync(lib).map((version) => join(lib, version, "site-packages"));
  const settings = [`LD_LIBRARY_PATH=${join(reached, "lib")}`, `PYTHONPATH=${packages.join(":")}`];
  return ["env", ...settings, join(reached, "bin", basename(interpreter)), program];
}

const environments = new Map<string, Promise<string | undefined>>();

/** Makes the virtual environment of `directory` once; the text says why it could not. */
function preparePython(directory: string): Promise<string | undefined> {
  const begun = environments.get(directory) ?? makeEnvironment(directory);
  environments.set(directory, begun);
  return begun;
}

/** Makes a virtual environment with what requirements.txt names. */
async function makeEnvironment(directory: string): Promise<string | undefined> {
  const interpreter = join(directory, ".venv/bin/python");
  const made = existsSync(interpreter)
    ? { code: 0, stderr: "" }
    : await run("python3", ["-m", "venv", join(directory, ".venv")]);
  if (made.code !== 0) return `python3 with venv is needed: ${made.stderr.slice(-2000)}`;
  const requirements = join(directory, "requirements.txt");
  const installed = await run(interpreter, ["-m", "pip", "install", "-q", "-r", requirements]);
  return installed.code === 0 ? undefined : `pip failed: ${installed.stderr.slice(-2000)}`;
}

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly output: string;
}

/** Runs test files of JavaScript, named by patterns below their directory, and counts. */
async function jsTests(
  files: readonly string[],
  env: Readonly<Record<string, string>>,
  options: readonly string[] = [],
): Promise<Counts> {
  const paths = files.map((file) => join(here, "js/test", file));
  const finished = await run(jsNode, ["--test", "--test-reporter=tap", ...options, ...paths], { env });
  const count = (what: string): number =>
    Number(new RegExp(`^# ${what} (\\d+)`, "m").exec(finished.stdout)?.[1] ?? 0);
  return {
    passed: count("pass"),
    failed: count("fail") + (finished.code === 0 ? 0 : Number(count("fail") === 0)),
    output: finished.stdout + finished.stderr,
  };
}

/** Runs the unittest files of `directory` and counts. */
async function unittests(
  interpreter: string,
  directory: string,
  env: Readonly<Record<string, string>>,
  pattern = "test_*.py",
): Promise<Counts> {
  const discover = ["-m", "unittest", "discover", "-s", directory, "-p", pattern];
  const finished = await run(interpreter, discover, { env });
  const total = Number(/^Ran (\d+) tests?/m.exec(finished.stderr)?.[1] ?? 0);
  const broken = [...finished.stderr.matchAll(/(?:failures|errors)=(\d+)/g)].reduce(
    (sum, match) => sum + Number(match[1]),
    0,
  );
  const failed = finished.code === 0 ? 0 : Math.max(1, broken);
  return { passed: Math.max(0, total - failed), failed, output: finished.stdout + finished.stderr };
}

const suites: readonly Suite[] = [
  {
    name: "js",
    language(reach = itself) {
      const place = reach(join(here, "js"), ["app.js", "package.json", "node_modules"]);
      return { name: "js", app: [join(place, "node_modules/.bin/node"), join(place, "app.js")] };
    },
    async prepare() {
      const installed = await run("npm", ["ci", "--no-audit", "--no-fund"], { cwd: join(here, "js") });
      return installed.code === 0 && existsSync(jsNode)
        ? undefined
        : `npm ci failed: ${installed.stderr.slice(-2000)}`;
    },
    test: (env) => jsTests(["**/*.test.js"], env),
  },
  {
    name: "python",
    language: (reach = itself) => ({ name: "python", app: pythonCommand(reach) }),
    prepare: () => preparePython(join(here, "python")),
    test: (env) => unittests(python, join(here, "python"), env),
  },
  {
    name: "go",
    language: (reach = itself) => ({ name: "go", app: [reach(goApp)] }),
    async prepare() {
      const built = await run("go", ["build", "-o", goApp, "."], { cwd: join(here, "go") });
      return built.code === 0 ? undefined : `go build failed: ${built.stderr.slice(-2000)}`;
    },
    async test(env) {
      const finished = await run("go", ["test", "-count=1", "-json", "./..."], {
        cwd: join(here, "go"),
        env,
      });
      const ends = (action: string): number =>
        finished.stdout
          .split("\n")
          .filter((line) => line.includes(`"Action":"${action}"`) && line.includes('"Test":')).length;
      const failed = ends("fail");
      return {
        passed: ends("pass"),
        failed: Math.max(failed, finished.code === 0 ? 0 : 1),
        output: finished.stdout + finished.stderr,
      };
    },
  },
  {
    name: "java",
    language: (reach = itself) => ({ name: "java", app: javaCommand("App", reach) }),
    async prepare() {
      const built = await run("mvn", ["-q", "-B", "package"], { cwd: join(here, "java") });
      return built.code === 0
        ? undefined
        : `mvn package failed: ${(built.stdout + built.stderr).slice(-2000)}`;
    },
    async test(env) {
      const [command, ...args] = javaCommand("Suite");
      const finished = await run(command, args, { env });
      return { ...countedLine(finished.stdout, finished.code), output: finished.stdout + finished.stderr };
    },
  },
  {
    name: "az",
    ownTestsOnly: true,
    language: () => ({ name: "az", app: [azPython] }),
    // The worker of its tour needs newer packages than az brings.
    prepare: async () => (await preparePython(join(here, "python"))) ?? preparePython(join(here, "az")),
    test: (env) =>
      unittests(azPython, join(here, "az"), {
        ...env,
        CONFORMANCE_node: process.execPath,
        CONFORMANCE_python: python,
        CONFORMANCE_cli: cli,
      }),
  },
  {
    name: "az-debian",
    ownTestsOnly: true,
    language: () => ({ name: "az-debian", app: [azDebian] }),
    prepare: prepareAzDebian,
    test: (env) =>
      unittests(python, join(here, "az-debian"), {
        ...env,
        CONFORMANCE_azDebian: azDebian,
        CONFORMANCE_node: process.execPath,
        CONFORMANCE_python: python,
        CONFORMANCE_cli: cli,
      }),
  },
];

/** What was asked for by name, and everything when nothing was. */
function isWanted({ name }: Suite): boolean {
  return wanted.length === 0 || wanted.includes(name);
}

const preparations = new Map<string, Promise<string | undefined>>();

/** Prepares a suite once. */
function prepared(suite: Suite): Promise<string | undefined> {
  const begun = preparations.get(suite.name) ?? suite.prepare();
  preparations.set(suite.name, begun);
  return begun;
}

/** What a language's tests find in their environment: how to reach the server as each identity, and the template's outputs. */
async function environmentOf(server: ServerUnderTest): Promise<Readonly<Record<string, string>>> {
  const identities = ["worker", "reader", "scoped", "operator", "guest"];
  const settings = await server.celestite(
    "env",
    ...identities.flatMap((name) => ["--identity", name]),
    "--format",
    "json",
  );
  const variables = JSON.parse(settings.stdout) as Record<string, string>;
  const outputs = Object.entries(server.outputs).map(([key, value]): [string, string] => [
    `CONFORMANCE_${key}`,
    value,
  ]);
  return { ...variables, ...server.env, ...Object.fromEntries(outputs) };
}

/** The tests of least privilege, where what they need is there; they take their own server. */
async function runAccess(report: Report): Promise<void> {
  const needed = suites.filter(({ name }) => name === "js" || name === "python");
  const missing = (await Promise.all(needed.map(prepared))).find((why) => why !== undefined);
  if (missing !== undefined) {
    if (process.env["CI"] === "true") report.check("access: its SDKs are there", false, missing);
    else process.stdout.write(`NOT RUN - access: ${missing}\n`);
    return;
  }
  const tests: readonly RecordedTests[] = [
    {
      language: "js",
      run: (env) => jsTests(["items.test.js", "access.test.js"], env, ["--test-isolation=none"]),
    },
    { language: "python", run: (env) => unittests(python, join(here, "python"), env, "test_items.py") },
  ];
  await runLeastPrivilege(tests, environmentOf, report);
}

/** The command line that Debian 12 has, when this machine has it. */
const azDebian = "/usr/bin/az";

async function prepareAzDebian(): Promise<string | undefined> {
  const found = existsSync(azDebian) ? await run(azDebian, ["version", "--output", "json"]) : undefined;
  const version = /"azure-cli": "([\d.]+)"/.exec(found?.stdout ?? "")?.[1] ?? "none";
  if (!version.startsWith("2.45."))
    return `azure-cli 2.45 of Debian 12 is needed at ${azDebian}; there is ${version}.`;
  return preparePython(join(here, "python"));
}

async function runSuite(suite: Suite, server: ServerUnderTest, report: Report): Promise<void> {
  const { name } = suite;
  const missing = await prepared(suite);
  if (missing !== undefined) return sayMissing(suite, missing, report);
  if (suite.ownTestsOnly !== true) await runFlows(server, suite.language(), report);
  const result = await suite.test(await environmentOf(server));
  if (result.failed > 0) process.stdout.write(`${result.output}\n`);
  report.add(`${name}: its own tests`, result.passed, result.failed);
}

/** Signing in through every link and door, as a user without rights even where we are root. */
async function runIdentity(suite: Suite, report: Report): Promise<void> {
  const missing = await prepared(suite);
  if (missing !== undefined) {
    // Its own tests have said so already, where they were wanted.
    if (!isWanted(suite)) sayMissing(suite, missing, report);
    return;
  }
  const throwAway = createThrowAway();
  try {
    const under = await startServer(throwAway);
    try {
      await runIdentityFlows(under, suite.language(throwAway.reach), report);
    } finally {
      await under.stop();
    }
  } finally {
    throwAway.remove();
  }
}

function sayMissing({ name }: Suite, missing: string, report: Report): void {
  if (process.env["CI"] === "true") report.check(`${name}: its toolchain and SDKs are there`, false, missing);
  else process.stdout.write(`NOT RUN - ${name}: ${missing}\n`);
}

/** Which SDK had which operation of the data plane answered with success: what the support matrix shows. */
async function recordProven(under: ServerUnderTest): Promise<void> {
  const { url, secret } = JSON.parse(readFileSync(join(under.data, "operator.json"), "utf8")) as Record<
    string,
    string
  >;
  const response = await fetch(`${url}/celestite/usage`, { headers: { authorization: `Bearer ${secret}` } });
  const usage = (await response.json()) as {
    category: string;
    operationName: string;
    client: string;
    statusCode: number;
  }[];
  const statuses: Record<string, Record<string, string[]>> = {};
  for (const { category, operationName, client, statusCode } of usage) {
    const language = client === "azure-cosmos-js" ? "js" : /^azsdk-(js|python|go|java)-/.exec(client)?.[1];
    if (category !== "DataPlaneRequests" || language === undefined) continue;
    const byStatus = statuses[operationName] ?? {};
    statuses[operationName] = byStatus;
    byStatus[statusCode] = [...new Set([...(byStatus[statusCode] ?? []), language])].sort();
  }
  const successes = (byStatus: Readonly<Record<string, readonly string[]>>): string[] =>
    Object.entries(byStatus).flatMap(([status, languages]) => (Number(status) < 300 ? languages : []));
  const proven = Object.entries(statuses).flatMap(([name, byStatus]): [string, string[]][] => {
    const languages = [...new Set(successes(byStatus))].sort();
    return languages.length === 0 ? [] : [[name, languages]];
  });
  writeSorted("proven.json", proven);
  writeSorted("proven-statuses.json", Object.entries(statuses));
}

function writeSorted(file: string, entries: readonly (readonly [string, unknown])[]): void {
  const sorted = Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(join(here, file), `${JSON.stringify(sorted, undefined, 2)}\n`);
}

/** Runs suites one after another on a server of their own; `atEnd` may still ask it. */
async function runSuites(
  chosen: readonly Suite[],
  report: Report,
  atEnd: (server: ServerUnderTest) => Promise<void> = async () => {},
): Promise<void> {
  if (chosen.length === 0) return;
  const server = await startServer();
  try {
    for (const suite of chosen) await runSuite(suite, server, report);
    await atEnd(server);
  } finally {
    await server.stop();
  }
}

const report = createReport((text) => process.stdout.write(text));
const speaking = suites.filter(({ ownTestsOnly }) => ownTestsOnly !== true);
const identities = wanted.includes("identity") ? speaking : speaking.filter(isWanted);

/** What there is to do, each part on servers of its own; the longest first. */
const parts: (() => Promise<void>)[] = [
  () =>
    runSuites(speaking.filter(isWanted), report, async (server) => {
      if (wanted.length === 0 && report.failed === 0) await recordProven(server);
    }),
  () =>
    runSuites(
      suites.filter((suite) => suite.ownTestsOnly === true && isWanted(suite)),
      report,
    ),
  ...identities.toReversed().map((suite) => () => runIdentity(suite, report)),
];
if (wanted.length === 0 || wanted.includes("access")) parts.push(() => runAccess(report));

/** Takes part after part until none is left. */
async function work(): Promise<void> {
  for (let part = parts.shift(); part !== undefined; part = parts.shift()) await part();
}

// Programs that start and wait leave room for a second one beside them.
await Promise.all([work(), work()]);
if (wanted.includes("live")) await runLive(report);
if (wanted.includes("rust")) await runRust(environmentOf, report);
process.stdout.write(`${report.passed} passed, ${report.failed} failed\n`);
process.exitCode = report.failed === 0 && report.passed > 0 ? 0 : 1;

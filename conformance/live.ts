/**
 * `npm run conformance -- live`: the live tests that azure-cosmos for Python brings in its source archive, which its makers
 * run against the real service, unmodified against the shipped command line; once with the account's key and once with
 * Entra tokens. Only on request: they take some minutes and the archive from the package index. What is left out stands
 * below with its reason.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "./lib/processes.ts";
import type { Report } from "./lib/report.ts";
import { cli } from "./lib/server.ts";

const here = fileURLToPath(new URL("../../conformance/live/", import.meta.url));
const interpreter = join(here, ".venv/bin/python");

/** The well-known key of Microsoft's emulator, which its documentation publishes. */
const emulatorKey =
  "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw==";

/** Files of tests that need an account and none of the exceptions' reasons rules out. */
const files: readonly string[] = [
  "aggregate",
  "auto_scale",
  "backwards_compatibility",
  "change_feed",
  "changefeed_partition_key_variation",
  "computed_properties",
  "container_properties_cache",
  "crud",
  "crud_container",
  "crud_database",
  "crud_subpartition",
  "encoding",
  "feed_range",
  "full_text_policy",
  "headers",
  "latest_session_token",
  "multi_orderby",
  "none_options",
  "orderby",
  "partition_key",
  "query",
  "query_cross_partition",
  "query_execution_context",
  "query_hybrid_search",
  "query_response_headers",
  "query_vector_similarity",
  "read_items",
  "resource_id",
  "session",
  "transactional_batch",
  "ttl",
  "vector_policy",
];

/** Words in the names of tests that are left out, and why. */
const leftOut: Readonly<Record<string, string>> = {
  path_parser: "reads a file that the archive does not have",
  read_timeout: "measures how slow an account far away is",
  timeout_on_throttling: "waits for longer than the limit of a test",
  mwr: "needs an account with several regions",
  partition_query_response_hook:
    "counts one page for each physical range, where this service fills a page from several",
  index_only: "wants the index to answer COUNT for a handful of items, which are scanned here",
  // With Entra tokens these create containers, which no data role allows here; some old accounts do.
  pagination_resume_subpartition: "creates containers with an Entra token",
};

/** Runs them and reports each file; what is missing is told as the other suites tell it. */
export async function runLive(report: Report): Promise<void> {
  const missing = await prepare();
  if (missing !== undefined) {
    if (process.env["CI"] === "true") report.check("live: its tests are there", false, missing);
    else process.stdout.write(`NOT RUN - live: ${missing}\n`);
    return;
  }
  const data = await mkdtemp(join(tmpdir(), "celestite-live-"));
  const start = ["start", "--data", data, "--any-ports", "--emulator-key", "--json"];
  const server = spawn(process.execPath, [cli, ...start, "--deploy", join(here, "main.bicep")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    await once(server.stdout, "data");
    for (const mode of ["key", "aad"] as const) {
      for (const file of files) await runFile(file, mode, data, report);
    }
  } finally {
    await stop(server);
    await rm(data, { recursive: true, force: true });
  }
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null) return;
  const ended = once(server, "exit");
  server.kill("SIGTERM");
  await ended;
}

async function runFile(file: string, mode: "key" | "aad", data: string, report: Report): Promise<void> {
  const shown = await run(process.execPath, [
    cli,
    "env",
    "--data",
    data,
    "--identity",
    "tester",
    "--format",
    "json",
  ]);
  const variables = JSON.parse(shown.stdout) as Record<string, string>;
  const without = Object.keys(leftOut)
    .map((word) => `not ${word}`)
    .join(" and ");
  const options = [
    "-q",
    "--timeout=60",
    "-p",
    "no:cacheprovider",
    "-W",
    "ignore",
    "--tb=short",
    "-k",
    without,
  ];
  const finished = await run(interpreter, ["-m", "pytest", ...options, `test_${file}.py`], {
    cwd: tests(),
    env: {
      ...variables,
      ACCOUNT_HOST: variables["COSMOS_ENDPOINT"] ?? "",
      ACCOUNT_KEY: emulatorKey,
      COSMOS_TEST_DATA_AUTH_MODE: mode,
      PYTHONPATH: here,
    },
  });
  const count = (what: string): number =>
    Number(new RegExp(`(\\d+) ${what}`).exec(lastLine(finished.stdout))?.[1] ?? 0);
  const failed = count("failed") + count("error");
  // 5: everything was left out or skipped.
  const broken = finished.code !== 0 && finished.code !== 5 && failed === 0 ? 1 : 0;
  if (failed + broken > 0) process.stdout.write(`${finished.stdout}${finished.stderr}\n`);
  report.add(
    `live: ${file} with ${mode === "key" ? "the key" : "Entra tokens"}`,
    count("passed"),
    failed + broken,
  );
}

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) ?? "";
}

/** The tests in the unpacked archive. */
function tests(): string {
  const archive = readdirSync(here).find((name) => /^azure_cosmos-[\d.]+$/.test(name)) ?? "";
  return join(here, archive, "tests");
}

/** Installs what the tests import and unpacks the archive; the text says why it could not. */
async function prepare(): Promise<string | undefined> {
  const steps: readonly (readonly [boolean, string, readonly string[]])[] = [
    [!existsSync(interpreter), "python3", ["-m", "venv", join(here, ".venv")]],
    [true, interpreter, ["-m", "pip", "install", "-q", "-r", join(here, "requirements.txt")]],
    [
      !existsSync(tests()),
      interpreter,
      [
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--no-binary",
        ":all:",
        "-d",
        here,
        "-c",
        join(here, "requirements.txt"),
        "azure-cosmos",
      ],
    ],
  ];
  for (const [isNeeded, command, args] of steps) {
    const finished = isNeeded ? await run(command, args) : undefined;
    if (finished !== undefined && finished.code !== 0)
      return `${args.join(" ")} failed: ${finished.stderr.slice(-2000)}`;
  }
  const archive = readdirSync(here).find((name) => name.endsWith(".tar.gz"));
  if (archive === undefined) return existsSync(tests()) ? undefined : "the source archive was not found";
  const unpacked = await run("tar", ["-xzf", join(here, archive), "-C", here]);
  await rm(join(here, archive));
  return unpacked.code === 0 ? undefined : `the source archive cannot be unpacked: ${unpacked.stderr}`;
}

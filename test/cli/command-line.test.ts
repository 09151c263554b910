/** The shipped command line, as processes: exit codes, one clear line for what cannot be done, nothing left behind. */
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { chmod, mkdir, readdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { commands } from "../../src/cli/command-line.ts";
import { cli, root, withDirectory } from "../fixtures.ts";
import { commandHere, type Finished } from "./finished.ts";

const nowhere = "/nonexistent/celestite";
/** Anything slower hangs. */
const timeout = 150_000;

/** Starts a program to which a file's permissions apply even when it is root's. */
const overrideGone = [
  "setpriv",
  "--bounding-set=-dac_override,-dac_read_search",
  "--inh-caps=-dac_override,-dac_read_search",
];

async function celestite(
  args: readonly string[],
  options: { data?: string; withoutOverride?: boolean } = {},
): Promise<Finished> {
  const env = { ...process.env, CELESTITE_DATA: options.data ?? nowhere };
  const [program = "", ...before] = [
    ...(options.withoutOverride === true ? overrideGone : []),
    process.execPath,
  ];
  try {
    const done = await promisify(execFile)(program, [...before, cli, ...args], { env, timeout });
    return { code: 0, ...done };
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: unknown; stdout?: string; stderr?: string };
    return { code: typeof code === "number" ? code : -1, stdout: stdout ?? "", stderr: stderr ?? "" };
  }
}

async function withRunning<T>(data: string, use: (child: ChildProcess) => Promise<T>): Promise<T> {
  const child = spawn(process.execPath, [cli, "start", "--data", data, "--any-ports"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve());
    child.once("exit", (code) => reject(new Error(`ended with ${code}`)));
  });
  try {
    return await use(child);
  } finally {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGTERM");
      await ended;
    }
  }
}

/** One line, no stack trace. */
function assertOneLine(finished: Finished, code: number, pattern: RegExp): void {
  assert.equal(finished.code, code, finished.stderr);
  assert.match(finished.stderr, pattern);
  assert.equal(finished.stderr.trim().split("\n").length, 1, finished.stderr);
  assert.doesNotMatch(finished.stderr, /\n\s+at /);
}

describe("help", () => {
  for (const command of commands) {
    test(`celestite ${command.name} --help shows usage and examples`, async () => {
      const finished = await commandHere([command.name, "--help"]);
      assert.equal(finished.code, 0);
      assert.match(finished.stdout, /^Usage: celestite /);
      assert.match(finished.stdout, /Examples:\n {2}/);
    });
  }

  test("celestite alone lists every command, as a process", async () => {
    const finished = await celestite([]);
    for (const command of commands) assert.ok(finished.stdout.includes(command.summary));
  });
});

const mistakes: readonly (readonly [readonly string[], number, RegExp])[] = [
  [["strat"], 2, /there is no command 'strat'/],
  [["start", "--color"], 2, /Unknown option '--color'\. 'celestite start --help' shows how\./],
  [["start", "now"], 2, /'now' is not an option/],
  [["start", "--first-port", "70000"], 2, /--first-port takes a number/],
  [["start", "--first-port", "9071", "--any-ports"], 2, /exclude each other/],
  [["run", "--identity", "x"], 2, /no command to run/],
  [["run", "x", "--", "true"], 2, /stands before '--'/],
  [["run", "--identity", "x", "--", "true"], 1, /No server is running on .*celestite start/],
  [["deploy"], 2, /Name one template file/],
  [["deploy", "main.json"], 1, /No server is running/],
  [["env", "--format", "xml"], 2, /format 'xml'/],
  [["explain"], 1, /No server is running/],
  [["role", "grant"], 2, /Say 'assign', 'remove', 'define' or 'list'/],
  [["role", "list"], 1, /No server is running/],
  [["role", "remove"], 2, /--principal is needed/],
  [["fault", "add"], 2, /Say 'add TARGET'/],
  [["key", "turn"], 2, /Say 'list', 'publish'/],
  [["key", "revoke", "-kYEF9vmCUSHdHy1qw-zQv3tJ00"], 1, /No server is running/],
  [["key", "revoke", "-k"], 2, /Unknown option '-k'/],
  [["audit", "mode"], 2, /'enforce' or 'audit'/],
  [["run", "-g", "x", "--", "true"], 2, /-g, -m, -p and --parameters go with --deploy/],
  [["run", "--deploy", "no-such-folder", "--", "true"], 1, /There is no file or folder no-such-folder/],
  [["help", "strat"], 2, /there is no command 'strat'/],
  [["rest", "GET"], 2, /method and a path/],
];
describe("mistakes get one line and an exit code", () => {
  const given = process.env["CELESTITE_DATA"];
  before(() => {
    process.env["CELESTITE_DATA"] = nowhere;
  });
  after(() => {
    if (given === undefined) delete process.env["CELESTITE_DATA"];
    else process.env["CELESTITE_DATA"] = given;
  });
  test("as a process", async () => {
    assertOneLine(await celestite(["strat"]), 2, /there is no command 'strat'/);
    assertOneLine(await celestite(["deploy", "main.json"]), 1, /No server is running/);
  });
  for (const [args, code, pattern] of mistakes) {
    test(`celestite ${args.join(" ")}`, async () => {
      assertOneLine(await commandHere([...args]), code, pattern);
    });
  }
});

describe("what stands in the way of a start", () => {
  test("a second server on the same data directory", async () => {
    await withDirectory((data) =>
      withRunning(data, async () => {
        const again = ["start", "--data", data, "--any-ports"];
        assertOneLine(await celestite(again), 1, /already running on .*--data DIR --any-ports/);
        // One that keeps nothing there would still take the place of the first for every command.
        assertOneLine(await celestite([...again, "--memory"]), 1, /already running on /);
        const found = await celestite([
          "rest",
          "GET",
          "/subscriptions?api-version=2022-12-01",
          "--data",
          data,
        ]);
        assert.equal(found.code, 0, found.stderr);
      }),
    );
  });

  test("a server that ends under a program leaves it its exit code", async () => {
    await withDirectory((data) =>
      withRunning(data, async ({ pid }) => {
        const program = `process.kill(${pid}); setTimeout(() => process.exit(5), 5000)`;
        const args = [
          "run",
          "--data",
          data,
          "--as-user",
          "signed-out",
          "--",
          process.execPath,
          "-e",
          program,
        ];
        const finished = await celestite(args);
        assert.equal(finished.code, 5, finished.stderr);
      }),
    );
  });

  test("a port in use", async () => {
    await withDirectory(async (data) => {
      const holder = createServer();
      const held = await new Promise<boolean>((resolve) => {
        holder.once("error", () => resolve(false));
        holder.listen(8072, "127.0.0.1", () => resolve(true));
      });
      try {
        assertOneLine(await celestite(["start", "--data", data]), 1, /Port 8072 on 127\.0\.0\.1 is in use/);
      } finally {
        if (held) await new Promise((resolve) => holder.close(resolve));
      }
    });
  });

  test("a data directory that is a file", async () => {
    await withDirectory(async (directory) => {
      const file = join(directory, "file");
      await writeFile(file, "");
      assertOneLine(await celestite(["start", "--data", file, "--any-ports"]), 1, /file/);
    });
  });

  test("a data directory below a file", async () => {
    await withDirectory(async (directory) => {
      const file = join(directory, "file");
      await writeFile(file, "");
      const finished = await celestite(["start", "--data", join(file, "data"), "--any-ports"]);
      assertOneLine(finished, 1, /The data directory .* cannot be made/);
    });
  });

  test("a read-only data directory", async () => {
    await withDirectory(async (directory) => {
      const data = join(directory, "data");
      await mkdir(data);
      await chmod(data, 0o500);
      const isRoot = process.getuid?.() === 0;
      const finished = await celestite(["start", "--data", data, "--any-ports"], { withoutOverride: isRoot });
      assertOneLine(finished, 1, /permission|read-only|EACCES/i);
      await chmod(data, 0o700);
      assert.deepEqual(await readdir(data), []);
    });
  });
});

describe("run", () => {
  const template = join(root, "demo/main.json");
  const privately = ["run", "--ephemeral", "--deploy", template, "--identity", "worker", "--"];

  test("passes the exit code on and sets exactly the documented variables", async () => {
    const show = `process.stdout.write(JSON.stringify(process.env)); process.exit(7)`;
    const finished = await celestite([...privately, process.execPath, "-e", show]);
    assert.equal(finished.code, 7);
    const child = JSON.parse(finished.stdout) as Record<string, string>;
    const added = Object.keys(child).filter(
      (name) => process.env[name] === undefined && name !== "CELESTITE_DATA",
    );
    assert.deepEqual(
      added.sort(),
      [
        "AZURE_CLIENT_ID",
        "COSMOS_ENDPOINT",
        "IDENTITY_ENDPOINT",
        "IDENTITY_HEADER",
        "JAVA_TOOL_OPTIONS",
        "NODE_EXTRA_CA_CERTS",
        "PYTHONWARNINGS",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE",
      ].filter((name) => process.env[name] === undefined),
    );
    assert.match(child["COSMOS_ENDPOINT"] ?? "", /^https:\/\/localhost:\d+\/$/);
  });

  test("a private server runs the demo's worker, and denies it under the other identity", async () => {
    const worker = join(root, "dist/demo/worker.js");
    const granted = await celestite([...privately, process.execPath, worker]);
    assert.equal(granted.code, 0, granted.stdout + granted.stderr);
    const visitor = privately.map((part) => (part === "worker" ? "visitor" : part));
    const denied = await celestite([...visitor, process.execPath, worker]);
    assert.equal(denied.code, 1);
    assert.match(denied.stdout, /failed with 403, substatus 5301/);
  });

  test("a program that does not exist, an identity that does not exist", async () => {
    const missing = await celestite([...privately, "no-such-program"]);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /Cannot start 'no-such-program': there is no such program/);
    const stranger = privately.map((part) => (part === "worker" ? "stranger" : part));
    const unknown = await commandHere([...stranger, "true"]);
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /There is no user-assigned identity 'stranger'/);
  });

  test("a broken template stops before the program starts", async () => {
    await withDirectory(async (directory) => {
      const file = join(directory, "broken.json");
      await writeFile(file, '{"resources": [');
      const finished = await commandHere([
        "run",
        "--ephemeral",
        "--deploy",
        file,
        "--",
        process.execPath,
        "-e",
        "console.log('ran')",
      ]);
      assert.equal(finished.code, 1);
      assert.match(finished.stderr, /broken\.json\(1,16\) : Error: not valid JSON/);
      assert.equal(finished.stdout, "");
    });
  });
});

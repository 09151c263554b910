/** Seeding a server from files: what of a folder is deployed, that a repetition changes nothing, and the watch. */
import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { describe, test } from "node:test";
import type { Celestite } from "../../src/celestite.ts";
import { runCommandLine } from "../../src/cli/command-line.ts";
import { type SeedOptions, type SeedRound, seed, watchSeed } from "../../src/cli/seed.ts";
import { callArm, cli, testSettings, withDirectory, withServer } from "../fixtures.ts";

const identity = (
  name: string,
): string => `resource ${name} 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: '${name}'
  location: resourceGroup().location
}
`;

const siteTemplate = (name: string): string => `{
  // comments are allowed
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  "contentVersion": "1.0.0.0",
  "parameters": { "name": { "type": "string", "defaultValue": "${name}" } },
  "resources": [
    { "type": "Microsoft.Web/sites", "apiVersion": "2023-01-01", "name": "[parameters('name')]", "location": "westeurope" },
  ],
}
`;

const folder: Readonly<Record<string, string>> = {
  "infra/main.bicep": `module inner 'module.bicep' = {}\n${identity("frommain")}`,
  "infra/module.bicep": `var unused = 1\n${identity("frommodule")}`,
  "infra/modules/deep.bicep": "this is no Bicep and nobody asks for it\n",
  "infra/stage.bicep": `param name string\n${identity("x").replace("'x'", "name")}`,
  "infra/stage.bicepparam": "using 'stage.bicep'\nparam name = 'fromparameters'\n",
  "infra/web.json": siteTemplate("default"),
  "infra/web.parameters.json": '{ "parameters": { "name": { "value": "fromcompanion" } } }',
  "infra/settings.json": '{ "no": "template" }',
  "infra/bicepconfig.json": "{}",
  "infra/.hidden.bicep": "nothing",
  "infra/readme.md": "# nothing",
};

interface Setting {
  readonly directory: string;
  readonly server: Celestite;
  readonly lines: string[];
  readonly round: (changes?: Partial<SeedOptions>) => Promise<SeedRound>;
  readonly options: SeedOptions;
  readonly write: (path: string, content: string) => Promise<void>;
  readonly names: () => Promise<readonly string[]>;
}

async function withFolder(
  files: Readonly<Record<string, string>>,
  use: (setting: Setting) => Promise<void>,
): Promise<void> {
  await withDirectory(async (directory) => {
    const write = async (path: string, content: string): Promise<void> => {
      await mkdir(dirname(join(directory, path)), { recursive: true });
      await writeFile(join(directory, path), content);
    };
    for (const [path, content] of Object.entries(files)) await write(path, content);
    const data = join(directory, "data");
    const options: SeedOptions = {
      paths: [join(directory, "infra")],
      parameters: [],
      group: "seeded",
      dataDirectory: data,
    };
    await withServer(testSettings(data), async (server) => {
      const lines: string[] = [];
      const terminal = terminalTo(lines, directory);
      const at = { url: server.operatorUrl, secret: server.operatorSecret };
      await use({
        directory,
        server,
        lines,
        options,
        write,
        round: (changes = {}) => seed(at, { ...options, ...changes }, terminal),
        names: () => resourceNames(server),
      });
    });
  });
}

function terminalTo(
  lines: string[],
  directory: string,
): { out(text: string): void; error(text: string): void } {
  const take = (text: string): void => void lines.push(text.replaceAll(directory, "DIR").trimEnd());
  return { out: take, error: take };
}

async function resourceNames(server: Celestite): Promise<readonly string[]> {
  const { subscriptionId } = await server.status();
  const path = `/subscriptions/${subscriptionId}/resourceGroups/seeded/resources?api-version=2021-04-01`;
  const { body } = await callArm(server, "GET", path);
  return ((body["value"] ?? []) as { name: string }[]).map(({ name }) => name).sort();
}

function messageOf({ error }: SeedRound): string {
  return error?.message ?? "no error";
}

describe("a folder of templates", () => {
  test("deploys what no other file of it uses, in the order of names", () =>
    withFolder(folder, async ({ round, names, lines }) => {
      assert.equal(messageOf(await round()), "no error");
      assert.deepEqual(
        lines.filter((line) => line.startsWith("Deploying")),
        ["main.bicep", "stage.bicepparam", "web.json"].map(
          (name) => `Deploying DIR/infra/${name} to seeded ...`,
        ),
      );
      assert.deepEqual(await names(), ["fromcompanion", "frommain", "frommodule", "fromparameters"]);
      const warnings = lines.filter((line) => line.includes("no-unused-vars"));
      assert.equal(warnings.length, 1, "the module's warning comes once");
    }));

  test("deploys nothing when one of its files has errors", () =>
    withFolder(folder, async ({ round, names, lines, write, directory }) => {
      await write("infra/zlast.bicep", "output x string = nothing\n");
      assert.equal(
        messageOf(await round()).replaceAll(directory, "DIR"),
        "DIR/infra/zlast.bicep has errors; nothing was deployed.",
      );
      assert.match(lines.join("\n"), /DIR\/infra\/zlast\.bicep\(1,19\) : Error BCP057/);
      await rm(join(directory, "infra/zlast.bicep"));
      await write("infra/zlast.json", '{\n  "resources": [}\n');
      assert.equal(
        messageOf(await round()).replaceAll(directory, "DIR"),
        "DIR/infra/zlast.json(2,17) : Error: not valid JSON: a value is expected.",
      );
      assert.deepEqual(await names(), []);
    }));
});

describe("a second round", () => {
  test("leaves alone what did not change, deploys what did, and what is gone", () =>
    withFolder(folder, async ({ round, names, lines, write, server, options }) => {
      await round();
      const deployments = async (): Promise<readonly unknown[]> => {
        const { subscriptionId } = await server.status();
        const path = `/subscriptions/${subscriptionId}/resourceGroups/seeded/providers/Microsoft.Resources/deployments`;
        const { body } = await callArm(server, "GET", `${path}?api-version=2021-04-01`);
        return body["value"] as readonly unknown[];
      };
      const before = await deployments();
      lines.length = 0;
      assert.equal(messageOf(await round()), "no error");
      assert.deepEqual(
        lines.filter((line) => !line.includes("Warning")),
        ["main.bicep", "stage.bicepparam", "web.json"].map(
          (name) => `DIR/infra/${name} is as it was deployed.`,
        ),
      );
      assert.deepEqual(await deployments(), before);
      await write("infra/module.bicep", identity("changed"));
      lines.length = 0;
      await round();
      assert.deepEqual(
        lines.filter((line) => line.startsWith("Deploying")),
        ["Deploying DIR/infra/main.bicep to seeded ..."],
      );
      assert.ok((await names()).includes("changed"));
      const { subscriptionId } = await server.status();
      const group = `/subscriptions/${subscriptionId}/resourceGroups/seeded?api-version=2021-04-01`;
      await callArm(server, "DELETE", group);
      await round();
      assert.ok((await names()).includes("changed"), "a group that was deleted is made again");
      const { mode } = await stat(join(options.dataDirectory, "seeds.json"));
      assert.equal(mode & 0o777, 0o600);
    }));

  test("deploys again after others deployed under the same name, or after a failure", () =>
    withFolder(folder, async ({ round, names, lines, write, directory, options }) => {
      const file = join(directory, "infra/stage.bicep");
      const only = { paths: [file], parameters: ["name=first"] };
      await round(only);
      const quiet = { out: () => {}, error: () => {} };
      const by = ["deploy", "--data", options.dataDirectory, "-g", "seeded", file, "-p", "name=second"];
      assert.equal(await runCommandLine(by, quiet), 0);
      lines.length = 0;
      await round(only);
      assert.ok(lines.some((line) => line.startsWith("Deploying")));
      assert.deepEqual(await names(), ["first", "second"]);
      await write("infra/stage.bicep", `${identity("x").replace("'x'", "'bad name'")}`);
      const failing = { paths: [file] };
      assert.match(messageOf(await round(failing)), /failed/);
      assert.match(messageOf(await round(failing)), /failed/, "a failure is not remembered as done");
    }));

  test("does without what it remembered", () =>
    withFolder(folder, async ({ round, lines, options }) => {
      await round();
      await writeFile(join(options.dataDirectory, "seeds.json"), "not JSON");
      lines.length = 0;
      assert.equal(messageOf(await round()), "no error");
      assert.equal(lines.filter((line) => line.startsWith("Deploying")).length, 3);
    }));
});

test("the watch deploys again when a file changes, says errors with their place, and stops", () =>
  withFolder(
    { "infra/main.bicep": `module m 'parts/inner.bicep' = {}\n`, "infra/parts/inner.bicep": identity("one") },
    async ({ server, options, lines, write, names, round, directory }) => {
      const first = await round();
      const stop = new AbortController();
      const at = { url: server.operatorUrl, secret: server.operatorSecret };
      const watching = watchSeed(at, options, first, terminalTo(lines, directory), stop.signal);
      const until = async (what: string, holds: () => Promise<boolean> | boolean): Promise<void> => {
        const deadline = performance.now() + 120_000;
        while (!(await holds())) {
          assert.ok(performance.now() < deadline, `${what}\n${lines.join("\n")}`);
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      };
      const says = (text: string) => (): boolean => lines.join("\n").includes(text);
      await write("infra/parts/inner.bicep", identity("two"));
      await until("a module that changes", async () => (await names()).includes("two"));
      await write("infra/parts/inner.bicep", `${identity("three")}output broken string = nothing\n`);
      await until("an error in a module", says("DIR/infra/parts/inner.bicep(5,24) : Error BCP057"));
      await until(
        "its last line",
        says("celestite start: DIR/infra/main.bicep has errors; nothing was deployed."),
      );
      assert.ok(!(await names()).includes("three"), "nothing of it was deployed");
      await write("infra/parts/inner.bicep", identity("four"));
      await until("mending it", async () => (await names()).includes("four"));
      await write("infra/second.bicep", identity("five"));
      await until("a file that is new", async () => (await names()).includes("five"));
      stop.abort();
      await watching;
    },
  ));

type Started = ChildProcessByStdio<null, Readable, Readable>;

/** Starts the server as a process and resolves with what it printed when it is ready or has ended. */
async function start(args: readonly string[]): Promise<{
  readonly child: Started;
  readonly out: string;
  readonly errors: () => string;
  readonly code: number | null;
}> {
  const child = spawn(process.execPath, [cli, "start", "--any-ports", "--json", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, errors] = ["", ""];
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve) => {
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString();
      if (out.endsWith("\n")) resolve(null);
    });
    child.once("exit", (exitCode) => resolve(exitCode));
  });
  return { child, out, errors: () => errors, code };
}

function stop(child: Started): Promise<number | null> {
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  return ended;
}

describe("celestite start --deploy", () => {
  const account = `param name string
resource account 'Microsoft.DocumentDB/databaseAccounts@2023-04-15' = {
  name: name
  location: resourceGroup().location
  properties: {
    databaseAccountOfferType: 'Standard'
  }
}
`;

  test("is ready when the template is deployed, and a restart with the same file changes nothing", () =>
    withDirectory(async (directory) => {
      const file = join(directory, "main.bicep");
      await writeFile(file, account);
      const args = ["--data", join(directory, "data"), "--deploy", file, "-g", "shop", "-p", "name=seeded"];
      const first = await start(args);
      const status = JSON.parse(first.out) as { accounts: { name: string; resourceId: string }[] };
      assert.deepEqual(
        status.accounts.map(({ name, resourceId }) => [name, resourceId.split("/")[4]]),
        [["seeded", "shop"]],
        first.errors(),
      );
      assert.match(first.errors(), /^Deploying .*main\.bicep to shop \.\.\.\nSucceeded: 1 resource\.\n$/);
      const remembered = await readFile(join(directory, "data/seeds.json"), "utf8");
      assert.equal(await stop(first.child), 0);
      const second = await start(args);
      assert.match(second.errors(), /^.*main\.bicep is as it was deployed\.\n$/);
      assert.equal(await readFile(join(directory, "data/seeds.json"), "utf8"), remembered);
      assert.equal(await stop(second.child), 0);
    }));

  test("ends with the finding when the template cannot be deployed", () =>
    withDirectory(async (directory) => {
      const file = join(directory, "main.bicep");
      await writeFile(file, account.replace("name: name", "name: nothing"));
      const { code, errors, out } = await start(["--data", join(directory, "data"), "--deploy", file]);
      assert.equal(code, 1);
      assert.equal(out, "");
      assert.match(errors(), /main\.bicep\(3,9\) : Error BCP057/);
      assert.match(errors(), /celestite start: .*main\.bicep has errors; nothing was deployed\.\n$/);
    }));

  const refused: readonly (readonly [string, readonly string[], number, RegExp])[] = [
    [
      "a path that is not there",
      ["--deploy", "absent.bicep"],
      1,
      /There is no file or folder absent\.bicep\./,
    ],
    ["a group without a template", ["-g", "shop"], 2, /-g, -m, -p and --parameters go with --deploy\./],
    [
      "parameters for a folder",
      ["--deploy", "/", "-p", "a=b"],
      2,
      /-p and --parameters go with one template/,
    ],
    ["a host that is an address", ["--template-host", "https://x"], 2, /--template-host takes a host name/],
  ];
  for (const [name, args, expected, pattern] of refused) {
    test(`refuses ${name} before it starts`, () =>
      withDirectory(async (directory) => {
        const lines: string[] = [];
        const terminal = { out: () => {}, error: (line: string) => void lines.push(line) };
        const code = await runCommandLine(["start", "--data", join(directory, "data"), ...args], terminal);
        assert.equal(code, expected, lines.join(""));
        assert.match(lines.join(""), pattern);
        await assert.rejects(stat(join(directory, "data")), "no server was started");
      }));
  }
});

/** Our own modules that a server loads until it is ready. */
async function modulesLoaded(args: readonly string[]): Promise<readonly string[]> {
  const hooks = `export async function load(url, context, next) {
    if (/\\/dist\\/src\\//.test(url)) process._rawDebug("loads " + url);
    return next(url, context);
  }`;
  const asUrl = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`;
  const register = `import { register } from "node:module"; register(${JSON.stringify(asUrl(hooks))});`;
  const command = ["--import", asUrl(register), cli, "start", "--any-ports", "--json", ...args];
  const child = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "pipe"] });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  child.stdout.once("data", () => child.kill("SIGTERM"));
  const code = await new Promise<number | null>((resolve) => child.once("exit", resolve));
  assert.equal(code, 0, errors);
  return errors.split("\n").filter((line) => line.startsWith("loads "));
}

/** Most modules of a start: each of them makes it longer. What not every run needs is loaded when it is needed. */
const modulesMax = 119;

test("a start without templates loads neither the compiler nor what deploys, and little else", () =>
  withDirectory(async (directory) => {
    const file = join(directory, "main.bicep");
    await writeFile(file, identity("one"));
    const data = ["--data", join(directory, "data")];
    const without = await modulesLoaded(data);
    const late =
      /\/arm\/(bicep|deployments\/(?!records)|providers)\/|\/cli\/seed|\/cosmos\/(query\/functions|operations)\//;
    assert.deepEqual(
      without.filter((url) => late.test(url)),
      [],
    );
    assert.ok(without.length > 50, "the modules are counted");
    assert.ok(without.length <= modulesMax, `${without.length} modules are loaded`);
    const loaded = (await modulesLoaded([...data, "--deploy", file])).join("\n");
    assert.match(loaded, /\/arm\/bicep\/compile\.js/);
    assert.match(loaded, /\/cli\/seed\.js/);
  }));

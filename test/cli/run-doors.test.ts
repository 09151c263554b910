/** `celestite run` with its doors and hosts, started as a user would, around small programs and the real SDK. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Celestite } from "../../src/celestite.ts";
import { callArm, cli, deployDemo, startServer, testSettings } from "../fixtures.ts";
import { fullSizeOnly } from "../full-size.ts";
import { commandHere, commandProcess, type Finished } from "./finished.ts";

const namespaces =
  spawnSync("unshare", ["--user", "--map-root-user", "--net", "--mount", "true"]).status === 0;
const skipSandbox = namespaces ? false : "this system forbids namespaces";
const limit = { timeout: 180_000 };
let server: Celestite;
let directory: string;
let identityId: string;
const errors: unknown[] = [];

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "celestite-doors-"));
  process.env["CELESTITE_DATA"] = directory;
  server = await startServer(
    testSettings(directory, { development: true }),
    (error) => void errors.push(error),
  );
  await deployDemo(server);
  const { subscriptionId } = await server.status();
  const identities = `/subscriptions/${subscriptionId}/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities`;
  const made = await callArm(server, "PUT", `${identities}/door?api-version=2023-01-31`, {
    location: "westeurope",
  });
  identityId = String((made.body["properties"] as { principalId: string }).principalId);
});

after(async () => {
  await server.close();
  await rm(directory, { recursive: true, force: true });
  assert.deepEqual(errors, []);
});

/** Programs that a command starts, and variables of their own, want a process; other commands run here. */
function celestite(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Finished> {
  const isProcess = env !== undefined || args[0] === "run" || args[0] === "az";
  return isProcess ? commandProcess(args, directory, env) : commandHere(args);
}

function run(...args: string[]): Promise<Finished> {
  return celestite(["run", ...args]);
}

/** A program that prints the object id of DefaultAzureCredential's token, and what a read of the account says. */
const whoami = `
const { DefaultAzureCredential } = require("@azure/identity");
new DefaultAzureCredential().getToken("https://cosmos.azure.com/.default").then(
  ({ token }) => console.log(JSON.parse(Buffer.from(token.split(".")[1], "base64url")).oid),
  (error) => { console.log(error.message); process.exit(3); });`;
const readAccount = `
const { DefaultAzureCredential } = require("@azure/identity");
const { CosmosClient } = require("@azure/cosmos");
console.log(process.env.COSMOS_ENDPOINT);
new CosmosClient({ endpoint: process.env.COSMOS_ENDPOINT, aadCredentials: new DefaultAzureCredential() })
  .databases.readAll().fetchAll().then(() => console.log("read"), (error) => console.log(error.code));`;
/** What a program can reach: a port of this machine, an address and a name elsewhere. */
const reach = (port: number): string => `
const net = require("net");
const attempt = (host, port) => new Promise((done) => {
  const socket = net.connect({ host, port, timeout: 3000 });
  socket.on("connect", () => { done("open"); socket.destroy(); });
  socket.on("timeout", () => { done("closed"); socket.destroy(); });
  socket.on("error", () => done("closed"));
});
Promise.all([attempt("127.0.0.1", ${port}), attempt("192.0.2.1", 443), attempt("example.com", 443), attempt("169.254.169.254", 80)])
  .then((found) => console.log(found.join(" ")));`;

describe("the sandbox", { skip: skipSandbox, concurrency: 1 }, () => {
  test("real metadata address, no identity variable, the exit code of the program", limit, async () => {
    const variables = `process.on("exit", () => console.log(Object.keys(process.env).filter((name) => /^(AZURE|IDENTITY|MSI|IMDS)_/.test(name)).join())); process.exitCode = 7;`;
    const program = `${variables}${whoami}`;
    const ended = await run(
      "--front",
      "sandbox",
      "--identity",
      "door",
      "--",
      process.execPath,
      "-e",
      program,
    );
    assert.deepEqual([ended.code, ended.stdout], [7, `${identityId}\n\n`], ended.stderr);
  });

  test("the account under its public name", limit, async () => {
    const [account] = (await server.status()).accounts;
    const found = await run(
      "--front",
      "sandbox",
      "--identity",
      "door",
      "--",
      process.execPath,
      "-e",
      readAccount,
    );
    const [endpoint, outcome] = found.stdout.trim().split("\n");
    assert.equal(endpoint, `https://${account?.name}.documents.azure.com:443/`);
    // The identity has no role: a denial by the account, not a failed connection.
    assert.equal(outcome, "403", found.stderr);
  });

  test("nothing else is reachable, except what was allowed", limit, async () => {
    const port = Number(new URL(server.operatorUrl).port);
    const operator = `fetch("${server.operatorUrl}/celestite/status", { headers: { authorization: "Bearer ${server.operatorSecret}" } }).then((reply) => console.log(reply.status))`;
    const program = `${reach(port)}${operator};`;
    const closed = await run(
      "--front",
      "sandbox",
      "--identity",
      "door",
      "--",
      process.execPath,
      "-e",
      program,
    );
    const lines = closed.stdout.trim().split("\n").sort();
    // The managed identity port is forwarded for the variables that may name it; the operator's interface is not there.
    assert.deepEqual(lines, ["404", "open closed closed open"], closed.stderr);
    const authority = Number(new URL((await server.status()).endpoints.authority).port);
    const allowed = ["--allow", `127.0.0.1:${authority}`];
    const opened = await run(
      "--front",
      "sandbox",
      "--identity",
      "door",
      ...allowed,
      "--",
      process.execPath,
      "-e",
      reach(authority),
    );
    assert.equal(opened.stdout.trim(), "open closed closed open", opened.stderr);
  });

  test("a program that does not exist, and no identity at all", limit, async () => {
    const missing = await run("--front", "sandbox", "--identity", "door", "--", "/nonexistent/program");
    assert.equal(missing.code, 127);
    const none = await run("--front", "sandbox", "--", process.execPath, "-e", whoami);
    assert.equal(none.code, 3);
    assert.match(none.stdout, /authentication failed|unavailable/i);
  });

  test("signals reach the program, and its end by one is told in the shell's way", limit, async () => {
    const program = `process.on("SIGTERM", () => { console.log("asked to stop"); process.exit(5); }); console.log("up"); setInterval(() => {}, 1000)`;
    const child: ChildProcess = spawn(
      process.execPath,
      [cli, "run", "--front", "sandbox", "--identity", "door", "--", process.execPath, "-e", program],
      { env: { ...process.env, CELESTITE_DATA: directory }, stdio: ["ignore", "pipe", "inherit"] },
    );
    let output = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (output === "up\n") child.kill("SIGTERM");
    });
    const [code] = (await once(child, "exit")) as [number];
    assert.equal(code, 5);
    assert.match(output, /asked to stop/);
  });
});

describe("the proxy", { concurrency: 1 }, () => {
  test("metadata through HTTP_PROXY, the account through the preload", limit, async () => {
    const found = await run(
      "--front",
      "proxy",
      "--isolated",
      "--identity",
      "door",
      "--",
      process.execPath,
      "-e",
      whoami,
    );
    assert.equal(found.stdout.trim(), identityId, found.stderr);
    const read = await run(
      "--front",
      "proxy",
      "--isolated",
      "--identity",
      "door",
      "--",
      process.execPath,
      "-e",
      readAccount,
    );
    assert.match(read.stdout, /^https:\/\/[\w-]+\.documents\.azure\.com:443\/\n403\n$/, read.stderr);
  });

  test("isolated: the preload refuses other hosts by name", limit, async () => {
    const program = `fetch("https://example.com").catch((error) => console.log(error.cause.message))`;
    const found = await run(
      "--front",
      "proxy",
      "--isolated",
      "--identity",
      "door",
      "--",
      process.execPath,
      "-e",
      program,
    );
    assert.match(found.stdout, /example\.com:443 is not ours, and this run is isolated/);
  });
});

describe("hosts", { concurrency: 2 }, () => {
  const always = ["app-service", "vm", "legacy", "cloud-shell"];
  for (const [at, host] of [...always, "function", "container-app", "azure-ml"].entries()) {
    // The others are kinds of these, of other variables.
    const skip = at < always.length ? false : fullSizeOnly;
    test(`--as ${host}`, { ...limit, skip }, async () => {
      const found = await run(
        "--as",
        host,
        "--identity",
        "door",
        "--strict",
        "--",
        process.execPath,
        "-e",
        whoami,
      );
      assert.equal(found.stdout.trim(), identityId, found.stderr);
    });
  }

  test("--as aks: denied until the identity trusts the cluster, then granted", limit, async () => {
    const as = ["--as", "aks", "--service-account", "shop:orders", "--identity", "door"];
    const denied = await run(...as, "--strict", "--", process.execPath, "-e", whoami);
    assert.equal(denied.code, 3);
    const principal = await server.identity.directory.find(identityId);
    const issuer = server.identity.issuers.clusterIssuer("local");
    const trusted = await celestite([
      ..."identity app federate".split(" "),
      principal?.appId ?? "",
      "cluster",
      "--issuer",
      issuer,
      "--subject",
      "system:serviceaccount:shop:orders",
    ]);
    assert.equal(trusted.code, 0, trusted.stderr);
    const granted = await run(...as, "--", process.execPath, "-e", whoami);
    assert.equal(granted.stdout.trim(), identityId, granted.stderr);
    const other = await run(
      "--as",
      "aks",
      "--service-account",
      "shop:Other",
      "--identity",
      "door",
      "--",
      "true",
    );
    assert.equal(other.code, 2);
  });

  const mistakes: readonly (readonly [string, readonly string[], RegExp])[] = [
    ["an unknown host", ["--as", "lambda", "--identity", "door"], /No host resource 'lambda'/],
    ["a kind of host without identity", ["--as", "vm"], /needs --identity/],
    ["no identity by variables", [], /needs --identity/],
    ["an unknown door", ["--front", "window", "--identity", "door"], /--front is one of/],
    ["isolated without proxy", ["--isolated", "--identity", "door"], /--isolated goes with/],
    ["allow without sandbox", ["--allow", "a:1", "--identity", "door"], /--allow goes with/],
    ["an unknown user", ["--as-user", "nobody@celestite.local"], /There is no user/],
  ];
  for (const [what, args, message] of mistakes) {
    test(`one line for ${what}`, limit, async () => {
      // Refused before any program starts, so that no process is needed to tell.
      const refused = await commandHere(["run", ...args, "--", "true"]);
      assert.ok(refused.code === 1 || refused.code === 2);
      assert.match(refused.stderr, message);
      assert.equal(refused.stderr.trim().split("\n").length, 1);
    });
  }

  test("leftovers are removed with a notice; without an identity the program's own stay", limit, async () => {
    const leftovers = { AZURE_CLIENT_ID: "x", AZURE_CLIENT_SECRET: "y", AZURE_TOKEN_CREDENTIALS: "dev" };
    const program = "console.log(process.env.AZURE_CLIENT_SECRET, process.env.AZURE_TOKEN_CREDENTIALS)";
    const args = ["run", "--identity", "door", "--", process.execPath, "-e", program];
    const cleaned = await celestite(args, leftovers);
    assert.match(
      cleaned.stderr,
      /not passed on.*AZURE_CLIENT_ID.*AZURE_CLIENT_SECRET.*AZURE_TOKEN_CREDENTIALS/,
    );
    assert.equal(cleaned.stdout.trim(), "undefined undefined");
    const kept = await celestite(
      ["run", "--front", "proxy", "--", process.execPath, "-e", program],
      leftovers,
    );
    assert.equal(kept.stdout.trim(), "y undefined");
  });
});

describe("the developer's tools", { concurrency: 1 }, () => {
  const tokenOf = (credential: string): string => `
const { ${credential} } = require("@azure/identity");
new ${credential}().getToken("https://cosmos.azure.com/.default").then(
  ({ token, expiresOnTimestamp }) => console.log(JSON.parse(Buffer.from(token.split(".")[1], "base64url")).upn, expiresOnTimestamp > Date.now() + 3.5e6),
  (error) => console.log(error.name));`;

  for (const credential of ["AzureCliCredential", "AzureDeveloperCliCredential"]) {
    test(`${credential}: signed in, and signed out`, limit, async () => {
      const as = (user: string): Promise<Finished> =>
        run("--as-user", user, "--", process.execPath, "-e", tokenOf(credential));
      assert.equal((await as("admin@celestite.local")).stdout.trim(), "admin@celestite.local true");
      assert.equal((await as("signed-out")).stdout.trim(), "CredentialUnavailableError");
    });
  }

  test("the shim says what it is not", limit, async () => {
    const found = await run("--as-user", "admin@celestite.local", "--", "az", "vm", "list");
    assert.equal(found.code, 2);
    assert.match(found.stderr, /celestite az -- vm list/);
  });
});

describe("trying things", { concurrency: 1 }, () => {
  test("faults: a program's SDK retries three throttled answers", limit, async () => {
    const added = await celestite("fault add imds --status 429 --retry-after 0 --times 2".split(" "));
    assert.equal(added.code, 0, added.stderr);
    const found = await run("--as", "vm", "--identity", "door", "--", process.execPath, "-e", whoami);
    assert.equal(found.stdout.trim(), identityId, found.stderr);
    assert.equal((await celestite(["fault", "list"])).stdout, "No faults.\n");
    assert.equal((await celestite(["fault", "add", "imds"])).code, 1);
    assert.equal((await celestite(["fault", "add", "moon", "--status", "500"])).code, 1);
  });

  test("faults: a connection that breaks off, over TLS, once", limit, async () => {
    await celestite("fault add arm --reset".split(" "));
    await assert.rejects(
      callArm(server, "GET", "/subscriptions?api-version=2022-12-01"),
      /hang up|ECONNRESET/,
    );
    assert.equal((await callArm(server, "GET", "/subscriptions?api-version=2022-12-01")).status, 200);
  });

  test("the clock: tokens expire now; other servers keep the machine's time", limit, async () => {
    const token = (await server.identity.issueFor(identityId, "https://cosmos.azure.com")).accessToken;
    assert.equal((await server.identity.verifier(token)).ok, true);
    assert.equal((await celestite(["clock", "advance", "25h"])).code, 0);
    const verdict = await server.identity.verifier(token);
    assert.equal(verdict.ok || verdict.fault.kind, "expired");
    assert.equal((await celestite(["clock", "advance", "soon"])).code, 2);
  });

  test("keys: published ahead, rotated, old tokens valid; revoked, refused", limit, async () => {
    const token = (await server.identity.issueFor(identityId, "https://cosmos.azure.com")).accessToken;
    await celestite(["key", "publish"]);
    await celestite(["key", "rotate"]);
    assert.equal((await server.identity.verifier(token)).ok, true);
    const listed = JSON.parse((await celestite(["key", "list", "--json"])).stdout) as {
      kid: string;
      state: string;
    }[];
    assert.deepEqual(listed.map((key) => key.state).sort(), ["current", "previous"]);
    await celestite(["key", "revoke", listed.find((key) => key.state === "previous")?.kid ?? ""]);
    const verdict = await server.identity.verifier(token);
    assert.equal(verdict.ok || verdict.fault.kind, "revoked");
  });

  test("revocation of a principal", limit, async () => {
    const token = (await server.identity.issueFor(identityId, "https://cosmos.azure.com")).accessToken;
    assert.equal((await celestite(["identity", "revoke", "door"])).code, 0);
    const verdict = await server.identity.verifier(token);
    assert.equal(verdict.ok || verdict.fault.kind, "revoked");
  });
});

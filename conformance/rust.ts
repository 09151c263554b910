/**
 * The official SDK for Rust: the chapters of conformance/rust against a server of their own, then each of the SDK's
 * credentials as `celestite run` gives it what it needs. On request only (`node dist/conformance/run.js rust`): the SDK
 * is compiled first, which takes minutes. It has no DefaultAzureCredential, so the flows of the other languages, which
 * follow that chain, are not its own.
 */
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Ground, type Line, prepareGround } from "./identity-ground.ts";
import { makeCertificate } from "./lib/certificate.ts";
import { run } from "./lib/processes.ts";
import type { Report } from "./lib/report.ts";
import { type ServerUnderTest, startServer } from "./lib/server.ts";

const here = fileURLToPath(new URL("../../conformance/rust/", import.meta.url));
/** Where cargo puts what it builds, unless its own variable names another place. */
const target = process.env["CARGO_TARGET_DIR"] ?? join(here, "target");
const program = join(target, "debug/celestite-conformance");

/** Runs them and reports each; `environment` is what the chapters find in theirs. */
export async function runRust(
  environment: (server: ServerUnderTest) => Promise<Readonly<Record<string, string>>>,
  report: Report,
): Promise<void> {
  const built = await run("cargo", ["build", "--locked"], { cwd: here });
  if (built.code !== 0) {
    const missing = `cargo build failed: ${built.stderr.slice(-2000)}`;
    if (process.env["CI"] === "true") report.check("rust: its toolchain and SDK are there", false, missing);
    else process.stdout.write(`NOT RUN - rust: ${missing}\n`);
    return;
  }
  const server = await startServer();
  try {
    await chapters(await environment(server), report);
    const ground = await prepareGround(server, { name: "rust", app: [program] }, report);
    try {
      await managedIdentities(ground);
      await workloadIdentities(ground);
      await clientSecrets(ground);
      await developers(ground);
      await productionNames(ground);
      await faults(ground);
      await untrusted(ground);
    } finally {
      await rm(ground.folder, { recursive: true, force: true });
    }
  } finally {
    await server.stop();
  }
}

async function chapters(env: Readonly<Record<string, string>>, report: Report): Promise<void> {
  const { stdout, stderr, code } = await run(program, [], { env });
  const [, passed = "0", failed = "0"] = /^(\d+) passed, (\d+) failed$/m.exec(stdout) ?? [];
  if (code !== 0) process.stdout.write(`${stdout}${stderr}\n`);
  report.add("rust: its own tests", Number(passed), Math.max(Number(failed), code === 0 ? 0 : 1));
}

interface Flow {
  readonly what: string;
  /** Options of `celestite run`. */
  readonly run: readonly string[];
  readonly order: readonly string[];
  readonly variables?: Readonly<Record<string, string>>;
  /** The principal that the program must be, the item that it must have kept, or what its refusal must say. */
  readonly expected: string | RegExp;
}

async function check(
  { app, report }: Ground,
  { what, run, order, variables, expected }: Flow,
): Promise<void> {
  const line: Line = await app(run, order, variables);
  const holds =
    typeof expected === "string"
      ? line.ok && expected !== "" && (line.oid ?? line.id) === expected
      : !line.ok && expected.test(line.message ?? "");
  report.check(`rust: ${what}`, holds, JSON.stringify(line));
}

const notAssigned = /has not been assigned to this resource/;

async function managedIdentities(ground: Ground): Promise<void> {
  const { worker, server, door } = ground;
  const { readerClientId = "" } = server.outputs;
  const who = ["--identity", "worker"];
  const resource = { RESOURCE_ID: server.outputs["accountId"] ?? "" };
  const flows: Flow[] = [
    { what: "managed identity by client id", run: who, order: ["whoami", "managed"], expected: worker },
    {
      what: "managed identity by object id",
      run: who,
      order: ["whoami", "object"],
      variables: { OBJECT_ID: worker },
      expected: worker,
    },
    {
      what: "the SDK itself refuses a resource id on App Service",
      run: who,
      order: ["whoami", "resource"],
      variables: resource,
      expected: /aren't supported for App Service/,
    },
    {
      what: "no system-assigned identity, no token",
      run: who,
      order: ["whoami", "unnamed"],
      expected: notAssigned,
    },
    {
      what: "an identity that the host does not carry gets no token",
      run: who,
      order: ["whoami", "managed"],
      variables: { AZURE_CLIENT_ID: readerClientId },
      expected: notAssigned,
    },
    {
      what: "the metadata service through the proxy",
      run: ["--front", "proxy", ...who],
      order: ["whoami", "unnamed"],
      expected: worker,
    },
  ];
  if (door === "sandbox") {
    const run = ["--front", "sandbox", ...who];
    const order = ["whoami", "unnamed"];
    flows.push({ what: "the metadata service at its own address", run, order, expected: worker });
    flows.push({
      what: "and there another identity is refused",
      run,
      order: ["whoami", "managed"],
      variables: { AZURE_CLIENT_ID: readerClientId },
      expected: notAssigned,
    });
  }
  for (const flow of flows) await check(ground, flow);
}

async function workloadIdentities(ground: Ground): Promise<void> {
  const { server, worker, tenantId, door, report } = ground;
  const federated = await server.celestite(
    ..."identity app federate".split(" "),
    server.outputs["workerClientId"] ?? "",
    "cluster-rust",
    ...["--issuer", `https://oidc.celestite.local/${tenantId}/local/`],
    ...["--subject", "system:serviceaccount:conformance:rust"],
  );
  report.check("rust: the identity trusts a service account", federated.code === 0, federated.stderr);
  const as = (account: string): readonly string[] => [
    "--as",
    "aks",
    "--identity",
    "worker",
    "--service-account",
    account,
  ];
  const order = ["whoami", "workload"];
  for (const front of ["env", "proxy", ...(door === "sandbox" ? ["sandbox"] : [])]) {
    const run = ["--front", front, ...as("conformance:rust")];
    await check(ground, { what: `workload identity, --front ${front}`, run, order, expected: worker });
    const strange = ["--front", front, ...as("conformance:stranger")];
    const what = `another service account gets no token, --front ${front}`;
    await check(ground, { what, run: strange, order, expected: /AADSTS70021/ });
  }
}

async function clientSecrets(ground: Ground): Promise<void> {
  const { server, tenantId, report } = ground;
  const added = await server.celestite("identity", "app", "add", "app-rust", "--json");
  const { appId, servicePrincipal } = JSON.parse(added.stdout) as {
    appId: string;
    servicePrincipal: { objectId: string };
  };
  const secret = (await server.celestite("identity", "app", "secret", appId)).stdout.trim();
  const client = {
    AZURE_TENANT_ID: tenantId,
    AZURE_CLIENT_ID: appId,
    AZURE_CLIENT_SECRET: secret,
    AZURE_AUTHORITY_HOST: server.outputs["authority"] ?? "",
  };
  // A program that brings its own credentials has no need of the identity; `run` wants one.
  const who = ["--identity", "worker"];
  const order = ["whoami", "secret"];
  const oid = servicePrincipal.objectId;
  await check(ground, { what: "a client's secret", run: who, order, variables: client, expected: oid });
  const { AZURE_AUTHORITY_HOST: _, ...public_ } = client;
  const proxied = {
    what: "a client's secret at login.microsoftonline.com, through the proxy",
    run: ["--front", "proxy"],
  };
  await check(ground, { ...proxied, order, variables: public_, expected: oid });
  const mistakes: readonly (readonly [string, Readonly<Record<string, string>>, RegExp])[] = [
    ["a wrong secret", { AZURE_CLIENT_SECRET: "wrong" }, /AADSTS7000215/],
    ["an unknown client", { AZURE_CLIENT_ID: tenantId }, /AADSTS700016/],
    ["an unknown tenant", { AZURE_TENANT_ID: appId }, /AADSTS90002/],
  ];
  for (const [what, wrong, expected] of mistakes) {
    await check(ground, {
      what: `${what} gets no token`,
      run: who,
      order,
      variables: { ...client, ...wrong },
      expected,
    });
  }
  const keep = { run: who, order: ["keep", "secret", "by-secret"], variables: client };
  await check(ground, {
    ...keep,
    what: "a client without a role is refused by the account",
    expected: /403\/5301/,
  });
  const role = ["--principal", appId, "--role", "Cosmos DB Built-in Data Contributor"];
  const assigned = await server.celestite(
    ...["role", "assign", ...role, "--account", server.outputs["accountName"] ?? ""],
  );
  report.check("rust: the client is given a role", assigned.code === 0, assigned.stderr);
  await check(ground, { ...keep, what: "and writes and reads with it", expected: "by-secret" });
}

async function developers(ground: Ground): Promise<void> {
  const { server } = ground;
  const user = "dev-rust@celestite.local";
  const added = await server.celestite("identity", "user", "add", user, "--json");
  const { objectId } = JSON.parse(added.stdout) as { objectId: string };
  const run = ["--as-user", user];
  for (const kind of ["developer", "az"]) {
    await check(ground, {
      what: `${kind}: the user who is signed in`,
      run,
      order: ["whoami", kind],
      expected: objectId,
    });
    const what = `${kind}: nobody is signed in`;
    await check(ground, {
      what,
      run: ["--as-user", "signed-out"],
      order: ["whoami", kind],
      expected: /az login/,
    });
  }
}

/** The Cosmos client asks a proxy only when told to by a variable of its own. */
async function productionNames(ground: Ground): Promise<void> {
  const proxied = { AZURE_COSMOS_CONNECTION_POOL_IS_PROXY_ALLOWED: "true" };
  for (const front of ["proxy", ...(ground.door === "sandbox" ? ["sandbox"] : [])]) {
    const variables = front === "proxy" ? proxied : {};
    const order = ["keep", "unnamed", `rust-${front}`];
    const as = (identity: string): readonly string[] => ["--front", front, "--identity", identity];
    const what = `an item at its production address, --front ${front}`;
    await check(ground, { what, run: as("worker"), order, variables, expected: `rust-${front}` });
    await check(ground, {
      what: `${what}, by a reader`,
      run: as("reader"),
      order,
      variables,
      expected: /403\/5302/,
    });
  }
}

/** The SDK tries again after each of these. */
async function faults(ground: Ground): Promise<void> {
  const { server, report } = ground;
  const run = ["--identity", "worker"];
  for (const fault of ["--status 429 --retry-after 1 --times 2", "--status 503", "--reset", "--status 449"]) {
    const id = `after${fault.replaceAll(/\W+/g, "-")}`;
    await server.celestite(...`fault add cosmos ${fault} --match /docs`.split(" "));
    await check(ground, {
      what: `an item in spite of ${fault}`,
      run,
      order: ["keep", "managed", id],
      expected: id,
    });
  }
  const left = await server.celestite("fault", "list");
  report.check("rust: and all of them were met", left.stdout === "No faults.\n", left.stdout);
}

async function untrusted(ground: Ground): Promise<void> {
  const other = join(ground.folder, "other-authority.crt");
  await writeFile(other, (await makeCertificate()).cert);
  const variables = { SSL_CERT_FILE: other, SSL_CERT_DIR: ground.folder };
  const order = ["keep", "managed", "untrusted"];
  const what = "without our certificate authority there is a TLS error";
  await check(ground, { what, run: ["--identity", "worker"], order, variables, expected: /certificate/i });
}

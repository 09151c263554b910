/**
 * DefaultAzureCredential through each of its links in turn, in every language: the program is the language's `app`, the
 * link is what `celestite run` puts around it. The chain going on or stopping is part of it, as each SDK does it.
 */
import { generateKeyPairSync, sign } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { selfSignedCertificate } from "../src/identity/certificate.ts";
import type { Language } from "./flows.ts";
import { type Finished, run } from "./lib/processes.ts";
import type { Report } from "./lib/report.ts";
import type { ServerUnderTest } from "./lib/server.ts";

interface Line {
  readonly ok: boolean;
  readonly oid?: string;
  readonly message?: string;
}

interface Ground {
  readonly server: ServerUnderTest;
  readonly language: Language;
  readonly report: Report;
  /** Object id of the identity `worker`. */
  readonly worker: string;
  readonly tenantId: string;
  /** The door with production names: the sandbox, or the proxy where the system forbids namespaces. */
  readonly door: "sandbox" | "proxy";
  readonly folder: string;
  /** `celestite run` around the app's `whoami`, with further variables set for the app alone. */
  whoami(args: readonly string[], variables?: Readonly<Record<string, string>>): Promise<Line>;
}

/** Reasons of an SDK why a link cannot serve it, by language and link. */
const exceptions: Readonly<Record<string, string>> = {
  "go: metadata service by its variable":
    "azidentity declares AZURE_POD_IDENTITY_AUTHORITY_HOST and never reads it",
  "go: workload identity by variables":
    "MSAL for Go asks login.microsoftonline.com about every other authority; it needs a door",
  "java: metadata service through the proxy":
    "azure-identity for Java takes a proxy from its own configuration only; it uses the sandbox",
};

export async function runIdentityFlows(
  server: ServerUnderTest,
  language: Language,
  report: Report,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "celestite-links-"));
  try {
    const ground = await prepare(server, language, report, folder);
    await managedIdentityLinks(ground);
    await workloadIdentityLinks(ground);
    await environmentLinks(ground);
    await developerLinks(ground);
    await endings(ground);
    await untrusted(ground);
    await closedDoor(ground);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function prepare(
  server: ServerUnderTest,
  language: Language,
  report: Report,
  folder: string,
): Promise<Ground> {
  const probe = await run("unshare", ["--user", "--map-root-user", "--net", "--mount", "true"]);
  const tenants = await server.celestite("rest", "GET", "/tenants?api-version=2022-12-01");
  const tenantId = /"tenantId": *"([0-9a-f-]{36})"/.exec(tenants.stdout)?.[1] ?? "";
  const account = server.outputs["accountName"] ?? "";
  const finished = (
    args: readonly string[],
    variables: Readonly<Record<string, string>>,
  ): Promise<Finished> =>
    server.celestite(
      "run",
      "--account",
      account,
      ...args,
      "--",
      "env",
      ...Object.entries(variables).map(([name, value]) => `${name}=${value}`),
      ...language.app,
      "whoami",
    );
  const whoami: Ground["whoami"] = async (args, variables = {}) => {
    const { stdout, stderr } = await finished(args, variables);
    return parse(stdout, stderr);
  };
  const worker = (await whoami(["--identity", "worker"])).oid ?? "";
  const door = probe.code === 0 ? "sandbox" : "proxy";
  return { server, language, report, worker, tenantId, door, folder, whoami };
}

function parse(stdout: string, stderr: string): Line {
  const last = stdout.trim().split("\n").pop() ?? "";
  try {
    return JSON.parse(last) as Line;
  } catch {
    return { ok: false, message: `no line of JSON; stdout: ${stdout} stderr: ${stderr.slice(-2000)}` };
  }
}

/** Checks that a link gave the token of `oid`, unless the SDK has a reason why it cannot. */
function links({ language, report }: Ground, link: string, line: Line, oid: string): void {
  const reason = exceptions[`${language.name}: ${link}`];
  if (reason === undefined) {
    report.check(`${language.name}: ${link}`, line.ok && line.oid === oid && oid !== "", line.message);
  } else {
    report.check(
      `${language.name}: ${link} fails as the SDK must (${reason})`,
      !line.ok,
      JSON.stringify(line),
    );
  }
}

async function managedIdentityLinks(ground: Ground): Promise<void> {
  const { whoami, worker, language } = ground;
  const who = ["--identity", "worker"];
  for (const host of ["app-service", "legacy", "cloud-shell", "azure-ml"]) {
    // Java's credential dropped the older endpoints one by one; what is left of them is its own affair.
    if (language.name === "java" && host !== "app-service") continue;
    links(ground, `managed identity as on ${host}`, await whoami(["--as", host, ...who]), worker);
  }
  links(ground, "metadata service by its variable", await whoami(["--as", "vm", ...who]), worker);
  links(ground, "metadata service through the proxy", await whoami(["--front", "proxy", ...who]), worker);
  if (ground.door === "sandbox")
    links(
      ground,
      "metadata service at its own address",
      await whoami(["--front", "sandbox", ...who]),
      worker,
    );
}

async function workloadIdentityLinks(ground: Ground): Promise<void> {
  const { server, whoami, worker, tenantId, language, report } = ground;
  const subject = `system:serviceaccount:conformance:${language.name}`;
  const federated = await server.celestite(
    ..."identity app federate".split(" "),
    server.outputs["workerClientId"] ?? "",
    `cluster-${language.name}`,
    "--issuer",
    `https://oidc.celestite.local/${tenantId}/local/`,
    "--subject",
    subject,
  );
  report.check(
    `${language.name}: the identity trusts a service account`,
    federated.code === 0,
    federated.stderr,
  );
  const as = ["--as", "aks", "--identity", "worker", "--service-account"];
  const trusted = `conformance:${language.name}`;
  links(ground, "workload identity by variables", await whoami([...as, trusted]), worker);
  links(
    ground,
    "workload identity through login.microsoftonline.com",
    await whoami(["--front", ground.door, ...as, trusted]),
    worker,
  );
  const stranger = await whoami(["--front", ground.door, ...as, "conformance:stranger"]);
  report.check(
    `${language.name}: another service account gets no token`,
    !stranger.ok,
    JSON.stringify(stranger),
  );
}

async function environmentLinks(ground: Ground): Promise<void> {
  const { server, whoami, tenantId, folder, language, report } = ground;
  const added = await server.celestite("identity", "app", "add", `app-${language.name}`, "--json");
  const { appId, servicePrincipal } = JSON.parse(added.stdout) as {
    appId: string;
    servicePrincipal: { objectId: string };
  };
  const oid = servicePrincipal.objectId;
  const secret = (await server.celestite("identity", "app", "secret", appId)).stdout.trim();
  const client = { AZURE_TENANT_ID: tenantId, AZURE_CLIENT_ID: appId };
  const through = ["--front", ground.door];
  const bySecret = await whoami(through, { ...client, AZURE_CLIENT_SECRET: secret });
  links(ground, "environment secret through login.microsoftonline.com", bySecret, oid);
  const file = join(folder, "client.pem");
  const { key, cert } = await makeCertificate();
  await writeFile(file, key + cert, { mode: 0o600 });
  await writeFile(join(folder, "client.crt"), cert);
  const registered = await server.celestite(
    "identity",
    "app",
    "certificate",
    appId,
    join(folder, "client.crt"),
  );
  report.check(
    `${language.name}: the application has a certificate`,
    registered.code === 0,
    registered.stderr,
  );
  const byCertificate = await whoami(through, { ...client, AZURE_CLIENT_CERTIFICATE_PATH: file });
  links(ground, "environment certificate through login.microsoftonline.com", byCertificate, oid);
  const wrong = await whoami(["--identity", "worker", ...through], {
    ...client,
    AZURE_CLIENT_SECRET: "wrong",
  });
  report.check(
    `${language.name}: a wrong environment secret stops the chain before the managed identity`,
    !wrong.ok && wrong.message?.includes("AADSTS7000215") === true,
    JSON.stringify(wrong),
  );
}

async function developerLinks(ground: Ground): Promise<void> {
  const { server, whoami, report, language, door } = ground;
  const user = `dev-${language.name}@celestite.local`;
  const added = await server.celestite("identity", "user", "add", user, "--json");
  const { objectId } = JSON.parse(added.stdout) as { objectId: string };
  // Behind the door nothing answers for the metadata address, as on a laptop; some networks answer with pages of theirs.
  const as = ["--front", door, "--as-user", user];
  const only = (name: string): Readonly<Record<string, string>> => ({ AZURE_TOKEN_CREDENTIALS: name });
  links(ground, "az shim at the end of the chain", await whoami(as), objectId);
  if (language.name !== "go") {
    links(ground, "az shim alone", await whoami(as, only("AzureCliCredential")), objectId);
    links(ground, "azd shim alone", await whoami(as, only("AzureDeveloperCliCredential")), objectId);
  }
  const out = await whoami(["--front", door, "--as-user", "signed-out"]);
  report.check(`${language.name}: signed out, no link is left`, !out.ok, JSON.stringify(out));
}

async function endings(ground: Ground): Promise<void> {
  const { server, whoami, worker, report, language } = ground;
  await server.celestite(..."fault add app-service --status 429 --retry-after 1 --times 2".split(" "));
  links(ground, "two throttled answers are retried", await whoami(["--identity", "worker"]), worker);
  if (ground.door === "sandbox") {
    await server.celestite(..."fault add imds --match resource= --status 410".split(" "));
    const line = await whoami(["--front", "sandbox", "--identity", "worker"]);
    links(ground, "a metadata service that is being updated (410) is asked again", line, worker);
  }
  const left = await server.celestite("fault", "list");
  report.check(`${language.name}: and both were met`, left.stdout === "No faults.\n", left.stdout);
  await server.celestite("fault", "clear");
  const unassigned = await whoami(["--front", ground.door, "--identity", "worker"], {
    AZURE_CLIENT_ID: server.outputs["readerClientId"] ?? "",
    AZURE_TOKEN_CREDENTIALS: "prod",
  });
  report.check(
    `${language.name}: an identity that the host does not carry gets no token`,
    !unassigned.ok,
    JSON.stringify(unassigned),
  );
}

/** Without our certificate authority there is a TLS error and no token, and nothing falls back to plain http. */
async function untrusted(ground: Ground): Promise<void> {
  const { language, report, whoami, tenantId, door } = ground;
  // The others may also read the system's own bundle, which the sandbox completes.
  if (language.name !== "js") return;
  const line = await whoami(["--front", door], {
    AZURE_TENANT_ID: tenantId,
    AZURE_CLIENT_ID: tenantId,
    AZURE_CLIENT_SECRET: "any",
    AZURE_TOKEN_CREDENTIALS: "EnvironmentCredential",
    NODE_EXTRA_CA_CERTS: "",
  });
  report.check(
    `${language.name}: without our certificate authority there is a TLS error and no token`,
    // msal-node says no more of a failed handshake than that the network failed.
    !line.ok && /certificate|network_error/i.test(line.message ?? ""),
    JSON.stringify(line),
  );
}

async function closedDoor({ door, server, language, report }: Ground): Promise<void> {
  if (door !== "sandbox") return;
  const program = `const s=require("net").connect({host:"192.0.2.1",port:443,timeout:3000});for(const e of ["connect","error","timeout"])s.on(e,()=>{console.log(e);process.exit(0)})`;
  const found = await server.celestite(
    ..."run --front sandbox --identity worker --".split(" "),
    process.execPath,
    "-e",
    program,
  );
  report.check(
    `${language.name}: no other address can be reached`,
    found.stdout.trim() === "error",
    found.stdout,
  );
}

async function makeCertificate(): Promise<{ readonly key: string; readonly cert: string }> {
  const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const der = await selfSignedCertificate(
    {
      commonName: "conformance",
      serial: Buffer.from("0102030405060708", "hex"),
      notBefore: Date.now() - 60_000,
      notAfter: Date.now() + 86_400_000,
      publicKey: pair.publicKey.export({ type: "spki", format: "der" }),
    },
    async (bytes) => sign("RSA-SHA256", bytes, pair.privateKey),
  );
  const lines = Buffer.from(der).toString("base64").replace(/.{64}/g, "$&\n").trimEnd();
  return {
    key: pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
  };
}

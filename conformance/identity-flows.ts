/**
 * DefaultAzureCredential through each of its links in turn, in every language: the program is the language's `app`, the
 * link is what `celestite run` puts around it. The chain going on or stopping is part of it, as each SDK does it.
 */
import { chown, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { doorFlows } from "./door-flows.ts";
import type { Language } from "./flows.ts";
import { type Ground, linksAs as links, prepareGround } from "./identity-ground.ts";
import { makeCertificate } from "./lib/certificate.ts";
import type { Report } from "./lib/report.ts";
import type { ServerUnderTest } from "./lib/server.ts";
import { rowFlows } from "./row-flows.ts";
import { userFlows } from "./user-flows.ts";

export async function runIdentityFlows(
  server: ServerUnderTest,
  language: Language,
  report: Report,
): Promise<void> {
  const ground = await prepareGround(server, language, report);
  try {
    await managedIdentityLinks(ground);
    await workloadIdentityLinks(ground);
    await podLinks(ground);
    await environmentLinks(ground);
    await developerLinks(ground);
    await endings(ground);
    await untrusted(ground);
    await doorFlows(ground);
    await rowFlows(ground);
    await userFlows(ground);
  } finally {
    await rm(ground.folder, { recursive: true, force: true });
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
  const proxied = await whoami(["--front", "proxy", ...as, trusted]);
  links(ground, "workload identity through login.microsoftonline.com, by the proxy", proxied, worker);
  const stranger = await whoami(["--front", ground.door, ...as, "conformance:stranger"]);
  report.check(
    `${language.name}: another service account gets no token`,
    !stranger.ok,
    JSON.stringify(stranger),
  );
}

/** AKS pod identity, version 1: the same address, and another identity's binding is nobody's. */
async function podLinks(ground: Ground): Promise<void> {
  const { server, whoami, worker, door, folder, report, language } = ground;
  const file = join(folder, "pods.json");
  const apiVersion = "aadpodidentity.k8s.io/v1";
  const metadata = { name: "worker", namespace: "conformance" };
  const { workerClientId: clientID = "", subscriptionId } = server.outputs;
  const resourceID = `/subscriptions/${subscriptionId}/resourceGroups/conformance/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker`;
  const items = [
    { apiVersion, kind: "AzureIdentity", metadata, spec: { type: 0, resourceID, clientID } },
    {
      apiVersion,
      kind: "AzureIdentityBinding",
      metadata,
      spec: { azureIdentity: "worker", selector: "workers" },
    },
  ];
  await writeFile(file, JSON.stringify({ kind: "List", items }));
  const as = ["--front", door, "--as", "pod", "--pod", "conformance/worker-1", "--pod-identity", file];
  const bound = await whoami([...as, "--label", "aadpodidbinding=workers"]);
  links(ground, "pod identity at the metadata address", bound, worker);
  const stranger = await whoami([...as, "--label", "aadpodidbinding=strangers"]);
  report.check(
    `${language.name}: a pod of another label gets no token`,
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
  const bySecret = { ...client, AZURE_CLIENT_SECRET: secret };
  const secretLink = "environment secret through login.microsoftonline.com";
  links(ground, secretLink, await whoami(through, bySecret), oid);
  links(ground, `${secretLink}, by the proxy`, await whoami(["--front", "proxy"], bySecret), oid);
  const file = join(folder, "client.pem");
  const { key, cert } = await makeCertificate();
  await writeFile(file, key + cert, { mode: 0o600 });
  const { account } = server;
  if (account !== undefined) await chown(file, account.uid, account.gid);
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
  links(ground, "az shim alone", await whoami(as, only("AzureCliCredential")), objectId);
  links(ground, "azd shim alone", await whoami(as, only("AzureDeveloperCliCredential")), objectId);
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
  await nextLink(ground);
  await rotation(ground);
}

interface Refusal {
  readonly what: string;
  readonly run: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
  /** The languages whose chain takes it for a mistake and stops; the others go on to the developer's tools. */
  readonly stops: readonly string[];
}

/** Refusals of a link after which some SDKs try the next and others do not (section 1 of the reference). */
function refusals({ server, door }: Ground): readonly Refusal[] {
  return [
    {
      what: "an identity that is not assigned",
      run: ["--front", door, "--identity", "worker"],
      variables: { AZURE_CLIENT_ID: server.outputs["readerClientId"] ?? "" },
      stops: ["go"],
    },
    {
      what: "a service account that nobody trusts",
      run: [
        "--front",
        door,
        "--as",
        "aks",
        "--identity",
        "worker",
        "--service-account",
        "conformance:nobody",
      ],
      variables: {},
      stops: ["python", "go", "java"],
    },
    {
      what: "an App Service endpoint that refuses",
      run: ["--as", "app-service", "--identity", "worker"],
      variables: { IDENTITY_HEADER: "wrong" },
      stops: ["go", "java"],
    },
  ];
}

async function nextLink(ground: Ground): Promise<void> {
  const { server, whoami, report, language } = ground;
  const user = `next-${language.name}@celestite.local`;
  const added = await server.celestite("identity", "user", "add", user, "--json");
  const { objectId } = JSON.parse(added.stdout) as { objectId: string };
  for (const { what, run, variables, stops } of refusals(ground)) {
    const line = await whoami([...run, "--as-user", user], variables);
    const isEnd = stops.includes(language.name);
    report.check(
      `${language.name}: after ${what} the chain ${isEnd ? "stops" : "goes on"}`,
      isEnd ? !line.ok && line.oid === undefined : line.oid === objectId,
      JSON.stringify(line),
    );
  }
}

/** A program with a token of the key before goes on with it, and the next token is of the new key. */
async function rotation(ground: Ground): Promise<void> {
  const { server, language, door, report, whoami, worker } = ground;
  const as = ["run", "--front", door, "--identity", "worker", "--", ...language.app];
  const id = `rotation-${language.name}`;
  await server.celestite(...as, "create", "orders", id);
  const program = server.open(...as, "read-again-and-again", "orders", id);
  const reads = async (): Promise<boolean> => /"ok": *true/.test((await program.next()) ?? "");
  const before = await reads();
  const rotated = await server.celestite("key", "rotate");
  program.say("again");
  const after = await reads();
  await program.end();
  report.check(
    `${language.name}: a token of the signing key before stays good after a rotation`,
    before && after && rotated.code === 0,
    rotated.stderr,
  );
  links(ground, "a token of the next signing key", await whoami(["--identity", "worker"]), worker);
}

/** Without our certificate authority there is a TLS error and no token, and nothing falls back to plain http. */
async function untrusted(ground: Ground): Promise<void> {
  const { language, report, whoami, tenantId, door, folder } = ground;
  const other = join(folder, "other-authority.crt");
  await writeFile(other, (await makeCertificate()).cert);
  const line = await whoami(["--front", door], {
    AZURE_TENANT_ID: tenantId,
    AZURE_CLIENT_ID: tenantId,
    AZURE_CLIENT_SECRET: "any",
    AZURE_TOKEN_CREDENTIALS: "prod",
    // Each runtime has its own way to be told; the system's bundle, which the sandbox completes, must not do either.
    NODE_EXTRA_CA_CERTS: "",
    REQUESTS_CA_BUNDLE: other,
    SSL_CERT_FILE: other,
    SSL_CERT_DIR: folder,
    JAVA_TOOL_OPTIONS: "",
  });
  report.check(
    `${language.name}: without our certificate authority there is a TLS error and no token`,
    // msal-node says no more of a failed handshake than that the network failed.
    !line.ok && /certificate|network_error|PKIX/i.test(line.message ?? ""),
    JSON.stringify(line),
  );
}

/**
 * Rows of the identity checklist (docs/identity-checklist.md) that need credentials one by one: every way to prove who
 * one is and every near miss, asked by each SDK's own credential classes, judged by claims and signature of the token
 * or by the number of the refusal.
 */
import { chown, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Ground } from "./identity-ground.ts";
import { makeCertificate } from "./lib/certificate.ts";
import { type Claims, fetchLocal, judge, type Order, type Outcome } from "./row-judge.ts";

const cosmos = "https://cosmos.azure.com/.default";

/** A person's token, an application of version 2 and the rest that the rows name. */
interface Cast {
  readonly app: { readonly appId: string; readonly oid: string; readonly secret: string };
  readonly expiredSecret: string;
  readonly userToken: string;
  readonly userId: string;
  readonly api: { readonly appId: string; readonly secret: string; readonly scope: string };
}

export async function rowFlows(ground: Ground): Promise<void> {
  const cast = await prepareCast(ground);
  await managedRows(ground);
  await secretRows(ground, cast);
  await authorityRows(ground, cast);
  await certificateRows(ground, cast);
  await federationRows(ground, cast);
  await userRows(ground, cast);
  await endingRows(ground);
}

async function prepareCast({ server, language: { name }, tenantId }: Ground): Promise<Cast> {
  const celestite = async (...args: string[]): Promise<string> =>
    (await server.celestite(...args)).stdout.trim();
  const made = async (
    ...args: string[]
  ): Promise<{ appId: string; servicePrincipal: { objectId: string } }> =>
    JSON.parse(await celestite("identity", "app", "add", ...args, "--json"));
  const app = await made(`rows-${name}`);
  const expiredSecret = await celestite("identity", "app", "secret", app.appId, "--lifetime", "1s");
  const secret = await celestite("identity", "app", "secret", app.appId);
  const user = `rows-${name}@celestite.local`;
  const password = "correct horse";
  const added = await celestite("identity", "user", "add", user, "--password", password, "--json");
  const { objectId: userId } = JSON.parse(added) as { objectId: string };
  await celestite("identity", "user", "password", "admin@celestite.local", "--password", password);
  const authority = server.outputs["authority"] ?? "";
  const caFile = join(server.data, "ca.pem");
  const tokenFor = async (username: string, scope: string): Promise<string> => {
    const form = { grant_type: "password", client_id: cli, username, password, scope };
    const type = "application/x-www-form-urlencoded";
    const body = new URLSearchParams(form).toString();
    const answer = await fetchLocal(`${authority}/${tenantId}/oauth2/v2.0/token`, caFile, { type, body });
    return (JSON.parse(answer) as { access_token?: string }).access_token ?? answer;
  };
  const graph = await tokenFor("admin@celestite.local", "https://graph.microsoft.com/.default");
  const identifier = `api://rows-${name}`;
  const body = JSON.stringify({
    displayName: `rows-api-${name}`,
    identifierUris: [identifier],
    api: { requestedAccessTokenVersion: 2 },
  });
  const posted = { type: "application/json", body, token: graph };
  const api = JSON.parse(await fetchLocal(`${authority}/v1.0/applications`, caFile, posted)) as {
    appId: string;
  };
  await celestite("identity", "consent", api.appId, "https://cosmos.azure.com", "--user", user);
  await celestite("identity", "consent", cli, identifier, "--user", user);
  return {
    app: { appId: app.appId, oid: app.servicePrincipal.objectId, secret },
    expiredSecret,
    userId,
    userToken: await tokenFor(user, `${identifier}/.default`),
    api: {
      appId: api.appId,
      secret: await celestite("identity", "app", "secret", api.appId),
      scope: `${identifier}/.default`,
    },
  };
}

/** The public client of developers, which every tenant has. */
const cli = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";

/** Rows 1 to 3 and 22: a host with an identity of its own and another. */
async function managedRows(ground: Ground): Promise<void> {
  const { server, worker, tenantId } = ground;
  const { subscriptionId, workerClientId = "", readerClientId = "" } = server.outputs;
  const group = `/subscriptions/${subscriptionId}/resourceGroups/conformance/providers`;
  const workerId = `${group}/Microsoft.ManagedIdentity/userAssignedIdentities/worker`;
  const web = `${group}/Microsoft.Web/sites/rows`;
  const body = {
    location: "westeurope",
    identity: { type: "SystemAssigned, UserAssigned", userAssignedIdentities: { [workerId]: {} } },
    properties: {},
  };
  await server.celestite("rest", "PUT", `${web}?api-version=2023-12-01`, "--body", JSON.stringify(body));
  const lower = (id: string): string => id.replace("resourceGroups", "resourcegroups");
  const ends = (id: string, claim: unknown): boolean =>
    typeof claim === "string" &&
    claim.toLowerCase() === lower(id).toLowerCase() &&
    claim.includes("/resourcegroups/");
  const lives = ({ expiresOn = 0 }: Outcome): boolean =>
    Math.abs(expiresOn - Date.now() / 1000 - 86_399) < 60;
  const own = (claims: Claims): boolean =>
    claims["tid"] === tenantId &&
    claims["iss"] === `https://sts.windows.net/${tenantId}/` &&
    claims["sub"] === claims["oid"] &&
    claims["oid"] !== worker &&
    claims["xms_az_rid"] === undefined &&
    ends(web, claims["xms_mirid"]);
  const ofWorker = (claims: Claims): boolean =>
    claims["oid"] === worker &&
    claims["appid"] === workerClientId &&
    claims["appidacr"] === "2" &&
    ends(workerId, claims["xms_mirid"]) &&
    ends(web, claims["xms_az_rid"]);
  const managed = (more: Partial<Order>): Order => ({ use: "managed", scope: cosmos, ...more });
  const audience = (aud: string) => (claims: Claims) => claims["aud"] === aud;
  await judge(
    ground,
    ["--as", web],
    [
      {
        what: "the host's own identity, a day long",
        order: managed({}),
        expected: (claims, outcome) => own(claims) && lives(outcome),
      },
      { what: "an identity by client id", order: managed({ clientId: workerClientId }), expected: ofWorker },
      { what: "an identity by resource id", order: managed({ resourceId: workerId }), expected: ofWorker },
      { what: "an identity by object id", order: managed({ objectId: worker }), expected: ofWorker },
      {
        what: "an identity that is not assigned: no token",
        order: managed({ clientId: readerClientId }),
        expected: /./,
      },
      {
        what: "an audience without slash stays so",
        order: managed({ scope: "https://management.azure.com/.default" }),
        expected: audience("https://management.azure.com"),
      },
      {
        what: "an audience with slash stays so",
        order: managed({ scope: "https://management.azure.com//.default" }),
        expected: audience("https://management.azure.com/"),
      },
      {
        what: "an unknown resource: AADSTS500011",
        order: managed({ scope: "https://unknown.example.com/.default" }),
        expected: /AADSTS500011/,
      },
    ],
  );
}

/** Why an SDK fails with an authority that is not on port 443, unless it is told not to ask about it. */
const portTraps: Readonly<Record<string, string>> = {
  java: "MSAL for Java asks login.microsoftonline.com about it, at the authority's port",
  python: "MSAL for Python drops the authority's port when it asks about it",
};

/** Sends what is not of this machine to a proxy that is not there, so that no real service is asked. */
const nowhere: Readonly<Record<string, string>> = {
  HTTPS_PROXY: "http://127.0.0.1:9",
  https_proxy: "http://127.0.0.1:9",
  NO_PROXY: "localhost,127.0.0.1",
  no_proxy: "localhost,127.0.0.1",
  JDK_JAVA_OPTIONS: "-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=9",
};

/** Rows 11, 14, 23 and 28. */
async function secretRows(ground: Ground, { app, expiredSecret, api }: Cast): Promise<void> {
  const { tenantId, door } = ground;
  const order = (more: Partial<Order> = {}): Order => secretOrder(tenantId, app, more);
  const challenge = JSON.stringify({ access_token: { nbf: { essential: true, value: "1" } } });
  const stranger = "00000000-0000-4000-8000-00000000dead";
  await judge(
    ground,
    ["--front", door],
    [
      { what: "a client secret", order: order(), expected: isOf(app) },
      { what: "a wrong secret: AADSTS7000215", order: order({ secret: "wrong" }), expected: /AADSTS7000215/ },
      {
        what: "an expired secret: AADSTS7000222",
        order: order({ secret: expiredSecret }),
        expected: /AADSTS7000222/,
      },
      {
        what: "an unknown application: AADSTS700016",
        order: order({ clientId: stranger }),
        expected: /AADSTS700016/,
      },
      {
        what: "an unknown tenant: AADSTS90002",
        order: order({ tenantId: stranger }),
        // MSAL for Python asks for the tenant's configuration first, and says only what came of that.
        expected: /AADSTS90002|Unable to get authority configuration/,
      },
      {
        what: "a resource that wants version 2",
        order: order({ scope: api.scope }),
        expected: (claims) =>
          claims["ver"] === "2.0" &&
          claims["azp"] === app.appId &&
          claims["appid"] === undefined &&
          claims["iss"] === `https://login.microsoftonline.com/${tenantId}/v2.0`,
      },
      {
        what: "a claims challenge is carried, and answered with a long token",
        order: order({ challenge }),
        expected: (claims, { expiresOn = 0 }) =>
          JSON.stringify(claims["xms_cc"]) === '["CP1"]' && expiresOn - Date.now() / 1000 > 19 * 3600,
      },
    ],
  );
}

function secretOrder(tenantId: string, { appId, secret }: Cast["app"], more: Partial<Order>): Order {
  return { use: "secret", scope: cosmos, tenantId, clientId: appId, secret, ...more };
}

function isOf({ oid, appId }: Cast["app"]): (claims: Claims) => boolean {
  return (claims) =>
    claims["oid"] === oid &&
    claims["appid"] === appId &&
    claims["appidacr"] === "1" &&
    claims["ver"] === "1.0";
}

/** Rows 12 and 13: the authority at its own address, whose port is not 443. */
async function authorityRows(ground: Ground, { app }: Cast): Promise<void> {
  const { tenantId, language, server } = ground;
  const authorityHost = server.outputs["authority"] ?? "";
  const elsewhere = secretOrder(tenantId, app, { authorityHost });
  const undiscovered = secretOrder(tenantId, app, { authorityHost, disableInstanceDiscovery: true });
  const reason = portTraps[language.name];
  const ofApp = isOf(app);
  await judge(
    ground,
    ["--front", "proxy", "--isolated"],
    [
      {
        what: `an authority of its own, discovery served${reason === undefined ? "" : `, fails as the SDK must (${reason})`}`,
        order: elsewhere,
        expected: reason === undefined ? ofApp : /./,
      },
    ],
  );
  await judge(
    ground,
    ["--front", "env", "--identity", "worker"],
    [{ what: "an authority of its own, discovery turned off", order: undiscovered, expected: ofApp }],
  );
  await judge(
    ground,
    ["--front", "env", "--identity", "worker"],
    [{ what: "an authority of its own, discovery not served: no token", order: elsewhere, expected: /./ }],
    nowhere,
  );
}

/** Row 15. */
async function certificateRows(ground: Ground, { app }: Cast): Promise<void> {
  const { tenantId, folder, server, door } = ground;
  const files = await Promise.all(
    ["known", "unknown"].map(async (name) => {
      const { key, cert } = await makeCertificate();
      const file = join(folder, `${name}.pem`);
      await writeFile(file, key + cert, { mode: 0o600 });
      if (server.account !== undefined) await chown(file, server.account.uid, server.account.gid);
      await writeFile(join(folder, `${name}.crt`), cert);
      return file;
    }),
  );
  await server.celestite("identity", "app", "certificate", app.appId, join(folder, "known.crt"));
  const order = (certificatePath = ""): Order => ({
    use: "certificate",
    scope: cosmos,
    tenantId,
    clientId: app.appId,
    certificatePath,
  });
  await judge(
    ground,
    ["--front", door],
    [
      {
        what: "a client certificate",
        order: order(files[0]),
        expected: (claims) => claims["oid"] === app.oid && claims["appidacr"] === "2",
      },
      { what: "an unknown certificate: AADSTS700027", order: order(files[1]), expected: /AADSTS700027/ },
    ],
  );
}

/** Rows 16 and 17. */
async function federationRows(ground: Ground, { app }: Cast): Promise<void> {
  const { tenantId, server, door, language } = ground;
  const subject = `system:serviceaccount:rows:${language.name}`;
  const issuer = `https://oidc.celestite.local/${tenantId}/local/`;
  const federate = [
    "identity",
    "app",
    "federate",
    app.appId,
    "rows",
    "--issuer",
    issuer,
    "--subject",
    subject,
  ];
  await server.celestite(...federate);
  const mint = async (...more: string[]): Promise<string> =>
    (await server.celestite("issuer", "mint", "--subject", subject, ...more)).stdout.trim();
  const [good, otherCluster, otherAudience] = await Promise.all([
    mint(),
    mint("--cluster", "other"),
    mint("--audience", "api://Other"),
  ]);
  const asSubject = async (name: string): Promise<string> =>
    (await server.celestite("issuer", "mint", "--subject", name)).stdout.trim();
  const order = (assertion: string): Order => ({
    use: "assertion",
    scope: cosmos,
    tenantId,
    clientId: app.appId,
    assertion,
  });
  const tampered = `${good.slice(0, -8)}${good.slice(-8) === "AAAAAAAA" ? "BBBBBBBB" : "AAAAAAAA"}`;
  await judge(
    ground,
    ["--front", door],
    [
      {
        what: "a federated token",
        order: order(good),
        expected: (claims) => claims["oid"] === app.oid && claims["appidacr"] === "2",
      },
      { what: "of another issuer: AADSTS700211", order: order(otherCluster), expected: /AADSTS700211/ },
      {
        what: "of another subject: AADSTS700213",
        order: order(await asSubject(`${subject}-2`)),
        expected: /AADSTS700213/,
      },
      {
        what: "of a subject in other case: AADSTS7002138",
        order: order(await asSubject(subject.replace("rows", "Rows"))),
        expected: /AADSTS7002138/,
      },
      { what: "for another audience: AADSTS700212", order: order(otherAudience), expected: /AADSTS700212/ },
      { what: "with a broken signature: AADSTS50013", order: order(tampered), expected: /AADSTS50013/ },
    ],
  );
  await trustedIdentityRows(ground, app, order);
}

/** Row 31: a managed identity in the place of a secret. */
async function trustedIdentityRows(
  ground: Ground,
  app: Cast["app"],
  order: (assertion: string) => Order,
): Promise<void> {
  const { tenantId, server, door } = ground;
  const exchange = "api://AzureADTokenExchange";
  const [worker, reader, elsewhere] = await Promise.all([
    managedToken(ground, "worker", exchange),
    managedToken(ground, "reader", exchange),
    managedToken(ground, "worker", cosmos.replace("/.default", "")),
  ]);
  const { sub } = JSON.parse(Buffer.from(worker.split(".")[1] ?? "", "base64url").toString()) as Claims;
  const issuer = `https://login.microsoftonline.com/${tenantId}/v2.0`;
  const trust = [
    "identity",
    "app",
    "federate",
    app.appId,
    "worker",
    "--issuer",
    issuer,
    "--subject",
    String(sub),
  ];
  await server.celestite(...trust);
  await judge(
    ground,
    ["--front", door],
    [
      {
        what: "a managed identity that the application trusts",
        order: order(worker),
        expected: (claims) => claims["oid"] === app.oid && claims["appidacr"] === "2",
      },
      {
        what: "a managed identity that it does not trust: AADSTS700213",
        order: order(reader),
        expected: /AADSTS700213/,
      },
      {
        what: "a managed identity's token for another resource: AADSTS700222",
        order: order(elsewhere),
        expected: /AADSTS700222/,
      },
    ],
  );
}

/** A token as a program under this identity gets it from the endpoint of App Service. */
async function managedToken({ server }: Ground, identity: string, resource: string): Promise<string> {
  const printed = await server.celestite("env", "--identity", identity, "--format", "json");
  const variables = JSON.parse(printed.stdout) as Readonly<Record<string, string>>;
  const url = new URL(variables["IDENTITY_ENDPOINT"] ?? "");
  url.searchParams.set("api-version", "2019-08-01");
  url.searchParams.set("resource", resource);
  url.searchParams.set("client_id", variables["AZURE_CLIENT_ID"] ?? "");
  const headers = { "X-IDENTITY-HEADER": variables["IDENTITY_HEADER"] ?? "" };
  const answer = (await (await fetch(url, { headers })).json()) as { readonly access_token?: string };
  return answer.access_token ?? JSON.stringify(answer);
}

/** Row 24, as far as no person is needed. */
async function userRows(ground: Ground, { api, userToken, userId, app }: Cast): Promise<void> {
  const { tenantId, door } = ground;
  const order = (more: Partial<Order> = {}): Order => ({
    use: "on-behalf-of",
    scope: cosmos,
    tenantId,
    clientId: api.appId,
    secret: api.secret,
    userAssertionToken: userToken,
    ...more,
  });
  await judge(
    ground,
    ["--front", door],
    [
      {
        what: "on behalf of a user",
        order: order(),
        expected: (claims) =>
          claims["oid"] === userId && claims["appid"] === api.appId && claims["idtyp"] === "user",
      },
      {
        what: "on behalf of a user, by an application that the token is not for: AADSTS50013",
        order: order({ clientId: app.appId, secret: app.secret }),
        expected: /AADSTS50013/,
      },
      {
        what: "on behalf of nobody: AADSTS50013",
        order: order({ userAssertionToken: `${userToken.slice(0, -8)}AAAAAAAA` }),
        expected: /AADSTS50013/,
      },
    ],
  );
}

/** Row 26: the certificate behind an identity. */
async function endingRows(ground: Ground): Promise<void> {
  const { server, worker, door } = ground;
  const run = ["--front", door, "--identity", "worker"];
  const order: Order = { use: "managed", scope: cosmos };
  await server.celestite("identity", "certificate", "expire", "worker");
  await judge(ground, run, [
    { what: "an identity whose certificate has ended: AADSTS700027", order, expected: /AADSTS700027/ },
  ]);
  await server.celestite("identity", "certificate", "rotate", "worker");
  await judge(ground, run, [
    { what: "and after its renewal, a token", order, expected: (claims) => claims["oid"] === worker },
  ]);
}

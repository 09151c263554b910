/** The official credential library for JavaScript, unmodified, against the endpoints of this room over real sockets. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createPublicKey, sign } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { openEntropy, systemClock } from "../../src/clock.ts";
import { selfSignedCertificate } from "../../src/identity/certificate.ts";
import type { ManagedIdentityRecord } from "../../src/identity/control.ts";
import { rsaKey } from "../shared-signing-key.ts";
import type { TestIdentity } from "./fixtures.ts";
import {
  claimsOf,
  hostId,
  listen,
  openTestIdentity,
  putHost,
  putUserAssigned,
  tenantId,
  userAssignedId,
} from "./fixtures.ts";
import type { Order, Outcome } from "./sdk-client.ts";

const scope = "https://cosmos.azure.com/.default";
const issuer = "https://oidc.cluster.example.com";
const subject = "system:serviceaccount:shop:orders";
const client = new URL("./sdk-client.js", import.meta.url).pathname;
const notAssigned =
  "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.";

let room: TestIdentity;
let system: ManagedIdentityRecord;
let orders: ManagedIdentityRecord;
let billing: ManagedIdentityRecord;
let appService: Awaited<ReturnType<typeof listen>>;
let imds: Awaited<ReturnType<typeof listen>>;
let lone: Awaited<ReturnType<typeof listen>>;
let secret: string;
const clusterKey = await rsaKey("cluster");

before(async () => {
  room = await openTestIdentity({
    clock: systemClock,
    entropy: openEntropy(),
    federatedKeys: async () => ({ ok: true, publicKey: createPublicKey(clusterKey) }),
  });
  orders = await putUserAssigned(room, "orders");
  billing = await putUserAssigned(room, "billing");
  const host = await putHost(room, "web", { systemAssigned: true, userAssigned: ["orders"] });
  assert.ok(host.systemAssigned !== undefined);
  system = host.systemAssigned;
  const { managed } = room.identity;
  const workload = managed.workloads.register({ hostResourceId: hostId("web") });
  secret = workload.secret;
  appService = await listen(managed.appService);
  imds = await listen(managed.imds(workload.id));
  lone = await listen(managed.imds(managed.workloads.register({ identities: [billing.resourceId] }).id));
});

after(() => {
  for (const listener of [appService, imds, lone]) listener.close();
});

/** Runs the orders in a fresh process that has no environment but this one. */
async function run(environment: Record<string, string>, work: readonly Order[]): Promise<Outcome[]> {
  const { stdout } = await promisify(execFile)(process.execPath, [client, JSON.stringify(work)], {
    env: environment,
    timeout: 150_000,
  });
  return JSON.parse(stdout) as Outcome[];
}

async function isTokenOf(outcome: Outcome | undefined, identity: ManagedIdentityRecord): Promise<void> {
  assert.equal(outcome?.message, undefined);
  const verdict = await room.identity.verifier(outcome?.token ?? "");
  assert.ok(verdict.ok);
  assert.equal(verdict.claims.oid, identity.principalId);
  assert.equal(verdict.claims.appid, identity.clientId);
  assert.equal(verdict.claims.aud, "https://cosmos.azure.com");
  const lifeSeconds = ((outcome?.expiresOnTimestamp ?? 0) - Date.now()) / 1000;
  assert.ok(Math.abs(lifeSeconds - 86_399) < 10, `lives ${lifeSeconds} s`);
}

function failsWith(outcome: Outcome | undefined, error: string, message: string | RegExp): void {
  assert.equal(outcome?.token, undefined);
  assert.equal(outcome?.error, error);
  if (typeof message === "string") assert.equal(outcome?.message, message);
  else assert.match(outcome?.message ?? "", message);
}

/** What a developer reads when the endpoint said `description` (and, behind the metadata service, an error name). */
function shown(description: string, errorName = ""): string {
  return `ManagedIdentityCredential: Authentication failed. Message ${errorName}: Error(s): Not Available - Timestamp: Not Available - Description: ${description} - Correlation ID: Not Available - Trace ID: Not Available`;
}

describe("@azure/identity", { concurrency: 2 }, () => {
  test("App Service: every way to name an identity, and those that must fail", async () => {
    const environment = {
      IDENTITY_ENDPOINT: `${appService.origin}/msi/token`,
      IDENTITY_HEADER: secret,
      AZURE_TOKEN_CREDENTIALS: "prod",
    };
    const results = await run(environment, [
      { use: "managed", scope },
      { use: "managed", scope, options: { clientId: orders.clientId } },
      { use: "managed", scope, options: { resourceId: orders.resourceId } },
      { use: "managed", scope, options: { objectId: orders.principalId } },
      { use: "default", scope },
      { use: "default", scope, managedIdentityClientId: orders.clientId },
      { use: "managed", scope, options: { clientId: billing.clientId } },
      { use: "managed", scope, options: { resourceId: userAssignedId("never-made") } },
      { use: "default", scope, managedIdentityClientId: billing.clientId },
      { use: "managed", scope: "https://example.com/.default" },
    ]);
    await isTokenOf(results[0], system);
    for (const at of [1, 2, 3]) await isTokenOf(results[at], orders);
    await isTokenOf(results[4], system);
    await isTokenOf(results[5], orders);
    for (const at of [6, 7]) failsWith(results[at], "CredentialUnavailableError", shown(notAssigned));
    failsWith(
      results[8],
      "AggregateAuthenticationError",
      /No User Assigned or Delegated Managed Identity found/,
    );
    failsWith(results[9], "CredentialUnavailableError", /AADSTS500011/);
    assert.match(String(claimsOf(results[1]?.token ?? "")["xms_az_rid"]), /\/sites\/web$/);
  });

  test("App Service: a wrong header", async () => {
    const environment = { IDENTITY_ENDPOINT: `${appService.origin}/msi/token`, IDENTITY_HEADER: "wrong" };
    const [refused] = await run(environment, [{ use: "managed", scope }]);
    failsWith(
      refused,
      "CredentialUnavailableError",
      /Description: Unauthorized: IDENTITY_HEADER holds no secret/,
    );
  });

  test("metadata service: every way to name an identity, and those that must fail", async () => {
    const environment = {
      AZURE_POD_IDENTITY_AUTHORITY_HOST: imds.origin,
      AZURE_TOKEN_CREDENTIALS: "prod",
    };
    const results = await run(environment, [
      { use: "managed", scope },
      { use: "managed", scope, options: { clientId: orders.clientId } },
      { use: "managed", scope, options: { resourceId: orders.resourceId } },
      { use: "managed", scope, options: { objectId: orders.principalId } },
      { use: "default", scope },
      { use: "managed", scope, options: { clientId: billing.clientId } },
      { use: "managed", scope, options: { objectId: billing.principalId } },
    ]);
    for (const at of [0, 4]) await isTokenOf(results[at], system);
    for (const at of [1, 2, 3]) await isTokenOf(results[at], orders);
    const unassigned = shown("Identity not found", "invalid_request");
    for (const at of [5, 6]) failsWith(results[at], "CredentialUnavailableError", unassigned);
  });

  test("metadata service: the only user-assigned identity answers without being named", async () => {
    const environment = { AZURE_POD_IDENTITY_AUTHORITY_HOST: lone.origin };
    const [only] = await run(environment, [{ use: "managed", scope }]);
    await isTokenOf(only, billing);
  });

  test("authority over TLS: secret, certificate, federated workload, and what must fail", async () => {
    const directory = await mkdtemp(join(tmpdir(), "celestite-sdk-"));
    const tls = await makeCertificate("localhost");
    const authority = await listen(room.identity.authority, tls);
    try {
      const { applications } = room.identity;
      const app = await applications.add({ displayName: "app" });
      const { secretText } = await applications.addSecret(app.appId);
      const known = await makeCertificate("app");
      const unknown = await makeCertificate("app");
      await applications.addCertificate(app.appId, known.cert);
      await applications.putFederatedCredential(orders.clientId, {
        name: "cluster",
        issuer,
        subject,
        audiences: ["api://AzureADTokenExchange"],
      });
      await writeFile(join(directory, "ca.pem"), tls.cert);
      await writeFile(join(directory, "token"), serviceAccountToken());
      const order = { tenantId, clientId: app.appId, authorityHost: authority.origin, scope };
      const results = await run(
        {
          NODE_EXTRA_CA_CERTS: join(directory, "ca.pem"),
          AZURE_AUTHORITY_HOST: `${authority.origin}/`,
          AZURE_TENANT_ID: tenantId,
          AZURE_CLIENT_ID: orders.clientId,
          AZURE_FEDERATED_TOKEN_FILE: join(directory, "token"),
        },
        [
          { ...order, use: "secret", proof: secretText },
          { ...order, use: "certificate", proof: known.cert + known.key },
          { use: "managed", scope },
          { ...order, use: "secret", proof: "wrong" },
          { ...order, use: "certificate", proof: unknown.cert + unknown.key },
          { ...order, use: "secret", proof: secretText, clientId: tenantId },
          { ...order, use: "secret", proof: secretText, scope: "https://example.com/.default" },
        ],
      );
      for (const [at, proof] of [
        [0, "1"],
        [1, "2"],
      ] as const) {
        assert.equal(results[at]?.message, undefined);
        const claims = claimsOf(results[at]?.token ?? "");
        assert.deepEqual([claims["oid"], claims["appidacr"]], [app.servicePrincipal.objectId, proof]);
      }
      await isTokenOf(results[2], orders);
      failsWith(results[3], "AuthenticationRequiredError", /AADSTS7000215/);
      failsWith(results[4], "AuthenticationRequiredError", /AADSTS700027/);
      failsWith(results[5], "AuthenticationRequiredError", /AADSTS700016/);
      failsWith(results[6], "AuthenticationRequiredError", /AADSTS500011/);
    } finally {
      authority.close();
      await rm(directory, { recursive: true });
    }
  });
});

async function makeCertificate(commonName: string): Promise<{ readonly key: string; readonly cert: string }> {
  const privateKey = await rsaKey("listener");
  const der = await selfSignedCertificate(
    {
      commonName,
      serial: openEntropy().bytes(8),
      notBefore: Date.now() - 60_000,
      notAfter: Date.now() + 3_600_000,
      publicKey: createPublicKey(privateKey).export({ type: "spki", format: "der" }),
    },
    async (bytes) => sign("RSA-SHA256", bytes, privateKey),
  );
  const lines = Buffer.from(der).toString("base64").replace(/.{64}/g, "$&\n").trimEnd();
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
  };
}

function serviceAccountToken(): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const seconds = Math.floor(Date.now() / 1000);
  const payload = { iss: issuer, sub: subject, aud: ["api://AzureADTokenExchange"], exp: seconds + 600 };
  const input = `${encode({ alg: "RS256", kid: "k1" })}.${encode({ ...payload, iat: seconds })}`;
  return `${input}.${sign("RSA-SHA256", Buffer.from(input), clusterKey).toString("base64url")}`;
}

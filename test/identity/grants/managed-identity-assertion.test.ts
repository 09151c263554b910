/**
 * An application that trusts a managed identity (Entra documentation, "Configure an application to trust a managed
 * identity"): which of this authority's own tokens prove a client, and all that do not.
 */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { TestIdentity } from "../fixtures.ts";
import {
  bodyOf,
  claimsOf,
  openTestIdentity,
  putHost,
  putUserAssigned,
  send,
  startOfTime,
  tenantId,
} from "../fixtures.ts";

const exchange = "api://AzureADTokenExchange";
const issuer = `https://login.microsoftonline.com/${tenantId}/v2.0`;

let room: TestIdentity;
/** Applications by what they trust, and identities, by name. */
const apps = new Map<string, string>();
const identities = new Map<string, { readonly clientId: string; readonly principalId: string }>();
let systemAssigned: string;
let applicationItself: string;

before(async () => {
  room = await openTestIdentity();
  const { applications } = room.identity;
  for (const name of ["worker", "other", "trusting"]) identities.set(name, await putUserAssigned(room, name));
  const host = await putHost(room, "web", { systemAssigned: true });
  systemAssigned = host.systemAssigned?.principalId ?? "";
  const own = await applications.add({ displayName: "itself" });
  applicationItself = own.servicePrincipal.objectId;
  const worker = principal("worker");
  const trusts: Readonly<Record<string, readonly [string, string, string]>> = {
    worker: [issuer, worker, exchange],
    "local name": [`https://localhost:8443/${tenantId}/v2.0`, worker, exchange],
    "system-assigned": [issuer, systemAssigned, exchange],
    application: [issuer, applicationItself, exchange],
    "another audience": [issuer, worker, "api://other"],
    "upper case": [issuer, worker.toUpperCase(), exchange],
    "another tenant": [
      "https://login.microsoftonline.com/22222222-2222-4333-8444-555555555555/v2.0",
      worker,
      exchange,
    ],
    "the issuer of version 1": [`https://sts.windows.net/${tenantId}/`, worker, exchange],
  };
  for (const [name, [from, subject, audience]] of Object.entries(trusts)) {
    const { appId } = await applications.add({ displayName: name });
    apps.set(name, appId);
    const credential = { name: "identity", issuer: from, subject, audiences: [audience] };
    await applications.putFederatedCredential(appId, credential);
  }
  apps.set("nobody", (await applications.add({ displayName: "nobody" })).appId);
  const trusting = identities.get("trusting")?.clientId ?? "";
  apps.set("managed identity", trusting);
  const credential = { name: "identity", issuer, subject: worker, audiences: [exchange] };
  await applications.putFederatedCredential(trusting, credential);
});

function principal(name: string): string {
  return identities.get(name)?.principalId ?? "";
}

async function tokenOf(objectId: string, audience = exchange): Promise<string> {
  return (await room.identity.issueFor(objectId, audience)).accessToken;
}

async function present(
  app: string,
  assertion: string,
  origin?: string,
): Promise<{ code: number; token: string }> {
  const fields = {
    grant_type: "client_credentials",
    client_id: apps.get(app) ?? "",
    scope: "https://cosmos.azure.com/.default",
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: assertion,
  };
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const body = new URLSearchParams(fields).toString();
  const path = `/${tenantId}/oauth2/v2.0/token`;
  const reply = await send(room.identity.authority, "POST", path, headers, body, origin);
  const { access_token: token, error_codes: codes } = bodyOf(reply) as {
    access_token?: string;
    error_codes?: readonly number[];
  };
  assert.equal(reply.status === 200, token !== undefined);
  return { code: codes?.[0] ?? 0, token: token ?? "" };
}

interface Case {
  readonly what: string;
  readonly app?: string;
  readonly assertion?: () => Promise<string>;
  readonly origin?: string;
  /** AADSTS code, or 0 when a token is issued. */
  readonly code: number;
}

const cases: readonly Case[] = [
  { what: "the identity that the application trusts", code: 0 },
  {
    what: "the authority under the address that the client uses",
    app: "local name",
    origin: "https://localhost:8443",
    code: 0,
  },
  { what: "that address from elsewhere", app: "local name", code: 700211 },
  { what: "another identity", assertion: () => tokenOf(principal("other")), code: 700213 },
  { what: "a subject in other letters", app: "upper case", code: 7002138 },
  { what: "an application that trusts nobody", app: "nobody", code: 700211 },
  { what: "another audience in the credential", app: "another audience", code: 700212 },
  { what: "another tenant in the credential", app: "another tenant", code: 700211 },
  { what: "the issuer of version 1 in the credential", app: "the issuer of version 1", code: 700211 },
  {
    what: "a token for another resource",
    assertion: () => tokenOf(principal("worker"), "https://cosmos.azure.com"),
    code: 700222,
  },
  {
    what: "a system-assigned identity",
    app: "system-assigned",
    assertion: () => tokenOf(systemAssigned),
    code: 700222,
  },
  {
    what: "an application's token",
    app: "application",
    assertion: () => tokenOf(applicationItself),
    code: 700222,
  },
  {
    what: "a user's token",
    assertion: () => tokenOf(room.identity.directory.bootstrapUserId),
    code: 700222,
  },
  { what: "a managed identity that trusts another", app: "managed identity", code: 700222 },
  {
    what: "an altered token",
    assertion: async () => {
      const [header, payload = "", signature] = (await tokenOf(principal("other"))).split(".");
      const claims = JSON.parse(Buffer.from(payload, "base64url").toString("utf8")) as object;
      const changed = { ...claims, oid: principal("worker"), sub: principal("worker") };
      return `${header}.${Buffer.from(JSON.stringify(changed)).toString("base64url")}.${signature}`;
    },
    code: 50013,
  },
];

describe("an application that trusts a managed identity", () => {
  for (const { what, app = "worker", assertion, origin, code } of cases) {
    test(`${what}: ${code === 0 ? "a token of the application" : `AADSTS${code}`}`, async () => {
      const token = await (assertion?.() ?? tokenOf(principal("worker")));
      const answer = await present(app, token, origin);
      assert.equal(answer.code, code);
      if (code === 0) assert.equal(claimsOf(answer.token)["appid"], apps.get(app));
    });
  }

  test("the token names the public authority and the exchange", async () => {
    const { iss, aud, sub, oid, ver } = claimsOf(await tokenOf(principal("worker")));
    const own = principal("worker");
    const wanted = {
      iss: issuer,
      aud: "fb60f99c-7a34-4190-8149-302f77469936",
      sub: own,
      oid: own,
      ver: "2.0",
    };
    assert.deepEqual({ iss, aud, sub, oid, ver }, wanted);
  });

  test("a token ends with its time, and with its identity", async () => {
    const token = await tokenOf(principal("worker"));
    const { exp } = claimsOf(token) as { exp: number };
    room.clock.advance(exp * 1000 - startOfTime);
    assert.equal((await present("worker", token)).code, 700024);
    assert.equal((await present("worker", await tokenOf(principal("worker")))).code, 0);
  });
});

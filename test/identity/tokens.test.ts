import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { DirectoryError } from "../../src/identity/directory.ts";
import { AuthorityError } from "../../src/identity/errors.ts";
import { audienceOfScope, canonicalAudience } from "../../src/identity/resources.ts";
import type { TestIdentity } from "./fixtures.ts";
import {
  bodyOf,
  claimsOf,
  domain,
  headerOf,
  hostId,
  openTestIdentity,
  putHost,
  putUserAssigned,
  send,
  startOfTime,
  tenantId,
  userAssignedId,
} from "./fixtures.ts";

const now = startOfTime / 1000;
const arm = "https://management.azure.com";

let room: TestIdentity;
before(async () => {
  room = await openTestIdentity();
});

/** The claims that are random, by what they must look like; removed from what is compared. */
function splitOpaque(token: string): Record<string, unknown> {
  const { aio, rh, uti, ...rest } = claimsOf(token);
  for (const value of [aio, rh, uti]) assert.match(String(value), /^[\w.-]{20,}$/);
  return rest;
}

describe("claims", () => {
  test("the header is exactly typ, alg, x5t, kid", async () => {
    const { accessToken } = await room.identity.issueFor(room.identity.directory.bootstrapUserId, arm);
    const { kid } = await room.identity.keys.current();
    assert.deepEqual(headerOf(accessToken), { typ: "JWT", alg: "RS256", x5t: kid, kid });
  });

  test("of an application", async () => {
    const { servicePrincipal, appId } = await room.identity.applications.add({ displayName: "app" });
    const issued = await room.identity.issueFor(servicePrincipal.objectId, arm);
    assert.equal(issued.expiresIn, 3599);
    assert.deepEqual(splitOpaque(issued.accessToken), {
      aud: arm,
      iss: `https://sts.windows.net/${tenantId}/`,
      iat: now - 300,
      nbf: now - 300,
      exp: now + 3599,
      appid: appId,
      appidacr: "1",
      idp: `https://sts.windows.net/${tenantId}/`,
      idtyp: "app",
      oid: servicePrincipal.objectId,
      sub: servicePrincipal.objectId,
      tid: tenantId,
      ver: "1.0",
    });
  });

  test("of a system-assigned identity, which names its host", async () => {
    const { systemAssigned } = await putHost(room, "web", { systemAssigned: true });
    const issued = await room.identity.issueFor(systemAssigned?.principalId ?? "", arm);
    assert.equal(issued.expiresIn, 86_399);
    const claims = splitOpaque(issued.accessToken);
    assert.equal(claims["appidacr"], "2");
    assert.equal(claims["appid"], systemAssigned?.clientId);
    assert.equal(claims["exp"], now + 86_399);
    assert.equal(claims["xms_mirid"], hostId("web").replace("resourceGroups", "resourcegroups"));
    assert.equal("xms_az_rid" in claims, false);
  });

  test("of a user-assigned identity on a host, which names both", async () => {
    const record = await putUserAssigned(room, "orders");
    await putHost(room, "shop", { systemAssigned: false, userAssigned: ["orders"] });
    const { workloads } = room.identity.managed;
    const { id } = workloads.register({ hostResourceId: hostId("shop") });
    const reply = await send(
      room.identity.managed.imds(id),
      "GET",
      `/metadata/identity/oauth2/token?api-version=2018-02-01&resource=${arm}`,
      { metadata: "true" },
    );
    const claims = splitOpaque(String(bodyOf(reply)["access_token"]));
    assert.equal(claims["oid"], record.principalId);
    assert.equal(claims["xms_mirid"], userAssignedId("orders").replace("resourceGroups", "resourcegroups"));
    assert.equal(claims["xms_az_rid"], hostId("shop").replace("resourceGroups", "resourcegroups"));
  });

  test("of a user", async () => {
    const user = await room.identity.directory.addUser({
      userPrincipalName: `ana@${domain}`,
      displayName: "Ana",
    });
    const issued = await room.identity.issueFor(user.objectId, arm);
    assert.ok(issued.expiresIn >= 3600 && issued.expiresIn < 5400);
    const { exp, sub, ...claims } = splitOpaque(issued.accessToken);
    assert.equal(exp, now + issued.expiresIn);
    assert.match(String(sub), /^[\w-]{43}$/);
    assert.deepEqual(claims, {
      aud: arm,
      iss: `https://sts.windows.net/${tenantId}/`,
      iat: now - 300,
      nbf: now - 300,
      amr: ["pwd"],
      appid: "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
      appidacr: "0",
      idtyp: "user",
      ipaddr: "127.0.0.1",
      name: "Ana",
      oid: user.objectId,
      scp: "user_impersonation",
      tid: tenantId,
      unique_name: `ana@${domain}`,
      upn: `ana@${domain}`,
      ver: "1.0",
    });
    const again = splitOpaque((await room.identity.issueFor(user.objectId, arm)).accessToken);
    assert.equal(again["sub"], sub);
  });

  test("for an application that wants version 2 tokens", async () => {
    const api = await room.identity.applications.add({
      displayName: "api",
      identifierUris: ["api://orders"],
      accessTokenVersion: 2,
    });
    const { systemAssigned } = await putHost(room, "web", { systemAssigned: true });
    const issued = await room.identity.issueFor(systemAssigned?.principalId ?? "", "api://orders");
    const claims = splitOpaque(issued.accessToken);
    assert.equal(claims["aud"], api.appId);
    assert.equal(claims["iss"], `https://login.microsoftonline.com/${tenantId}/v2.0`);
    assert.equal(claims["ver"], "2.0");
    assert.equal(claims["azp"], systemAssigned?.clientId);
    assert.equal(claims["azpacr"], "2");
    for (const absent of ["appid", "appidacr", "xms_mirid", "xms_az_rid"]) {
      assert.equal(absent in claims, false, absent);
    }
    const verdict = await room.identity.verifier(issued.accessToken);
    assert.equal(!verdict.ok && verdict.fault.kind, "issuer");
  });

  test("for an application that wants version 1 tokens, without the Azure resource", async () => {
    await room.identity.applications.add({ displayName: "old", identifierUris: ["api://old"] });
    const { systemAssigned } = await putHost(room, "web", { systemAssigned: true });
    const issued = await room.identity.issueFor(systemAssigned?.principalId ?? "", "api://old");
    const claims = splitOpaque(issued.accessToken);
    assert.equal(claims["aud"], "api://old");
    assert.equal("xms_mirid" in claims, false);
  });
});

describe("resources", () => {
  const known: readonly string[] = [
    "https://management.azure.com",
    "https://management.azure.com/",
    "https://MANAGEMENT.azure.com/",
    "https://management.core.windows.net/",
    "https://cosmos.azure.com",
    "https://vault.azure.net",
    "https://storage.azure.com/",
    "https://database.windows.net/",
    "https://graph.microsoft.com",
    "https://localhost:8081",
    "https://localhost:8081/",
  ];
  for (const audience of known) {
    test(`${audience} is known and becomes aud verbatim`, async () => {
      const { bootstrapUserId } = room.identity.directory;
      const { accessToken } = await room.identity.issueFor(bootstrapUserId, audience);
      assert.equal(claimsOf(accessToken)["aud"], audience);
    });
  }

  const unknown: readonly string[] = [
    "https://example.com",
    "https://cosmos.azure.com.example.com",
    "https://cosmos.azure.com/other",
    "http://cosmos.azure.com",
    "https://cosmos.azure.com:443",
    "https://user@cosmos.azure.com",
    "https://localhost:8082",
    "api://nobody",
    "00000000-0000-4000-8000-000000000000",
    "cosmos.azure.com",
    "https://cosmos.azure.com\u0000",
    `https://${"x".repeat(2000)}`,
    "",
  ];
  for (const audience of unknown) {
    test(`${JSON.stringify(audience.slice(0, 40))} is AADSTS500011`, async () => {
      await assert.rejects(
        room.identity.issueFor(room.identity.directory.bootstrapUserId, audience),
        (error: unknown) => error instanceof AuthorityError && error.fault.code === 500011,
      );
    });
  }

  const scopes: readonly [string, string | undefined][] = [
    ["https://x/.default", "https://x"],
    ["https://x//.default", "https://x/"],
    ["https://x/.default/.default", "https://x/.default"],
    ["https://x/user_impersonation", undefined],
    ["https://x/.Default", undefined],
    ["/.default", undefined],
    [".default", undefined],
  ];
  for (const [scope, audience] of scopes) {
    test(`scope ${scope} asks for ${audience}`, () => assert.equal(audienceOfScope(scope), audience));
  }

  test("one canonical form", () => {
    assert.equal(canonicalAudience("HTTPS://A.B:8081//"), "https://a.b:8081");
    assert.equal(canonicalAudience("https://a.b/Path/"), "https://a.b/Path");
    assert.equal(canonicalAudience("Api://Orders"), "api://orders");
    assert.equal(canonicalAudience("no-uri/"), "no-uri/");
  });
});

describe("issueFor", () => {
  test("a group and a stranger get nothing", async () => {
    const { directory } = room.identity;
    const team = await directory.addGroup({ displayName: "team" });
    await assert.rejects(room.identity.issueFor(team.objectId, arm), DirectoryError);
    await assert.rejects(room.identity.issueFor(tenantId, arm), DirectoryError);
  });

  test("the object id of an application is no principal", async () => {
    const application = await room.identity.applications.add({ displayName: "app" });
    assert.equal(await room.identity.directory.find(application.id), undefined);
    await assert.rejects(room.identity.issueFor(application.id, arm), DirectoryError);
  });
});

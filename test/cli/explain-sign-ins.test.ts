/** Refused requests for tokens: each made for real, then found in `explain` and `logs`, with what mends it and no secret. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { request } from "node:https";
import { describe, test } from "node:test";
import { type AccessServer, withAccessServer } from "./access-server.ts";

const scope = "https://cosmos.azure.com/.default";
const stranger = "11111111-2222-3333-4444-555555555555";
const secret = "a-secret-that-nobody-may-see";

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** A form sent to an endpoint of the authority. */
async function askAuthority(
  { server }: AccessServer,
  form: Record<string, string>,
  { tenant, endpoint = "token" }: { readonly tenant?: string | undefined; readonly endpoint?: string } = {},
): Promise<Answer> {
  const { endpoints, tenantId, caFile } = await server.status();
  const ca = await readFile(caFile);
  const url = `${endpoints.authority}/${tenant ?? tenantId}/oauth2/v2.0/${endpoint}`;
  const headers = { "content-type": "application/x-www-form-urlencoded", "user-agent": "a-client/1" };
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method: "POST", ca, agent: false, headers }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString("utf8");
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }));
    });
    outgoing.on("error", reject);
    outgoing.end(new URLSearchParams(form).toString());
  });
}

async function variables({ celestite }: AccessServer, ...args: string[]): Promise<Record<string, string>> {
  const { out, error } = await celestite("env", "--format", "json", ...args);
  assert.equal(error, "");
  return JSON.parse(out) as Record<string, string>;
}

async function askManaged(
  env: Record<string, string>,
  query: Record<string, string>,
  headers: Record<string, string>,
): Promise<Answer> {
  const url = new URL(env["IDENTITY_ENDPOINT"] ?? "");
  for (const [name, value] of Object.entries({ "api-version": "2019-08-01", ...query }))
    url.searchParams.set(name, value);
  const response = await fetch(url, { headers });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

async function application({ celestite }: AccessServer): Promise<string> {
  const { out } = await celestite("identity", "app", "add", "shop", "--json");
  return String((JSON.parse(out) as { appId: string }).appId);
}

describe("refused requests for tokens", () => {
  test("of the authority are explained by what was refused, and by their correlation id", async () => {
    await withAccessServer(async (server) => {
      const appId = await application(server);
      const { out: added } = await server.celestite("identity", "app", "secret", appId, "--json");
      const known = String((JSON.parse(added) as { secretText: string }).secretText);
      assert.ok(known.length > 20);
      const assertion = {
        client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        client_assertion: secret,
      };
      const client = { grant_type: "client_credentials", scope, client_id: appId, client_secret: secret };
      const cases: readonly [Record<string, string>, string | undefined, RegExp][] = [
        [{ ...client, client_id: stranger }, undefined, /Known trap: unknown client id[\s\S]*celestite env/],
        [client, undefined, new RegExp(`wrong or expired client secret[\\s\\S]*app secret ${appId}`)],
        [client, "no-such-tenant", /Known trap: unknown tenant[\s\S]*AZURE_TENANT_ID/],
        [
          { ...client, client_secret: known, scope: "https://cosmos.azure.com" },
          undefined,
          /malformed scope[\s\S]*\/\.default/,
        ],
        [
          { grant_type: "client_credentials", scope, client_id: appId, ...assertion },
          undefined,
          /AADSTS50027/,
        ],
        [
          {
            grant_type: "password",
            scope,
            client_id: appId,
            username: "a@celestite.local",
            password: secret,
          },
          undefined,
          /No token was given\. AADSTS/,
        ],
      ];
      for (const [form, tenant, expected] of cases) {
        const { status, body } = await askAuthority(server, form, { tenant });
        assert.ok(status >= 400, JSON.stringify(body));
        for (const id of [[], [String(body["correlation_id"])]]) {
          const { code, out, error } = await server.celestite("explain", ...id);
          assert.equal(code, 0, error);
          assert.match(out, expected);
          assert.match(out, new RegExp(`a token for ${form["scope"]} as client ${form["client_id"]}`));
          assert.ok(!out.includes(secret) && !out.includes(known), "a secret is shown");
        }
      }
      const { out } = await server.celestite("logs", "--denied", "--json");
      const lines = out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, string>);
      assert.deepEqual(
        lines.map((line) => [line["category"], line["resultType"]]),
        [
          ["ServicePrincipalSignInLogs", "700016"],
          ["ServicePrincipalSignInLogs", "7000215"],
          ["ServicePrincipalSignInLogs", "90002"],
          ["ServicePrincipalSignInLogs", "1002012"],
          ["ServicePrincipalSignInLogs", "50027"],
          ["NonInteractiveUserSignInLogs", lines[5]?.["resultType"]],
        ],
      );
      assert.ok(!out.includes(secret), "a secret is logged");
    });
  });

  test("of managed identities are explained, and end when the identity is one that the workload has", async () => {
    await withAccessServer(async (server) => {
      await server.identity("worker");
      await server.identity("other");
      const env = await variables(server, "--identity", "worker");
      const { AZURE_CLIENT_ID: other = "" } = await variables(server, "--identity", "other");
      const own = {
        "x-identity-header": env["IDENTITY_HEADER"] ?? "",
        "content-type": "application/x-www-form-urlencoded",
      };
      const resource = "https://cosmos.azure.com";
      const cases: readonly [Record<string, string>, Record<string, string>, RegExp][] = [
        [
          { resource, client_id: other },
          own,
          /identity that the workload does not have[\s\S]*celestite run --identity/,
        ],
        [
          { resource },
          { "x-identity-header": secret },
          /secret of an earlier run[\s\S]*celestite env --identity/,
        ],
        [{ resource: "https://nobody.example" }, own, /No token was given\./],
      ];
      for (const [query, headers, expected] of cases) {
        assert.ok((await askManaged(env, query, headers)).status >= 400);
        const { out } = await server.celestite("explain");
        assert.match(out, expected);
        assert.match(
          out,
          new RegExp(`a token for ${query["resource"]}( as client ${query["client_id"]})?\n`),
        );
        assert.ok(!out.includes(secret), "a secret is shown");
        // Commands are for the server that was asked.
        for (const command of out.match(/^ {2}celestite .*$/gm) ?? [])
          assert.match(command, new RegExp(` --data ${server.directory}( -- |$)`));
      }
      const client_id = env["AZURE_CLIENT_ID"] ?? "";
      assert.equal((await askManaged(env, { resource, client_id }, own)).status, 200);
      const { out } = await server.celestite("logs", "--category", "ManagedIdentitySignInLogs");
      assert.equal(out.trim().split("\n").length, cases.length, out);
    });
  });

  test("of Cloud Shell do not show the secret that is in the endpoint's path", async () => {
    await withAccessServer(async (server) => {
      await server.identity("worker");
      const env = await variables(server, "--identity", "worker", "--as", "cloud-shell");
      const url = new URL(env["MSI_ENDPOINT"] ?? "");
      const own = url.pathname.split("/").at(-1) ?? "";
      assert.ok(own.length > 20, url.pathname);
      const headers = { metadata: "true", "content-type": "application/x-www-form-urlencoded" };
      for (const [path, resource, status, expected] of [
        [url.pathname, "https://nobody.example", 400, /invalid_resource|AADSTS500011/],
        [url.pathname, "", 400, /The parameter 'resource' is missing/],
        [url.pathname.toUpperCase(), "https://cosmos.azure.com", 404, /not found/i],
        [`/${url.pathname}`, "https://cosmos.azure.com", 404, /not found/i],
        [url.pathname, "https://cosmos.azure.com", 200, undefined],
      ] as const) {
        const body = new URLSearchParams({ resource });
        const response = await fetch(`${url.origin}${path}`, { method: "POST", headers, body });
        assert.equal(response.status, status, await response.text());
        if (expected === undefined) continue;
        const shown = [["explain"], ["explain", "--json"], ["logs"], ["logs", "--json"]];
        for (const args of shown) {
          const { code, out } = await server.celestite(...args);
          assert.equal(code, 0);
          assert.ok(!out.toLowerCase().includes(own.toLowerCase()), `${args.join(" ")} shows the secret`);
        }
        assert.match((await server.celestite("explain")).out, expected);
      }
    });
  });

  test("do not count what a protocol expects: a probe without its header, a device code that waits", async () => {
    await withAccessServer(async (server) => {
      await server.identity("worker");
      const env = await variables(server, "--identity", "worker");
      assert.equal((await askManaged(env, { resource: "https://cosmos.azure.com" }, {})).status, 401);
      const { out: made } = await server.celestite("identity", "app", "add", "device", "--public", "--json");
      const { appId } = JSON.parse(made) as { appId: string };
      const begun = await askAuthority(server, { client_id: appId, scope }, { endpoint: "devicecode" });
      const waiting = await askAuthority(server, {
        grant_type: "urn:ietf:params:oauth:grant-type:device_code",
        client_id: appId,
        device_code: String(begun.body["device_code"]),
      });
      assert.equal(waiting.body["error"], "authorization_pending");
      assert.match((await server.celestite("explain")).error, /No request has been denied/);
    });
  });
});

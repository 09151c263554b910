/** The product as a whole, in process: what survives a restart, and that instances do not know each other. */
import assert from "node:assert/strict";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Celestite } from "../src/celestite.ts";
import { call, callArm, deployDemo, testSettings, withDirectory, withServer } from "./fixtures.ts";

const docs = "dbs/rbacsample/colls/data/docs";
const pk = { "x-ms-documentdb-partitionkey": '["1"]' };

async function tokenOf(server: Celestite, principalId: string): Promise<string> {
  return `type=aad&ver=1.0&sig=${(await server.identity.issueFor(principalId, "https://cosmos.azure.com")).accessToken}`;
}

describe("a restart", () => {
  test("keeps data, identities, signing keys, roles, account keys, ports and the certificate authority", async () => {
    await withDirectory(async (directory) => {
      const settings = testSettings(directory, { store: "lmdb" });
      const before = await withServer(settings, async (server) => {
        const outputs = await deployDemo(server);
        const authorization = await tokenOf(server, outputs["principalId"] ?? "");
        const created = await call(server, `${outputs["endpoint"]}${docs}`, {
          method: "POST",
          headers: { authorization, ...pk },
          json: { id: "1", partitionKey: "1", text: "kept" },
        });
        assert.equal(created.status, 201);
        const { subscriptionId } = await server.status();
        const keys = `/subscriptions/${subscriptionId}/resourceGroups/rg/providers/Microsoft.DocumentDB/databaseAccounts/${outputs["accountName"]}/listKeys?api-version=2024-08-15`;
        return {
          outputs,
          authorization,
          keysPath: keys,
          keys: (await callArm(server, "POST", keys)).body,
          ca: await readFile(join(directory, "ca.pem"), "utf8"),
          etag: created.headers["etag"],
        };
      });
      await withServer(settings, async (server) => {
        const url = `${before.outputs["endpoint"]}${docs}/1`;
        const read = await call(server, url, { headers: { authorization: before.authorization, ...pk } });
        assert.equal(read.status, 200);
        assert.equal(read.body["text"], "kept");
        assert.equal(read.headers["etag"], before.etag);
        assert.deepEqual((await callArm(server, "POST", before.keysPath)).body, before.keys);
        assert.equal(await readFile(join(directory, "ca.pem"), "utf8"), before.ca);
        const again = await deployDemo(server);
        assert.deepEqual(again, before.outputs, "a second deployment finds everything as it is");
      });
    });
  });

  test("leaves secrets readable by their owner alone", async () => {
    await withDirectory(async (directory) => {
      await withServer(testSettings(directory, { store: "lmdb" }), async () => {
        for (const file of ["ca-key.pem", "leaf-key.pem", "operator.json"]) {
          assert.equal((await stat(join(directory, file))).mode & 0o077, 0, file);
        }
      });
    });
  });
});

test("two instances in one process share nothing: a token of one is worthless at the other", async () => {
  await withDirectory((first) =>
    withDirectory((second) =>
      withServer(
        testSettings(first),
        (a) =>
          withServer(
            testSettings(second),
            async (b) => {
              const [outputsA, outputsB] = [await deployDemo(a), await deployDemo(b)];
              const authorization = await tokenOf(a, outputsA["principalId"] ?? "");
              assert.equal(
                (await call(a, outputsA["endpoint"] ?? "", { headers: { authorization } })).status,
                200,
              );
              const foreign = await call(b, outputsB["endpoint"] ?? "", { headers: { authorization } });
              assert.deepEqual([foreign.status, foreign.headers["x-ms-substatus"]], [401, "5200"]);
              await assert.rejects(call(a, outputsB["endpoint"] ?? ""), /certificate|self.signed/i);
            },
            "own",
          ),
        "own",
      ),
    ),
  );
});

describe("hosts and their identities", () => {
  const site = "providers/Microsoft.Web/sites/web";
  const machine = "providers/Microsoft.Compute/virtualMachines/vm";

  async function withHost(
    path: string,
    use: (server: Celestite, host: string) => Promise<void>,
  ): Promise<void> {
    await withDirectory((directory) =>
      withServer(testSettings(directory), async (server) => {
        await deployDemo(server);
        const { subscriptionId } = await server.status();
        const host = `/subscriptions/${subscriptionId}/resourceGroups/rg/${path}`;
        const identity = { type: "SystemAssigned" };
        const made = await callArm(server, "PUT", `${host}?api-version=2023-12-01`, {
          location: "westeurope",
          identity,
          properties: {},
        });
        assert.ok(made.status < 300, JSON.stringify(made.body));
        await use(server, host);
      }),
    );
  }

  async function operator(
    server: Celestite,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<Response> {
    return fetch(`${server.operatorUrl}/celestite/${path}`, {
      method,
      headers: { authorization: `Bearer ${server.operatorSecret}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  test("a web app's program gets tokens until the web app is deleted", async () => {
    await withHost(site, async (server, host) => {
      const workload = (await (await operator(server, "POST", "workloads", { host })).json()) as {
        environment: Record<string, string>;
      };
      const { IDENTITY_ENDPOINT, IDENTITY_HEADER } = workload.environment;
      const url = `${IDENTITY_ENDPOINT}?api-version=2019-08-01&resource=https://cosmos.azure.com`;
      const ask = (header: string): Promise<Response> =>
        fetch(url, { headers: { "x-identity-header": header } });
      assert.equal((await ask(IDENTITY_HEADER ?? "")).status, 200);
      assert.equal((await ask("wrong")).status, 401);
      assert.equal((await fetch(url)).status, 401);
      const removed = await callArm(server, "DELETE", `${host}?api-version=2023-12-01`);
      assert.ok(removed.status < 300);
      assert.equal((await ask(IDENTITY_HEADER ?? "")).status, 400);
    });
  });

  test("a virtual machine's program gets them from its metadata service, with the header and nothing else", async () => {
    await withHost(machine, async (server, host) => {
      const made = (await (await operator(server, "POST", "workloads", { host })).json()) as {
        id: string;
        environment: Record<string, string>;
      };
      const base = made.environment["AZURE_POD_IDENTITY_AUTHORITY_HOST"] ?? "";
      const url = `${base}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://cosmos.azure.com`;
      const granted = await fetch(url, { headers: { Metadata: "true" } });
      assert.equal(granted.status, 200);
      const body = (await granted.json()) as Record<string, string>;
      assert.ok(
        ["access_token", "expires_on", "expires_in", "client_id"].every((name) => body[name] !== undefined),
      );
      const forwarded = await fetch(url, { headers: { Metadata: "true", "X-Forwarded-For": "10.0.0.1" } });
      assert.equal(forwarded.status, 400);
      await operator(server, "DELETE", `workloads/${made.id}`);
      await assert.rejects(fetch(url, { headers: { Metadata: "true" } }));
    });
  });

  test("the operator interface takes its secret only", async () => {
    await withDirectory((directory) =>
      withServer(testSettings(directory), async (server) => {
        const status = `${server.operatorUrl}/celestite/status`;
        const with_ = (authorization: string): Promise<Response> =>
          fetch(status, { headers: { authorization } });
        assert.equal((await with_(`Bearer ${server.operatorSecret}`)).status, 200);
        for (const wrong of ["", "Bearer ", `Bearer ${server.operatorSecret}x`, server.operatorSecret]) {
          assert.equal((await with_(wrong)).status, 401);
        }
        assert.equal((await fetch(status)).status, 401);
      }),
    );
  });
});

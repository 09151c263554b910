/**
 * Diagnostic logs: the fields of a line, files and their rotation, the collector, and that nothing secret is in any of
 * it, whatever credentials were used.
 */
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { DiagnosticRecord } from "../../src/observability/diagnostic-records.ts";
import { logLines } from "../../src/observability/log-lines.ts";
import { createMetrics } from "../../src/observability/metrics.ts";
import { openFileSink, openOtlpSink } from "../../src/observability/sinks.ts";
import { withAccessServer } from "../cli/access-server.ts";
import { call, withDirectory } from "../fixtures.ts";

const accountId = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DocumentDB/databaseAccounts/shop";

function record(changes: Partial<DiagnosticRecord> = {}): DiagnosticRecord {
  return {
    time: Date.UTC(2026, 10, 22, 12),
    activityId: "11111111-2222-4333-8444-555555555555",
    category: "DataPlaneRequests",
    account: "shop",
    operationName: "CreateItem",
    method: "POST",
    resource: "/dbs/d/colls/c/docs",
    statusCode: 201,
    substatus: 0,
    duration: 3,
    requestCharge: 6.29,
    userAgent: "agent/1",
    clientIpAddress: "127.0.0.1",
    authTokenType: "AadToken",
    principalId: "P",
    decision: {
      allowed: true,
      action: "a",
      resource: "dbs/d/colls/c",
      considered: [],
      appliedAssignmentId: "A",
      credential: { kind: "aad", principalId: "P", groups: [] },
    },
    data: {
      accountId,
      region: "West Europe",
      resourceType: "docs",
      requestLength: 10,
      responseLength: 20,
      databaseName: "d",
      collectionName: "c",
      databaseRid: "R1",
      collectionRid: "R2",
      partitionId: "0",
    },
    ...changes,
  };
}

function control(changes: Partial<DiagnosticRecord>): DiagnosticRecord {
  const { data: _, ...rest } = record();
  return { ...rest, category: "ControlPlaneRequests", control: { correlationId: "C" }, ...changes };
}

interface Line {
  readonly time: string;
  readonly resourceId: string;
  readonly category: string;
  readonly operationName: string;
  readonly properties: Readonly<Record<string, string>>;
}

const linesOf = (entry: DiagnosticRecord): readonly Line[] =>
  logLines(entry).map(({ text }) => JSON.parse(text) as Line);

describe("a line of the data plane", () => {
  test("has the service's fields, all texts", () => {
    const [line] = linesOf(record());
    assert.deepEqual(
      [line?.time, line?.resourceId, line?.category, line?.operationName],
      ["2026-11-22T12:00:00.000Z", accountId.toUpperCase(), "DataPlaneRequests", "Create"],
    );
    assert.deepEqual(line?.properties, {
      activityId: "11111111-2222-4333-8444-555555555555",
      requestResourceType: "Document",
      requestResourceId: "/dbs/d/colls/c/docs",
      collectionRid: "R2",
      databaseRid: "R1",
      statusCode: "201",
      subStatusCode: "0",
      duration: "3.000000",
      userAgent: "agent/1",
      clientIpAddress: "127.0.0.1",
      requestCharge: "6.290000",
      requestLength: "10",
      responseLength: "20",
      resourceTokenPermissionId: "",
      resourceTokenPermissionMode: "",
      resourceTokenUserRid: "",
      region: "West Europe",
      partitionId: "0",
      aadAppliedRoleAssignmentId: "A",
      aadPrincipalId: "P",
      authTokenType: "AadToken",
      keyType: "",
      connectionMode: "Gateway",
      subscriptionId: "s",
      databaseName: "d",
      collectionName: "c",
      denialReason: "",
      auditOutcome: "",
    });
  });

  test("names the permission of a resource token, and the reason of a denial", () => {
    const credential = {
      kind: "resourceToken",
      permission: "dbs/d/users/u/permissions/p",
      mode: "Read",
      userRid: "U",
    };
    const decision = {
      allowed: false,
      reason: "outsideResourceToken",
      action: "",
      resource: "",
      considered: [],
      credential,
    };
    const [line] = linesOf(record({ decision, authTokenType: "ResourceToken", statusCode: 403 }));
    const { properties: shown = {} } = line ?? {};
    assert.deepEqual(
      [
        "resourceTokenPermissionId",
        "resourceTokenPermissionMode",
        "resourceTokenUserRid",
        "denialReason",
        "aadPrincipalId",
      ].map((name) => shown[name]),
      ["p", "read", "U", "outsideResourceToken", ""],
    );
  });

  for (const [operation, verb] of [
    ["ReadItem", "Read"],
    ["QueryItems", "Query"],
    ["ReadItemFeed", "ReadFeed"],
    ["ListDatabases", "ReadFeed"],
    ["ExecuteStoredProcedure", "ExecuteStoredProcedure"],
    ["DeleteByPartitionKey", "Delete"],
  ] as const) {
    test(`${operation} is logged as ${verb}`, () =>
      assert.equal(linesOf(record({ operationName: operation }))[0]?.operationName, verb));
  }
});

describe("lines of the control plane", () => {
  const type = "Microsoft.DocumentDB/databaseAccounts";
  const cases: readonly (readonly [string, string, string, readonly string[]])[] = [
    ["PUT", accountId, `${type}/write`, ["AccountCreateStart", "AccountCreateComplete"]],
    ["PATCH", accountId, `${type}/write`, ["AccountUpdateStart", "AccountUpdateComplete"]],
    ["DELETE", accountId, `${type}/delete`, ["AccountDeleteStart", "AccountDeleteComplete"]],
    [
      "POST",
      accountId,
      `${type}/regenerateKey/action`,
      ["AccountKeyRegenerateStart", "AccountKeyRegenerateComplete"],
    ],
    ["PUT", `${accountId}/sqlDatabases/d`, `${type}/sqlDatabases/write`, ["SqlDatabasesCreate"]],
    [
      "DELETE",
      `${accountId}/sqlDatabases/d/containers/c`,
      `${type}/sqlDatabases/containers/delete`,
      ["SqlContainersDelete"],
    ],
    [
      "PUT",
      `${accountId}/sqlRoleAssignments/g`,
      `${type}/sqlRoleAssignments/write`,
      ["SqlRoleAssignmentsCreate"],
    ],
    ["GET", accountId, `${type}/read`, [`${type}/read`]],
    ["POST", accountId, `${type}/listKeys/action`, [`${type}/listKeys/action`]],
    [
      "PUT",
      "/subscriptions/s/resourceGroups/g",
      "Microsoft.Resources/subscriptions/resourceGroups/write",
      ["Microsoft.Resources/subscriptions/resourceGroups/write"],
    ],
  ];
  for (const [method, resource, operationName, names] of cases) {
    test(`${method} ${operationName}: ${names.join(", ")}`, () => {
      const lines = linesOf(control({ method, resource, operationName, statusCode: 200 }));
      assert.deepEqual(
        lines.map((line) => line.operationName),
        names,
      );
      const category = names[0]?.startsWith("Microsoft") ? "Administrative" : "ControlPlaneRequests";
      assert.ok(lines.every((line) => line.category === category));
    });
  }

  test("a role assignment tells which definition it is about", () => {
    const details = JSON.stringify({ properties: { roleDefinitionId: "R", principalId: "P" } });
    const [line] = linesOf(
      control({
        method: "PUT",
        resource: `${accountId}/sqlRoleAssignments/g`,
        operationName: `${type}/sqlRoleAssignments/write`,
        statusCode: 200,
        control: { correlationId: "C", details },
      }),
    );
    assert.equal(line?.properties["associatedRoleDefinitionId"], "R");
    assert.equal(line?.properties["resourceDetails"], details);
    assert.equal(line?.properties["httpStatusCode"], "200");
  });

  test("key updates are counted by account and kind", () => {
    const metrics = createMetrics();
    const regenerate = (keyKind: string, statusCode: number) =>
      metrics.observe(
        control({
          resource: accountId,
          operationName: `${type}/regenerateKey/action`,
          statusCode,
          control: { correlationId: "C", details: JSON.stringify({ keyKind }) },
        }),
      );
    regenerate("primary", 200);
    regenerate("primary", 200);
    regenerate("secondary", 200);
    regenerate("secondary", 403);
    const counts = metrics.keyUpdates().map(({ keyType, count }) => [keyType, count]);
    assert.deepEqual(counts, [
      ["primary", 2],
      ["secondary", 1],
    ]);
  });
});

describe("log files", () => {
  test("grow, rotate, and keep as many as they should, readable by the owner alone", async () => {
    await withDirectory(async (parent) => {
      const directory = join(parent, "logs");
      const faults: unknown[] = [];
      const sink = openFileSink({
        directory,
        bytesMax: 3000,
        filesKept: 2,
        onError: (fault) => faults.push(fault),
      });
      for (let round = 0; round < 12; round++) {
        sink.write(record({ activityId: `r${round}` }));
        sink.write(record({ activityId: `s${round}` }));
        await sink.flush();
      }
      assert.deepEqual(faults, []);
      const files = (await readdir(directory)).sort();
      assert.deepEqual(files, [
        "DataPlaneRequests.1.ndjson",
        "DataPlaneRequests.2.ndjson",
        "DataPlaneRequests.ndjson",
      ]);
      const lines: string[] = [];
      for (const file of [files[1] ?? "", files[0] ?? "", files[2] ?? ""]) {
        assert.equal((await stat(join(directory, file))).mode & 0o077, 0);
        lines.push(...(await readFile(join(directory, file), "utf8")).trimEnd().split("\n"));
      }
      const ids = lines.map((line) => (JSON.parse(line) as Line).properties["activityId"]);
      const expected = Array.from({ length: 12 }, (_, round) => [`r${round}`, `s${round}`]).flat();
      assert.deepEqual(ids, expected.slice(-ids.length), "in order, without a gap");
      assert.ok(ids.length >= 8);
    });
  });

  test("a disk that cannot be written is reported, and requests go on", async () => {
    await withDirectory(async (parent) => {
      const faults: unknown[] = [];
      await writeFile(join(parent, "taken"), "");
      const sink = openFileSink({ directory: join(parent, "taken"), onError: (fault) => faults.push(fault) });
      sink.write(record());
      await sink.flush();
      assert.equal(faults.length, 1);
      await mkdir(join(parent, "free"));
    });
  });
});

/** A collector that keeps what it is sent. */
async function withCollector(
  status: number,
  use: (endpoint: string, received: Map<string, string[]>) => Promise<void>,
): Promise<void> {
  const received = new Map<string, string[]>();
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (text: string) => {
      body += text;
    });
    request.on("end", () => {
      received.set(request.url ?? "", [...(received.get(request.url ?? "") ?? []), body]);
      response.writeHead(status).end("{}");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, received);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

describe("OpenTelemetry", () => {
  test("logs and metrics reach the collector in its JSON form", async () => {
    await withCollector(200, async (endpoint, received) => {
      const metrics = createMetrics();
      const sink = openOtlpSink({
        endpoint,
        metrics,
        version: "1",
        now: () => 1000,
        onError: (fault) => assert.fail(String(fault)),
      });
      for (const entry of [record(), record({ statusCode: 403, substatus: 5302, duration: 30 })]) {
        metrics.observe(entry);
        sink.write(entry);
      }
      await sink.flush();
      const logs = JSON.parse(received.get("/v1/logs")?.[0] ?? "") as {
        resourceLogs: { scopeLogs: { logRecords: { severityText: string; timeUnixNano: string }[] }[] }[];
      };
      const records = logs.resourceLogs[0]?.scopeLogs[0]?.logRecords ?? [];
      assert.deepEqual(
        records.map(({ severityText }) => severityText),
        ["INFO", "WARN"],
      );
      assert.equal(records[0]?.timeUnixNano, `${Date.UTC(2026, 10, 22, 12)}000000`);
      const sent = JSON.parse(received.get("/v1/metrics")?.[0] ?? "") as {
        resourceMetrics: {
          scopeMetrics: {
            metrics: {
              name: string;
              sum?: { dataPoints: { asInt?: string }[] };
              histogram?: { dataPoints: { bucketCounts: string[] }[] };
            }[];
          }[];
        }[];
      };
      const byName = new Map(sent.resourceMetrics[0]?.scopeMetrics[0]?.metrics.map((one) => [one.name, one]));
      assert.deepEqual(
        byName.get("celestite.requests")?.sum?.dataPoints.map(({ asInt }) => asInt),
        ["1", "1"],
      );
      const buckets = byName
        .get("celestite.request_duration")
        ?.histogram?.dataPoints.map(({ bucketCounts }) => bucketCounts.indexOf("1"));
      assert.deepEqual(buckets, [2, 5]);
    });
  });

  test("a collector that refuses is reported once, and tried again", async () => {
    await withCollector(500, async (endpoint, received) => {
      const faults: unknown[] = [];
      const sink = openOtlpSink({
        endpoint,
        metrics: createMetrics(),
        version: "1",
        now: () => 0,
        onError: (fault) => faults.push(fault),
      });
      for (let round = 0; round < 3; round++) {
        sink.write(record());
        await sink.flush();
      }
      assert.equal(faults.length, 1);
      assert.match(String(faults[0]), /Telemetry cannot be sent to http:.*answered 500/);
      assert.equal(received.get("/v1/logs")?.length, 3);
    });
  });
});

test("no key, token or signature is ever in a record, a file, a collector's inbox or an explanation", async () => {
  await withDirectory(async (parent) => {
    await withCollector(200, async (otlpEndpoint, received) => {
      const logDirectory = join(parent, "logs");
      const secrets = new Map<string, string>();
      let told = "";
      await withAccessServer(
        async ({ server, arm, account, endpoint, identity, assign, client, celestite }) => {
          secrets.set("operator secret", server.operatorSecret);
          const worker = await identity("worker");
          await assign(worker, "00000000-0000-0000-0000-000000000002");
          const { body: keys } = await arm("POST", `${account}/listKeys?api-version=2024-08-15`);
          for (const [name, key] of Object.entries(keys)) secrets.set(name, String(key));
          await arm("POST", `${account}/regenerateKey?api-version=2024-08-15`, { keyKind: "secondary" });
          const key = client({ key: String(keys["primaryMasterKey"]) });
          const database = key.database("db");
          const { user } = await database.users.upsert({ id: "u" });
          const { resource: permission } = await user.permissions.upsert({
            id: "p",
            permissionMode: "All" as never,
            resource: "dbs/db/colls/orders",
          });
          const token = String((permission as unknown as { _token: string })._token);
          const [, signature = "", payload = ""] = /sig=([^;]+);([^;]+);/.exec(token) ?? [];
          secrets.set("resource token", token).set("its signature", signature).set("its payload", payload);
          await client(worker).database("db").container("orders").items.upsert({ id: "1", pk: "a" });
          const jwt = (await server.identity.issueFor(worker, "https://cosmos.azure.com")).accessToken;
          const wrong = (await server.identity.issueFor(worker, "https://management.azure.com")).accessToken;
          for (const [name, one] of [
            ["token", jwt],
            ["token for another service", wrong],
          ] as const) {
            secrets.set(name, one).set(`signature of the ${name}`, one.split(".")[2] ?? "");
          }
          for (const authorization of [
            `type=aad&ver=1.0&sig=${jwt}`,
            `type=aad&ver=1.0&sig=${wrong}`,
            `type=aad&ver=1.0&sig=${jwt.slice(0, -4)}AAAA`,
            encodeURIComponent(token),
            `type=resource&ver=1&sig=${signature};${payload}x;`,
            "type=master&ver=1.0&sig=bm90IGEgc2lnbmF0dXJlIGJ1dCBhIHNlY3JldA==",
            jwt,
          ])
            await call(server, `${endpoint}dbs/db/colls/orders/docs/1`, {
              headers: {
                authorization,
                "x-ms-documentdb-partitionkey": '["a"]',
                "x-ms-date": new Date().toUTCString(),
              },
            });
          secrets.set("sent signature", "bm90IGEgc2lnbmF0dXJlIGJ1dCBhIHNlY3JldA");
          for (const args of [
            ["logs", "--last", "1000"],
            ["logs", "--last", "1000", "--json"],
            ["explain", "--last", "--json"],
            ["audit", "keys", "--json"],
          ])
            told += (await celestite(...args)).out;
          for (const path of ["records", "access-use", "usage", "status"]) {
            const reply = await fetch(`${server.operatorUrl}/celestite/${path}`, {
              headers: { authorization: `Bearer ${server.operatorSecret}` },
            });
            told += await reply.text();
          }
        },
        { logDirectory, otlpEndpoint },
      );
      let files = "";
      for (const file of await readdir(logDirectory))
        files += await readFile(join(logDirectory, file), "utf8");
      const inbox = [...received.values()].flat().join("");
      for (const [where, text] of [
        ["commands", told],
        ["files", files],
        ["collector", inbox],
      ] as const) {
        assert.match(
          text,
          /resourceTokenPermissionId|UpsertItem|celestite\.requests/,
          `${where} has the requests`,
        );
        assert.ok(secrets.size >= 12);
        for (const [name, secret] of secrets) {
          assert.ok(secret.length > 16, name);
          for (const form of [
            secret,
            encodeURIComponent(secret),
            Buffer.from(secret).toString("base64").replace(/=+$/, ""),
          ])
            assert.ok(!text.includes(form), `${where} hold the ${name}`);
        }
      }
      assert.match(files, /"operationName":"AccountKeyRegenerateComplete"/);
      assert.match(files, /\{\\"keyKind\\":\\"secondary\\"\}/);
      assert.match(inbox, /celestite\.account_keys_updated/);
    });
  });
});

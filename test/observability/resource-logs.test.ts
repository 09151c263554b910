/** Logs that diagnostic settings switch on: where each line goes, and that nothing is written that nobody wants. */
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { DiagnosticRecord } from "../../src/observability/diagnostic-records.ts";
import { type LogSwitch, openResourceLogs } from "../../src/observability/resource-logs.ts";
import { withAccessServer } from "../cli/access-server.ts";
import { withDirectory } from "../fixtures.ts";

const accountId = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DocumentDB/databaseAccounts/shop";
const time = Date.UTC(2026, 10, 22, 12, 30);

function request(account: string, more: Partial<DiagnosticRecord> = {}): DiagnosticRecord {
  return {
    time,
    activityId: "A",
    category: "DataPlaneRequests",
    account: account.split("/").pop() ?? "",
    operationName: "CreateItem",
    method: "POST",
    resource: "/dbs/d/colls/c/docs",
    statusCode: 201,
    substatus: 0,
    duration: 3,
    requestCharge: 6,
    userAgent: "",
    clientIpAddress: "",
    authTokenType: "AadToken",
    data: { accountId: account, region: "", resourceType: "docs", requestLength: 0, responseLength: 0 },
    ...more,
  };
}

function change(resource: string, operationName: string): DiagnosticRecord {
  const { data: _, ...plain } = request(accountId);
  return { ...plain, category: "ControlPlaneRequests", method: "PUT", resource, operationName };
}

const written: readonly DiagnosticRecord[] = [
  request(accountId),
  request(`${accountId}2`),
  change(accountId, "Microsoft.DocumentDB/databaseAccounts/write"),
  change("/subscriptions/s/resourceGroups/g", "Microsoft.Resources/subscriptions/resourceGroups/write"),
];

/** Every file below `directory` with the number of its lines. */
async function filesIn(directory: string): Promise<readonly string[]> {
  const found = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = found.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name));
  const counted = files.map(async (file) => {
    const lines = (await readFile(file, "utf8")).trimEnd().split("\n").length;
    return `${file.slice(directory.length + 1)}: ${lines}`;
  });
  return (await Promise.all(counted)).sort();
}

const hour = "y=2026/m=11/d=22/h=12/m=00/PT1H.json";
const folder = (category: string, id: string): string =>
  `logs/insights-logs-${category}/resourceId=/${id.slice(1).toUpperCase()}`;

describe("what is wanted is written, and nothing else", () => {
  const on = (resourceId: string, ...categories: string[]): LogSwitch => ({
    resourceId,
    categories,
    destinations: ["logs"],
  });
  const cases: readonly (readonly [string, readonly LogSwitch[], readonly string[]])[] = [
    ["no setting", [], []],
    ["a setting with everything off", [on(accountId)], []],
    ["a category that nothing produces", [on(accountId, "QueryRuntimeStatistics")], []],
    ["of an account that is not there", [on(`${accountId}3`, "DataPlaneRequests")], []],
    ["of the account's parent", [on(accountId.replace("/shop", ""), "DataPlaneRequests")], []],
    [
      "requests of one account",
      [on(accountId.toUpperCase(), "DataPlaneRequests")],
      [`${folder("dataplanerequests", accountId)}/${hour}: 1`],
    ],
    [
      "changes of one account, start and completion",
      [on(accountId, "ControlPlaneRequests")],
      [`${folder("controlplanerequests", accountId)}/${hour}: 2`],
    ],
    [
      "the subscription's activity log",
      [on("/subscriptions/s", "Administrative")],
      [`${folder("administrative", "/subscriptions/s")}/${hour}: 1`],
    ],
    [
      "two settings that want the same: once for each destination",
      [
        on(accountId, "DataPlaneRequests"),
        { ...on(accountId, "DataPlaneRequests"), destinations: ["logs", "other"] },
      ],
      [
        `${folder("dataplanerequests", accountId)}/${hour}: 1`,
        `${folder("dataplanerequests", accountId).replace("logs/", "other/")}/${hour}: 1`,
      ],
    ],
  ];
  for (const [name, switches, expected] of cases) {
    test(name, () =>
      withDirectory(async (directory) => {
        const logs = openResourceLogs({ directory, onError: (fault) => assert.fail(String(fault)) });
        logs.setSwitches(switches);
        for (const record of written) logs.write(record);
        await logs.flush();
        assert.deepEqual(await filesIn(directory), [...expected].sort());
        logs.setSwitches([]);
        for (const record of written) logs.write(record);
        await logs.flush();
        assert.deepEqual(await filesIn(directory), [...expected].sort(), "after they were switched off");
      }),
    );
  }
});

test("files are for the owner alone, end at their limit, and old days go", async () => {
  await withDirectory(async (directory) => {
    const faults: unknown[] = [];
    const logs = openResourceLogs({ directory, fileBytesMax: 100, onError: (fault) => faults.push(fault) });
    logs.setSwitches([{ resourceId: accountId, categories: ["DataPlaneRequests"], destinations: ["logs"] }]);
    const below = join(directory, folder("dataplanerequests", accountId));
    const old = join(below, "y=2026", "m=10", "d=30", "h=00", "m=00");
    const young = join(below, "y=2026", "m=11", "d=20", "h=00", "m=00");
    for (const path of [old, young]) {
      await mkdir(path, { recursive: true });
      await writeFile(join(path, "PT1H.json"), "{}\n");
    }
    logs.write(request(accountId));
    await logs.flush();
    logs.write(request(accountId));
    await logs.flush();
    assert.equal((await stat(join(below, hour))).mode & 0o077, 0);
    assert.match(String(faults[0]), /1 lines of diagnostic logs were not written/);
    const files = (await filesIn(below)).map((file) => file.replace(/\/h=.*/, ""));
    assert.deepEqual(files, ["y=2026/m=11/d=20", "y=2026/m=11/d=22"]);
  });
});

test("a setting made with a running server switches the account's log on, and its deletion off", async () => {
  await withAccessServer(async ({ directory, account, client, arm, identity, assign }) => {
    const principal = await identity("writer");
    await assign(principal, "00000000-0000-0000-0000-000000000002");
    const items = client(principal).database("db").container("orders").items;
    const create = async (id: string): Promise<void> => void (await items.create({ id, pk: "a" }));
    const storage = account.replace(
      "Microsoft.DocumentDB/databaseAccounts/shop",
      "Microsoft.Storage/storageAccounts/logs",
    );
    const api = "api-version=2021-05-01-preview";
    const setting = `${account}/providers/Microsoft.Insights/diagnosticSettings/s?${api}`;
    const lines = async (): Promise<readonly string[]> => {
      const found = await readdir(join(directory, "diagnostics"), { recursive: true }).catch(() => []);
      const texts = found
        .filter((name) => name.endsWith("PT1H.json"))
        .map((name) => readFile(join(directory, "diagnostics", name), "utf8"));
      return (await Promise.all(texts)).flatMap((text) => text.trimEnd().split("\n"));
    };
    const until = async (count: number): Promise<readonly string[]> => {
      for (let round = 0; round < 100 && (await lines()).length < count; round++) {
        await new Promise((done) => setTimeout(done, 100));
      }
      return lines();
    };
    await create("before");
    await arm("PUT", setting, {
      properties: { storageAccountId: storage, logs: [{ category: "DataPlaneRequests", enabled: true }] },
    });
    await create("during");
    const found = (await until(1)).map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      found.map((line) => [line["category"], line["operationName"]]),
      [["DataPlaneRequests", "Create"]],
    );
    assert.equal(found[0]?.["resourceId"], account.toUpperCase());
    await arm("DELETE", setting);
    await create("after");
    await arm("PUT", setting.replace("/s?", "/t?"), {
      properties: { storageAccountId: storage, logs: [{ category: "DataPlaneRequests", enabled: true }] },
    });
    await create("again");
    assert.equal((await until(2)).length, 2, "the one in between was not written");
  });
});

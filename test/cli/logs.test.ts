/** `celestite logs`: what the filters let through, and that following shows each request once, in order. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { describe, test } from "node:test";
import { matches } from "../../src/cli/logs.ts";
import type { DiagnosticRecord } from "../../src/observability/diagnostic-records.ts";
import { callArm, cli } from "../fixtures.ts";
import { withAccessServer } from "./access-server.ts";

const record: DiagnosticRecord = {
  time: 1,
  activityId: "a",
  category: "DataPlaneRequests",
  account: "shop",
  operationName: "ReadItem",
  method: "GET",
  resource: "/dbs/d",
  statusCode: 403,
  substatus: 5302,
  duration: 1,
  requestCharge: 0,
  userAgent: "",
  clientIpAddress: "",
  authTokenType: "AadToken",
  principalId: "P",
};

describe("the filters", () => {
  const table: readonly (readonly [
    Partial<Parameters<typeof matches>[0]>,
    Partial<DiagnosticRecord>,
    boolean,
  ])[] = [
    [{}, {}, true],
    [{ account: "SHOP" }, {}, true],
    [{ account: "other" }, {}, false],
    [{ category: "dataplanerequests" }, {}, true],
    [{ category: "ControlPlaneRequests" }, {}, false],
    [{ operation: "readitem" }, {}, true],
    [{ operation: "Read" }, {}, false],
    [{ principal: "p" }, {}, true],
    [{ principal: "q" }, {}, false],
    [{ status: "403" }, {}, true],
    [{ status: "4xx" }, {}, true],
    [{ status: "401" }, {}, false],
    [{ status: "2xx" }, {}, false],
    [{ denied: true }, {}, true],
    [{ denied: true }, { statusCode: 200 }, false],
    [{ denied: true }, { statusCode: 404 }, false],
    [{ denied: true }, { statusCode: 200, wouldDeny: { statusCode: 403, substatus: 0, message: "" } }, true],
    [{ denied: true, account: "other" }, {}, false],
  ];
  for (const [filters, changes, expected] of table) {
    test(`${JSON.stringify(filters)} ${expected ? "lets" : "does not let"} ${JSON.stringify(changes)} through`, () => {
      assert.equal(matches({ denied: false, ...filters }, { ...record, ...changes }), expected);
    });
  }
});

test("following shows each denial once, in order, until it is stopped", { timeout: 180_000 }, async () => {
  await withAccessServer(async ({ identity, client, directory, celestite }) => {
    const principal = await identity("looker");
    await celestite("role", "define", "--name", "Looker", "--actions", "readMetadata");
    await celestite("role", "assign", "--principal", "looker", "--role", "Looker");
    const orders = client(principal).database("db").container("orders");
    const follow = ["logs", "--follow", "--denied", "--last", "0", "--operation", "ReadItem", "--json"];
    const child = spawn(process.execPath, [cli, ...follow, "--data", directory], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (more: string) => {
      text += more;
    });
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    const lines = () => text.split("\n").filter((line) => line !== "");
    // The first denials may come before the command looks; it has begun when one of them is shown.
    let sent = 0;
    const deny = async () => {
      sent++;
      await assert.rejects(orders.item(`item-${sent}`, "a").read(), { code: 403 });
    };
    await deny();
    const giveUp = Date.now() + 120_000;
    const waiting = (): boolean => {
      assert.ok(Date.now() < giveUp, text);
      return true;
    };
    while (lines().length === 0 && waiting()) {
      await deny();
      await new Promise((wait) => setTimeout(wait, 100));
    }
    const before = sent;
    for (let more = 0; more < 5; more++) await deny();
    while (!text.includes(`item-${before + 5}"`) && waiting())
      await new Promise((wait) => setTimeout(wait, 50));
    child.kill("SIGINT");
    assert.equal(await ended, 0);
    const ids = lines().map((line) => /docs\/item-(\d+)/.exec(line)?.[1]);
    const numbers = ids.map(Number);
    assert.deepEqual(
      numbers,
      Array.from({ length: numbers.length }, (_, at) => (numbers[0] ?? 0) + at),
    );
  });
});

/** Sets of a terminal's orders: ESC, CSI and OSC in one byte, the start of a line anew, and text from right to left. */
const obeyed = "\u001b[2J\u009b31m\u009d0;x\u0007\r\n\u202eDEWOLLA";

test("nothing that a terminal would obey is shown, whoever sent it and wherever it stands", async () => {
  await withAccessServer(async ({ server, celestite }) => {
    const { endpoints, tenantId, subscriptionId, caFile, accounts } = await server.status();
    const ca = await readFile(caFile);
    const part = encodeURIComponent(obeyed);
    const form = new URLSearchParams({ grant_type: obeyed, client_id: obeyed, scope: obeyed }).toString();
    const header = { "content-type": "application/x-www-form-urlencoded", "user-agent": "a\u009b2J" };
    for (const [url, body] of [
      [`${endpoints.authority}/${tenantId}/oauth2/v2.0/token`, form],
      [`${endpoints.authority}/${part}/oauth2/v2.0/token`, form],
      [`${endpoints.authority}/${tenantId}/oauth2/v2.0/token`, `${form}&${part}=1&${part}=2`],
      [`${accounts[0]?.endpoint}dbs/${part}/colls`, "{}"],
    ] as const) {
      const outgoing = request(url, { method: "POST", ca, agent: false, headers: header });
      const [response] = (await once(outgoing.end(body), "response")) as [IncomingMessage];
      await once(response.resume(), "end");
    }
    for (const path of [
      `/subscriptions/${subscriptionId}/providers/Microsoft.${part}/${part}/x?api-version=2024-01-01`,
      `/subscriptions/${subscriptionId}/resourceGroups/rg/providers/Microsoft.Foo/a/b/${part}?api-version=2024-01-01`,
      `/subscriptions/${subscriptionId}/resourceGroups/${part}?api-version=2024-01-01`,
    ]) {
      await callArm(server, "POST", path, {});
      await callArm(server, "GET", path);
    }
    const shown = [["logs"], ["logs", "--json"], ["explain"], ["explain", "--json"], ["explain", "--last"]];
    const ids = [
      ...(await celestite("logs", "--json")).out.matchAll(
        /"(?:activityId|correlationId)":"([0-9a-f-]{36})"/g,
      ),
    ];
    assert.ok(ids.length > 5);
    for (const args of [...shown, ...ids.map(([, id = ""]) => ["explain", id])]) {
      const { code, out, error } = await celestite(...args);
      assert.equal(code, 0, error);
      assert.doesNotMatch(out, /[^\P{Cc}\n]|[\u2028\u2029\u202a-\u202e\u2066-\u2069]/u, args.join(" "));
    }
    const lines = (await celestite("logs", "--json")).out.trim().split("\n");
    const values = lines.map((line) => JSON.parse(line) as { properties: { appId?: string } });
    assert.ok(
      values.some(({ properties }) => properties.appId === obeyed),
      "the value itself is kept",
    );
  });
});

test("mistakes get one line", async () => {
  await withAccessServer(async ({ celestite }) => {
    for (const args of [["--last", "many"], ["--status", "999"], ["more"]]) {
      const said = await celestite("logs", ...args);
      assert.deepEqual([said.code, said.error.split("\n").length], [2, 2], said.error);
    }
    assert.equal((await celestite("logs")).code, 0);
  });
});

/** `celestite status`: what it shows of a server, and waiting for one that is being started. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startCelestite } from "../../src/celestite.ts";
import { runCommandLine } from "../../src/cli/command-line.ts";
import { openEntropy, systemClock } from "../../src/clock.ts";
import { operatorFile } from "../../src/composition/operator-file.ts";
import { testSettings, withDirectory } from "../fixtures.ts";
import { withAccessServer } from "./access-server.ts";

test("shows what listens, accounts and identities", async () => {
  await withAccessServer(async ({ celestite, identity, endpoint }) => {
    assert.match((await celestite("status")).out, /No user-assigned identity yet/);
    const principalId = await identity("worker");
    const { code, out } = await celestite("status");
    assert.equal(code, 0);
    assert.ok(out.includes(`Cosmos shop                   ${endpoint}\n`), out);
    assert.match(out, new RegExp(`worker {2}client id [0-9a-f-]{36} {2}principal id ${principalId}\n`));
    const json = JSON.parse((await celestite("status", "--json")).out) as {
      ready: boolean;
      identities: readonly { name: string }[];
    };
    assert.equal(json.ready, true);
    assert.deepEqual(
      json.identities.map(({ name }) => name),
      ["worker"],
    );
    assert.equal((await celestite("status", "--wait", "soon")).code, 2);
  });
});

test("waits until what the server was started with is deployed, and says when it is not in time", async () => {
  await withDirectory(async (directory) => {
    const said = { out: "", error: "" };
    const terminal = {
      out: (text: string) => {
        said.out += text;
      },
      error: (text: string) => {
        said.error += text;
      },
    };
    const status = (...args: string[]): Promise<number> =>
      runCommandLine(["status", "--data", directory, ...args], terminal);
    assert.equal(await status(), 1);
    assert.match(said.error, /No server is running/);
    let ready = false;
    const server = await startCelestite(testSettings(directory), {
      clock: systemClock,
      entropy: openEntropy(),
      ready: () => ready,
      onError: (error) => assert.fail(String(error)),
    });
    try {
      assert.equal(await status(), 0);
      assert.match(said.out, /is running, and still deploys its templates\./);
      assert.equal(await status("--wait", "1"), 1);
      assert.match(said.error, /still deploys its templates after 1 second\./);
      const waiting = status("--wait", "60");
      ready = true;
      assert.equal(await waiting, 0);
    } finally {
      await server.close();
    }
  });
});

test("a server that ends leaves the file of another one alone", async () => {
  await withDirectory(async (directory) => {
    const around = {
      clock: systemClock,
      entropy: openEntropy(),
      onError: (error: unknown) => assert.fail(String(error)),
    };
    const first = await startCelestite(testSettings(directory), around);
    const second = await startCelestite(testSettings(directory), around);
    await first.close();
    const text = await readFile(join(directory, operatorFile), "utf8");
    assert.ok(text.includes(second.operatorSecret));
    await second.close();
    await assert.rejects(readFile(join(directory, operatorFile), "utf8"), { code: "ENOENT" });
  });
});

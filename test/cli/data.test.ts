/** Personal data: what `celestite data` exports and erases is the subject's, all of it, and nothing else. */
import assert from "node:assert/strict";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Container } from "@azure/cosmos";
import { type AccessServer, withAccessServer } from "./access-server.ts";

interface Room extends AccessServer {
  readonly orders: Container;
  readonly left: () => Promise<readonly string[]>;
}

/** Items of two subjects: `ada` has more of them than fit on one page, over several partitions. */
async function withSubjects(use: (room: Room) => Promise<void>): Promise<void> {
  await withAccessServer(async (server) => {
    const { arm, account, client } = server;
    const { body } = await arm("POST", `${account}/listKeys?api-version=2024-08-15`);
    const orders = client({ key: String(body["primaryMasterKey"]) })
      .database("db")
      .container("orders");
    for (let at = 0; at < 130; at++) {
      await orders.items.create({
        id: `ada-${at}`,
        pk: at % 3 === 0 ? "a" : "b",
        customer: "ada",
        at,
      });
    }
    await orders.items.create({ id: "bob-1", pk: "a", customer: "bob" });
    await orders.items.create({ id: "bob 2%+é", customer: "bob" });
    const left = async () =>
      (await orders.items.query("SELECT VALUE c.customer FROM c").fetchAll()).resources as string[];
    await use({ ...server, orders, left });
  });
}

const subject = ["--container", "db/orders", "--where", "c.customer = @who", "--param"];
const count = (all: readonly string[], who: string): number => all.filter((one) => one === who).length;

describe("personal data", () => {
  test("is exported whole, as NDJSON, into a file that only its owner can read", async () => {
    await withSubjects(async ({ celestite, directory }) => {
      const file = join(directory, "ada.ndjson");
      // Neither the mode nor the content of an earlier file stays.
      await writeFile(file, "of before\n", { mode: 0o644 });
      const said = await celestite("data", "export", ...subject, "who=ada", "--out", file);
      assert.equal(said.code, 0, said.error);
      assert.equal(said.error, "130 items exported.\n");
      const lines = (await readFile(file, "utf8"))
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      assert.equal(new Set(lines.map(({ id }) => id)).size, 130);
      assert.ok(lines.every((item) => item["customer"] === "ada" && item["_rid"] === undefined));
      assert.equal((await stat(file)).mode & 0o077, 0);
      const partition = await celestite(
        "data",
        "export",
        "--container",
        "db/orders",
        "--partition-key",
        '["a"]',
      );
      assert.equal(partition.out.trimEnd().split("\n").length, 45);
    });
  });

  test("is erased by query, only when told so, and only the subject's", async () => {
    await withSubjects(async ({ celestite, left }) => {
      const asked = await celestite("data", "erase", ...subject, "who=ada");
      assert.match(asked.out, /^130 items would be erased/);
      assert.equal((await left()).length, 132);
      const done = await celestite("data", "erase", ...subject, "who=ada", "--yes");
      assert.equal(done.out, "130 items erased.\n", done.error);
      assert.deepEqual(await left(), ["bob", "bob"]);
      assert.equal(
        (await celestite("data", "erase", ...subject, "who=bob", "--yes")).out,
        "2 items erased.\n",
      );
      assert.deepEqual(await left(), []);
    });
  });

  test("is erased by partition key", async () => {
    await withSubjects(async ({ celestite, left }) => {
      const args = ["--container", "db/orders", "--partition-key", '["a"]', "--yes"];
      const done = await celestite("data", "erase", ...args);
      assert.equal(done.out, "45 items erased with their partition.\n", done.error);
      const all = await left();
      assert.deepEqual([count(all, "ada"), count(all, "bob")], [86, 1]);
    });
  });

  test("is erased by time to live, where that is switched on", async () => {
    await withSubjects(async ({ celestite, orders, left }) => {
      const off = await celestite("data", "erase", ...subject, "who=bob", "--ttl", "1", "--yes");
      assert.equal(off.code, 1);
      assert.match(off.error, /Time to live is switched off/);
      await orders.replace({ id: "orders", partitionKey: { paths: ["/pk"] }, defaultTtl: -1 });
      const done = await celestite("data", "erase", ...subject, "who=bob", "--ttl", "1", "--yes");
      assert.equal(done.out, "2 items will expire in 1 seconds.\n", done.error);
      const until = Date.now() + 60_000;
      while (count(await left(), "bob") > 0 && Date.now() < until)
        await new Promise((wait) => setTimeout(wait, 200));
      const all = await left();
      assert.deepEqual([count(all, "ada"), count(all, "bob")], [130, 0]);
    });
  });

  const mistakes: readonly (readonly [readonly string[], number, RegExp])[] = [
    [["data"], 2, /'export' or 'erase'/],
    [["data", "export"], 2, /--container is needed/],
    [["data", "erase", "--container", "db/orders"], 2, /--where or --partition-key/],
    [["data", "erase", "--container", "db/orders", "--partition-key", "ada"], 2, /JSON array/],
    [["data", "erase", "--container", "db/orders", "--where", "true", "--ttl", "0"], 2, /--ttl takes/],
    [["data", "export", "--container", "orders", "--where", "true"], 1, /DATABASE\/CONTAINER/],
    [["data", "export", "--container", "db/none", "--where", "true"], 1, /answered 404/],
    [["data", "export", "--container", "db/orders", "--where", "c.customer ="], 1, /answered 400/],
  ];
  test("mistakes get one line and an exit code", async () => {
    await withAccessServer(async ({ celestite, arm, account }) => {
      for (const [args, code, words] of mistakes) {
        const said = await celestite(...args);
        assert.equal(said.code, code, args.join(" "));
        assert.match(said.error, words);
        assert.equal(said.error.split("\n").length, 2, said.error);
      }
      await arm("PATCH", `${account}?api-version=2024-08-15`, { properties: { disableLocalAuth: true } });
      const off = await celestite("data", "export", "--container", "db/orders", "--where", "true");
      assert.match(off.error, /answered 401: Local Authorization is disabled/);
    });
  });
});

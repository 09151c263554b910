/** The server as a library: what a test suite of somebody else does with it, through the package's own entry. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { Agent } from "node:https";
import { join } from "node:path";
import { describe, test } from "node:test";
import { CosmosClient } from "@azure/cosmos";
import { start } from "../src/library.ts";
import { root, withDirectory } from "./fixtures.ts";

const template = join(root, "demo/main.json");

describe("start", () => {
  test("deploys, hands out identities and endpoints, and leaves nothing", async () => {
    const said: string[] = [];
    const server = await start({
      deploy: template,
      group: "library",
      parameters: { disableLocalAuth: false, accountName: "library-test" },
      log: (text) => said.push(text),
    });
    let bundle: string | undefined;
    try {
      assert.match(said.join(""), /Succeeded: 7 resources/);
      const environment = await server.environment({ identities: ["worker"] });
      bundle = environment["REQUESTS_CA_BUNDLE"];
      const endpoint = await server.endpoint();
      assert.equal(environment["COSMOS_ENDPOINT"], endpoint);
      assert.equal(await server.endpoint("LIBRARY-test"), endpoint);
      await assert.rejects(server.endpoint("other"), /no Cosmos account 'other'; there are: library-test/);
      const agent = new Agent({ ca: server.ca });
      for (const identity of ["worker", "visitor"]) {
        const client = new CosmosClient({ endpoint, aadCredentials: server.credential(identity), agent });
        const { items } = client.database("rbacsample").container("data");
        const create = items.create({ id: "1", partitionKey: "1" });
        if (identity === "worker") assert.equal((await create).statusCode, 201);
        else await assert.rejects(create, { code: 403 });
        client.dispose();
      }
      agent.destroy();
      const unknown = server.credential("worker").getToken("https://unknown.example/.default");
      await assert.rejects(unknown, /No token for https:\/\/unknown\.example\/\.default: .*/);
      await assert.rejects(server.environment({ identities: ["stranger"] }), /there are: visitor, worker/);
      await assert.rejects(
        server.deploy({ deploy: "no-such.json" }),
        /There is no file or folder no-such\.json/,
      );
    } finally {
      await server[Symbol.asyncDispose]();
    }
    await server.close();
    assert.equal(existsSync(String(bundle)), false);
  });

  test("fails with what is wrong, and leaves nothing running", async () => {
    await withDirectory(async (directory) => {
      const broken = join(directory, "broken.bicep");
      await writeFile(broken, "output x string = nothing\n");
      await assert.rejects(start({ deploy: broken }), /broken\.bicep has errors; nothing was deployed/);
      await assert.rejects(start({ group: "g" }), /go with --deploy/);
    });
  });

  test("keeps what is in a directory", async () => {
    await withDirectory(async (directory) => {
      const data = join(directory, "data");
      const first = await start({ data, deploy: template });
      const before = await first.environment({ identities: ["worker"] });
      await first.close();
      const second = await start({ data });
      try {
        const after = await second.environment({ identities: ["worker"] });
        assert.equal(after["AZURE_CLIENT_ID"], before["AZURE_CLIENT_ID"]);
      } finally {
        await second.close();
      }
    });
  });
});

test("the package has types and a module at its entry", async () => {
  const { exports } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
    exports: Record<string, Record<string, string>>;
  };
  for (const file of Object.values(exports["."] ?? {})) assert.ok(existsSync(join(root, file)), file);
});

/**
 * Where a request comes from: the address of its socket, and for sockets that are files (the doors of sandboxes) this
 * machine. An account's network rules judge both alike.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Listener, listen, unboundServer } from "../../src/http/listen.ts";
import { type CosmosFixture, openCosmosFixture } from "../cosmos/fixture.ts";

const bodyBytesMax = 1024;
const onError = (error: unknown): void => assert.fail(String(error));
let fixture: CosmosFixture;
let listener: Listener;
let folder: string;
let file: ReturnType<typeof unboundServer>;
let came: string[] = [];

before(async () => {
  fixture = await openCosmosFixture();
  const service: CosmosFixture["service"] = (request) => {
    came.push(request.remoteAddress);
    return fixture.service(request);
  };
  listener = await listen({ port: 0, host: "127.0.0.1", service, bodyBytesMax, onError });
  folder = await mkdtemp(join(tmpdir(), "celestite-peer-"));
  file = unboundServer({ service, bodyBytesMax, onError });
  file.listen(join(folder, "s"));
  await once(file, "listening");
});

after(async () => {
  await listener.close();
  file.close();
  file.closeAllConnections();
  await rm(folder, { recursive: true });
});

async function statusOf(where: object): Promise<number> {
  const outgoing = httpRequest({ ...where, path: "/dbs/shop", agent: false }).end();
  const [reply] = await once(outgoing, "response");
  reply.resume();
  return reply.statusCode;
}

describe("network rules", () => {
  // Without a credential: 401 is the answer to who was let in.
  for (const [ipRules, expected] of [
    [[], 401],
    [["127.0.0.1"], 401],
    [["127.0.0.0/8", "10.0.0.1"], 401],
    [["10.0.0.1"], 403],
    [["0.0.0.0"], 403],
  ] as const) {
    test(`${JSON.stringify(ipRules)}: ${expected} by a port and by a file`, async () => {
      await fixture.setAccount({
        network: { publicNetworkAccess: "Enabled", ipRules, virtualNetworkFilter: false },
      });
      came = [];
      assert.equal(await statusOf({ host: "127.0.0.1", port: listener.port }), expected);
      assert.equal(await statusOf({ socketPath: join(folder, "s") }), expected);
      assert.deepEqual(came, ["127.0.0.1", "127.0.0.1"]);
    });
  }
});

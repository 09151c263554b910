import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { manualClock } from "../../src/clock.ts";
import { json } from "../../src/http/reply.ts";
import type { Reply, Request } from "../../src/http/service.ts";
import { createFaults, type FaultRule, faultTargets } from "../../src/operator/faults.ts";

function request(target = "/docs/1"): Request {
  const body = new Uint8Array();
  return { method: "GET", target, headers: {}, body, origin: "https://x", remoteAddress: "127.0.0.1" };
}

function room(): {
  readonly faults: ReturnType<typeof createFaults>;
  readonly send: (target?: string) => Promise<Reply>;
  readonly reached: () => number;
} {
  const faults = createFaults(manualClock(0));
  let count = 0;
  const service = faults.wrap("cosmos", async () => {
    count += 1;
    return json(200, {});
  });
  return { faults, send: (target) => service(request(target)), reached: () => count };
}

describe("faults on order", () => {
  test("as often as asked for, then as before", async () => {
    const { faults, send, reached } = room();
    faults.add({ target: "cosmos", status: 429, retryAfter: 2, times: 2 });
    for (let at = 0; at < 2; at++) {
      const { status, headers } = await send();
      assert.deepEqual(
        [status, headers["retry-after"], headers["x-ms-retry-after-ms"], headers["x-ms-substatus"]],
        [429, "2", "2000", "3200"],
      );
    }
    assert.equal((await send()).status, 200);
    assert.equal(reached(), 1);
    assert.deepEqual(faults.list(), []);
  });

  test("only for its service and for what matches", async () => {
    const { faults, send } = room();
    faults.add({ target: "arm", status: 500, times: 1 });
    faults.add({ target: "cosmos", status: 503, match: "/colls", times: 1 });
    assert.equal((await send("/docs")).status, 200);
    assert.equal((await send("/dbs/a/colls/b")).status, 503);
    assert.equal(faults.list().length, 1);
  });

  test("a broken connection, a delay alone", async () => {
    const { faults, send, reached } = room();
    faults.add({ target: "cosmos", reset: true, times: 1 });
    assert.equal((await send()).reset, true);
    assert.equal(reached(), 0);
    faults.add({ target: "cosmos", delayMilliseconds: 1, times: 1 });
    assert.equal((await send()).status, 200);
    assert.equal(reached(), 1);
  });

  test("in order, listed with what is left, removed one or all", async () => {
    const { faults, send } = room();
    const first = faults.add({ target: "cosmos", status: 500, times: 5 });
    faults.add({ target: "cosmos", status: 501, times: 1 });
    assert.equal((await send()).status, 500);
    assert.deepEqual(
      faults.list().map(({ times }) => times),
      [4, 1],
    );
    assert.equal(faults.remove(first.id), 1);
    assert.equal(faults.remove(first.id), 0);
    assert.equal((await send()).status, 501);
    faults.add({ target: "cosmos", status: 500, times: 1 });
    assert.equal(faults.remove(), 1);
  });

  for (const target of faultTargets) {
    test(`${target}: JSON in the service's form`, async () => {
      const faults = createFaults(manualClock(0));
      const rule: FaultRule = { target, status: 500, times: 1 };
      faults.add(rule);
      const reply = await faults.wrap(target, async () => json(200, {}))(request());
      assert.equal(reply.status, 500);
      assert.match(String(reply.body), /asked for with 'celestite fault add'/);
    });
  }
});

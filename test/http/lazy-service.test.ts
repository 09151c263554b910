import assert from "node:assert/strict";
import { test } from "node:test";
import { lazyService } from "../../src/http/lazy-service.ts";
import type { Request, Service } from "../../src/http/service.ts";

const request: Request = {
  method: "GET",
  target: "/",
  headers: {},
  body: new Uint8Array(),
  origin: "http://localhost",
  remoteAddress: "",
};

test("a lazy service is loaded by its first request, and once for all that come meanwhile", async () => {
  let loads = 0;
  const service = lazyService(async (): Promise<Service> => {
    loads += 1;
    const status = 200 + loads;
    return async () => ({ status, headers: {} });
  });
  assert.equal(loads, 0);
  const replies = await Promise.all([service(request), service(request)]);
  assert.deepEqual(
    [...replies, await service(request)].map(({ status }) => status),
    [201, 201, 201],
  );
});

test("a service that cannot be loaded fails every request", async () => {
  const service = lazyService(async () => {
    throw new Error("out of order");
  });
  await assert.rejects(service(request), /out of order/);
  await assert.rejects(service(request), /out of order/);
});

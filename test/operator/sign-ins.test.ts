/** What a record of a refused request for a token keeps, however much was sent. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { manualClock, seededEntropy } from "../../src/clock.ts";
import { json } from "../../src/http/reply.ts";
import type { Request } from "../../src/http/service.ts";
import { createRecorder, type DiagnosticRecord } from "../../src/observability/diagnostic-records.ts";
import { createSignIns } from "../../src/operator/sign-ins.ts";

const form = { "content-type": "application/x-www-form-urlencoded" };

function asking(body: string, changes: Partial<Request> = {}): Request {
  return {
    method: "POST",
    target: "/tenant/oauth2/v2.0/token",
    headers: form,
    body: Buffer.from(body),
    origin: "https://x",
    remoteAddress: "127.0.0.1",
    ...changes,
  };
}

/** Everything is refused with `refusal`; what is recorded is in the recorder. */
function room(refusal: unknown = { error: "invalid_client", error_description: "No." }) {
  const recorder = createRecorder();
  const signIns = createSignIns({
    clock: manualClock(0),
    entropy: seededEntropy(1),
    record: recorder.record,
  });
  const service = signIns.wrap("authority", async () => json(400, refusal));
  return { recorder, service };
}

async function recorded(request: Request, refusal?: unknown): Promise<DiagnosticRecord> {
  const { recorder, service } = room(refusal);
  await service(request);
  const found = recorder.last();
  assert.ok(found);
  return found;
}

describe("what is kept of a refused request", () => {
  const long = "x".repeat(20_000);
  const cases: readonly (readonly [string, Request, unknown, Partial<DiagnosticRecord["signIn"]>])[] = [
    [
      "a form",
      asking("client_id=a&scope=s&grant_type=g&client_secret=no"),
      undefined,
      { appId: "a", resource: "s", grantType: "g" },
    ],
    [
      "a long form",
      asking(`client_id=${long}&scope=${long}&grant_type=${long}`),
      undefined,
      { appId: "x".repeat(300), resource: "x".repeat(300), grantType: "x".repeat(300) },
    ],
    ["a form that no authority takes", asking(`client_id=a&x=${"y".repeat(70_000)}`), undefined, {}],
    [
      "a query beside a form",
      asking("client_id=a", { target: "/t/token?client_id=b&scope=s" }),
      undefined,
      { appId: "a" },
    ],
    ["a body that is no form", asking("client_id=a", { headers: {} }), undefined, {}],
    [
      "half of a character",
      asking(`client_id=${"x".repeat(299)}🦊`),
      undefined,
      { appId: `${"x".repeat(299)}\ud83e` },
    ],
  ];
  for (const [what, request, refusal, expected] of cases) {
    test(what, async () => {
      const { signIn } = await recorded(request, refusal);
      const { resultType, ...asked } = signIn ?? { resultType: "" };
      assert.equal(resultType, "invalid_client");
      assert.deepEqual(asked, expected);
    });
  }

  test("long paths, user agents and messages are cut", async () => {
    const request = asking("", {
      target: `/${long}/token?secret=1`,
      headers: { ...form, "user-agent": long },
    });
    const record = await recorded(request, { error: "e", error_description: long });
    assert.deepEqual(
      [record.resource.length, record.userAgent.length, record.message?.length],
      [4096, 4096, 2000],
    );
  });

  for (const [refusal, message, resultType] of [
    [{ error: { code: "c", message: "in an object" } }, "in an object", "c"],
    [{ error: { secret: "no" } }, "undefined", "managed_identity"],
    [{ statusCode: 400, message: "alone" }, "alone", "managed_identity"],
    [{ error: "e", error_description: "first\r\nTrace ID: 1" }, "first", "e"],
  ] as const) {
    test(`the words of ${JSON.stringify(refusal)}`, async () => {
      const record = await recorded(asking(""), refusal);
      assert.equal(record.signIn?.resultType, resultType);
      if (message !== "undefined") assert.equal(record.message, message);
      else assert.doesNotMatch(record.message ?? "", /no|object/);
    });
  }
});

test("large requests leave no more behind than small ones", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const { service } = room();
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let at = 0; at < 30; at++) await service(asking(`client_id=${at}${"x".repeat(4_000_000)}`));
  for (let at = 0; at < 30; at++) await service(asking(`client_id=${at}${"x".repeat(60_000)}`));
  collect();
  const grown = process.memoryUsage().heapUsed - before;
  assert.ok(grown < 20_000_000, `${grown} bytes are kept of 60 refused requests`);
});

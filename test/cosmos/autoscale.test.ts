/** Autoscale: what a create's header and a replaced offer may ask for, and that offers give it back. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bodyOf, type CosmosFixture, openCosmosFixture, outcome } from "./fixture.ts";

type Json = Readonly<Record<string, unknown>>;

const upgraded = (incrementPercent: unknown): Json => ({
  autoUpgradePolicy: { throughputPolicy: { incrementPercent } },
});
const tooLittle = (value: number, least = 1000): string =>
  `Requested throughput ${value} is less than required minimum throughput ${least}`;
const inSteps =
  "The offer should have valid throughput values between 1000 and 1000000 inclusive in increments of 1000.";

/** Settings as a client writes them, and what offers give back or a part of the refusal. */
const settings: readonly (readonly [Json, Json | string])[] = [
  [{ maxThroughput: 7000 }, { maxThroughput: 7000 }],
  [
    { maxThroughput: 7000, ...upgraded(0) },
    { maxThroughput: 7000, ...upgraded(0) },
  ],
  [
    { maxThroughput: 1000, ...upgraded(11) },
    { maxThroughput: 1000, ...upgraded(11) },
  ],
  [{ maxThroughput: 1000, autoUpgradePolicy: {} }, { maxThroughput: 1000 }],
  [{ maxThroughput: 1000, autoUpgradePolicy: null }, { maxThroughput: 1000 }],
  [{ maxThroughput: 1000, ...upgraded(null) }, { maxThroughput: 1000 }],
  [{ maxThroughput: -200, ...upgraded(0) }, tooLittle(-200)],
  [{ maxThroughput: 900 }, tooLittle(900)],
  [{ maxThroughput: 1500 }, inSteps],
  [{ maxThroughput: 1_001_000 }, inSteps],
  [{ maxThroughput: "many" }, inSteps],
  [{ maxThroughput: 1000, ...upgraded(-1) }, "incrementPercent"],
  [{ maxThroughput: 1000, ...upgraded(2.5) }, "incrementPercent"],
  [{ maxThroughput: 1000, ...upgraded("3") }, "incrementPercent"],
];

const creates: readonly (readonly [string, string, Json])[] = [
  ["a database", "/dbs", { id: "scaled" }],
  ["a container", "/dbs/shop/colls", { id: "scaled", partitionKey: { paths: ["/pk"] } }],
];

async function open(): Promise<CosmosFixture> {
  const fixture = await openCosmosFixture();
  await fixture.setAccount({ serverless: false });
  return fixture;
}

async function offers(fixture: CosmosFixture): Promise<readonly { id: string; content: Json }[]> {
  return bodyOf(await fixture.sendSigned("GET", "/offers"))["Offers"] as { id: string; content: Json }[];
}

function replace(fixture: CosmosFixture, id: string, content: Json): ReturnType<CosmosFixture["send"]> {
  const resourceLink = id.toLowerCase();
  return fixture.sendSigned("PUT", `/offers/${id}`, {
    body: { id, content },
    resourceType: "offers",
    resourceLink,
  });
}

describe("autoscale", () => {
  for (const [asked, expected] of settings) {
    const text = JSON.stringify(asked);
    const refusal = typeof expected === "string" ? expected : undefined;
    for (const [what, target, body] of creates) {
      test(`${what} with ${text}: ${refusal === undefined ? "given back" : "400"}`, async () => {
        const fixture = await open();
        const headers = { "x-ms-cosmos-offer-autopilot-settings": text };
        const reply = await fixture.sendSigned("POST", target, { headers, body });
        assert.equal(outcome(reply), refusal === undefined ? "201" : "400");
        if (refusal !== undefined) assert.ok(String(bodyOf(reply)["message"]).includes(refusal));
        const found = (await offers(fixture)).map(({ content }) => content["offerAutopilotSettings"]);
        assert.deepEqual(found, refusal === undefined ? [expected] : []);
      });
    }

    test(`an offer replaced by ${text}: ${refusal === undefined ? "given back" : "400"}`, async () => {
      const fixture = await open();
      const before = { maxThroughput: 2000, ...upgraded(5) };
      const headers = { "x-ms-cosmos-offer-autopilot-settings": JSON.stringify(before) };
      await fixture.sendSigned("POST", "/dbs", { headers, body: { id: "scaled" } });
      const [offer] = await offers(fixture);
      const reply = await replace(fixture, offer?.id ?? "", { offerAutopilotSettings: asked });
      assert.equal(outcome(reply), refusal === undefined ? "200" : "400");
      if (refusal !== undefined) assert.ok(String(bodyOf(reply)["message"]).includes(refusal));
      const [after] = await offers(fixture);
      assert.deepEqual(after?.content["offerAutopilotSettings"], refusal === undefined ? expected : before);
    });
  }

  test("below a tenth of what it was: 400 with the least that it may be", async () => {
    const fixture = await open();
    const headers = { "x-ms-cosmos-offer-autopilot-settings": '{"maxThroughput":50000}' };
    await fixture.sendSigned("POST", "/dbs", { headers, body: { id: "scaled" } });
    const [offer] = await offers(fixture);
    const set = (maxThroughput: number): ReturnType<CosmosFixture["send"]> =>
      replace(fixture, offer?.id ?? "", { offerAutopilotSettings: { maxThroughput } });
    const reply = await set(4000);
    assert.equal(outcome(reply), "400");
    assert.ok(String(bodyOf(reply)["message"]).includes(tooLittle(4000, 5000)));
    assert.equal(outcome(await set(5000)), "200");
  });

  test("manual throughput has no policy, and keeps its own text", async () => {
    const fixture = await open();
    const headers = {
      "x-ms-cosmos-offer-autopilot-settings": JSON.stringify({ maxThroughput: 4000, ...upgraded(5) }),
    };
    await fixture.sendSigned("POST", "/dbs", { headers, body: { id: "scaled" } });
    const [offer] = await offers(fixture);
    const id = offer?.id ?? "";
    assert.equal(outcome(await replace(fixture, id, { offerThroughput: 500 })), "200");
    const content = { offerThroughput: 500, offerIsRUPerMinuteThroughputEnabled: false };
    assert.deepEqual((await offers(fixture))[0]?.content, content);
    const reply = await replace(fixture, id, { offerThroughput: -200 });
    assert.match(String(bodyOf(reply)["message"]), /valid throughput values between 400 and 1000000/);
  });
});

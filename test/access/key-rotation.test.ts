/**
 * The documented rotation of account keys under load: 64 clients on one key, the other regenerated, the clients
 * switched, the first regenerated; no request fails, and what was regenerated is refused at once. And wrong signatures
 * in between: they are refused, and right ones are not held up by them.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CosmosClient } from "@azure/cosmos";
import { type AccountKeys, cosmosLock, type KeyKind } from "../../src/cosmos/control.ts";
import { accountName, type CosmosFixture, openCosmosFixture, outcome } from "../cosmos/fixture.ts";
import { type Wire, withWire } from "../cosmos/wire-fixture.ts";
import { sized } from "../full-size.ts";

const clientsRunning = 64;

async function keysOf(fixture: CosmosFixture): Promise<AccountKeys> {
  const keys = await fixture.control.listKeys(fixture.store, accountName);
  assert.ok(keys !== undefined);
  return keys;
}

async function regenerate(fixture: CosmosFixture, kind: KeyKind): Promise<void> {
  await fixture.store.transact([cosmosLock(accountName)], (transaction) =>
    fixture.control.regenerateKey(transaction, accountName, kind),
  );
}

function clientOf({ endpoint, agent }: Wire, key: string): CosmosClient {
  return new CosmosClient({ endpoint, agent, key });
}

/** A program that reads its key from its settings, as the procedure wants: a new client when the setting changes. */
async function program(
  wire: Wire,
  number: number,
  setting: { key: string; stopped: boolean },
  counts: number[],
): Promise<void> {
  let key = setting.key;
  let client = clientOf(wire, key);
  while (!setting.stopped) {
    if (key !== setting.key) {
      client.dispose();
      key = setting.key;
      client = clientOf(wire, key);
    }
    const { statusCode } = await client
      .database("shop")
      .container("orders")
      .items.upsert({ id: `p${number}`, pk: "a", turn: counts[number] });
    assert.ok(statusCode === 200 || statusCode === 201);
    counts[number] = (counts[number] ?? 0) + 1;
  }
  client.dispose();
}

/** Resolves when every program has done `more` further requests; rejects as soon as one fails. */
async function everyoneWorks(
  counts: readonly number[],
  more: number,
  programs: Promise<unknown>,
): Promise<void> {
  const goals = counts.map((count) => count + more);
  let failed: unknown;
  programs.catch((error: unknown) => {
    failed = error;
  });
  while (counts.some((count, at) => count < (goals[at] ?? 0))) {
    if (failed !== undefined) throw failed;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function isRefused(wire: Wire, key: string): Promise<void> {
  const client = clientOf(wire, key);
  await assert.rejects(client.database("shop").read(), { code: 401 });
  client.dispose();
}

describe("key rotation", () => {
  test("64 clients go through the procedure without one failed request", async () => {
    const fixture = await openCosmosFixture({ now: Date.now() });
    await withWire(fixture, async (wire) => {
      const first = await keysOf(fixture);
      const setting = { key: first.primaryMasterKey, stopped: false };
      const counts = Array.from({ length: clientsRunning }, () => 0);
      const programs = Promise.all(counts.map((_, at) => program(wire, at, setting, counts)));
      programs.catch(() => {});
      await everyoneWorks(counts, sized(1, 2), programs);
      await regenerate(fixture, "secondary");
      await isRefused(wire, first.secondaryMasterKey);
      await everyoneWorks(counts, sized(1, 2), programs);
      setting.key = (await keysOf(fixture)).secondaryMasterKey;
      await everyoneWorks(counts, sized(2, 3), programs);
      await regenerate(fixture, "primary");
      await isRefused(wire, first.primaryMasterKey);
      await everyoneWorks(counts, sized(1, 2), programs);
      setting.stopped = true;
      await programs;
      const last = await keysOf(fixture);
      assert.equal(last.primaryReadonlyMasterKey, first.primaryReadonlyMasterKey);
      assert.equal(new Set([...Object.values(first), ...Object.values(last)]).size, 6);
    });
  });

  test("a thousand wrong signatures are refused one and all, and the right ones among them are not", async () => {
    const fixture = await openCosmosFixture();
    const outcomes = await Promise.all(
      Array.from({ length: 1100 }, async (_, at) => {
        const right = at % 11 === 0;
        const wrong = right ? {} : { resourceLink: `dbs/shop${at}` };
        return [right, outcome(await fixture.sendSigned("GET", "/dbs/shop", wrong))] as const;
      }),
    );
    for (const [right, came] of outcomes) assert.equal(came, right ? "200" : "401");
  });
});

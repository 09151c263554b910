/**
 * The broker example as it ships: a token is used, expires, is refused with 401, is given out anew, and work goes on;
 * and a token for one user's partition can do nothing in another's.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Container } from "@azure/cosmos";
import { cosmosLock } from "../../src/cosmos/control.ts";
import { accountName, type CosmosFixture, openCosmosFixture } from "../cosmos/fixture.ts";
import { type Wire, withWire } from "../cosmos/wire-fixture.ts";
import { root } from "../fixtures.ts";

interface Broker {
  readonly url: string;
  close(): Promise<void>;
}

interface Phone {
  tokens(): number;
  run<T>(work: (notes: Container, user: string) => Promise<T>): Promise<T>;
}

interface Example {
  startBroker(options: object): Promise<Broker>;
  openPhone(options: object): Phone;
}

async function load(): Promise<Example> {
  const [broker, phone] = await Promise.all(
    ["broker", "phone"].map((name) => import(join(root, `examples/broker/${name}.js`)) as Promise<Example>),
  );
  assert.ok(broker !== undefined && phone !== undefined);
  return { startBroker: broker.startBroker, openPhone: phone.openPhone };
}

describe("the broker example", () => {
  let example: Example;
  let fixture: CosmosFixture;
  let broker: Broker;
  let wire: Wire;
  let stop: () => void = () => {};
  let served: Promise<void> = Promise.resolve();

  before(async () => {
    example = await load();
    fixture = await openCosmosFixture({ now: Date.now() });
    await fixture.store.transact([cosmosLock(accountName)], async (transaction) => {
      await fixture.control.putDatabase(transaction, accountName, { id: "app" });
      const partitionKey = { paths: ["/user"], kind: "Hash" };
      await fixture.control.putContainer(transaction, accountName, "app", { id: "notes", partitionKey });
    });
    const keys = await fixture.control.listKeys(fixture.store, accountName);
    wire = await new Promise<Wire>((ready) => {
      served = withWire(fixture, async (given) => {
        ready(given);
        await new Promise<void>((resolve) => {
          stop = resolve;
        });
      });
    });
    broker = await example.startBroker({
      ...wire,
      key: keys?.primaryMasterKey,
      database: "app",
      container: "notes",
      seconds: 10,
      signedIn: (session: string) => ({ "session-a": "a", "session-b": "b" })[session],
    });
  });
  after(async () => {
    await broker.close();
    stop();
    await served;
  });
  const phoneOf = (session: string): Phone =>
    example.openPhone({ broker: broker.url, session, agent: wire.agent });

  test("a token is used, expires, is refused, is given out anew, and work goes on", async () => {
    const phone = phoneOf("session-a");
    const write = (id: string): Promise<number> =>
      phone.run(async (notes, user) => (await notes.items.upsert({ id, user })).statusCode);
    assert.equal(await write("1"), 201);
    fixture.clock.advance(9_000);
    assert.equal(await write("2"), 201);
    assert.equal(phone.tokens(), 1, "a token that is good is not asked for again");
    fixture.clock.advance(1_000);
    assert.equal(await write("3"), 201);
    assert.equal(phone.tokens(), 2, "an expired one is");
    const { resources } = await phone.run((notes, user) =>
      notes.items.query("SELECT VALUE c.id FROM c", { partitionKey: user }).fetchAll(),
    );
    assert.deepEqual(resources.sort(), ["1", "2", "3"]);
  });

  test("a token for partition a can do nothing in b", async () => {
    const a = phoneOf("session-a");
    const b = phoneOf("session-b");
    await b.run((notes) => notes.items.upsert({ id: "secret", user: "b" }));
    const attempts: readonly (readonly [string, (notes: Container) => Promise<unknown>])[] = [
      ["read", (notes) => notes.item("secret", "b").read()],
      ["create", (notes) => notes.items.create({ id: "intruder", user: "b" })],
      ["upsert", (notes) => notes.items.upsert({ id: "secret", user: "b" })],
      ["replace", (notes) => notes.item("secret", "b").replace({ id: "secret", user: "b" })],
      ["patch", (notes) => notes.item("secret", "b").patch([{ op: "add", path: "/x", value: 1 }])],
      ["delete", (notes) => notes.item("secret", "b").delete()],
      ["query", (notes) => notes.items.query("SELECT * FROM c", { partitionKey: "b" }).fetchAll()],
      ["query everything", (notes) => notes.items.query("SELECT * FROM c").fetchAll()],
      ["read everything", (notes) => notes.items.readAll().fetchAll()],
    ];
    for (const [name, attempt] of attempts)
      await assert.rejects(a.run(attempt), { code: 403 }, `${name} was not refused`);
    const { resource } = await b.run((notes) => notes.item("secret", "b").read());
    assert.equal((resource as { user?: string } | undefined)?.user, "b");
  });

  test("who is not signed in gets no token", async () => {
    await assert.rejects(
      phoneOf("session-c").run((notes) => notes.read()),
      /the broker answered 401/,
    );
  });
});

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { seededEntropy } from "../../src/clock.ts";
import { encodeKey, prefixRange } from "../../src/storage/keys.ts";
import { openStore } from "../../src/storage/open.ts";
import { MAX_KEY_BYTES, type Store, StoreUnavailable } from "../../src/storage/port.ts";
import { openPostgres } from "../../src/storage/postgres.ts";
import { SNAPSHOT_CONNECTIONS } from "../../src/storage/postgres-snapshots.ts";
import { findFaults, PARTITIONS, writeForever } from "./kill-workload.ts";
import { bytes, list } from "./model.ts";
import { PASSWORD_USER, type PostgresServer, startPostgres, whyNoPostgres } from "./postgres-server.ts";

/** Ends every session of a store, as an administrator or a broken network does. */
const END_SESSIONS =
  "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'celestite %'";

let server: PostgresServer;
const title = (name: string): string =>
  whyNoPostgres === undefined ? name : `${name} (skipped: ${whyNoPostgres})`;
const suite = (name: string, body: () => void): void => {
  describe(title(name), { skip: whyNoPostgres !== undefined }, body);
};

async function unavailable(opening: Promise<unknown>, message: RegExp): Promise<void> {
  await assert.rejects(opening, (error) => {
    assert.ok(error instanceof StoreUnavailable, String(error));
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /s3cret/);
    return true;
  });
}

function put(store: Store, key: number, value: number): Promise<void> {
  return store.transact(["put"], async (transaction) => transaction.put(bytes(key), bytes(value)));
}

suite("postgres: opening", () => {
  before(async () => {
    server = await startPostgres();
    await server.query(`CREATE ROLE ${PASSWORD_USER} LOGIN PASSWORD 's3cret-right'`);
    await server.query("CREATE ROLE powerless LOGIN");
    await server.query("CREATE ROLE owner_of_schema LOGIN");
    await server.query("CREATE SCHEMA given AUTHORIZATION owner_of_schema");
    await server.query("CREATE DATABASE readonly");
    await server.query("ALTER DATABASE readonly SET default_transaction_read_only = on");
    await server.query("CREATE DATABASE full_house CONNECTION LIMIT 0");
    await server.query("CREATE SCHEMA other; CREATE TABLE other.store (something int)");
  });
  after(() => server.destroy());

  const withPassword = (password: string): string =>
    server.url("x", { user: PASSWORD_USER }).replace("@", `:${password}@`);
  const refusals: readonly [string, () => string, RegExp][] = [
    [
      "no server at the port",
      () => "postgres://u:s3cret@127.0.0.1:1/d",
      /No PostgreSQL server answers at 127.0.0.1:1/,
    ],
    ["no socket", () => "postgres://u@/d?host=/nowhere", /answers at \/nowhere\/\.s\.PGSQL\.5432 \(ENOENT\)/],
    ["a wrong password", () => withPassword("s3cret-wrong"), /refuses the password of user needs_password/],
    [
      "no password",
      () => server.url("x", { user: PASSWORD_USER }),
      /asks for the password of user needs_password/,
    ],
    ["an unknown user", () => server.url("x", { user: "nobody_here" }), /does not let user nobody_here in/],
    ["an unknown database", () => server.url("x", { database: "none" }), /There is no database none/],
    [
      "a user without rights",
      () => server.url("x", { user: "powerless" }),
      /User powerless may not use.*CREATE/,
    ],
    [
      "a schema of someone else",
      () => server.url("given", { user: "powerless" }),
      /User powerless may not use/,
    ],
    ["a read-only database", () => server.url("x", { database: "readonly" }), /read-only.*primary/],
    [
      "a table of something else",
      () => server.url("other"),
      /cannot be used: column "version" does not exist/,
    ],
    ["an empty schema name", () => server.url(""), /correct \?schema=/],
    ["a reserved schema name", () => server.url("PG_x"), /correct \?schema=/],
    ["a schema name that is too long", () => server.url("ß".repeat(32)), /correct \?schema=/],
    ["a port that is none", () => "postgres://u:s3cret@h:port/d", /malformed \(.*\): give postgres:/],
    [
      "a certificate that is not there",
      () => "postgres://u:s3cret@h/d?sslrootcert=/nowhere",
      /malformed.*\/nowhere/,
    ],
    [
      "a database that is full",
      () => server.url("x", { user: "powerless", database: "full_house" }),
      /has no connection left.*raise max_connections/,
    ],
  ];
  for (const [what, url, message] of refusals) {
    it(`refuses ${what} in one sentence`, () => unavailable(openStore(url()), message));
  }

  it("lets in whoever has the password, or the schema", async () => {
    await server.query(`GRANT CREATE ON DATABASE postgres TO ${PASSWORD_USER}`);
    for (const url of [withPassword("s3cret-right"), server.url("given", { user: "owner_of_schema" })]) {
      const store = await openStore(url);
      await put(store, 1, 2);
      assert.deepEqual(list(await store.get(bytes(1))), [2]);
      await store.close();
    }
  });

  it("opens one schema under both schemes, whatever its name", async () => {
    const url = server.url(`we"ird; 'näme' %41`);
    for (const [i, one] of [url, url.replace("postgres:", "PostgreSQL:")].entries()) {
      const store = await openStore(one);
      assert.deepEqual(list(await store.get(bytes(1))), i === 0 ? undefined : [7]);
      await put(store, 1, 7);
      await store.close();
    }
  });

  it("refuses a layout that it does not know", async () => {
    await (await openPostgres(server.url("future"))).close();
    await server.query("UPDATE future.store SET version = 2");
    await unavailable(openPostgres(server.url("future")), /layout 2.*reads layout 1/);
  });

  it("refuses the second server and names the first, which goes on", async () => {
    const first = await openPostgres(server.url("shared"));
    await put(first, 1, 1);
    await unavailable(
      openPostgres(server.url("shared")),
      /in use by celestite \(process \d+ on .*session \d+: stop it/,
    );
    const elsewhere = await openPostgres(server.url("not shared"));
    await put(first, 1, 2);
    assert.deepEqual(list(await first.get(bytes(1))), [2]);
    assert.equal(await elsewhere.get(bytes(1)), undefined);
    await Promise.all([first.close(), elsewhere.close()]);
    const second = await openPostgres(server.url("shared"));
    assert.deepEqual(list(await second.get(bytes(1))), [2]);
    await second.close();
  });

  it("makes a schema once when several servers start together", async () => {
    const opened = await Promise.allSettled([1, 2, 3, 4].map(() => openPostgres(server.url("race"))));
    const stores = opened.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    assert.equal(stores.length, 1);
    for (const one of opened) if (one.status === "rejected") assert.match(one.reason.message, /in use by/);
    await stores[0]?.close();
  });

  it("takes every key up to the longest, compressible or not, and transactions of any size", async () => {
    const store = await openPostgres(server.url("sizes"));
    const entropy = seededEntropy(7);
    const keys = Array.from({ length: 30 }, (_, i) => entropy.bytes(MAX_KEY_BYTES - (i % 3)));
    const large = new Uint8Array(5 << 20).map((_, i) => (i * i) >> 5);
    await store.transact([], async (transaction) => {
      for (const key of keys) transaction.put(key, key.subarray(0, 4));
      for (const i of [1, 2, 3, 4]) transaction.put(bytes(0, i), large);
      transaction.delete(bytes(9));
    });
    for (const key of keys) assert.deepEqual(list(await store.get(key)), list(key.subarray(0, 4)));
    for (const i of [1, 4]) assert.ok(Buffer.from((await store.get(bytes(0, i))) ?? "").equals(large));
    await store.close();
  });
});

suite("postgres: faults", () => {
  before(async () => {
    server = await startPostgres();
  });
  after(() => server.destroy());

  it("lost connections and crashes lose no acknowledged write and repeat none", {
    timeout: 180_000,
  }, async () => {
    const store = await openPostgres(server.url("workload"));
    const acknowledged = new Array<number>(PARTITIONS).fill(0);
    let writing = true;
    const stopped = new Error("stopped");
    const writers = acknowledged.map((_, partition) =>
      writeForever(store, partition, (_, number) => {
        assert.equal(number, (acknowledged[partition] ?? 0) + 1);
        acknowledged[partition] = number;
        if (!writing) throw stopped;
      }).catch((error: unknown) => {
        if (error !== stopped) throw error;
      }),
    );
    for (let fault = 0; fault < 24; fault++) {
      await sleep(20 + ((fault * 37) % 50));
      if (fault % 12 === 5) {
        await server.crash();
        await server.start();
      } else await server.query(END_SESSIONS);
    }
    writing = false;
    await Promise.all(writers);
    assert.deepEqual(await findFaults(store, acknowledged), []);
    assert.ok(
      acknowledged.every((number) => number > 24),
      acknowledged.join(),
    );
    for (const [partition, number] of acknowledged.entries()) {
      assert.deepEqual(await store.get(encodeKey(["count", partition])), Buffer.from(encodeKey([number])));
    }
    await store.close();
  });

  it("waits for a server that is gone, up to its patience, and serves again when it is back", async () => {
    const store = await openPostgres(server.url("patience"), 300);
    await put(store, 1, 1);
    const snapshot = await store.snapshot();
    let ran = 0;
    await server.crash();
    await unavailable(
      store.transact([], async (transaction) => {
        ran++;
        transaction.put(bytes(2), bytes(2));
      }),
      /No PostgreSQL server answers/,
    );
    await unavailable(store.get(bytes(1)), /No PostgreSQL server answers/);
    await unavailable(store.snapshot(), /No PostgreSQL server answers/);
    assert.equal(ran, 0);
    await server.start();
    // Reads of their own do not wait for the session that writes.
    assert.deepEqual(list(await store.get(bytes(1))), [1]);
    for (let tries = 0; ; tries++) {
      try {
        await put(store, 1, 3);
        break;
      } catch (error) {
        assert.ok(error instanceof StoreUnavailable && tries < 50, String(error));
        await sleep(100);
      }
    }
    assert.equal(await store.get(bytes(2)), undefined);
    await unavailable(snapshot.get(bytes(1)), /cannot be used|No PostgreSQL server/);
    const next = await store.snapshot();
    assert.deepEqual(list(await next.get(bytes(1))), [3]);
    await store.close();
    await assert.rejects(next.get(bytes(1)), /closed/);
  });

  it("a transaction that runs while connections are lost commits, and sees its own writes", async () => {
    const store = await openPostgres(server.url("during"));
    await put(store, 1, 1);
    await store.transact([], async (transaction) => {
      transaction.put(bytes(2), bytes(2));
      await server.query(END_SESSIONS);
      assert.deepEqual(list(await transaction.get(bytes(1))), [1]);
      assert.equal((await transaction.range({ start: bytes(0), end: bytes(9) }, 9)).length, 2);
    });
    assert.deepEqual(list(await store.get(bytes(2))), [2]);
    await store.close();
  });

  for (const [how, sql] of [
    ["without a sign", "UPDATE taken.store SET owner = 1"],
    ["while the connection was lost", `UPDATE taken.store SET owner = 1; ${END_SESSIONS}`],
  ] as const) {
    it(`writes nothing once another server has taken the store ${how}, and says so for good`, async () => {
      const store = await openPostgres(server.url("taken"));
      await put(store, 1, 1);
      await server.query(sql);
      await unavailable(put(store, 1, 2), /opened by another server.*restart/);
      await unavailable(put(store, 1, 3), /opened by another server/);
      await unavailable(store.get(bytes(1)), /opened by another server/);
      await store.close();
      const heir = await openPostgres(server.url("taken"));
      assert.deepEqual(list(await heir.get(bytes(1))), [1]);
      await heir.close();
    });
  }

  it("stops when the database has lost durable writes, as after a switch to a stale standby", async () => {
    const store = await openPostgres(server.url("stale"));
    for (const value of [1, 2, 3]) await put(store, 1, value);
    await server.query(`UPDATE stale.store SET commits = commits - 1; ${END_SESSIONS}`);
    await unavailable(put(store, 1, 4), /lost writes.*gone back from commit 3 to 2/);
    await store.close();
  });

  it("a statement that the server refuses fails its transactions alone", async () => {
    const store = await openPostgres(server.url("refused"));
    await put(store, 1, 1);
    await server.query("ALTER TABLE refused.entry ADD CONSTRAINT small CHECK (length(value) < 9)");
    const tooLarge = store.transact([], async (transaction) => transaction.put(bytes(1), new Uint8Array(9)));
    await unavailable(tooLarge, /cannot be used: new row .* violates check constraint/);
    const inParts = store.transact([], async (transaction) => {
      transaction.put(bytes(1), bytes(7));
      transaction.put(bytes(2), new Uint8Array(9 << 20));
    });
    await unavailable(inParts, /violates check constraint/);
    await put(store, 2, 2);
    assert.deepEqual(list(await store.get(bytes(1))), [1]);
    assert.deepEqual(list(await store.get(bytes(2))), [2]);
    await store.close();
  });

  it("open snapshots, as many as there may be, hold no writer up; one more waits its turn", async () => {
    const store = await openPostgres(server.url("snapshots"), 400);
    const held = [];
    for (let i = 0; i < SNAPSHOT_CONNECTIONS; i++) {
      await put(store, 1, i);
      // Two at one state share a connection.
      held.push(await store.snapshot(), await store.snapshot());
    }
    await put(store, 1, 99);
    await unavailable(store.snapshot(), /20 snapshots open/);
    const waiting = store.snapshot();
    await Promise.all(Array.from({ length: 64 }, (_, i) => put(store, i + 2, i)));
    assert.equal((await store.range({ start: bytes(0), end: bytes(255) }, 100)).length, 65);
    for (const [i, snapshot] of held.entries())
      assert.deepEqual(list(await snapshot.get(bytes(1))), [i >> 1]);
    for (const snapshot of held.slice(0, 2)) snapshot.close();
    assert.deepEqual(list(await (await waiting).get(bytes(65))), [63]);
    await store.close();
  });

  it("ranges in a transaction see its deletes and those under way, however many", async () => {
    const store = await openPostgres(server.url("ranges"));
    await store.transact([], async (transaction) => {
      for (let i = 0; i < 200; i++) transaction.put(encodeKey(["r", i]), bytes(i));
    });
    const deleting = store.transact(["r"], async (transaction) => {
      for (let i = 0; i < 90; i++) transaction.delete(encodeKey(["r", i]));
    });
    await store.transact(["r"], async (transaction) => {
      for (let i = 110; i < 200; i++) transaction.delete(encodeKey(["r", i]));
      for (const reverse of [false, true]) {
        for (const limit of [1, 3, 20, 21, 1000, Number.POSITIVE_INFINITY]) {
          const found = await transaction.range({ ...prefixRange(["r"]), reverse }, limit);
          const expected = Array.from({ length: 20 }, (_, i) => 90 + i);
          if (reverse) expected.reverse();
          assert.deepEqual(
            found.map(({ value }) => value[0]),
            expected.slice(0, limit),
          );
        }
      }
    });
    await deleting;
    await store.close();
  });
});

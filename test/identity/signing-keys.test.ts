import assert from "node:assert/strict";
import { createHash, verify, X509Certificate } from "node:crypto";
import { describe, test } from "node:test";
import { manualClock, seededEntropy } from "../../src/clock.ts";
import type { SigningKeys } from "../../src/identity/signing-keys.ts";
import { keyOverlapMilliseconds, openSigningKeys } from "../../src/identity/signing-keys.ts";
import { openMemory } from "../../src/storage/memory.ts";
import type { Store } from "../../src/storage/port.ts";
import { keepSigningKey, shareSigningKey } from "../shared-signing-key.ts";
import { startOfTime } from "./fixtures.ts";

const clock = manualClock(startOfTime);
const open = (store: Store, at = clock): Promise<SigningKeys> =>
  openSigningKeys({ store, clock: at, entropy: seededEntropy(5) });

/** A new store that has its first key already, for what comes after it. */
async function withFirstKey(): Promise<Store> {
  const store = openMemory();
  await shareSigningKey(store, startOfTime);
  await keepSigningKey(store, await open(store));
  return store;
}

const kids = async (keys: SigningKeys): Promise<string[]> =>
  (await keys.published()).map((key) => key.kid).sort();

async function signsWith(keys: SigningKeys): Promise<string> {
  const key = await keys.current();
  const signature = await key.sign("a.b");
  const found = keys.lookup(key.kid);
  assert.ok(found !== undefined);
  assert.ok(verify("RSA-SHA256", Buffer.from("a.b"), found.publicKey, signature));
  return key.kid;
}

describe("signing keys", () => {
  test("the first is made in the background, once, and found again", async () => {
    const store = openMemory();
    const keys = await open(store);
    const [first, second] = await Promise.all([keys.current(), keys.current()]);
    assert.equal(first.kid, second.kid);
    assert.deepEqual(await kids(keys), [first.kid]);
    assert.equal(await signsWith(await open(store)), first.kid);
  });

  test("the kid is the thumbprint of a certificate that the key signed itself", async () => {
    const keys = await open(openMemory());
    const [published] = await keys.published();
    assert.ok(published !== undefined);
    const der = Buffer.from(published.x5c[0] ?? "", "base64");
    assert.equal(published.kid, createHash("sha1").update(der).digest("base64url"));
    assert.equal(published.x5t, published.kid);
    const certificate = new X509Certificate(der);
    assert.ok(certificate.verify(certificate.publicKey));
    assert.equal(certificate.subject, "CN=accounts.accesscontrol.windows.net");
    assert.equal(certificate.issuer, certificate.subject);
    assert.equal(Date.parse(certificate.validFrom), startOfTime);
    const { n, e } = certificate.publicKey.export({ format: "jwk" });
    assert.deepEqual([published.n, published.e], [n, e]);
    assert.deepEqual(Object.keys(published).sort(), ["e", "kid", "kty", "n", "use", "x5c", "x5t"]);
  });

  test("the next one is published before it signs; the old one is accepted for the overlap", async () => {
    const time = manualClock(startOfTime);
    const store = await withFirstKey();
    const keys = await open(store, time);
    let changes = 0;
    keys.onChange(() => {
      changes += 1;
    });
    const first = await signsWith(keys);
    const next = await keys.publishNext();
    assert.equal(await keys.publishNext(), next);
    assert.equal(await signsWith(keys), first);
    assert.deepEqual(await kids(keys), [first, next].sort());

    const before = changes;
    assert.equal(await keys.rotate(time.now()), next);
    assert.ok(changes > before);
    assert.equal(await signsWith(keys), next);
    time.advance(keyOverlapMilliseconds - 1);
    assert.deepEqual(await kids(keys), [first, next].sort());
    assert.equal(keys.lookup(first)?.revoked, false);
    time.advance(1);
    assert.deepEqual(await kids(keys), [next]);
    assert.equal(keys.lookup(first), undefined);
    assert.equal(await signsWith(await open(store, time)), next);
  });

  test("a rotation without a published next key makes one", async () => {
    const keys = await open(await withFirstKey());
    const first = await signsWith(keys);
    const second = await keys.rotate(clock.now());
    assert.notEqual(second, first);
    assert.equal(await signsWith(keys), second);
  });

  test("a revoked key is known as such, signs no more and is not published", async () => {
    const store = await withFirstKey();
    const keys = await open(store);
    const first = await signsWith(keys);
    assert.equal(await keys.revoke(first, clock.now()), true);
    assert.equal(keys.lookup(first)?.revoked, true);
    const second = await signsWith(keys);
    assert.notEqual(second, first);
    assert.deepEqual(await kids(keys), [second]);
    assert.equal((await open(store)).lookup(first)?.revoked, true);
    assert.equal(await keys.revoke("unknown", clock.now()), false);
  });

  test("a key that signs no more is kept without its private part", async () => {
    const store = await withFirstKey();
    const keys = await open(store);
    await keys.current();
    await keys.rotate(clock.now());
    const entries = await store.range({ start: Uint8Array.of(0), end: Uint8Array.of(0xff) }, 10);
    const stored = entries.map(
      (entry) => JSON.parse(Buffer.from(entry.value).toString()) as { state: string; key: { d?: string } },
    );
    assert.deepEqual(stored.map((record) => [record.state, record.key.d !== undefined]).sort(), [
      ["current", true],
      ["previous", false],
    ]);
  });

  test("a store that fails at first is tried again by the next caller", async () => {
    const memory = openMemory();
    let broken = true;
    const store: Store = {
      ...memory,
      transact(locks, fn) {
        return broken ? Promise.reject(new Error("disk full")) : memory.transact(locks, fn);
      },
    };
    const keys = await open(store);
    await assert.rejects(keys.current(), /disk full/);
    broken = false;
    await signsWith(keys);
  });
});

/** The certificates behind managed identities: used at every token, renewed ahead, failing as documented. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { before, describe, test } from "node:test";
import type { Service } from "../../src/http/service.ts";
import type { ManagedIdentityRecord } from "../../src/identity/control.ts";
import { directoryLock } from "../../src/identity/control.ts";
import type { IdentityCertificatesRecord } from "../../src/identity/records.ts";
import { readRecord, recordKey } from "../../src/identity/records.ts";
import type { TestIdentity } from "./fixtures.ts";
import { bodyOf, openTestIdentity, putUserAssigned, send } from "./fixtures.ts";

const dayMilliseconds = 86_400_000;
let room: TestIdentity;
let orders: ManagedIdentityRecord;
let imds: Service;
let secret: string;

before(async () => {
  room = await openTestIdentity();
  orders = await putUserAssigned(room, "orders");
  const workload = room.identity.managed.workloads.register({ identities: [orders.resourceId] });
  secret = workload.secret;
  imds = room.identity.managed.imds(workload.id);
});

const query = "resource=https%3A%2F%2Fcosmos.azure.com";

async function ask(): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
  const target = `/metadata/identity/oauth2/token?api-version=2018-02-01&${query}`;
  const reply = await send(imds, "GET", target, { metadata: "true" });
  return { status: reply.status, body: bodyOf(reply) };
}

async function states(): Promise<readonly string[]> {
  return (await room.identity.certificates.list()).map(({ state }) => state);
}

describe("the certificate of an identity", () => {
  test("made at the first token, ninety days long, a real one", async () => {
    assert.deepEqual(await states(), []);
    assert.equal((await ask()).status, 200);
    const key = recordKey.identityCertificates(orders.principalId);
    const record = await readRecord<IdentityCertificatesRecord>(room.store, key);
    const [kept] = record?.certificates ?? [];
    const parsed = new X509Certificate(Buffer.from(kept?.certificate ?? "", "base64"));
    assert.equal(Date.parse(parsed.validTo) - Date.parse(parsed.validFrom), 90 * dayMilliseconds);
    assert.match(parsed.subject, new RegExp(orders.clientId));
    assert.equal(parsed.verify(parsed.publicKey), true);
  });

  test("kept for 46 days, then renewed at the next token; the old one lives on", async () => {
    room.clock.advance(45 * dayMilliseconds);
    await ask();
    assert.deepEqual(await states(), ["current"]);
    room.clock.advance(dayMilliseconds);
    assert.equal((await ask()).status, 200);
    assert.deepEqual(await states(), ["current", "previous"]);
    room.clock.advance(44 * dayMilliseconds);
    assert.deepEqual(await states(), ["current", "expired"]);
  });

  test("renewed by maintenance when nobody asks", async () => {
    const [first] = await room.identity.certificates.list();
    room.clock.advance(46 * dayMilliseconds);
    await room.identity.maintain();
    const [second] = await room.identity.certificates.list();
    assert.notEqual(second?.thumbprint, first?.thumbprint);
  });

  test("forced to end: the documented 400 with its cause, until it is rotated", async () => {
    const { certificates } = room.identity;
    await certificates.expire(orders.principalId);
    for (let attempt = 0; attempt < 2; attempt++) {
      const refused = await ask();
      assert.deepEqual([refused.status, refused.body["error"]], [400, "invalid_client"]);
      assert.match(String(refused.body["error_description"]), /^AADSTS700027: .*The key used is expired/);
      room.clock.advance(60 * dayMilliseconds);
      await room.identity.maintain();
    }
    const target = `/msi/token?api-version=2019-08-01&${query}&client_id=${orders.clientId}`;
    const app = await send(room.identity.managed.endpoints, "GET", target, { "x-identity-header": secret });
    assert.equal(app.status, 400);
    assert.match(String(bodyOf(app)["message"]), /AADSTS700027/);
    await certificates.rotate(orders.principalId);
    assert.equal((await ask()).status, 200);
  });

  test("ten programs at once make one certificate", async () => {
    const billing = await putUserAssigned(room, "billing");
    const { id } = room.identity.managed.workloads.register({ identities: [billing.resourceId] });
    const service = room.identity.managed.imds(id);
    const target = `/metadata/identity/oauth2/token?api-version=2018-02-01&${query}`;
    await Promise.all(Array.from({ length: 10 }, () => send(service, "GET", target, { metadata: "true" })));
    const all = await room.identity.certificates.list();
    assert.equal(all.filter(({ principalId }) => principalId === billing.principalId).length, 1);
  });

  test("gone with its identity; none for what is no managed identity", async () => {
    await room.store.transact([directoryLock], (transaction) =>
      room.identity.control.deleteUserAssigned(transaction, orders.resourceId),
    );
    const all = await room.identity.certificates.list();
    assert.equal(
      all.some(({ principalId }) => principalId === orders.principalId),
      false,
    );
    const { certificates, directory } = room.identity;
    await assert.rejects(certificates.rotate(orders.principalId), { name: "DirectoryError" });
    await assert.rejects(certificates.expire(directory.bootstrapUserId), { name: "DirectoryError" });
  });
});

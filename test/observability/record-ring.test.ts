/** The ring of diagnostic records against a plain list of them: whatever differs between two requests comes back. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DataPlanePlace, DiagnosticRecord } from "../../src/observability/diagnostic-records.ts";
import { createRecordRing } from "../../src/observability/record-ring.ts";

type Complete<T> = { readonly [K in keyof T]-?: Exclude<T[K], undefined> };

/** Every member that a record can have: a new one fails to compile here until it is added, and is then compared. */
const place: Complete<DataPlanePlace> = {
  accountId: "/subscriptions/s/accounts/a",
  region: "westeurope",
  resourceType: "docs",
  requestLength: 10,
  responseLength: 20,
  databaseName: "db",
  collectionName: "c",
  databaseRid: "AAAA",
  collectionRid: "AAAABBBB",
  partitionId: "0",
  actions: ["read"],
  partitionKey: '["p"]',
  wanted: { id: "new" },
};
const complete: Complete<DiagnosticRecord> = {
  time: 1,
  activityId: "id-1",
  category: "DataPlaneRequests",
  account: "a",
  operationName: "Read",
  method: "GET",
  resource: "/dbs/db",
  statusCode: 200,
  substatus: 0,
  duration: 2.5,
  requestCharge: 1.25,
  userAgent: "agent",
  clientIpAddress: "127.0.0.1",
  authTokenType: "AadToken",
  principalId: "p",
  decision: { allowed: true },
  diagnosis: { kind: "token" },
  message: "m",
  wouldDeny: { statusCode: 403, substatus: 5301, message: "no" },
  data: place,
  control: { correlationId: "c" },
  signIn: { resultType: "700016" },
};

/** `value` with one member changed, once for each member and once without it. */
function variants<T extends object>(value: T): T[] {
  return Object.keys(value).flatMap((name) => {
    const { [name as keyof T]: old, ...rest } = value;
    const other =
      typeof old === "number" ? old + 1 : typeof old === "string" ? `${old}!` : structuredClone(old);
    return [{ ...value, [name]: other } as T, rest as unknown as T];
  });
}

describe("the ring of records", () => {
  test("records that differ in a single member stay apart", () => {
    const changed = variants(complete).filter(
      (record) => record.activityId !== undefined && record.resource !== undefined,
    );
    const places = variants<DataPlanePlace>(place).map((data) => ({ ...complete, data }));
    const numbered = ["time", "duration", "requestCharge", "requestLength", "responseLength"];
    const all = [...changed, ...places].filter((record) =>
      numbered.every((name) => name in record || name in (record.data ?? {})),
    );
    assert.ok(all.length > 50);
    const ring = createRecordRing(2);
    for (const record of all) {
      ring.add(complete);
      ring.add(record);
      const [newest, before] = [...ring.newestFirst()];
      assert.deepEqual(present(newest), present(record));
      assert.deepEqual(present(before), present(complete));
      // What cannot be compared by value is the very object that was recorded.
      assert.equal(newest?.decision, record.decision);
      assert.equal(newest?.data?.wanted, record.data?.wanted);
    }
  });

  test("the last ones are kept, newest first", () => {
    const ring = createRecordRing(5);
    const added: DiagnosticRecord[] = [];
    assert.deepEqual([...ring.newestFirst()], []);
    for (let i = 0; i < 23; i++) {
      const data = { ...place, collectionName: `c${i % 11}`, responseLength: i };
      const record = { ...complete, activityId: `id-${i}`, time: i, statusCode: 200 + (i % 3), data };
      ring.add(record);
      added.unshift(record);
      assert.deepEqual([...ring.newestFirst()].map(present), added.slice(0, 5).map(present));
    }
    assert.equal(ring.find("id-19")?.time, 19);
    assert.equal(ring.find("id-17"), undefined);
  });
});

/** Without members that are undefined. */
function present(value: object | undefined): unknown {
  return JSON.parse(JSON.stringify(value));
}

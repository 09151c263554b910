/**
 * The binary batch of the .NET SDK. The bytes in the tables are put together by hand from the layouts of RecordIO and
 * hybrid rows (microsoft/HybridRow) and the schemas in azure-cosmos-dotnet-v3 (`HybridRowBatchSchemas.json`).
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { seededEntropy } from "../../../src/clock.ts";
import {
  type BatchOperation,
  type BatchResult,
  decodeBatchRequest,
  decodeBatchResponse,
  encodeBatchRequest,
  encodeBatchResponse,
  isBatchOfRows,
} from "../../../src/cosmos/wire/batch-rows.ts";
import { MalformedBody } from "../../../src/cosmos/wire/malformed-body.ts";
import { crc32, readRecords, writeRecords } from "../../../src/cosmos/wire/record-io.ts";
import { sized } from "../../full-size.ts";

function unhex(text: string): Uint8Array {
  return Buffer.from(text.replaceAll(" ", ""), "hex");
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** A segment without comments, and a record around `row`. */
const SEGMENT = "81 f0d8ff7f 01 0a000000";
function stream(...rows: string[]): Uint8Array {
  const records = rows.map((row) => {
    const bytes = unhex(row);
    const header = Buffer.alloc(13);
    header.set(unhex("81 f1d8ff7f"));
    header.writeInt32LE(bytes.length, 5);
    header.writeUInt32LE(crc32(bytes), 9);
    return Buffer.concat([header, bytes]);
  });
  return Buffer.concat([unhex(SEGMENT), ...records]);
}

const item = Buffer.from('{"id":"1"}');
/** Presence bits, type and resource, `["a"]`, `1`, the item; If-Match `"e"`, minimal return. */
const UPSERT =
  "81 7054e17f 57 14000000 02000000 05 5b2261225d 01 31 0a 7b226964223a2231227d 14 09 03 226522 03 0c";
const READ = "81 7054e17f 17 02000000 02000000 05 5b2261225d 01 31";

describe("binary batch requests", () => {
  it("are read as the SDK writes them", () => {
    const body = Buffer.concat([
      unhex(SEGMENT),
      unhex("81 f1d8ff7f 29000000 565634bc"),
      unhex(UPSERT),
      unhex("81 f1d8ff7f 16000000 5a005ca7"),
      unhex(READ),
    ]);
    assert.equal(isBatchOfRows(body), true);
    assert.deepEqual(decodeBatchRequest(body), [
      {
        operationType: "Upsert",
        id: "1",
        partitionKey: '["a"]',
        resourceBody: item,
        ifMatch: '"e"',
        minimalReturn: true,
      },
      { operationType: "Read", id: "1", partitionKey: '["a"]' },
    ]);
  });

  it("are written as the SDK writes them", () => {
    const operations: BatchOperation[] = [
      {
        operationType: "Upsert",
        id: "1",
        partitionKey: '["a"]',
        resourceBody: item,
        ifMatch: '"e"',
        minimalReturn: true,
      },
      { operationType: "Read", id: "1", partitionKey: '["a"]' },
    ];
    assert.equal(hex(encodeBatchRequest(operations)), hex(stream(UPSERT, READ)));
  });

  for (const [number, type] of [
    ["00", "Create"],
    ["01", "Patch"],
    ["02", "Read"],
    ["04", "Delete"],
    ["05", "Replace"],
    ["14", "Upsert"],
  ] as const) {
    it(`know operation ${number} as ${type}`, () => {
      const [operation] = decodeBatchRequest(stream(`81 7054e17f 03 ${number}000000 02000000`));
      assert.deepEqual(operation, { operationType: type });
    });
  }

  const start = "81 7054e17f 03 00000000 02000000";
  const skipped: readonly (readonly [string, string])[] = [
    ["a field that is null", "01 09"],
    ["a field with its path written out", "14 12 6e6f62 6f 79 02 6869"],
    ["a known field with its path written out as null", "01 14 69664d61746368"],
    ["an integer of 64 bits", "08 0e 78 0102030405060708"],
    ["a variable integer", "0d 0e 78 ff ff 01"],
    ["a GUID", "13 0e 78 000102030405060708090a0b0c0d0e0f"],
    ["a false boolean", "02 0c"],
  ];
  for (const [what, field] of skipped) {
    it(`skip ${what}`, () => {
      assert.deepEqual(decodeBatchRequest(stream(`${start} ${field} 14 0a 02 6574`)), [
        { operationType: "Create", ifNoneMatch: "et" },
      ]);
    });
  }

  it("may have a path written out that has a token as well", () => {
    assert.deepEqual(decodeBatchRequest(stream(`${start} 14 14 69664d61746368 01 78`)), [
      { operationType: "Create", ifMatch: "x" },
    ]);
  });

  it("may have comments in the segment, and several segments", () => {
    const comment = unhex("81 f0d8ff7f 01 0f000000 14 02 02 6869");
    const one = stream(READ).subarray(10);
    const body = Buffer.concat([comment, one, unhex(SEGMENT), comment, one]);
    assert.equal(decodeBatchRequest(body).length, 2);
    assert.deepEqual(decodeBatchRequest(unhex(SEGMENT)), []);
  });

  const refusals: readonly (readonly [string, () => Uint8Array, RegExp])[] = [
    ["nothing", () => new Uint8Array(), /missing or cut off at byte 0/],
    ["JSON", () => Buffer.from("[]"), /no hybrid row begins at byte 0/],
    ["a record without a segment", () => stream(READ).subarray(10), /does not begin with a segment/],
    ["a segment without a length", () => unhex("81 f0d8ff7f 00 00000000"), /has no length/],
    ["a segment shorter than its header", () => unhex("81 f0d8ff7f 01 05000000"), /has no length/],
    ["a segment cut off", () => unhex("81 f0d8ff7f 01 ff000000"), /missing or cut off at byte 10/],
    ["half a record header", () => stream(READ).subarray(0, 20), /missing or cut off at byte 19/],
    ["a record cut off", () => stream(READ).subarray(0, 40), /missing or cut off at byte 23/],
    ["a negative record length", () => unhex(`${SEGMENT} 81 f1d8ff7f ffffffff 00000000`), /negative length/],
    ["a wrong checksum", () => flip(stream(READ), 30), /record at byte 10 has a wrong checksum/],
    ["an unknown header", () => unhex(`${SEGMENT} 81 01000000`), /byte 10 begins neither/],
    [
      "a record of another schema",
      () => stream("81 7154e17f 00 00000000 00000000"),
      /schema 2145473649 instead/,
    ],
    ["a record that is no row", () => stream("7b7d"), /not a hybrid row/],
    ["an empty record", () => stream(""), /missing or cut off at byte 0/],
    ["fixed fields cut off", () => stream("81 7054e17f 03 00000000 0200"), /missing or cut off/],
    [
      "text longer than the row",
      () => stream(`81 7054e17f 07 00000000 02000000 7f 5b`),
      /127 bytes are missing/,
    ],
    [
      "a length in too many bytes",
      () => stream(`81 7054e17f 07 00000000 02000000 ffffffffff01`),
      /too large/,
    ],
    ["text that is not UTF-8", () => stream(`81 7054e17f 07 00000000 02000000 01 ff`), /not UTF-8/],
    ["no operation type", () => stream("81 7054e17f 02 00000000 02000000"), /operation of type undefined/],
    ["an operation that batches do not have", () => stream("81 7054e17f 03 03000000 02000000"), /of type 3$/],
    [
      "operations on something else",
      () => stream("81 7054e17f 03 00000000 0d000000"),
      /resources of type 13/,
    ],
    [
      "a field of another type",
      () => stream(`${start} 07 09 01000000`),
      /ifMatch has type 7, which is not utf8/,
    ],
    ["a boolean that is a number", () => stream(`${start} 07 0c 01000000`), /type 7, which is not bool/],
    ["a nested field", () => stream(`${start} 1e 0e 78 46`), /type 30, which is not supported/],
    ["type 0", () => stream(`${start} 00 0e 78`), /type 0, which is not supported/],
    ["a path longer than the row", () => stream(`${start} 14 7f 78`), /missing or cut off/],
  ];
  for (const [what, body, message] of refusals) {
    it(`are refused with ${what}`, () => {
      assert.throws(
        () => decodeBatchRequest(body()),
        (error) => error instanceof MalformedBody && message.test(error.message),
      );
    });
  }
});

describe("binary batch responses", () => {
  const results: BatchResult[] = [
    { statusCode: 201, subStatusCode: 0, eTag: '"e"', resourceBody: item, requestCharge: 6.29 },
    { statusCode: 429, subStatusCode: 3200, requestCharge: 0.38, retryAfterMilliseconds: 1500 },
  ];
  const rows = [
    "81 7154e17f 0f c9000000 00000000 03 226522 0a 7b226964223a2231227d 10 06 295c8fc2f5281940",
    "81 7154e17f 03 ad010000 800c0000 0b 05 dc050000 10 06 52b81e85eb51d83f",
  ];

  it("are written as the SDK reads them, and read back", () => {
    assert.equal(hex(encodeBatchResponse(results)), hex(stream(...rows)));
    assert.deepEqual(decodeBatchResponse(encodeBatchResponse(results)), results);
  });

  it("have a substatus even where there is none", () => {
    const [result] = decodeBatchResponse(encodeBatchResponse([{ statusCode: 204, requestCharge: 1 }]));
    assert.deepEqual(result, { statusCode: 204, subStatusCode: 0, requestCharge: 1 });
  });

  it("are refused without a status", () => {
    assert.throws(() => decodeBatchResponse(stream("81 7154e17f 02 00000000 00000000")), /no status/);
  });
});

describe("records", () => {
  it("have the checksum of ISO 3309", () => {
    assert.equal(crc32(Buffer.from("123456789")), 0xcbf43926);
    assert.equal(crc32(unhex("45B1D6C781E13F")), 2786232081);
    assert.equal(crc32(new Uint8Array()), 0);
  });

  it("come back whatever is in them", () => {
    const bytes = fc.uint8Array({ maxLength: 300 });
    const property = fc.property(fc.array(bytes, { maxLength: 8 }), (records) => {
      assert.deepEqual(readRecords(writeRecords(records)).map(hex), records.map(hex));
    });
    fc.assert(property, { seed: 1, numRuns: 200 });
  });

  it("operations come back whatever is in them", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 200 });
    const operation = fc.record(
      {
        operationType: fc.constantFrom("Create", "Patch", "Read", "Delete", "Replace", "Upsert"),
        id: text,
        partitionKey: text,
        resourceBody: fc.uint8Array({ maxLength: 20_000, size: "max" }),
        ifMatch: text,
        ifNoneMatch: text,
        minimalReturn: fc.constant(true),
        indexingDirective: text,
        timeToLiveInSeconds: fc.integer(),
        effectivePartitionKey: fc.uint8Array({ maxLength: 20 }),
        binaryId: fc.uint8Array({ maxLength: 20 }),
      },
      { requiredKeys: ["operationType"] },
    ) as fc.Arbitrary<BatchOperation>;
    const property = fc.property(fc.array(operation, { maxLength: 6 }), (operations) => {
      assert.deepEqual(plain(decodeBatchRequest(encodeBatchRequest(operations))), plain(operations));
    });
    fc.assert(property, { seed: 2, numRuns: 100 });
  });

  it("bytes changed at random are read or refused with the one error, and soon", { timeout: 120_000 }, () => {
    const entropy = seededEntropy(81);
    const draw = (below: number): number => Buffer.from(entropy.bytes(2)).readUInt16BE() % below;
    const rows = [UPSERT, READ, "81 7054e17f 03 00000000 02000000 13 0e 78 000102030405060708090a0b0c0d0e0f"];
    const rounds = sized(4_000, 20_000);
    let read = 0;
    for (let round = 0; round < rounds; round++) {
      const row = change(unhex(rows[round % rows.length] ?? ""), draw);
      // With a right checksum, or every change would end there; every fourth time the stream itself is changed.
      const body = round % 4 === 3 ? change(stream(UPSERT, READ), draw) : stream(hex(row), READ);
      try {
        read += decodeBatchRequest(body).length > 0 ? 1 : 0;
      } catch (error) {
        assert.ok(error instanceof MalformedBody, `${hex(body)}: ${error}`);
      }
    }
    assert.ok(read > rounds / 40 && read < rounds * 0.975, `${read} of ${rounds} were read`);
  });
});

function flip(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

/** The bytes with one to three changes: a byte replaced, removed or added, or the end cut off. */
function change(bytes: Uint8Array, draw: (below: number) => number): Uint8Array {
  const changed = [...bytes];
  for (let changes = 1 + draw(3); changes > 0; changes--) {
    const at = draw(Math.max(1, changed.length));
    const how = draw(4);
    if (how === 0) changed[at] = draw(256);
    else if (how === 1) changed.splice(at, 1);
    else if (how === 2) changed.splice(at, 0, draw(256));
    else changed.length = Math.max(0, changed.length - draw(8));
  }
  return Uint8Array.from(changed);
}

/** Operations with their bytes as text, whatever kind of array they are in. */
function plain(operations: readonly BatchOperation[]): unknown {
  return operations.map((operation) =>
    Object.fromEntries(
      Object.entries(operation)
        .map(([name, value]) => [name, value instanceof Uint8Array ? hex(value) : value] as const)
        .sort(),
    ),
  );
}

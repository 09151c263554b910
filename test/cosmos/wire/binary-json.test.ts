/**
 * Binary JSON: the vectors that Microsoft publishes with its clients (azure-sdk-for-rust, `binary_json_vectors.json`;
 * azure-cosmos-dotnet-v3, `JsonReaderTests` and `JsonBinaryReferenceStringTests`), round trips through an encoder that
 * writes every value in every way, and bytes that are wrong.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { seededEntropy } from "../../../src/clock.ts";
import { binaryJsonToText, isBinaryJson } from "../../../src/cosmos/wire/binary-json.ts";
import { MalformedBody } from "../../../src/cosmos/wire/malformed-body.ts";
import { sized } from "../../full-size.ts";
import { type Choose, encodeBinaryJson } from "./binary-json-encoder.ts";

function unhex(text: string): Uint8Array {
  return Buffer.from(text.replaceAll(" ", ""), "hex");
}

const seven =
  "74 74 39 5e 4f 8f d7 62 f9 fb ee 36 bf f1 ea 7a 1b 5e 26 bf ed 65 39 1d 5d 66 87 f5 79 f2 fb 4c 45 16 a3 d5 e4 70 29 " +
  "94 3e af 4e e3 13 ab ac 36 a1 45 e2 d3 5a 94 52 91 45 66 50 9b 25 3e 8f b0 98 6c 46 ab d9 6e b8 5c 08 38 22 95 bc 26 15";
const letters = "thequickbrownfoxjumpedoverthelazydogTHEQUICKBROWNFOXJUMPEDOVERTHELAZYDOG";

/** Bytes in hexadecimal, and the text that they stand for. */
const VECTORS: readonly (readonly [hex: string, text: string])[] = [
  ["80 d0", "null"],
  ["80 d1", "false"],
  ["80 d2", "true"],
  ["80 00", "0"],
  ["80 1f", "31"],
  ["80 c8 c8", "200"],
  ["80 c8 04", "4"],
  ["80 c9 18fc", "-1000"],
  ["80 c9 3905", "1337"],
  ["80 ca 70110100", "70000"],
  ["80 cb 000efad5feffffff", "-5000000000"],
  ["80 c7 feffffffffffffff", "18446744073709551614"],
  ["80 cc 0000000000000c40", "3.5"],
  ["80 cc 9309 9f5d 09e2 df44", "6.02252e+23"],
  ["80 cc 3998 f77f a810 4c3f", "0.000856478"],
  ["80 cc 0000000000001040", "4"],
  ["80 cc 0000000000000080", "-0"],
  ["80 d7 c8", "200"],
  ["80 d8 fb", "-5"],
  ["80 d9 18fc", "-1000"],
  ["80 da 90eefeff", "-70000"],
  ["80 db 000efad5feffffff", "-5000000000"],
  ["80 dc feffffff", "4294967294"],
  ["80 cd 0000c03f", "1.5"],
  ["80 ce 00000000000002c0", "-2.25"],
  ["80 2c", '"id"'],
  ["80 20", '"$s"'],
  ["80 25", '"_rid"'],
  ["80 2e", '"Value"'],
  ["80 3c", '"value"'],
  ["80 3f", '"_id"'],
  ["80 80", '""'],
  ["80 82 6869", '"hi"'],
  [`80 bf ${"3d".repeat(63)}`, `"${"=".repeat(63)}"`],
  ["80 c0 05 68656c6c6f", '"hello"'],
  [`80 c1 2c01 ${"61".repeat(300)}`, `"${"a".repeat(300)}"`],
  ["80 c2 05000000 68656c6c6f", '"hello"'],
  ["80 75 dee783aa 70e4 a447 ab0b a2f41470b9aa", '"ed7e38aa-074e-4a74-bab0-2a4f41079baa"'],
  ["80 76 dee783aa 70e4 a447 ab0b a2f41470b9aa", '"ED7E38AA-074E-4A74-BAB0-2A4F41079BAA"'],
  ["80 77 dee783aa 70e4 a447 ab0b a2f41470b9aa", '"\\"ed7e38aa-074e-4a74-bab0-2a4f41079baa\\""'],
  ["80 71 01 00 666f6f", '"Zm9v"'],
  ["80 71 01 01 666f", '"Zm8="'],
  ["80 71 01 02 41", '"QQ=="'],
  ["80 71 01 fd 41", '"QQ"'],
  ["80 71 01 fe 666f", '"Zm8"'],
  ["80 72 0200 00 666f6f626172", '"Zm9vYmFy"'],
  ["80 71 06 02 5468652062726f776e20646f67206a75", '"VGhlIGJyb3duIGRvZyBqdQ=="'],
  ["80 71 06 01 5468652062726f776e20646f67206a756d", '"VGhlIGJyb3duIGRvZyBqdW0="'],
  [
    "80 71 09 01 8abe1f6cf31fe3414d879f33b82451d02d781d82d22c5c6e030d",
    '"ir4fbPMf40FNh58zuCRR0C14HYLSLFxuAw0="',
  ],
  ["80 71 01 00 fbfffe", '"+//+"'],
  ["80 73 01 00 fbfffe", '"-__-"'],
  ["80 78 04 a1b2", '"1a2b"'],
  ["80 79 04 a1b2", '"1A2B"'],
  ["80 78 01 0f", '"f"'],
  ["80 78 10 ceac3b09d0559b64", '"eccab3900d55b946"'],
  ["80 79 10 ceac3b09d0559b64", '"ECCAB3900D55B946"'],
  ["80 7a 07 13531c02", '"2024-01"'],
  ["80 7a 13 1362 1cc7 1430 b465 2b04", '"2015-06-30 23:45:13"'],
  ["80 7a 19 1312 1cc9 312e b583 5bc5 811b 01", '"2010-08-02T14:27:44-07:00"'],
  ["80 7a 14 1381 1cc4 212e b411 1bf1", '"2007-03-01T13:00:00Z"'],
  ["80 7a 21 1352 2cc1 922e b592 2bd8 4684 4ac3 811b 01", '"2014-10-18T14:18:17.5337932-07:00"'],
  ["80 7a 10 2143 6587 a9db ec0f", '"0123456789:.-TZ "'],
  ["80 7b 04 30 1032", '"0123"'],
  [`80 7b 21 61 ${"10".repeat(16)} f6`, `"${"ab".repeat(16)}g"`],
  ["80 7c 03 61 2008", '"abc"'],
  [
    "80 7c 24 61 f310 4891 5021 3adb 8abb 89b2 4786 ab24 ce43 16c8 7838 f3",
    '"thequickbrownfoxjumpedoverthelazydog"',
  ],
  ["80 7d 04 61 40200c", '"abcd"'],
  [
    "80 7d 48 41 f349c2342aaa 61ecda6de9de 29cdbee4e8d6 643c9fe40ae6 f8e89ad34140 14222841e458 4de15c09c53c c4e05444341d c40264d8e018",
    `"${letters}"`,
  ],
  ["80 7e 02 c834", '"Hi"'],
  [`80 7e 5a ${seven}`, `"${letters}0123456789!@#$%^&*"`],
  ["80 7f 0200 c834", '"Hi"'],
  ["80 d3 000102030405060708090a0b0c0d0e0f", '"03020100-0504-0706-0809-0a0b0c0d0e0f"'],
  ["80 dd 04 deadbeef", '"3q2+7w=="'],
  ["80 dd 00", '""'],
  ["80 de 0300 010203", '"AQID"'],
  ["80 df 03000000 010203", '"AQID"'],
  ["80 f0 da 03 01000000 02000000 03000000", "[1,2,3]"],
  ["80 f0 d7 03 0a141e", "[10,20,30]"],
  ["80 f0 da 00", "[]"],
  ["80 f1 d9 0300 ffff 0000 e803", "[-1,0,1000]"],
  ["80 f0 cd 02 0000c03f 000080be", "[1.5,-0.25]"],
  ["80 f2 f0 da 02 02 01000000 02000000 03000000 04000000", "[[1,2],[3,4]]"],
  ["80 f2 f0 da 00 02", "[[],[]]"],
  ["80 f3 f1 d8 0100 0200 ff 01", "[[-1],[1]]"],
  ["80 e0", "[]"],
  ["80 e8", "{}"],
  ["80 e1 d2", "[true]"],
  ["80 e9 2c d2", '{"id":true}'],
  ["80 e2 03 00 01 d0", "[0,1,null]"],
  ["80 e3 0300 00 01 d0", "[0,1,null]"],
  ["80 e4 03000000 00 01 d0", "[0,1,null]"],
  ["80 e5 03 03 00 01 d0", "[0,1,null]"],
  ["80 e6 0300 0300 00 01 d0", "[0,1,null]"],
  ["80 e7 03000000 03000000 00 01 d0", "[0,1,null]"],
  ["80 ea 04 2c 00 3b 01", '{"id":0,"type":1}'],
  ["80 eb 0400 2c 00 3b 01", '{"id":0,"type":1}'],
  ["80 ec 04000000 2c 00 3b 01", '{"id":0,"type":1}'],
  ["80 ed 04 02 2c 00 3b 01", '{"id":0,"type":1}'],
  ["80 ee 0400 0200 2c 00 3b 01", '{"id":0,"type":1}'],
  ["80 ef 04000000 02000000 2c 00 3b 01", '{"id":0,"type":1}'],
  ["80 e2 05 e1 00 e9 2c 01", '[[0],{"id":1}]'],
  ["80 e2 09 c0 05 68656c6c6f c3 03", '["hello","hello"]'],
  ["80 e2 0a c0 05 68656c6c6f c4 0300", '["hello","hello"]'],
  ["80 e2 0b c0 05 68656c6c6f c5 030000", '["hello","hello"]'],
  ["80 e2 0c c0 05 68656c6c6f c6 03000000", '["hello","hello"]'],
  ["80 c0 06 22 5c 0a 00 c3a9", JSON.stringify('"\\\n\0é')],
];

/** Bytes that are no body, and what is said of them. */
const REFUSALS: readonly (readonly [what: string, hex: string, message: RegExp])[] = [
  ["nothing", "", /not binary JSON/],
  ["text", "7b 7d", /not binary JSON/],
  ["no value", "80", /missing or cut off at byte 1/],
  ["something after the value", "80 d0 00", /unexpected bytes from byte 2/],
  ["an unknown marker", "80 ff", /marker 0xff at byte 1/],
  ["a reserved marker", "80 d4", /marker 0xd4/],
  ["a reserved string marker", "80 68", /marker 0x68 at byte 1/],
  ["a half float, which no client reads", "80 cf 0000", /marker 0xcf/],
  ["a number cut off", "80 ca 0102", /4 bytes are missing or cut off at byte 2/],
  ["not a number", "80 cc 000000000000f87f", /NaN is not a number/],
  ["infinity", "80 cd 0000807f", /Infinity is not a number/],
  ["a string cut off", "80 c0 05 6869", /5 bytes are missing/],
  ["a length far too long", "80 c2 ffffffff 6869", /4294967295 bytes are missing/],
  ["bytes that are not UTF-8", "80 c0 01 ff", /not UTF-8/],
  ["a surrogate in UTF-8", "80 83 eda080", /not UTF-8/],
  ["a string of the reader's dictionary", "80 43", /dictionary that the body does not have/],
  ["the same in two bytes", "80 60 05", /dictionary that the body does not have/],
  ["a GUID cut off", "80 75 01020304", /16 bytes are missing/],
  ["base64 cut off", "80 71 01 00 66", /3 bytes are missing/],
  ["base64 with three characters of padding", "80 71 01 03 66", /wrong padding/],
  ["base64 with padding and nothing else", "80 71 00 01", /wrong padding/],
  ["an odd string with more in its last half", "80 78 01 1f", /does not end where it says/],
  ["packed characters past ASCII", "80 7b 01 7f 01", /not ASCII/],
  ["packed characters cut off", "80 7e 04 00", /missing or cut off/],
  ["a binary value cut off", "80 dd 0a 0102", /10 bytes are missing/],
  ["an array longer than the body", "80 e2 05 00", /5 bytes are missing/],
  ["an item longer than its array", "80 e2 01 c9 0500", /2 bytes are missing or cut off at byte 4/],
  ["an array with too few items", "80 e5 01 05 00", /1 items at byte 2 instead of 5/],
  ["an object with too many members", "80 ed 04 01 2c 00 3b 01", /2 items/],
  ["an object that ends after a name", "80 ea 01 2c", /missing or cut off at byte 4/],
  ["a name that is a number", "80 e9 00 d2", /property name at byte 2 is not a string/],
  ["uniform items without a type", "80 f0 d0 01 00", /marker 0xd0 at byte 2/],
  ["uniform items of an ordinary number", "80 f0 c8 01 00", /marker 0xc8 at byte 2/],
  ["uniform items cut off", "80 f0 da 03 01000000", /missing or cut off/],
  ["arrays of arrays of something else", "80 f2 d0 da 00 01", /marker 0xd0 at byte 2/],
  ["arrays of arrays with other counts", "80 f2 f1 da 00 01", /marker 0xf1 at byte 2/],
  ["a reference past the end", "80 e2 02 c3 fe", /reference at byte 3/],
  ["a reference to itself", "80 e2 02 c3 03", /reference at byte 3/],
  ["a reference to a reference", "80 e2 07 c0 01 78 c3 03 c3 06", /reference at byte 8/],
  ["a reference to what comes later", "80 e2 05 c3 05 c0 01 78", /reference at byte 3/],
  ["a reference to a number", "80 e2 03 00 c3 03", /reference at byte 4/],
  ["a reference to the first byte", "80 e2 02 c3 00", /reference at byte 3/],
  ["a reference that looks negative", "80 e2 05 c6 ffffffff", /reference at byte 3/],
];

describe("binary JSON", () => {
  for (const [bytes, text] of VECTORS) {
    it(`reads ${bytes.slice(0, 40)} as ${text.slice(0, 40)}`, () => {
      assert.equal(binaryJsonToText(unhex(bytes)), text);
    });
  }

  for (const [what, bytes, message] of REFUSALS) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => binaryJsonToText(unhex(bytes)),
        (error) => error instanceof MalformedBody && message.test(error.message),
      );
    });
  }

  it("is told from text by its first byte", () => {
    assert.equal(isBinaryJson(unhex("80d0")), true);
    for (const other of ["", "7b7d", "81", "20 80"]) assert.equal(isBinaryJson(unhex(other)), false);
  });

  it("may be nested 256 levels deep and no deeper", () => {
    const nested = (levels: number): Uint8Array => unhex(`80${"e1".repeat(levels)}00`);
    assert.equal(binaryJsonToText(nested(256)), `${"[".repeat(256)}0${"]".repeat(256)}`);
    for (const levels of [257, 100_000]) {
      assert.throws(() => binaryJsonToText(nested(levels)), /nested more than 256 levels/);
    }
  });

  it("does not become long text by many references to one string, or by empty arrays", () => {
    const long = Buffer.concat([unhex("c2"), Buffer.from([0, 0, 8, 0]), Buffer.alloc(512 * 1024, 97)]);
    const references = Buffer.concat(Array.from({ length: 100_000 }, () => unhex("c6 06000000")));
    const items = Buffer.concat([long, references]);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(items.length);
    assert.throws(
      () => binaryJsonToText(Buffer.concat([unhex("80 e4"), length, items])),
      /text .* is too long/,
    );
    const empty = Buffer.concat(Array.from({ length: 30_000 }, () => unhex("f3 f1 da 0000 ffff")));
    length.writeUInt32LE(empty.length);
    assert.throws(
      () => binaryJsonToText(Buffer.concat([unhex("80 e4"), length, empty])),
      /text .* is too long/,
    );
  });

  it("reads back what is written in every way that the format has", () => {
    const word = fc.constantFrom(
      ..."id _rid _etag type Point 2024-01-31T10:00:00Z 00ff12 ABCDEF QUJD QUJDRA== -_-_ aaaabbbb".split(" "),
      "00010203-0405-0607-0809-0a0b0c0d0e0f",
      '"00010203-0405-0607-0809-0a0b0c0d0e0f"',
      "00010203-0405-0607-0809-0A0B0C0D0E0F",
      "",
      'é€𐍈\u0000\n"\\',
      "x".repeat(70),
      "long ".repeat(90),
    );
    const text = fc.oneof(word, fc.string({ unit: "grapheme", maxLength: 20 }));
    const number = fc.oneof(
      fc.constantFrom(
        0,
        -1,
        31,
        32,
        255,
        256,
        -128,
        -129,
        32767,
        -32769,
        2 ** 31,
        2 ** 32,
        2 ** 53 - 1,
        1.5,
        -0,
        1e300,
      ),
      fc.integer(),
      fc.double({ noDefaultInfinity: true, noNaN: true }),
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5, depthSize: "medium" },
        fc.constantFrom(null, true, false),
        number,
        text,
        fc.array(number, { maxLength: 5 }),
        fc.array(fc.tuple(number, number), { maxLength: 4 }),
        fc.array(tie("value"), { maxLength: 6 }),
        fc.dictionary(text, tie("value"), { maxKeys: 6 }),
      ),
    }));
    const property = fc.property(
      value as fc.Arbitrary<never>,
      fc.infiniteStream(fc.nat(1 << 20)),
      (given, stream) => {
        const choose: Choose = (below) => (stream.next().value ?? 0) % below;
        const written = encodeBinaryJson(given, choose);
        assert.deepEqual(JSON.parse(binaryJsonToText(written)), JSON.parse(restorable(given)));
      },
    );
    fc.assert(property, { seed: 20_261_121, numRuns: sized(200, 600) });
  });

  it("bytes changed at random give text that is JSON, or the one error, and soon", {
    timeout: 120_000,
  }, () => {
    const entropy = seededEntropy(80);
    const choose: Choose = (below) => Buffer.from(entropy.bytes(3)).readUIntBE(0, 3) % below;
    const item = {
      id: "00010203-0405-0607-0809-0a0b0c0d0e0f",
      _ts: 1_700_000_000,
      type: "Point",
      tags: ["a", "b", "a", "2024-01-31T10:00:00Z", ["QUJDRA==", "ABCDEF"]],
      numbers: [1, 2, 300, -4],
      grid: [
        [1, 2],
        [3, 4],
      ],
      nested: { a: { b: { c: [{}, [], null, true, 1.25] } }, name: "id" },
    };
    const bodies = VECTORS.map(([bytes]) => unhex(bytes));
    for (let i = 0; i < 60; i++) bodies.push(encodeBinaryJson(item, choose));
    const rounds = sized(4_000, 20_000);
    let read = 0;
    for (let round = 0; round < rounds; round++) {
      const body = mutate(bodies[round % bodies.length] ?? unhex("80"), choose);
      try {
        JSON.parse(binaryJsonToText(body));
        read++;
      } catch (error) {
        assert.ok(error instanceof MalformedBody, `${Buffer.from(body).toString("hex")}: ${error}`);
      }
    }
    assert.ok(read > rounds / 20 && read < rounds * 0.95, `${read} of ${rounds} were read`);
  });
});

/** `-0` is kept by the format and by the parser, but not by the printer. */
function restorable(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) => (Object.is(one, -0) ? "minus zero" : one)).replaceAll(
    '"minus zero"',
    "-0",
  );
}

/** The bytes with one to four changes: a byte replaced, flipped in a bit, removed or added, or the end cut off. */
function mutate(body: Uint8Array, choose: Choose): Uint8Array {
  const bytes = [...body];
  for (let changes = 1 + choose(4); changes > 0; changes--) {
    const at = 1 + choose(Math.max(1, bytes.length - 1));
    const how = choose(5);
    if (how === 0) bytes[at] = choose(256);
    else if (how === 1) bytes[at] = (bytes[at] ?? 0) ^ (1 << choose(8));
    else if (how === 2) bytes.splice(at, 1);
    else if (how === 3) bytes.splice(at, 0, choose(256));
    else bytes.length = Math.max(1, bytes.length - choose(6));
  }
  return Uint8Array.from(bytes);
}

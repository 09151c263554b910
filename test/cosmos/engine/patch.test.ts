/** The six patch operations on documents: what comes out, and the words for what cannot be done. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { applyPatch, parsePatch } from "../../../src/cosmos/engine/patch.ts";
import { CosmosError } from "../../../src/cosmos/errors.ts";

const document = {
  id: "p",
  pk: "a",
  n: 1,
  s: "s",
  list: [1, 2, 3],
  o: { x: 1, "a/b": 1, "m~n": 2 },
  nil: null,
};

function patched(operations: unknown): Record<string, unknown> {
  return applyPatch(document, parsePatch({ operations }, [["pk"]]).operations);
}

const done: readonly (readonly [string, readonly object[], Record<string, unknown>])[] = [
  ["add to the end of a list", [{ op: "add", path: "/list/-", value: 4 }], { list: [1, 2, 3, 4] }],
  ["add into a list", [{ op: "add", path: "/list/0", value: 0 }], { list: [0, 1, 2, 3] }],
  ["add at the length of a list", [{ op: "add", path: "/list/3", value: 4 }], { list: [1, 2, 3, 4] }],
  ["set in a list", [{ op: "set", path: "/list/1", value: 9 }], { list: [1, 9, 3] }],
  ["set a new name to null", [{ op: "set", path: "/new", value: null }], { new: null }],
  [
    "names with a slash and a tilde",
    [
      { op: "set", path: "/o/a~1b", value: 5 },
      { op: "replace", path: "/o/m~0n", value: 6 },
    ],
    { o: { x: 1, "a/b": 5, "m~n": 6 } },
  ],
  ["remove from a list", [{ op: "remove", path: "/list/0" }], { list: [2, 3] }],
  ["increment", [{ op: "incr", path: "/n", value: 1.5 }], { n: 2.5 }],
  ["increment what is new", [{ op: "incr", path: "/new", value: -2 }], { new: -2 }],
  ["move", [{ op: "move", from: "/o/x", path: "/x" }], { x: 1, o: { "a/b": 1, "m~n": 2 } }],
];

describe("a patch does", () => {
  for (const [name, operations, changes] of done) {
    test(name, () => assert.deepEqual(patched(operations), { ...document, ...changes }));
  }
});

const first = { op: "set", path: "/fine", value: 1 };
const absent = "Note: it may also have been removed earlier in the transaction";
const recursively =
  "Operation can only create a child object of an existing node(array or object) and cannot create path recursively, no path found beyond:";

/** Each is the second operation of its patch. */
const impossible: readonly (readonly [string, object, string])[] = [
  ["add below nothing", { op: "add", path: "/no/child", value: 1 }, `Add ${recursively} 'no'`],
  ["set below nothing", { op: "set", path: "/o/no/child", value: 1 }, `Given ${recursively} 'o/no'`],
  ["set below a number", { op: "set", path: "/n/x", value: 1 }, `Given ${recursively} 'n'`],
  ["increment below nothing", { op: "incr", path: "/no/x", value: 1 }, `Given ${recursively} 'no'`],
  [
    "add beyond a list",
    { op: "add", path: "/list/5", value: 1 },
    "Index(5) to operate on is out of array bounds",
  ],
  [
    "set at a name in a list",
    { op: "set", path: "/list/x", value: 1 },
    "Index(x) to operate on is out of array bounds",
  ],
  ["replace nothing", { op: "replace", path: "/no", value: 1 }, "Node(no) to be replaced is absent"],
  [
    "replace beyond a list",
    { op: "replace", path: "/list/3", value: 1 },
    "Node(list/3) to be replaced is absent",
  ],
  ["remove nothing", { op: "remove", path: "/no" }, `Node(no) to be removed is absent. ${absent}`],
  ["remove the end of a list", { op: "remove", path: "/list/-" }, "Node(list/-) to be removed is absent"],
  ["move nothing", { op: "move", from: "/no", path: "/x" }, "Node(no) to be removed is absent"],
  ["move into itself", { op: "move", from: "/o", path: "/o/x/y" }, "cannot be a child of its 'from'"],
  ["increment a text", { op: "incr", path: "/s", value: 1 }, "Node(s) is not a number"],
  ["increment null", { op: "incr", path: "/nil", value: 1 }, "Node(nil) is not a number"],
];

const malformed: readonly (readonly [string, unknown, string])[] = [
  ["no operations", [], "check syntax of patch specification"],
  ["an operation nobody knows", [{ op: "frob", path: "/x" }], "check syntax of patch specification"],
  ["a value that is missing", [{ op: "set", path: "/x" }], "check syntax of patch specification"],
  ["an increment by a text", [{ op: "incr", path: "/n", value: "1" }], "check syntax of patch specification"],
  ["a path without slash", [{ op: "set", path: "n", value: 1 }], "check syntax of patch specification"],
  ["eleven operations", Array<object>(11).fill(first), "The number of patch operations can't exceed '10'"],
  ["the id", [{ op: "set", path: "/id", value: 1 }], "Cannot patch system property 'id'"],
  ["a system property", [{ op: "remove", path: "/_etag" }], "Cannot patch system property '_etag'"],
  ["the partition key", [{ op: "set", path: "/pk", value: 1 }], "Cannot patch a partition key"],
];

describe("a patch cannot", () => {
  for (const [name, operation, text] of impossible) {
    test(name, () => refuses([first, operation], `For Operation(2): ${text}`, text));
  }
  for (const [name, operations, text] of malformed)
    test(`have ${name}`, () => refuses(operations, text, text));
  test("change the document it was given", () => {
    const before = structuredClone(document);
    assert.throws(() =>
      patched([
        { op: "remove", path: "/o" },
        { op: "remove", path: "/o" },
      ]),
    );
    assert.deepEqual(document, before);
  });
});

function refuses(operations: unknown, start: string, text: string): void {
  assert.throws(
    () => patched(operations),
    (error) => {
      assert.ok(error instanceof CosmosError && error.status === 400);
      assert.ok(error.message.includes(text), error.message);
      assert.ok(!start.startsWith("For") || error.message.includes("For Operation(2): "), error.message);
      return true;
    },
  );
}

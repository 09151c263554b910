import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { compilePattern, matchPattern, parseTarget } from "../../src/arm/address.ts";
import { ArmError } from "../../src/azure/arm-error.ts";

describe("a target is decoded segment by segment and keeps its casing", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["/", "/"],
    ["/subscriptions/S/resourceGroups/My-RG", "/subscriptions/S/resourceGroups/My-RG"],
    ["/subscriptions/S/", "/subscriptions/S"],
    ["//subscriptions/S//providers/N/", "/subscriptions/S/providers/N"],
    ["//", "/"],
    ["/a/caf%C3%A9", "/a/café"],
    ["/a/b%20c?x=%2F", "/a/b c"],
    ["/a/100%25", "/a/100%"],
    ["/a/(b)_.-", "/a/(b)_.-"],
  ];
  for (const [target, path] of cases) {
    test(target, () => assert.equal(parseTarget(target).path, path));
  }
});

describe("a malformed target is a 400", () => {
  const cases = [
    "/a/%zz",
    "/a/%",
    "/a/%C3",
    "/a/%ED%A0%80",
    "/a/%2F",
    "/a/b%5Cc",
    "/a/%00",
    "/a/%0A",
    "/a/%7F",
    "/a/../b",
    "/a/%2e%2e/b",
    "/./a",
    "a/b",
    "/a?x=%",
    `/a/${"n".repeat(1100)}`,
    `/a/${"%C3%A9".repeat(600)}`,
  ];
  for (const target of cases) {
    test(target.slice(0, 40), () => {
      assert.throws(
        () => parseTarget(target),
        (error: unknown) => error instanceof ArmError && error.status === 400,
      );
    });
  }
});

test("query names ignore letter case, the first of a repeated parameter counts, a plus is a space", () => {
  const { query } = parseTarget("/a?API-Version=2024-01-01&api-version=x&%24filter=roleName+eq+'A%20B'&flag");
  assert.deepEqual(
    [...query],
    [
      ["api-version", "2024-01-01"],
      ["$filter", "roleName eq 'A B'"],
      ["flag", ""],
    ],
  );
});

describe("patterns", () => {
  const one = "/subscriptions/{subscription}/resourceGroups/{group}";
  const extension = "/{+scope}/providers/Microsoft.Authorization/roleAssignments/{name}";
  const generic = "/{+scope}/providers/{namespace}/{*parents}/{type}/{name}";
  const cases: readonly (readonly [string, string, Readonly<Record<string, string>> | undefined])[] = [
    [one, "/SUBSCRIPTIONS/s/resourcegroups/G", { subscription: "s", group: "G" }],
    [one, "/subscriptions/s/resourceGroups", undefined],
    [one, "/subscriptions/s/resourceGroups/g/x", undefined],
    [extension, "/providers/microsoft.authorization/roleassignments/n", { scope: "", name: "n" }],
    [
      extension,
      "/subscriptions/s/providers/Microsoft.Authorization/roleAssignments/n",
      { scope: "/subscriptions/s", name: "n" },
    ],
    [extension, "/subscriptions/s/providers/Microsoft.Authorization/roleAssignments", undefined],
    [
      generic,
      "/subscriptions/s/providers/A.B/t/n",
      { scope: "/subscriptions/s", namespace: "A.B", parents: "", type: "t", name: "n" },
    ],
    [
      generic,
      "/subscriptions/s/providers/A.B/t/n/u/m",
      { scope: "/subscriptions/s", namespace: "A.B", parents: "/t/n", type: "u", name: "m" },
    ],
    [generic, "/subscriptions/s/providers/A.B/t/n/u", undefined],
    [
      generic,
      "/subscriptions/s/providers/A.B/t/n/providers/C.D/u/m",
      { scope: "/subscriptions/s/providers/A.B/t/n", namespace: "C.D", parents: "", type: "u", name: "m" },
    ],
  ];
  for (const [pattern, path, expected] of cases) {
    test(`${pattern} on ${path}`, () => {
      const found = matchPattern(compilePattern(pattern), parseTarget(path));
      assert.deepEqual(found === undefined ? undefined : Object.fromEntries(found), expected);
    });
  }
});

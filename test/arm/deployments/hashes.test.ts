import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { templateGuid, templateHash, uniqueString } from "../../../src/arm/deployments/hashes.ts";

describe("uniqueString equals the service's", () => {
  const vectors: readonly (readonly [readonly string[], string])[] = [
    [["test"], "rbgf3xv4ufgzg"],
    [["hello", "world"], "a7wkljktk6wne"],
    [["abc"], "cgtzqvhu4i23s"],
    [["foo", "bar", "baz"], "xzi4ioaxtmth4"],
    [["/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/myRg"], "js26ofeqkqeve"],
  ];
  for (const [parts, expected] of vectors) {
    test(parts.join("-"), () => assert.equal(uniqueString(parts), expected));
  }
});

test("uniqueString joins with hyphens and minds letter case", () => {
  assert.equal(uniqueString(["a", "b"]), uniqueString(["a-b"]));
  assert.notEqual(uniqueString(["Test"]), uniqueString(["test"]));
});

describe("guid equals the service's", () => {
  const vectors: readonly (readonly [readonly string[], string])[] = [
    [["test"], "d6a5baf1-8b9b-542a-8525-2982f1f98a0c"],
    [["a", "b"], "2d796349-8c7e-55ec-9624-54ece82ed031"],
  ];
  for (const [parts, expected] of vectors) {
    test(parts.join("-"), () => assert.equal(templateGuid(parts), expected));
  }
});

const empty = {
  $schema: "https://schema.management.azure.com/schemas/2015-01-01/deploymentParameters.json#",
  contentVersion: "1.0.0.0",
  resources: [],
};

test("templateHash equals a recorded one, in any order of members", () => {
  assert.equal(templateHash(empty), "3965660584125802942");
  const { $schema, contentVersion, resources } = empty;
  assert.equal(templateHash({ resources, contentVersion, $schema }), "3965660584125802942");
});

test("templateHash leaves its own former value out", () => {
  const generator = { name: "bicep", version: "1" };
  const without = templateHash({ ...empty, metadata: { _generator: generator } });
  const withHash = templateHash({ ...empty, metadata: { _generator: { ...generator, templateHash: "1" } } });
  assert.equal(withHash, without);
  assert.notEqual(without, templateHash(empty));
});

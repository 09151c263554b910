import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ExpressionError, parseExpression } from "../../src/arm/deployments/expressions.ts";
import { parseLenient } from "../../src/arm/deployments/lenient-json.ts";
import { ArmError } from "../../src/azure/arm-error.ts";
import { deploy, resourceNames, site, template } from "./deployments/templates.ts";
import { group, openGroupFixture, outcome, subscription } from "./fixture.ts";

const seeded = { seed: 20260102, numRuns: 300 };

test("what is JSON is read by the lenient reader as JSON is", () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      assert.deepEqual(parseLenient(text).value, JSON.parse(text));
    }),
    seeded,
  );
});

test("any text is read or refused, never more", () => {
  const alphabet = fc.constantFrom(
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    '"',
    "'",
    "a",
    "1",
    "-",
    ".",
    "/",
    "*",
    "\\",
    "u",
    "\n",
    " ",
  );
  fc.assert(
    fc.property(fc.array(alphabet, { maxLength: 40 }), (parts) => {
      try {
        parseLenient(parts.join(""));
      } catch (error) {
        assert.ok(error instanceof ArmError && error.status === 400, String(error));
      }
    }),
    { ...seeded, numRuns: 800 },
  );
});

test("any expression is parsed or refused, never more", () => {
  const alphabet = fc.constantFrom(
    "concat",
    "a",
    "(",
    ")",
    "[",
    "]",
    ",",
    ".",
    "'x'",
    "'",
    "1",
    "-1",
    " ",
    "$",
    "#",
  );
  fc.assert(
    fc.property(fc.array(alphabet, { maxLength: 30 }), (parts) => {
      try {
        parseExpression(`[${parts.join("")}]`);
      } catch (error) {
        assert.ok(error instanceof ExpressionError, String(error));
      }
    }),
    { ...seeded, numRuns: 800 },
  );
});

const fixture = await openGroupFixture();

test("any request gets an answer that is not a fault of ours", async () => {
  const words = fc.constantFrom(
    "subscriptions",
    subscription.slice("/subscriptions/".length),
    "resourceGroups",
    "Shop",
    "providers",
    "Microsoft.Authorization",
    "Microsoft.DocumentDB",
    "Microsoft.ManagedIdentity",
    "Microsoft.Resources",
    "Microsoft.Web",
    "roleAssignments",
    "roleDefinitions",
    "databaseAccounts",
    "sqlDatabases",
    "containers",
    "sqlRoleAssignments",
    "userAssignedIdentities",
    "deployments",
    "operations",
    "sites",
    "listKeys",
    "validate",
    "00000000-0000-4000-8000-000000000009",
    "x",
    "%00",
    "%zz",
    "__proto__",
    "constructor",
  );
  const methods = fc.constantFrom("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS");
  const prefix = fc.constantFrom(
    "",
    subscription,
    group,
    `${group}/providers/Microsoft.DocumentDB/databaseAccounts/x`,
  );
  const body = fc.oneof(
    fc.constant(undefined),
    fc.json(),
    fc.object({
      key: fc.constantFrom(
        "properties",
        "location",
        "identity",
        "type",
        "tags",
        "template",
        "resource",
        "id",
      ),
    }),
  );
  const filter = fc.constantFrom(
    "",
    "?$filter=",
    "?$filter=atScope()",
    "?$filter=name%20eq%20'",
    "?$filter=((",
    "?%",
  );
  await fc.assert(
    fc.asyncProperty(
      methods,
      prefix,
      fc.array(words, { maxLength: 6 }),
      filter,
      body,
      async (method, start, parts, query, sent) => {
        const target = [start, ...parts].join("/") + query;
        const answer = await fixture.send(method, target.startsWith("/") ? target : `/${target}`, {
          body: sent,
        });
        assert.notEqual(answer.status, 500, `${method} ${target}`);
        assert.deepEqual(fixture.faults, []);
      },
    ),
    { ...seeded, numRuns: 150 },
  );
});

test("any template is deployed or refused, never more", async () => {
  const templates = await openGroupFixture();
  const scalars = fc.constantFrom<unknown>(
    null,
    true,
    1,
    "a",
    "[parameters('p')]",
    "[variables('v')]",
    "[reference('a')]",
    "[reference('a').x]",
    "[concat('a', copyIndex())]",
    "[[x]",
    "[",
    "[createObject('a', createArray(1))]",
    "[listKeys('a', '2020-01-01')]",
  );
  const value = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      scalars,
      fc.array(tie("tree"), { maxLength: 3 }),
      fc.dictionary(
        fc.constantFrom("a", "copy", "name", "count", "input", "type", "[toLower('B')]", "properties"),
        tie("tree"),
        { maxKeys: 3 },
      ),
    ),
  })).tree;
  const resource = fc.record(
    {
      type: fc.constantFrom<unknown>("Microsoft.Web/sites", "Microsoft.Resources/deployments", "x", 1),
      name: fc.constantFrom<unknown>("a", "b", "[parameters('p')]", "[concat('c', copyIndex())]", 1),
      apiVersion: fc.constantFrom<unknown>("2023-01-01", "x"),
      properties: value,
      copy: value,
      condition: value,
      dependsOn: fc.oneof(value, fc.array(fc.constantFrom("a", "b", "loop"))),
      identity: value,
      resources: value,
    },
    { requiredKeys: ["type", "name", "apiVersion"] },
  );
  const parts = fc.record(
    {
      resources: fc.array(resource, { maxLength: 4 }),
      parameters: value,
      variables: value,
      outputs: value,
      functions: value,
    },
    { requiredKeys: ["resources"] },
  );
  await fc.assert(
    fc.asyncProperty(parts, async (document) => {
      const answer = await deploy(templates, template(document as object));
      assert.ok([200, 201, 400, 403, 501].includes(answer.status), JSON.stringify(answer.body));
      await templates.arm.close();
      assert.deepEqual(templates.faults, []);
    }),
    { ...seeded, numRuns: 150 },
  );
});

test("writes and a deletion of their group at once leave all or nothing", async () => {
  const { send, cosmos, store, identity, arm, faults } = await openGroupFixture();
  const body = { location: "westeurope", identity: { type: "SystemAssigned" } };
  const writes = Array.from({ length: 24 }, (_, index) => {
    if (index % 3 === 0) return `${group}/providers/Microsoft.Web/sites/s${index}`;
    if (index % 3 === 1) return `${group}/providers/Microsoft.DocumentDB/databaseAccounts/acct-${index}`;
    return `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/identity-${index}`;
  });
  writes.splice(12, 0, group);
  const answers = await Promise.all(
    writes.map((target) => send(target === group ? "DELETE" : "PUT", target, { body })),
  );
  for (const answer of answers) assert.ok([200, 201, 404].includes(answer.status), outcome(answer));
  await arm.close();
  await send("PUT", group, { body: { location: "westeurope" } });
  assert.deepEqual((await send("GET", `${group}/resources`)).body["value"], []);
  assert.deepEqual(await cosmos.listAccounts(store), []);
  const principals = answers.map(
    (answer) => answer.body["identity"]?.["principalId"] ?? answer.body["properties"]?.["principalId"],
  );
  for (const id of principals) {
    if (id !== undefined) assert.equal(await identity.directory.find(String(id)), undefined);
  }
  assert.deepEqual(faults, []);
});

test("one deployment name is used by one run at a time", async () => {
  const other = await openGroupFixture();
  const document = template({
    resources: [site("[concat('s', copyIndex())]", { copy: { name: "l", count: 5 } })],
  });
  const answers = await Promise.all(Array.from({ length: 6 }, () => deploy(other, document)));
  for (const answer of answers)
    assert.ok(["200", "201", "409 DeploymentActive"].includes(outcome(answer)), outcome(answer));
  assert.ok(answers.some((answer) => answer.status < 300));
  assert.equal((await resourceNames(other)).length, 5);
  assert.deepEqual(other.faults, []);
});

/**
 * Secrets in parameters and outputs of a deployment, whole or as a part of them: nobody who reads the deployment, its
 * template or those inside it sees them, and everything beside them is shown.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { group, openGroupFixture, outcome } from "../fixture.ts";
import { deploymentUrl, site, stateOf, template } from "./templates.ts";

const secret = "the-s3cret";
const secure = { type: "securestring" };
const text = { type: "string" };

describe("a secure part of a value is not shown", () => {
  const definitions = {
    login: { type: "object", properties: { user: text, password: secure } },
    loop: {
      type: "object",
      properties: { user: text, next: { $ref: "#/definitions/loop" }, password: secure },
    },
  };
  const login = { user: "u", password: secret };
  const cases: readonly (readonly [what: string, declaration: object, value: unknown, shown: unknown])[] = [
    ["a text", text, "plain", "plain"],
    ["a secure text", secure, secret, undefined],
    ["in capitals", { type: "SecureString" }, secret, undefined],
    ["a secure object", { type: "secureObject" }, login, undefined],
    ["a plain object", { type: "object" }, { user: "u", password: "p" }, { user: "u", password: "p" }],
    ["a property", { type: "object", properties: { user: text, password: secure } }, login, { user: "u" }],
    [
      "a property in other letters",
      { type: "object", properties: { user: text, Password: secure } },
      login,
      { user: "u" },
    ],
    ["a referenced type", { $ref: "#/definitions/login" }, login, { user: "u" }],
    [
      "a type of itself",
      { $ref: "#/definitions/loop" },
      { user: "a", next: { user: "b", password: secret } },
      { user: "a", next: { user: "b" } },
    ],
    ["all properties", { type: "object", additionalProperties: secure }, { a: secret, b: secret }, {}],
    [
      "those that are not named",
      { type: "object", properties: { a: text }, additionalProperties: secure },
      { a: "plain", b: secret },
      { a: "plain" },
    ],
    ["items", { type: "array", items: secure }, [secret, secret], [null, null]],
    [
      "items that are objects",
      { type: "array", items: { $ref: "#/definitions/login" } },
      [login, login],
      [{ user: "u" }, { user: "u" }],
    ],
    [
      "one item",
      { type: "array", prefixItems: [text, secure], items: text },
      ["a", secret, "c"],
      ["a", null, "c"],
    ],
    [
      "a property of one of several types",
      {
        type: "object",
        discriminator: {
          propertyName: "kind",
          mapping: {
            key: { type: "object", properties: { kind: text, value: secure } },
            name: { type: "object", properties: { kind: text, value: text } },
          },
        },
      },
      { kind: "key", value: secret },
      { kind: "key" },
    ],
    [
      "the same of the other type",
      {
        type: "object",
        discriminator: {
          propertyName: "kind",
          mapping: {
            key: { type: "object", properties: { kind: text, value: secure } },
            name: { type: "object", properties: { kind: text, value: text } },
          },
        },
      },
      { kind: "name", value: "plain" },
      { kind: "name", value: "plain" },
    ],
  ];
  for (const [what, declaration, value, shown] of cases) {
    test(what, async () => {
      const fixture = await openGroupFixture();
      const reader = await fixture.user("reader", "Reader", group);
      const document = template({
        languageVersion: "2.0",
        definitions,
        resources: {},
        parameters: { given: declaration },
        outputs: { taken: { ...declaration, value: "[parameters('given')]" } },
      });
      const properties = { mode: "Incremental", template: document, parameters: { given: { value } } };
      const made = await fixture.send("PUT", deploymentUrl(), { body: { properties } });
      assert.equal(stateOf(made), "Succeeded", JSON.stringify(made.body));
      const read = await fixture.send("GET", deploymentUrl(), { as: reader });
      for (const answer of [made, read]) {
        assert.deepEqual(answer.body["properties"]?.["parameters"]?.["given"]?.["value"], shown);
        assert.deepEqual(answer.body["properties"]?.["outputs"]?.["taken"]?.["value"], shown);
        assert.ok(!JSON.stringify(answer.body).includes(secret));
      }
      const validated = await fixture.send("POST", `${deploymentUrl()}/validate`, { body: { properties } });
      assert.equal(outcome(validated), "200");
      assert.ok(!JSON.stringify(validated.body).includes(secret));
    });
  }
});

describe("the template of a nested deployment keeps the expression that reads a secret", () => {
  const cases: readonly (readonly [what: string, expression: string, hides: boolean])[] = [
    ["a part of a parameter", "[parameters('config').password]", true],
    ["a variable of it", "[variables('copied')]", true],
    ["what the deployment was given", "[deployment().properties.parameters.config.value.password]", true],
    ["the whole of what it was given, without it", "[string(deployment().properties.parameters)]", false],
    ["what is no secret", "[deployment().name]", false],
    ["another parameter", "[parameters('plain')]", false],
    ["another one as it was given", "[deployment().properties.parameters.plain.value]", false],
  ];
  for (const [what, expression, hides] of cases) {
    test(what, async () => {
      const fixture = await openGroupFixture();
      const document = template({
        parameters: { config: { type: "object", properties: { password: secure } }, plain: text },
        variables: { copied: "[parameters('config').password]" },
        resources: [
          {
            type: "Microsoft.Resources/deployments",
            apiVersion: "2025-04-01",
            name: "inside",
            properties: {
              mode: "Incremental",
              template: template({ resources: [site("shop", { tags: { at: expression } })] }),
            },
          },
        ],
      });
      const parameters = { config: { value: { password: secret } }, plain: { value: "shown" } };
      const properties = { mode: "Incremental", template: document, parameters };
      const made = await fixture.send("PUT", deploymentUrl(), { body: { properties } });
      assert.equal(stateOf(made), "Succeeded", JSON.stringify(made.body));
      const exported = await fixture.send("POST", `${deploymentUrl("inside")}/exportTemplate`);
      const kept = exported.body["template"]?.["resources"]?.[0]?.["tags"]?.["at"] as unknown;
      assert.ok(!JSON.stringify(exported.body).includes(secret));
      assert.equal(String(kept).includes("("), hides, String(kept));
      const predicted = await fixture.send("POST", `${deploymentUrl()}/whatIf`, { body: { properties } });
      assert.equal(outcome(predicted), "200");
    });
  }
});

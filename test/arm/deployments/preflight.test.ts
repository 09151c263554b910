/**
 * What a deployment is refused for before it writes anything: rights that its caller lacks, also in the templates inside
 * it. A caller who may write database accounts and run deployments tries to write a web site as well.
 */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { type ArmFixture, group, messageOf, openGroupFixture, outcome, subscription } from "../fixture.ts";
import { deploymentUrl, poll, site, stateOf, template } from "./templates.ts";

const accountId = `${group}/providers/Microsoft.DocumentDB/databaseAccounts/first`;

function account(name: string, more: object = {}): object {
  const type = "Microsoft.DocumentDB/databaseAccounts";
  const properties = { databaseAccountOfferType: "Standard", locations: [{ locationName: "westeurope" }] };
  return { type, apiVersion: "2024-08-15", name, location: "westeurope", properties, ...more };
}

function nested(document: object, more: object = {}, options: object = {}): object {
  return {
    type: "Microsoft.Resources/deployments",
    apiVersion: "2025-04-01",
    name: "inside",
    properties: { mode: "Incremental", template: document, ...options },
    ...more,
  };
}

const inner = { expressionEvaluationOptions: { scope: "inner" } };

const inside = (...resources: readonly object[]): object => template({ resources });

const named = (name: string): object =>
  template({ parameters: { name: { type: "string" } }, resources: [site(name)] });

/** A member that only the running deployment knows. */
const later = "[reference(resourceId('Microsoft.DocumentDB/databaseAccounts', 'first')).documentEndpoint]";

const may = "200";
const denied = "400 InvalidTemplateDeployment";

describe("what is inside nested templates is asked about before the run", () => {
  const cases: readonly (readonly [what: string, resource: object, expected: string])[] = [
    ["an account", nested(inside(account("second")), {}, inner), may],
    ["a site", nested(inside(site("shop")), {}, inner), denied],
    ["an account, as part of the outer template", nested(inside(account("[concat('sec', 'ond')]"))), may],
    ["a site, as part of the outer template", nested(inside(site("[concat('sh', 'op')]"))), denied],
    [
      "an account whose members are known later",
      nested(inside(account("second", { tags: { at: later } }))),
      may,
    ],
    [
      "a site whose members are known later",
      nested(inside(site("shop", { properties: { from: later } }))),
      denied,
    ],
    [
      "a site beside what is known later",
      nested(inside(account("second", { tags: { at: later } }), site("shop"))),
      denied,
    ],
    [
      "an account two levels down",
      nested(inside(nested(inside(account("second")), { name: "deeper" }))),
      may,
    ],
    ["a site two levels down", nested(inside(nested(inside(site("shop")), {}, inner)), {}, inner), denied],
    ["a site that only exists", nested(inside(site("shop", { existing: true })), {}, inner), may],
    ["a site under a false condition", nested(inside(site("shop", { condition: false })), {}, inner), may],
    ["a site under a true one", nested(inside(site("shop", { condition: "[equals(1, 1)]" }))), denied],
    ["a nested deployment under a false one", nested(inside(site("shop")), { condition: false }), may],
    [
      "a site named by a parameter",
      nested(named("[parameters('name')]"), {}, { ...inner, parameters: { name: { value: "shop" } } }),
      denied,
    ],
    [
      "a loop over nothing",
      nested(inside(site("shop")), { name: "[copyIndex()]", copy: { name: "all", count: 0 } }, inner),
      may,
    ],
    [
      "a loop",
      nested(
        inside(site("shop")),
        { name: "[concat('i', copyIndex())]", copy: { name: "all", count: 2 } },
        inner,
      ),
      denied,
    ],
  ];
  for (const [what, resource, expected] of cases) {
    test(`${what}: ${expected}`, async () => {
      const fixture = await openGroupFixture();
      const as = await fixture.user("operator", "DocumentDB Account Contributor", group);
      const reader = await fixture.user("reader", "Reader", group);
      const properties = { mode: "Incremental", template: inside(account("first"), resource) };
      for (const way of ["validate", "whatIf"]) {
        const url = `${deploymentUrl()}/${way}`;
        // A prediction reads what is there.
        if (way === "whatIf" && expected === may) await fixture.grant(as, "Reader", group);
        const answer = await fixture.send("POST", url, { as, body: { properties } });
        assert.equal(outcome(answer), expected, messageOf(answer));
        const stranger = await fixture.send("POST", url, { as: reader, body: { properties } });
        assert.equal(outcome(stranger), "403 AuthorizationFailed");
      }
      const answer = await fixture.send("PUT", deploymentUrl(), { as, body: { properties } });
      if (expected === may) {
        assert.equal(stateOf(answer), "Succeeded", JSON.stringify(answer.body));
        return;
      }
      assert.equal(outcome(answer), denied);
      assert.match(
        messageOf(answer),
        /does not have permission to perform action 'Microsoft\.Web\/sites\/write'/,
      );
      assert.equal((await fixture.send("GET", accountId)).status, 404, "nothing is written");
    });
  }

  test("what only the run knows is refused by the run", async () => {
    const fixture = await openGroupFixture();
    const as = await fixture.user("operator", "DocumentDB Account Contributor", group);
    const parameters = { name: { value: "[last(split(reference('first').documentEndpoint, '/'))]" } };
    const late = nested(named("[concat('shop', parameters('name'))]"), {}, { ...inner, parameters });
    const properties = { mode: "Incremental", template: inside(account("first"), late) };
    const valid = await fixture.send("POST", `${deploymentUrl()}/validate`, { as, body: { properties } });
    assert.equal(outcome(valid), "200");
    const answer = await fixture.send("PUT", deploymentUrl(), { as, body: { properties } });
    const ended = await poll(fixture, answer);
    assert.match(JSON.stringify(ended), /Microsoft\.Web\/sites\/write/);
    const sites = await fixture.send("GET", `${group}/providers/Microsoft.Web/sites`);
    assert.deepEqual(sites.body["value"], []);
  });

  test("loops of loops are asked about up to a bound, and then left to the runs", async () => {
    const fixture = await openGroupFixture();
    const many = site("[concat('s', copyIndex())]", { copy: { name: "inner", count: 800 } });
    const copies = { name: "[concat('n', copyIndex())]", copy: { name: "outer", count: 800 } };
    const properties = { mode: "Incremental", template: inside(nested(inside(many), copies, inner)) };
    fixture.records.length = 0;
    const answer = await fixture.send("POST", `${deploymentUrl()}/validate`, { body: { properties } });
    assert.equal(outcome(answer), "200", messageOf(answer));
    // One of the request itself, and of each resource that was asked about.
    assert.equal(fixture.records.length, 2001);
  });

  test("a template inside that is wrong stops the whole before anything is written", async () => {
    const fixture = await openGroupFixture();
    const wrong = nested(inside(site("[parameters('absent')]")), {}, inner);
    const properties = { mode: "Incremental", template: inside(account("first"), wrong) };
    for (const [method, url] of [
      ["POST", `${deploymentUrl()}/validate`],
      ["PUT", deploymentUrl()],
    ] as const) {
      assert.equal(outcome(await fixture.send(method, url, { body: { properties } })), "400 InvalidTemplate");
    }
    assert.equal((await fixture.send("GET", accountId)).status, 404);
  });
});

describe("a group that the template itself makes", () => {
  const made = `${subscription}/resourceGroups/made`;
  const groupResource = {
    type: "Microsoft.Resources/resourceGroups",
    apiVersion: "2024-03-01",
    name: "made",
    location: "westeurope",
  };
  const into = (resource: object): object => ({
    ...nested(inside(resource), { resourceGroup: "made" }, inner),
    dependsOn: ["made"],
  });
  const deploy = (fixture: ArmFixture, as: string, resource: object): Promise<string> => {
    const body = {
      location: "westeurope",
      properties: { mode: "Incremental", template: inside(groupResource, into(resource)) },
    };
    const url = deploymentUrl("main", subscription);
    return fixture.send("PUT", url, { as, body }).then(outcome);
  };
  /** May make groups and accounts, and run deployments. */
  const roleBody = {
    properties: {
      roleName: "group maker",
      type: "CustomRole",
      assignableScopes: [subscription],
      permissions: [
        {
          actions: [
            "Microsoft.Resources/subscriptions/resourceGroups/write",
            "Microsoft.Resources/deployments/*",
            "Microsoft.DocumentDB/databaseAccounts/*",
          ],
        },
      ],
    },
  };
  for (const [what, resource, expected, present] of [
    ["an account", account("first"), "201", 204],
    [
      "an account where the group is",
      account("first", { location: "[resourceGroup().location]" }),
      "201",
      204,
    ],
    ["a site", site("shop"), denied, 404],
  ] as const) {
    test(`${what} in it: ${expected}`, async () => {
      const fixture = await openGroupFixture();
      const as = await fixture.user("maker");
      const definition = `${subscription}/providers/Microsoft.Authorization/roleDefinitions/00000000-0000-4000-a000-000000000001`;
      assert.equal((await fixture.send("PUT", definition, { body: roleBody })).status, 201);
      await fixture.grant(as, "group maker", subscription);
      assert.equal(await deploy(fixture, as, resource), expected);
      assert.equal((await fixture.send("HEAD", made)).status, present);
    });
  }
});

describe("the level of validation", () => {
  let fixture: ArmFixture;
  const callers: Record<string, string> = {};
  before(async () => {
    fixture = await openGroupFixture();
    callers["operator"] = await fixture.user("operator", "DocumentDB Account Contributor", group);
    callers["reading operator"] = await fixture.user(
      "readingOperator",
      "DocumentDB Account Contributor",
      group,
    );
    await fixture.grant(String(callers["reading operator"]), "Reader", group);
    callers["reader"] = await fixture.user("reader", "Reader", group);
    callers["contributor"] = await fixture.user("contributor", "Contributor", group);
  });
  const cases: readonly (readonly [level: string | undefined, who: string, expected: string])[] = [
    [undefined, "contributor", may],
    [undefined, "reading operator", denied],
    ["Provider", "contributor", may],
    ["provider", "reading operator", denied],
    ["ProviderNoRbac", "contributor", may],
    ["ProviderNoRbac", "reading operator", may],
    ["ProviderNoRbac", "operator", denied],
    ["Template", "reading operator", may],
    ["Template", "operator", may],
    ["Template", "reader", "403 AuthorizationFailed"],
    ["None", "contributor", "400 InvalidDeployment"],
  ];
  for (const [validationLevel, who, expected] of cases) {
    test(`${validationLevel ?? "none said"}, ${who}: ${expected}`, async () => {
      const as = callers[who] ?? "";
      const properties = { mode: "Incremental", template: inside(site("shop")), validationLevel };
      const url = `${deploymentUrl()}/validate`;
      assert.equal(outcome(await fixture.send("POST", url, { as, body: { properties } })), expected);
    });
  }

  test("says nothing about the run, which asks for each resource", async () => {
    const as = callers["operator"] ?? "";
    const document = inside(site("shop"), nested(inside(site("other")), {}, inner));
    const properties = { mode: "Incremental", template: document, validationLevel: "Template" };
    const answer = await fixture.send("PUT", deploymentUrl(), { as, body: { properties } });
    assert.match(JSON.stringify(await poll(fixture, answer)), /AuthorizationFailed/);
    const sites = await fixture.send("GET", `${group}/providers/Microsoft.Web/sites`);
    assert.deepEqual(sites.body["value"], []);
  });
});

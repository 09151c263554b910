import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { group, messageOf, openGroupFixture, outcome, type Shown, subscription } from "../fixture.ts";
import { deploy, deploymentUrl, resourceNames, site, template } from "./templates.ts";

const fixture = await openGroupFixture();

interface Refusal {
  readonly template: unknown;
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly outcome?: string;
  readonly message: string | RegExp;
}

const a = site("a");
const one = (more: object): object => template({ resources: [a, site("b", more)] });

const refusals: Readonly<Record<string, Refusal>> = {
  "an unknown parameter": {
    template: template({ parameters: { a: { type: "string" }, b: { type: "string" } }, resources: [a] }),
    parameters: { x: 1, a: "1", b: "2" },
    message:
      "Deployment template validation failed: 'The template parameters 'x' in the parameters file are not valid; they are not present in the original template and can therefore not be provided at deployment time. The only supported parameters for this template are 'a, b'. Please see https://aka.ms/arm-pass-parameter-values for usage details.'.",
  },
  "a missing parameter": {
    template: template({ parameters: { p: { type: "string" } }, resources: [a] }),
    message:
      /^Deployment template validation failed: 'The value for the template parameter 'p' at line '1' and column '\d+' is not provided\. /,
  },
  "a parameter of another type": {
    template: template({ parameters: { p: { type: "int" } }, resources: [a] }),
    parameters: { p: "1" },
    message: /'p' JToken type is not valid\. Expected 'Int'\. Actual 'String'\./,
  },
  "a parameter of no type": {
    template: template({ parameters: { p: { type: "text" } }, resources: [a] }),
    parameters: { p: "1" },
    message: /The type 'text' of the template parameter 'p' is not supported/,
  },
  "a value that is not allowed": {
    template: template({ parameters: { p: { type: "string", allowedValues: ["x", "y"] } }, resources: [a] }),
    parameters: { p: "z" },
    message: /The value 'z' is not part of the allowed value\(s\): 'x,y'/,
  },
  "a string that is too short": {
    template: template({ parameters: { p: { type: "string", minLength: 3 } }, resources: [a] }),
    parameters: { p: "ab" },
    message: /its length '2' is less than the minimum length '3'/,
  },
  "an integer that is too great": {
    template: template({ parameters: { p: { type: "int", maxValue: 3 } }, resources: [a] }),
    parameters: { p: 4 },
    message: /its value '4' is greater than the maximum value '3'/,
  },
  "defaults in a circle": {
    template: template({
      parameters: {
        p: { type: "string", defaultValue: "[parameters('q')]" },
        q: { type: "string", defaultValue: "[parameters('p')]" },
      },
      resources: [a],
    }),
    message: /depends on itself/,
  },
  "variables in a circle": {
    template: template({
      variables: { v: "[variables('w')]", w: "[variables('v')]" },
      resources: [a, site("[variables('v')]")],
    }),
    message: /depends on itself/,
  },
  "an undefined variable": {
    template: template({ resources: [a, site("[variables('v')]")] }),
    message: /The template variable 'v' is not found/,
  },
  "an undefined parameter": {
    template: template({ resources: [a, site("[parameters('p')]")] }),
    message: /The template parameter 'p' is not found/,
  },
  "a name that does not parse": {
    template: template({ resources: [a, site("[concat('x'))]")] }),
    message: /follows the end of the expression/,
  },
  "an unknown function in a body": {
    template: one({ properties: { x: "[noSuch('x')]" } }),
    message:
      /^Unable to process template language expressions for resource '.*\/sites\/b' at line '1' and column '\d+'\. 'The template function 'noSuch' is not valid/,
  },
  "a wrong argument deep in a body": {
    template: one({ properties: { deep: [{ x: "[toLower(1)]" }] } }),
    message: /expects its parameter to be of type 'String'/,
  },
  "utcNow outside of defaults": {
    template: one({ properties: { now: "[utcNow()]" } }),
    message: /The template function 'utcNow' is not valid/,
  },
  "copyIndex outside of a loop": {
    template: one({ properties: { x: "[copyIndex()]" } }),
    message: /can only be used in a resource with copy specified/,
  },
  "reference in a name": {
    template: template({ resources: [a, site("[reference('a').x]")] }),
    message: /The template function 'reference' is not expected at this location/,
  },
  "reference in a condition": {
    template: one({ condition: "[reference('a').x]" }),
    message: /'reference' is not expected/,
  },
  "reference in a variable": {
    template: template({
      variables: { v: "[reference('a').x]" },
      resources: [a, site("b", { properties: { x: "[variables('v')]" } })],
    }),
    message: /'reference' is not expected/,
  },
  "a condition that is no boolean": { template: one({ condition: "yes" }), message: /must be a boolean/ },
  "a dependency that is not there": {
    template: one({ dependsOn: ["[resourceId('Microsoft.Web/sites', 'zzz')]"] }),
    message: `Deployment template validation failed: 'The resource '${group}/providers/Microsoft.Web/sites/zzz' is not defined in the template. Please see https://aka.ms/arm-syntax for usage details.'.`,
  },
  "a dependency by a name that is not there": {
    template: one({ dependsOn: ["zzz"] }),
    message: /The resource 'zzz' is not defined in the template/,
  },
  "a cycle": {
    template: template({
      resources: [
        a,
        site("b", { dependsOn: ["c"] }),
        site("c", { dependsOn: ["d"] }),
        site("d", { dependsOn: ["b"] }),
      ],
    }),
    message:
      /Circular dependency detected on resource: '.*\/sites\/b'; .*sites\/b' -> '.*sites\/c' -> '.*sites\/d' -> '.*sites\/b'/,
  },
  "a resource that waits for itself": {
    template: one({ dependsOn: ["b"] }),
    message: /Circular dependency detected/,
  },
  "a cycle through reference": {
    template: template({
      resources: [site("a", { dependsOn: ["b"] }), site("b", { properties: { x: "[reference('a').y]" } })],
    }),
    message: /Circular dependency detected/,
  },
  "a resource twice": {
    template: template({ resources: [a, site("A")] }),
    message: /is defined multiple times in a template/,
  },
  "more name segments than type segments": {
    template: template({ resources: [a, site("b/c")] }),
    message: /has incorrect segment lengths/,
  },
  "an empty name segment": {
    template: template({ resources: [a, { ...site("b/"), type: "Microsoft.Web/sites/config" }] }),
    message: /has incorrect segment lengths/,
  },
  "a resource without a type": {
    template: template({ resources: [a, { apiVersion: "2023-01-01", name: "b" }] }),
    message: /has no valid 'type'/,
  },
  "a resource without an api-version": {
    template: template({ resources: [a, { type: "Microsoft.Web/sites", name: "b" }] }),
    message: /has no valid 'apiVersion'/,
  },
  "a resource that is no object": {
    template: template({ resources: [a, "b"] }),
    message: /must be an object/,
  },
  "a negative loop": { template: one({ copy: { name: "l", count: -1 } }), message: /from 0 to 800/ },
  "a loop that is too long": { template: one({ copy: { name: "l", count: 801 } }), message: /from 0 to 800/ },
  "more than 800 resources": {
    template: template({
      resources: [a, site("[concat('b', copyIndex())]", { copy: { name: "l", count: 800 } })],
    }),
    message: /more than 800 resources/,
  },
  "no schema": {
    template: { contentVersion: "1.0.0.0", resources: [a] },
    message: /Template schema '' is not supported/,
  },
  "another schema": {
    template: { ...template({ resources: [a] }), $schema: "https://example.com/x.json" },
    message: /is not supported/,
  },
  "no content version": {
    template: { ...template({ resources: [a] }), contentVersion: undefined },
    message: /contentVersion/,
  },
  "no resources": {
    template: { ...template({}), resources: undefined },
    message: /must have a 'resources' section/,
  },
  "resources as an object in the old language": {
    template: template({ resources: { a } }),
    message: /must be an array/,
  },
  "parameters as a list": {
    template: template({ parameters: [] as unknown as object, resources: [a] }),
    message: /'parameters' of the template must be an object/,
  },
  "an unknown namespace": {
    template: template({ resources: [a, { ...site("b"), type: "NoSuch/things" }] }),
    outcome: "400 InvalidTemplateDeployment",
    message: "The template deployment failed with error: 'The resource namespace 'NoSuch' is invalid.'.",
  },
  "an unknown type": {
    template: template({ resources: [a, { ...site("b"), type: "Microsoft.DocumentDB/things" }] }),
    outcome: "400 InvalidTemplateDeployment",
    message: /The resource type 'things' could not be found in the namespace 'Microsoft.DocumentDB'/,
  },
  "no template": {
    template: undefined,
    outcome: "400 InvalidDeployment",
    message: /'properties.template' is required/,
  },
};

describe("a refused template changes nothing, neither by PUT nor by validate", () => {
  for (const [what, refusal] of Object.entries(refusals)) {
    test(what, async () => {
      const { parameters = {} } = refusal;
      for (const validate of [true, false]) {
        const answer = await deploy(fixture, refusal.template, { parameters, validate });
        assert.equal(outcome(answer), refusal.outcome ?? "400 InvalidTemplate", JSON.stringify(answer.body));
        if (typeof refusal.message === "string") assert.equal(messageOf(answer), refusal.message);
        else assert.match(messageOf(answer), refusal.message);
      }
      assert.deepEqual(await resourceNames(fixture), []);
      assert.equal(outcome(await fixture.send("GET", deploymentUrl())), "404 DeploymentNotFound");
    });
  }
});

test("a violation tells line and column of the file, as az splices it into the body", async () => {
  const file = JSON.stringify(template({ parameters: { p: { type: "string" } } }), undefined, 2);
  const body = `{"properties": {"parameters": {}, "mode": "Incremental", template:${file}}}`;
  const answer = await fixture.send("PUT", deploymentUrl(), { body });
  const info = answer.body["error"]?.["additionalInfo"]?.[0];
  assert.equal(info?.["type"], "TemplateViolation");
  const line = file.split("\n").findIndex((each) => each.includes('"p": {')) + 1;
  assert.equal(info?.["info"]?.["lineNumber"], line);
});

describe("rights are checked for every resource before anything is changed", () => {
  const both = template({
    resources: [site("a"), { ...site("b"), type: "Microsoft.Network/virtualNetworks" }],
  });
  test("one missing right", async () => {
    const user = await fixture.user("webby", "Managed Identity Contributor", group);
    await fixture.grant(user, "Contributor", `${group}/providers/Microsoft.Web/sites/a`);
    const { userPrincipalName } = (await fixture.identity.directory.find(user)) ?? {};
    const denial = `Authorization failed for template resource 'b' of type 'Microsoft.Network/virtualNetworks'. The client '${userPrincipalName}' with object id '${user}' does not have permission to perform action 'Microsoft.Network/virtualNetworks/write' at scope '${group}/providers/Microsoft.Network/virtualNetworks/b'.`;
    for (const validate of [true, false]) {
      const answer = await deploy(fixture, both, { as: user, validate });
      assert.equal(outcome(answer), "400 InvalidTemplateDeployment");
      assert.equal(messageOf(answer), `The template deployment failed with error: '${denial}'.`);
      assert.equal(answer.body["error"]?.["details"]?.[0]?.["code"], "AuthorizationFailed");
    }
    assert.deepEqual(await resourceNames(fixture), []);
  });
  test("several missing rights are told together", async () => {
    const user = await fixture.user("bare", "Managed Identity Contributor", group);
    const answer = await deploy(fixture, both, { as: user });
    assert.match(
      messageOf(answer),
      /^Deployment failed with multiple errors: 'Authorization failed for .*'\.:Authorization failed for .*'\.'$/,
    );
    const details = answer.body["error"]?.["details"] as unknown as readonly Shown[];
    assert.equal(details.length, 2);
  });
  test("no right to deploy at all", async () => {
    const user = await fixture.user("reader", "Reader", group);
    assert.equal(outcome(await deploy(fixture, both, { as: user })), "403 AuthorizationFailed");
    assert.equal(
      outcome(await deploy(fixture, both, { as: user, validate: true })),
      "403 AuthorizationFailed",
    );
  });
  test("a condition that is false needs no right", async () => {
    const user = await fixture.user("conditional", "Managed Identity Contributor", group);
    const none = template({ resources: [site("a", { condition: false })] });
    assert.equal((await deploy(fixture, none, { as: user, validate: true })).status, 200);
  });
});

describe("requests around deployments", () => {
  const empty = { properties: { mode: "Incremental", template: template({}) } };
  const cases: readonly (readonly [string, string, string, unknown, string])[] = [
    ["a name of 65 characters", "PUT", deploymentUrl("n".repeat(65)), empty, "400 InvalidDeployment"],
    ["a space in the name", "PUT", deploymentUrl("a%20b"), empty, "400 InvalidDeployment"],
    ["no properties", "PUT", deploymentUrl(), {}, "400 InvalidDeployment"],
    [
      "an unknown mode",
      "PUT",
      deploymentUrl(),
      { properties: { ...empty.properties, mode: "Fast" } },
      "400 InvalidDeployment",
    ],
    [
      "a linked template, where the server fetches none",
      "PUT",
      deploymentUrl(),
      { properties: { mode: "Incremental", templateLink: { uri: "https://example.com" } } },
      "400 InvalidContentLink",
    ],
    [
      "a parameter from what is no key vault",
      "PUT",
      deploymentUrl(),
      {
        properties: {
          mode: "Incremental",
          template: template({ parameters: { p: { type: "string" } } }),
          parameters: { p: { reference: { keyVault: { id: "x" }, secretName: "y" } } },
        },
      },
      "400 InvalidTemplate",
    ],
    [
      "a group that is not there",
      "PUT",
      deploymentUrl("d", `${subscription}/resourceGroups/none`),
      empty,
      "404 ResourceGroupNotFound",
    ],
    [
      "no location at subscription scope",
      "PUT",
      deploymentUrl("d", subscription),
      empty,
      "400 LocationRequired",
    ],
    ["text that is no JSON of any kind", "PUT", deploymentUrl(), "{properties:", "400 InvalidRequestContent"],
    ["a deployment that is not there", "GET", deploymentUrl("none"), undefined, "404 DeploymentNotFound"],
    ["its operations", "GET", `${deploymentUrl("none")}/operations`, undefined, "404 DeploymentNotFound"],
    ["its end", "POST", `${deploymentUrl("none")}/cancel`, {}, "404 DeploymentNotFound"],
  ];
  for (const [what, method, target, body, expected] of cases) {
    test(what, async () => assert.equal(outcome(await fixture.send(method, target, { body })), expected));
  }
});

test("none of these was a fault of ours", () => assert.deepEqual(fixture.faults, []));

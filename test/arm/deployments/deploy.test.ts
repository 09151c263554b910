import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openMemory } from "../../../src/storage/memory.ts";
import type { Store } from "../../../src/storage/port.ts";
import {
  type ArmFixture,
  group,
  openArmFixture,
  openGroupFixture,
  outcome,
  type Shown,
  subscription,
} from "../fixture.ts";
import {
  deploy,
  deploymentUrl,
  outputsOf,
  poll,
  resourceNames,
  site,
  stateOf,
  template,
} from "./templates.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../../..");
const sites = `${group}/providers/Microsoft.Web/sites`;

async function properties(fixture: ArmFixture, name: string): Promise<Shown> {
  const answer = await fixture.send("GET", `${sites}/${name}`);
  assert.equal(answer.status, 200, `${name}: ${JSON.stringify(answer.body)}`);
  return answer.body["properties"] as Shown;
}

describe("the demo template", () => {
  const load = async (): Promise<unknown> => JSON.parse(await readFile(join(root, "demo/main.json"), "utf8"));

  test("makes everything its worker needs; a second run changes nothing", async () => {
    const fixture = await openGroupFixture();
    const document = await load();
    const first = await deploy(fixture, document);
    assert.equal(outcome(first), "201", JSON.stringify(first.body));
    assert.equal(stateOf(first), "Succeeded");
    assert.equal(first.headers["azure-asyncoperation"], undefined);
    const { accountName, endpoint, principalId, clientId } = outputsOf(first) as Record<string, string>;
    assert.match(accountName ?? "", /^cosmos-[a-z2-7]{13}$/);
    assert.equal(endpoint, "https://localhost:18081/");
    const principal = await fixture.identity.directory.find(principalId ?? "");
    assert.equal(principal?.appId, clientId);
    const { store, cosmos } = fixture;
    const name = accountName ?? "";
    const container = await cosmos.getContainer(store, name, "rbacsample", "data");
    assert.deepEqual((container as unknown as Shown)["partitionKey"]?.["paths"], ["/partitionKey"]);
    const roles = await cosmos.listRoleDefinitions(store, name);
    assert.equal(roles.at(-1)?.roleName, "Custom Read/Write role");
    const [assignment, ...more] = await cosmos.listRoleAssignments(store, name);
    assert.deepEqual(more, []);
    assert.equal(assignment?.principalId, principalId);
    const keys = await cosmos.listKeys(store, name);
    const again = await deploy(fixture, document);
    assert.equal(again.status, 200);
    assert.deepEqual(outputsOf(again), outputsOf(first));
    assert.deepEqual(await cosmos.listKeys(store, name), keys);
    assert.equal((await cosmos.listRoleAssignments(store, name)).length, 1);
    assert.deepEqual(fixture.faults, []);
  });

  test("with keys on or off, as the parameter says", async () => {
    const fixture = await openGroupFixture();
    const document = await load();
    for (const disableLocalAuth of [false, true]) {
      const answer = await deploy(fixture, document, { parameters: { disableLocalAuth } });
      const account = await fixture.cosmos.getAccount(
        fixture.store,
        String(outputsOf(answer)["accountName"]),
      );
      assert.equal(account?.disableLocalAuth, disableLocalAuth);
    }
  });

  test("by a Contributor, but not by who holds only the account's role", async () => {
    const fixture = await openGroupFixture();
    const contributor = await fixture.user("contributor", "Contributor", group);
    const partial = await fixture.user("partial", "DocumentDB Account Contributor", group);
    assert.equal(
      outcome(await deploy(fixture, await load(), { as: partial })),
      "400 InvalidTemplateDeployment",
    );
    assert.deepEqual(await resourceNames(fixture), []);
    assert.equal(outcome(await deploy(fixture, await load(), { as: contributor })), "201");
  });
});

test("the raw body that az sends, with comments and line breaks inside strings", async () => {
  const fixture = await openGroupFixture();
  const file = `\uFEFF{ // a comment
    "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
    "contentVersion": "1.0.0.0",
    "parameters": { "name": { "type": "string" } },
    "resources": [ { "type": "Microsoft.Web/sites", "apiVersion": "2023-01-01", "location": "westeurope",
      "name": "[concat(
         parameters('name'), '-x')]", }, ],
  }`;
  const body = `{"properties": {"parameters": {"name": {"value": "az"}}, "mode": "Incremental", template:${file.slice(1)}}}`;
  const answer = await fixture.send("PUT", deploymentUrl(), { body });
  assert.equal(outcome(answer), "201", JSON.stringify(answer.body));
  assert.deepEqual(await resourceNames(fixture), ["az-x"]);
});

test("parameters, variables, loops, conditions and functions of the template's own meet in one body", async () => {
  const fixture = await openGroupFixture();
  const document = template({
    parameters: {
      prefix: { type: "string", defaultValue: "[toLower('APP')]" },
      secret: { type: "secureString" },
      settings: { type: "object", defaultValue: {} },
      count: { type: "int", defaultValue: 2 },
      since: { type: "string", defaultValue: "[utcNow('yyyy')]" },
    },
    functions: [
      {
        namespace: "my",
        members: {
          twice: {
            parameters: [{ name: "t", type: "string" }],
            output: { type: "string", value: "[concat(parameters('t'), parameters('t'))]" },
          },
        },
      },
    ],
    variables: {
      copy: [{ name: "letters", count: 3, input: "[concat('l', copyIndex('letters'))]" }],
      doubled: "[my.twice(parameters('prefix'))]",
    },
    resources: [
      site("[concat(parameters('prefix'), copyIndex('loop', 1))]", {
        copy: { name: "loop", count: "[parameters('count')]", mode: "serial", batchSize: 1 },
        tags: { "[parameters('prefix')]": "[string(copyIndex())]" },
        properties: {
          doubled: "[variables('doubled')]",
          letters: "[variables('letters')]",
          secret: "[parameters('secret')]",
          since: "[parameters('since')]",
          copy: [
            { name: "disks", count: 2, input: { lun: "[copyIndex('disks')]", host: "[copyIndex('loop')]" } },
          ],
        },
      }),
      site("after", {
        dependsOn: ["loop"],
        properties: { group: "[resourceGroup().name]", location: "[resourceGroup().location]" },
      }),
      site("never", { condition: "[equals(parameters('count'), 0)]" }),
      site("none[copyIndex()]", { copy: { name: "empty", count: 0 } }),
      site("waits", {
        dependsOn: ["empty", "never"],
        properties: { id: "[resourceId('Microsoft.Web/sites', 'x')]" },
      }),
    ],
    outputs: {
      all: { type: "array", copy: { count: 2, input: "[concat(parameters('prefix'), copyIndex())]" } },
      secret: { type: "securestring", value: "[parameters('secret')]" },
      environment: { type: "string", value: "[environment().resourceManager]" },
      deployer: { type: "string", value: "[deployer().objectId]" },
      deployment: { type: "string", value: "[deployment().name]" },
      subscription: { type: "string", value: "[subscription().subscriptionId]" },
    },
  });
  const answer = await deploy(fixture, document, { parameters: { secret: "hush", PREFIX: "web" } });
  assert.equal(outcome(answer), "201", JSON.stringify(answer.body));
  assert.deepEqual(await resourceNames(fixture), ["after", "waits", "web1", "web2"]);
  const second = (await properties(fixture, "web2")) as unknown as Record<string, unknown>;
  const written = ["doubled", "letters", "secret", "since", "disks"];
  assert.deepEqual(Object.fromEntries(written.map((name) => [name, second[name]])), {
    doubled: "webweb",
    letters: ["l0", "l1", "l2"],
    secret: "hush",
    since: "2026",
    disks: [
      { lun: 0, host: 1 },
      { lun: 1, host: 1 },
    ],
  });
  assert.deepEqual((await fixture.send("GET", `${sites}/web2`)).body["tags"], { web: "1" });
  assert.equal((await properties(fixture, "waits"))["id"], `${sites}/x`);
  assert.deepEqual(outputsOf(answer), {
    all: ["web0", "web1"],
    secret: undefined,
    environment: "https://localhost:8443/",
    deployer: fixture.owner,
    deployment: "main",
    subscription: subscription.split("/").at(-1),
  });
  const shown = JSON.stringify((await fixture.send("GET", deploymentUrl())).body);
  assert.ok(!shown.includes("hush"), "a secure value is shown");
  assert.ok(shown.includes('"secret":{"type":"SecureString"}'));
});

test("an index without a name is that of the resource, inside loops over its properties too", async () => {
  const fixture = await openGroupFixture();
  const loop = (name: string, count: number, input: unknown): object => ({ copy: [{ name, count, input }] });
  const document = template({
    variables: loop("plain", 2, "[copyIndex('plain')]"),
    resources: [
      site("[concat('s', copyIndex())]", {
        copy: { name: "sites", count: 2 },
        properties: {
          ...loop("outer", 3, {
            both: "[concat(copyIndex(), copyIndex('sites'), copyIndex('outer'))]",
            ...loop("inner", 2, "[concat(copyIndex(), copyIndex('outer'), copyIndex('inner', 5))]"),
          }),
          alone: "[copyIndex(10)]",
        },
      }),
      site("once", { properties: loop("values", 2, "[copyIndex()]") }),
    ],
    outputs: {
      loop: { type: "array", copy: { count: 2, input: "[copyIndex()]" } },
      plain: { type: "array", value: "[variables('plain')]" },
    },
  });
  const answer = await deploy(fixture, document);
  assert.equal(outcome(answer), "201", JSON.stringify(answer.body));
  assert.deepEqual(outputsOf(answer), { loop: [0, 1], plain: [0, 1] });
  const { outer, alone } = (await properties(fixture, "s1")) as unknown as Record<string, unknown>;
  assert.equal(alone, 11);
  assert.deepEqual(outer, [
    { both: "110", inner: ["105", "106"] },
    { both: "111", inner: ["115", "116"] },
    { both: "112", inner: ["125", "126"] },
  ]);
  assert.deepEqual((await properties(fixture, "once"))["values"] as unknown, [0, 1]);
});

describe("what a running deployment reads", () => {
  test("reference waits for what it names; Full has the whole resource; list* posts the action", async () => {
    const fixture = await openGroupFixture();
    const account = "Microsoft.DocumentDB/databaseAccounts";
    const document = template({
      resources: [
        site("reader", {
          properties: {
            endpoint: "[reference('the-db').documentEndpoint]",
            kind: "[reference(resourceId('Microsoft.DocumentDB/databaseAccounts', 'the-db'), '2024-08-15', 'Full').kind]",
            key: "[listKeys(resourceId('Microsoft.DocumentDB/databaseAccounts', 'the-db'), '2024-08-15').primaryMasterKey]",
          },
        }),
        { type: account, apiVersion: "2024-08-15", name: "the-db", location: "westeurope", properties: {} },
      ],
      outputs: {
        group: { type: "string", value: "[reference('the-db', '2024-08-15', 'full').resourceGroupName]" },
      },
    });
    const answer = await deploy(fixture, document);
    assert.equal(outcome(answer), "201", JSON.stringify(answer.body));
    const read = await properties(fixture, "reader");
    const keys = await fixture.cosmos.listKeys(fixture.store, "the-db");
    assert.equal(read["endpoint"], "https://localhost:18081/");
    assert.equal(read["kind"], "GlobalDocumentDB");
    assert.equal(read["key"], keys?.primaryMasterKey);
    assert.equal(outputsOf(answer)["group"], "Shop");
  });

  test("is what the caller may read, and no more", async () => {
    const fixture = await openGroupFixture();
    await fixture.send("PUT", `${group}/providers/Microsoft.DocumentDB/databaseAccounts/the-db`, {
      body: { location: "westeurope" },
    });
    const user = await fixture.user("deployer", "Cosmos DB Operator", group);
    await fixture.grant(user, "Contributor", `${sites}/copycat`);
    const document = template({
      resources: [
        site("copycat", {
          properties: {
            key: "[listKeys(resourceId('Microsoft.DocumentDB/databaseAccounts', 'the-db'), '2024-08-15').primaryMasterKey]",
          },
        }),
      ],
    });
    const accepted = await deploy(fixture, document, { as: user });
    assert.equal(outcome(accepted), "201");
    const ended = await poll(fixture, accepted);
    assert.equal(ended["status"], "Failed");
    assert.equal(ended["error"]?.["details"]?.[0]?.["code"], "AuthorizationFailed");
    assert.deepEqual(await resourceNames(fixture), ["the-db"]);
  });

  test("a resource that is nowhere fails the resource that wants it", async () => {
    const fixture = await openGroupFixture();
    const document = template({
      resources: [
        site("a", {
          properties: { x: "[reference(resourceId('Microsoft.Web/sites', 'zzz'), '2023-01-01').x]" },
        }),
      ],
    });
    const ended = await poll(fixture, await deploy(fixture, document));
    assert.equal(ended["error"]?.["details"]?.[0]?.["code"], "ResourceNotFound");
    const unnamed = template({ resources: [site("a", { properties: { x: "[reference('zzz').x]" } })] });
    const again = await poll(fixture, await deploy(fixture, unnamed));
    assert.match(
      String(again["error"]?.["details"]?.[0]?.["message"]),
      /The resource 'zzz' is not defined in the template/,
    );
  });
});

describe("a failure", () => {
  const failing = template({
    resources: [
      site("good"),
      {
        type: "Microsoft.DocumentDB/databaseAccounts",
        apiVersion: "2024-08-15",
        name: "Bad-Name",
        location: "westeurope",
        properties: {},
      },
      site("dependent", { dependsOn: ["Bad-Name"] }),
      site("dependents-dependent", { dependsOn: ["dependent"] }),
      site("bystander", { dependsOn: ["good"] }),
    ],
    outputs: { never: { type: "string", value: "[reference('dependent').x]" } },
  });

  test("stops what depends on it and nothing else; pollers and GET tell why", async () => {
    const fixture = await openGroupFixture();
    const accepted = await deploy(fixture, failing);
    assert.equal(outcome(accepted), "201");
    assert.equal(stateOf(accepted), "Accepted");
    assert.match(
      accepted.headers["azure-asyncoperation"] ?? "",
      new RegExp(
        `^https://localhost:8443${deploymentUrl()}/operationStatuses/\\d{20}\\?api-version=2024-03-01$`,
      ),
    );
    assert.equal(accepted.headers["retry-after"], "1");
    const ended = await poll(fixture, accepted);
    assert.equal(ended["status"], "Failed");
    const error = ended["error"] as Shown;
    assert.equal(error["code"], "DeploymentFailed");
    assert.equal(error["target"], deploymentUrl());
    assert.match(String(error["message"]), /^At least one resource deployment operation failed\./);
    assert.deepEqual(
      (error["details"] as unknown as Shown[]).map((each) => each["code"]),
      ["BadRequest"],
    );
    assert.deepEqual(await resourceNames(fixture), ["bystander", "good"]);
    const shown = await fixture.send("GET", deploymentUrl());
    assert.equal(stateOf(shown), "Failed");
    assert.deepEqual(shown.body["properties"]?.["error"], error);
    const operations = await fixture.send(
      "GET",
      `${group.replace("resourceGroups", "resourcegroups")}/deployments/main/operations`,
    );
    const rows = (operations.body["value"] as unknown as Shown[]).map((each) => [
      each["properties"]?.["targetResource"]?.["resourceName"],
      each["properties"]?.["provisioningState"],
      each["properties"]?.["statusCode"],
    ]);
    assert.deepEqual(rows, [
      ["good", "Succeeded", "OK"],
      ["Bad-Name", "Failed", "BadRequest"],
      ["bystander", "Succeeded", "OK"],
    ]);
    const one = String(operations.body["value"]?.[1]?.["id"]);
    assert.equal(
      (await fixture.send("GET", one)).body["properties"]?.["statusMessage"]?.["error"]?.["code"],
      "BadRequest",
    );
    assert.equal((await fixture.send("GET", `${one}0`)).status, 404);
  });

  test("is forgotten by the next run that succeeds", async () => {
    const fixture = await openGroupFixture();
    await poll(fixture, await deploy(fixture, failing));
    const answer = await deploy(fixture, template({ resources: [site("good")] }));
    assert.equal(answer.status, 200);
    assert.equal(stateOf(answer), "Succeeded");
    const { body } = await fixture.send("GET", `${deploymentUrl()}/operations`);
    assert.equal((body["value"] as unknown as unknown[]).length, 1);
    assert.equal((await fixture.send("GET", deploymentUrl())).body["properties"]?.["error"], undefined);
  });

  test("of an output leaves the resources and names the output", async () => {
    const fixture = await openGroupFixture();
    const document = template({
      resources: [site("a")],
      outputs: { bad: { type: "string", value: "[reference('a').nothing]" } },
    });
    const ended = await poll(fixture, await deploy(fixture, document));
    assert.equal(ended["error"]?.["code"], "DeploymentOutputEvaluationFailed");
    assert.equal(ended["error"]?.["details"]?.[0]?.["target"], "bad");
    assert.deepEqual(await resourceNames(fixture), ["a"]);
  });
});

describe("a run that takes longer than a request should", () => {
  /** Commits take their time, as they do on a disk: without that a run would end before any timer. */
  function slowMemory(): Store {
    const store = openMemory();
    return {
      ...store,
      async transact(locks, fn) {
        await new Promise((resolve) => setTimeout(resolve, 3));
        return store.transact(locks, fn);
      },
    };
  }
  const openSlow = (): Promise<ArmFixture> =>
    openGroupFixture({ inlineMilliseconds: 0, store: slowMemory() });
  const many = template({
    resources: [site("[concat('s', copyIndex())]", { copy: { name: "l", count: 30 } })],
  });

  test("is answered as accepted and polled to its end", async () => {
    const fixture = await openSlow();
    const accepted = await deploy(fixture, many);
    assert.equal(stateOf(accepted), "Accepted");
    const early = await deploy(fixture, many);
    assert.equal(outcome(early), "409 DeploymentActive");
    assert.equal(outcome(await fixture.send("DELETE", deploymentUrl())), "409 DeploymentActive");
    assert.deepEqual(await poll(fixture, accepted), { status: "Succeeded" });
    assert.equal(stateOf(await fixture.send("GET", deploymentUrl())), "Succeeded");
    assert.equal((await resourceNames(fixture)).length, 30);
    assert.equal((await fixture.send("DELETE", deploymentUrl())).status, 204);
    assert.equal((await resourceNames(fixture)).length, 30);
  });

  test("stops when it is canceled", async () => {
    const fixture = await openSlow();
    const accepted = await deploy(fixture, many);
    assert.equal((await fixture.send("POST", `${deploymentUrl()}/cancel`, { body: {} })).status, 204);
    assert.equal((await poll(fixture, accepted))["status"], "Canceled");
    assert.ok((await resourceNames(fixture)).length < 30);
    assert.equal(
      outcome(await fixture.send("POST", `${deploymentUrl()}/cancel`, { body: {} })),
      "409 DeploymentCannotBeCancelled",
    );
  });

  test("is waited for when the control plane closes, and failed when it was killed", async () => {
    const fixture = await openSlow();
    await deploy(fixture, many);
    await fixture.arm.close();
    assert.equal(stateOf(await fixture.send("GET", deploymentUrl())), "Succeeded");
    const killed = await deploy(fixture, many, { name: "killed" });
    assert.equal(stateOf(killed), "Accepted");
    const reopened = await openArmFixture({ store: fixture.store });
    assert.equal(stateOf(await reopened.send("GET", deploymentUrl("killed"))), "Failed");
    await fixture.arm.close();
  });
});

describe("nested deployments", () => {
  const nested = (name: string, inner: object, more: object = {}): object => ({
    type: "Microsoft.Resources/deployments",
    apiVersion: "2022-09-01",
    name,
    ...more,
    properties: {
      mode: "Incremental",
      expressionEvaluationOptions: { scope: "inner" },
      template: inner,
      ...(more as { properties?: object }).properties,
    },
  });
  const module = template({
    parameters: { name: { type: "string" } },
    resources: [site("[parameters('name')]")],
    outputs: { id: { type: "string", value: "[resourceId('Microsoft.Web/sites', parameters('name'))]" } },
  });

  test("inner scope: own parameters, and outputs for the outer template", async () => {
    const fixture = await openGroupFixture();
    const document = template({
      parameters: { prefix: { type: "string", defaultValue: "p" } },
      resources: [
        nested("mod", module, {
          properties: { parameters: { name: { value: "[concat(parameters('prefix'), '-inner')]" } } },
        }),
      ],
      outputs: { id: { type: "string", value: "[reference('mod').outputs.id.value]" } },
    });
    const answer = await deploy(fixture, document);
    assert.equal(outcome(answer), "201", JSON.stringify(answer.body));
    assert.equal(outputsOf(answer)["id"], `${sites}/p-inner`);
    assert.equal(stateOf(await fixture.send("GET", deploymentUrl("mod"))), "Succeeded");
  });

  test("outer scope: the outer template's parameters, and text that looks like an expression stays text", async () => {
    const fixture = await openGroupFixture();
    const inner = template({
      resources: [site("[parameters('prefix')]", { properties: { text: "[concat('[', 'x]')]" } })],
    });
    const document = template({
      parameters: { prefix: { type: "string", defaultValue: "outer" } },
      resources: [nested("mod", inner, { properties: { expressionEvaluationOptions: { scope: "outer" } } })],
    });
    const answer = await deploy(fixture, document);
    assert.equal(outcome(answer), "201", JSON.stringify(answer.body));
    assert.equal((await properties(fixture, "outer"))["text"], "[x]");
  });

  test("into another group", async () => {
    const fixture = await openGroupFixture();
    const other = `${subscription}/resourceGroups/Other`;
    await fixture.send("PUT", other, { body: { location: "eastus" } });
    const document = template({
      resources: [
        nested("mod", module, {
          resourceGroup: "Other",
          properties: { parameters: { name: { value: "there" } } },
        }),
      ],
    });
    assert.equal(outcome(await deploy(fixture, document)), "201");
    assert.equal((await fixture.send("GET", `${other}/providers/Microsoft.Web/sites/there`)).status, 200);
    assert.deepEqual(await resourceNames(fixture), []);
  });

  test("that fails, fails its outer one with the reason inside", async () => {
    const fixture = await openGroupFixture();
    const bad = template({
      resources: [
        {
          type: "Microsoft.DocumentDB/databaseAccounts",
          apiVersion: "2024-08-15",
          name: "Bad",
          location: "x",
          properties: {},
        },
      ],
    });
    const ended = await poll(
      fixture,
      await deploy(fixture, template({ resources: [nested("mod", bad), site("beside")] })),
    );
    const detail = ended["error"]?.["details"]?.[0];
    assert.equal(detail?.["code"], "DeploymentFailed");
    assert.equal(detail?.["details"]?.[0]?.["code"], "BadRequest");
    assert.deepEqual(await resourceNames(fixture), ["beside"]);
  });
});

describe("symbolic names", () => {
  test("resources by symbol, loops, existing ones that are only read", async () => {
    const fixture = await openGroupFixture();
    await fixture.send("PUT", `${sites}/old`, {
      body: { location: "westeurope", properties: { secret: "s3" } },
    });
    const document = template({
      languageVersion: "2.0",
      definitions: { name: { type: "string", minLength: 2 } },
      parameters: { prefix: { $ref: "#/definitions/name" }, nothing: { type: "string", nullable: true } },
      resources: {
        old: { existing: true, ...site("old") },
        apps: site("[format('{0}{1}', parameters('prefix'), copyIndex())]", {
          copy: { name: "apps", count: "[length(range(0, 2))]" },
          properties: { from: "[reference('old').secret]" },
        }),
        last: site("last", {
          properties: {
            all: "[map(references('apps'), lambda('a', lambdaVariables('a').from))]",
            nothing: "[coalesce(parameters('nothing'), 'empty')]",
          },
          dependsOn: ["apps"],
        }),
      },
      outputs: {
        second: { type: "string", value: "[reference(format('apps[{0}]', 1)).from]" },
        left: { type: "string", condition: false, value: "x" },
      },
    });
    const answer = await deploy(fixture, document, { parameters: { prefix: "ab" } });
    assert.equal(outcome(answer), "201", JSON.stringify(answer.body));
    assert.deepEqual(await resourceNames(fixture), ["ab0", "ab1", "last", "old"]);
    const last = await properties(fixture, "last");
    assert.deepEqual(last["all"], ["s3", "s3"]);
    assert.equal(last["nothing"], "empty");
    assert.deepEqual(outputsOf(answer), { second: "s3" });
    assert.equal(
      outcome(await deploy(fixture, document, { parameters: { prefix: "a" } })),
      "400 InvalidTemplate",
    );
  });
});

test("list() without more in its name posts that action, and waits for what it names", async () => {
  const fixture = await openGroupFixture();
  const document = template({
    resources: [
      site("reader", {
        tags: {
          read: "[list('Microsoft.Web/sites/writer/config/appsettings', '2022-03-01').properties.color]",
        },
      }),
      {
        type: "Microsoft.Web/sites/config",
        apiVersion: "2022-03-01",
        name: "writer/appsettings",
        properties: { color: "blue" },
        dependsOn: ["[resourceId('Microsoft.Web/sites', 'writer')]"],
      },
      site("writer"),
    ],
    outputs: {
      color: {
        type: "string",
        value:
          "[list(resourceId('Microsoft.Web/sites/config', 'writer', 'appsettings'), '2022-03-01').properties.color]",
      },
    },
  });
  const answer = await deploy(fixture, document);
  assert.equal(stateOf(answer), "Succeeded", JSON.stringify(answer.body));
  assert.deepEqual(outputsOf(answer), { color: "blue" });
  const { body } = await fixture.send("GET", `${sites}/reader`);
  assert.deepEqual(body["tags"] as unknown, { read: "blue" });
});

test("a resource that a condition leaves out may be named by what is not there", async () => {
  const fixture = await openGroupFixture();
  const vault = "[last(split(parameters('key').vaultId, '/'))]";
  const document = template({
    languageVersion: "2.0",
    parameters: { key: { type: "object", nullable: true } },
    resources: {
      vault: {
        existing: true,
        condition: "[not(empty(parameters('key')))]",
        type: "Microsoft.KeyVault/vaults",
        apiVersion: "2023-07-01",
        subscriptionId: "[split(parameters('key').vaultId, '/')[2]]",
        name: vault,
      },
      "vault::key": {
        condition: "[not(empty(parameters('key')))]",
        type: "Microsoft.KeyVault/vaults/keys",
        apiVersion: "2023-07-01",
        name: "[format('{0}/{1}', parameters('key').vaultId, 'x')]",
        dependsOn: ["vault"],
      },
      site: { ...site("made"), dependsOn: ["vault", "vault::key"] },
    },
  });
  const answer = await deploy(fixture, document);
  assert.equal(outcome(answer), "201", JSON.stringify(answer.body));
  assert.deepEqual(await resourceNames(fixture), ["made"]);
  const present = await deploy(fixture, document, { parameters: { key: {} } });
  assert.equal(outcome(present), "200", "an empty object leaves them out as well");
  const wanted = await deploy(fixture, document, { parameters: { key: { vault: 1 } } });
  assert.equal(outcome(wanted), "400 InvalidTemplate");
});

describe("modes and scopes", () => {
  test("Complete deletes what is not listed, and what a false condition leaves out", async () => {
    const fixture = await openGroupFixture();
    for (const name of ["kept", "conditional", "stray"])
      await fixture.send("PUT", `${sites}/${name}`, { body: { location: "westeurope" } });
    const document = template({ resources: [site("kept"), site("conditional", { condition: false })] });
    assert.equal(outcome(await deploy(fixture, document)), "201");
    assert.equal((await resourceNames(fixture)).length, 3);
    const reader = await fixture.user("writer", "Managed Identity Contributor", group);
    await fixture.grant(reader, "Contributor", `${sites}/kept`);
    const refused = await poll(fixture, await deploy(fixture, document, { mode: "Complete", as: reader }));
    assert.equal(refused["status"], "Failed");
    assert.equal((await resourceNames(fixture)).length, 3);
    assert.equal(outcome(await deploy(fixture, document, { mode: "Complete" })), "200");
    assert.deepEqual(await resourceNames(fixture), ["kept"]);
  });

  const inside = (name: string, more: object, document: object): object => ({
    type: "Microsoft.Resources/deployments",
    apiVersion: "2022-09-01",
    name,
    properties: { mode: "Incremental", template: document, ...more },
  });

  test("Complete keeps what the templates inside it list, at any depth", async () => {
    const fixture = await openGroupFixture();
    await fixture.send("PUT", `${sites}/stray`, { body: { location: "westeurope" } });
    const deeper = inside("deeper", {}, template({ resources: [site("deep")] }));
    const outer = template({
      resources: [site("kept"), inside("nested", {}, template({ resources: [site("inner"), deeper] }))],
    });
    for (const expected of ["201", "200"]) {
      assert.equal(outcome(await deploy(fixture, outer, { mode: "Complete" })), expected);
      assert.deepEqual(await resourceNames(fixture), ["deep", "inner", "kept"]);
    }
    const less = template({ resources: [site("kept"), inside("nested", {}, template({ resources: [] }))] });
    assert.equal(outcome(await deploy(fixture, less, { mode: "Complete" })), "200");
    assert.deepEqual(
      await resourceNames(fixture),
      ["kept"],
      "what a former run of it wrote is not listed now",
    );
  });

  test("a nested deployment deletes nothing: it cannot be Complete", async () => {
    const fixture = await openGroupFixture();
    const theirs = `${subscription}/resourceGroups/theirs`;
    await fixture.send("PUT", theirs, { body: { location: "westeurope" } });
    for (const scope of [group, theirs]) {
      await fixture.send("PUT", `${scope}/providers/Microsoft.Web/sites/stray`, {
        body: { location: "westeurope" },
      });
    }
    const complete = { mode: "Complete" };
    const into = { ...inside("nested", complete, template({})), resourceGroup: "theirs" };
    const later = inside(
      "later",
      { mode: "[if(empty(reference('stray').state), '', 'Complete')]" },
      template({}),
    );
    for (const [resource, expected] of [
      [inside("nested", complete, template({})), "400 InvalidTemplate"],
      [into, "400 InvalidTemplate"],
      [inside("nested", {}, template({})), "201"],
    ] as const) {
      assert.equal(outcome(await deploy(fixture, template({ resources: [resource] }))), expected);
      assert.equal(
        outcome(await fixture.send("GET", `${theirs}/providers/Microsoft.Web/sites/stray`)),
        "200",
      );
    }
    const document = template({ resources: [site("stray"), { ...later, dependsOn: ["stray"] }] });
    const ended = await poll(fixture, await deploy(fixture, document));
    assert.match(JSON.stringify(ended), /must use 'Incremental'/);
    assert.deepEqual(await resourceNames(fixture), ["stray"]);
  });

  test("at subscription scope a template makes a group and deploys into it", async () => {
    const fixture = await openGroupFixture();
    const module = template({ resources: [site("inside", { location: "[resourceGroup().location]" })] });
    const document = {
      ...template({
        resources: [
          {
            type: "Microsoft.Resources/resourceGroups",
            apiVersion: "2022-09-01",
            name: "Made",
            location: "northeurope",
          },
          {
            type: "Microsoft.Resources/deployments",
            apiVersion: "2022-09-01",
            name: "mod",
            resourceGroup: "Made",
            dependsOn: ["[subscriptionResourceId('Microsoft.Resources/resourceGroups', 'Made')]"],
            properties: {
              mode: "Incremental",
              expressionEvaluationOptions: { scope: "inner" },
              template: module,
            },
          },
        ],
      }),
      $schema: "https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#",
    };
    const body = { location: "westeurope", properties: { mode: "Incremental", template: document } };
    const answer = await fixture.send("PUT", deploymentUrl("sub", subscription), { body });
    assert.equal(outcome(answer), "201", JSON.stringify(answer.body));
    assert.equal(answer.body["location"], "westeurope");
    const made = `${subscription}/resourceGroups/Made/providers/Microsoft.Web/sites/inside`;
    assert.equal((await fixture.send("GET", made)).body["location"], "northeurope");
    const listed = await fixture.send("GET", `${subscription}/providers/Microsoft.Resources/deployments`);
    assert.deepEqual(
      (listed.body["value"] as unknown as Shown[]).map((each) => each["name"]),
      ["sub"],
    );
  });

  test("extension resources by scope, and role assignments as part of a template", async () => {
    const fixture = await openGroupFixture();
    const document = template({
      resources: [
        {
          type: "Microsoft.ManagedIdentity/userAssignedIdentities",
          apiVersion: "2023-01-31",
          name: "worker",
          location: "westeurope",
        },
        site("app", {
          identity: {
            type: "UserAssigned",
            userAssignedIdentities: {
              "[resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', 'worker')]": {},
            },
          },
          dependsOn: ["worker"],
        }),
        {
          type: "Microsoft.Authorization/roleAssignments",
          apiVersion: "2022-04-01",
          name: "[guid(resourceGroup().id, 'worker')]",
          scope: "Microsoft.Web/sites/app",
          properties: {
            roleDefinitionId:
              "[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'acdd72a7-3385-48ef-bd42-f606fba81ae7')]",
            principalId: "[reference('worker').principalId]",
            principalType: "ServicePrincipal",
          },
          dependsOn: ["app"],
        },
      ],
      outputs: { principal: { type: "string", value: "[reference('worker').principalId]" } },
    });
    const first = await deploy(fixture, document);
    assert.equal(outcome(first), "201", JSON.stringify(first.body));
    assert.equal(stateOf(first), "Succeeded", JSON.stringify(first.body));
    const worker = String(outputsOf(first)["principal"]);
    assert.equal((await fixture.send("GET", `${sites}/app`, { as: worker })).status, 200);
    assert.equal((await fixture.send("GET", group, { as: worker })).status, 403);
    assert.equal(stateOf(await deploy(fixture, document)), "Succeeded");
    assert.deepEqual(fixture.faults, []);
  });
});

test("nested children take type and name from their parent", async () => {
  const fixture = await openGroupFixture();
  const document = template({
    resources: [
      site("app", {
        resources: [
          {
            type: "config",
            apiVersion: "2023-01-01",
            name: "web",
            dependsOn: ["app"],
            properties: { on: true },
          },
        ],
      }),
    ],
  });
  assert.equal(outcome(await deploy(fixture, document)), "201");
  assert.equal((await fixture.send("GET", `${sites}/app/config/web`)).body["properties"]?.["on"], true);
});

test("what a deployment asks and does is recorded as its caller's", async () => {
  const fixture = await openGroupFixture();
  fixture.records.length = 0;
  await deploy(fixture, template({ resources: [site("a")] }));
  const writes = fixture.records.filter((entry) => entry.operationName === "Microsoft.Web/sites/write");
  assert.ok(writes.length >= 2, "the preflight and the write are recorded");
  for (const entry of writes) assert.equal(entry.principalId, fixture.owner);
});

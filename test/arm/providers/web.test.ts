/** Sites and their settings: where each kind of setting is read, who is told secrets, and what a write leaves alone. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type ArmFixture, group, openGroupFixture, outcome, type Shown } from "../fixture.ts";

const site = `${group}/providers/Microsoft.Web/sites/shop`;

async function open(): Promise<ArmFixture> {
  const fixture = await openGroupFixture();
  const plan = `${group}/providers/Microsoft.Web/serverfarms/plan`;
  await fixture.send("PUT", plan, { body: { location: "westeurope", sku: { name: "S1" } } });
  await fixture.send("PUT", site, {
    body: {
      location: "westeurope",
      properties: {
        serverFarmId: plan,
        siteConfig: {
          linuxFxVersion: "NODE|22-lts",
          appSettings: [{ name: "A", value: "hush" }],
          connectionStrings: [{ name: "db", connectionString: "hush", type: "SQLAzure" }],
        },
      },
    },
  });
  return fixture;
}

async function settings(fixture: ArmFixture, kind: string, at: string = site): Promise<Shown | undefined> {
  return (await fixture.send("POST", `${at}/config/${kind}/list`, { body: {} })).body["properties"];
}

for (const at of [site, `${site}/slots/staging`]) {
  describe(`settings of ${at.split("/").slice(-2).join("/")}`, () => {
    test("come from the site's configuration, and from their own requests", async () => {
      const fixture = await open();
      if (at !== site) {
        await fixture.send("PUT", at, {
          body: {
            location: "westeurope",
            properties: {
              siteConfig: { linuxFxVersion: "NODE|22-lts", appSettings: [{ name: "A", value: "hush" }] },
            },
          },
        });
      }
      assert.deepEqual(await settings(fixture, "appsettings", at), { A: "hush" });
      const web = await fixture.send("GET", `${at}/config/web`);
      assert.equal(web.body["properties"]?.["linuxFxVersion"] as unknown, "NODE|22-lts");
      assert.equal(web.body["properties"]?.["alwaysOn"] as unknown, false);
      await fixture.send("PUT", `${at}/config/appsettings`, { body: { properties: { B: "2" } } });
      assert.deepEqual(await settings(fixture, "appsettings", at), { B: "2" });
      await fixture.send("PATCH", `${at}/config/web`, { body: { properties: { alwaysOn: true } } });
      const after = (await fixture.send("GET", `${at}/config/web`)).body["properties"];
      assert.deepEqual([after?.["alwaysOn"], after?.["linuxFxVersion"]] as unknown[], [true, "NODE|22-lts"]);
      await fixture.send("PUT", at, {
        body: { location: "westeurope", properties: { siteConfig: { alwaysOn: false, appSettings: null } } },
      });
      assert.deepEqual(await settings(fixture, "appsettings", at), { B: "2" }, "not named, not changed");
      await fixture.send("DELETE", at);
      assert.equal((await fixture.send("GET", `${at}/config/web`)).status, 404);
      assert.equal((await fixture.send("POST", `${at}/config/appsettings/list`, { body: {} })).status, 404);
    });
  });
}

describe("what each kind shows before it is written", () => {
  const cases: readonly (readonly [string, string, string, string])[] = [
    ["GET", "config", "200", '"name":"web"'],
    ["GET", "config/web", "200", '"minTlsVersion":"1.2"'],
    ["GET", "config/logs", "200", '"level":"Off"'],
    ["GET", "config/slotConfigNames", "200", '"slotConfigNames"'],
    ["GET", "config/authsettingsV2", "200", '"runtimeVersion":"~1"'],
    ["GET", "config/authsettingsV2/list", "200", '"runtimeVersion":"~1"'],
    ["POST", "config/authsettings/list", "200", '"enabled":false'],
    ["POST", "config/azurestorageaccounts/list", "200", '"properties":{}'],
    ["POST", "config/metadata/list", "200", '"properties":{}'],
    ["POST", "config/connectionstrings/list", "200", '"db":{"value":"hush","type":"SQLAzure"}'],
    ["POST", "config/publishingcredentials/list", "200", '"publishingUserName":"$shop"'],
    ["POST", "config/backup/list", "404 NotFound", ""],
    ["GET", "config/backup", "404 NotFound", ""],
    ["GET", "config/nonsense", "404 NotFound", ""],
    ["PUT", "config/nonsense", "404 NotFound", ""],
    ["POST", "config/nonsense/list", "404 NotFound", ""],
    ["GET", "basicPublishingCredentialsPolicies/ftp", "200", '"allow":true'],
    ["GET", "basicPublishingCredentialsPolicies", "200", '"name":"scm"'],
    ["POST", "host/default/listkeys", "200", '"masterKey"'],
    ["POST", "restart", "200", ""],
  ];
  for (const [method, path, expected, part] of cases) {
    test(`${method} ${path}`, async () => {
      const fixture = await open();
      const body = method === "GET" ? {} : { body: {} };
      const answer = await fixture.send(method, `${site}/${path}`, body);
      assert.equal(outcome(answer), expected);
      assert.ok(JSON.stringify(answer.body).includes(part), JSON.stringify(answer.body));
      assert.deepEqual(fixture.faults, []);
    });
  }
});

test("a reader is told no secret, wherever it looks", async () => {
  const fixture = await open();
  await fixture.send("PUT", `${site}/config/azurestorageaccounts`, {
    body: { properties: { share: { accessKey: "hush" } } },
  });
  const reader = await fixture.user("reader", "Reader", group);
  const { body } = await fixture.send("POST", `${site}/config/publishingcredentials/list`, { body: {} });
  const password = String(body["properties"]?.["publishingPassword"]);
  assert.ok(password.length >= 40);
  const paths = [
    "",
    "/config",
    "/config/web",
    "/config/appsettings",
    "/config/connectionstrings",
    "/config/azurestorageaccounts",
  ];
  for (const path of [
    ...paths.map((each) => `${site}${each}`),
    `${group}/resources`,
    `${group}/providers/Microsoft.Web/sites`,
  ]) {
    const answer = await fixture.send("GET", path, { as: reader });
    assert.equal(outcome(answer), "200", path);
    const text = JSON.stringify(answer.body);
    assert.ok(!text.includes("hush") && !text.includes(password), `${path}: ${text}`);
  }
  for (const path of [
    "config/appsettings/list",
    "config/publishingcredentials/list",
    "publishxml",
    "host/default/listkeys",
  ]) {
    const answer = await fixture.send("POST", `${site}/${path}`, { as: reader, body: {} });
    assert.equal(outcome(answer), "403 AuthorizationFailed", path);
  }
});

test("a stopped site says so, and settings of a site are no resources of the group", async () => {
  const fixture = await open();
  const state = async (): Promise<unknown> => (await fixture.send("GET", site)).body["properties"]?.["state"];
  assert.equal(await state(), "Running");
  await fixture.send("POST", `${site}/stop`, { body: {} });
  assert.equal(await state(), "Stopped");
  await fixture.send("POST", `${site}/start`, { body: {} });
  assert.equal(await state(), "Running");
  const { body } = await fixture.send("GET", `${group}/resources`);
  const types = (body["value"] as unknown as { type: string }[]).map(({ type }) => type).sort();
  assert.deepEqual(types, ["Microsoft.Web/serverfarms", "Microsoft.Web/sites"]);
  assert.equal((await fixture.send("GET", site)).body["properties"]?.["sku"] as unknown, "Standard");
});

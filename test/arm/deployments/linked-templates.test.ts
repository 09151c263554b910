/** Templates that are fetched by their address or taken from a template spec, and which addresses are never asked. */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { templateDownloads } from "../../../src/composition/template-downloads.ts";
import { type Answer, type ArmFixture, group, messageOf, openGroupFixture, outcome } from "../fixture.ts";
import { deploymentUrl, outputsOf, poll, resourceNames, site, stateOf, template } from "./templates.ts";

interface Nested {
  readonly name?: string;
  readonly parameters?: object;
}

/** A nested deployment of what `link` names. */
function linked(link: object, { name = "child", parameters = {} }: Nested = {}): object {
  return {
    type: "Microsoft.Resources/deployments",
    apiVersion: "2022-09-01",
    name,
    properties: { mode: "Incremental", templateLink: link, parameters },
  };
}

const child = template({
  parameters: { name: { type: "string", defaultValue: "linked" } },
  resources: [site("[parameters('name')]")],
  outputs: { name: { type: "string", value: "[parameters('name')]" } },
});

const parent = template({
  resources: [linked({ relativePath: "nested/child.json", contentVersion: "1.0.0.0" })],
  outputs: {
    uri: { type: "string", value: "[deployment().properties.templateLink.uri]" },
    sibling: {
      type: "string",
      value: "[uri(deployment().properties.templateLink.uri, 'nested/child.json')]",
    },
    name: { type: "string", value: "[reference('child').outputs.name.value]" },
  },
});

const pages: Readonly<Record<string, string>> = {
  "/main.json": JSON.stringify(parent),
  "/nested/child.json": `// a comment\n${JSON.stringify(child)}`,
  "/parameters.json": JSON.stringify({ contentVersion: "1.0.0.0", parameters: { name: { value: "given" } } }),
  "/text.txt": "secret text of an inner service",
  "/array.json": "[]",
  "/latin1.json": "\xff",
  "/long.json": `{"x":"${"y".repeat(4 * 1024 * 1024)}"}`,
  "/wrong.json": '{"$schema":"x"}',
};

let server: Server;
let origin = "";
const asked: string[] = [];

before(async () => {
  server = createServer((request, response) => {
    asked.push(request.url ?? "");
    const url = new URL(request.url ?? "/", "http://x");
    if (url.pathname === "/moved.json") return response.writeHead(302, { location: "/main.json" }).end();
    if (url.pathname === "/broken.json") return response.destroy();
    if (url.pathname.startsWith("/private/") && url.search !== "?sig=abc")
      return response.writeHead(403).end();
    const page = pages[url.pathname.replace("/private/", "/")];
    if (page === undefined) return response.writeHead(404).end();
    return response.end(page === "\xff" ? Buffer.from([0xff]) : page);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

after(() => new Promise((resolve) => server.close(resolve)));

const rules = { hosts: [], loopback: true, caPem: "" };

function openLinked(): Promise<ArmFixture> {
  return openGroupFixture({ download: templateDownloads(rules) });
}

function deployLink(fixture: ArmFixture, templateLink: object, more: object = {}): Promise<Answer> {
  const body = { properties: { mode: "Incremental", templateLink, ...more } };
  return fixture.send("PUT", deploymentUrl("linked"), { body });
}

describe("a template by its address", () => {
  test("is fetched, with what it names relative to itself", async () => {
    const fixture = await openLinked();
    const uri = `${origin}/main.json`;
    const answer = await deployLink(fixture, { uri, contentVersion: "1.0.0.0" });
    assert.equal(stateOf(answer), "Succeeded", JSON.stringify(answer.body));
    assert.deepEqual(outputsOf(answer), { uri, sibling: `${origin}/nested/child.json`, name: "linked" });
    assert.deepEqual(await resourceNames(fixture), ["linked"]);
    assert.deepEqual(answer.body["properties"]?.["templateLink"] as unknown, {
      uri,
      contentVersion: "1.0.0.0",
    });
    const inner = await fixture.send("GET", deploymentUrl("child"));
    assert.deepEqual(inner.body["properties"]?.["templateLink"] as unknown, {
      uri: `${origin}/nested/child.json`,
      contentVersion: "1.0.0.0",
    });
    const exported = await fixture.send("POST", `${deploymentUrl("linked")}/exportTemplate`);
    assert.deepEqual(exported.body["template"] as unknown, parent);
  });

  test("can be validated and predicted, and its parameters come from a file as well", async () => {
    const fixture = await openLinked();
    const body = {
      properties: {
        mode: "Incremental",
        templateLink: { uri: `${origin}/nested/child.json` },
        parametersLink: { uri: `${origin}/parameters.json`, contentVersion: "1.0.0.0" },
      },
    };
    const path = deploymentUrl("linked");
    assert.equal(outcome(await fixture.send("POST", `${path}/validate`, { body })), "200");
    const predicted = await fixture.send("POST", `${path}/whatIf`, { body });
    const change = predicted.body["properties"]?.["changes"]?.[0];
    assert.equal(change?.["changeType"] as unknown, "Create");
    assert.match(String(change?.["resourceId"]), /sites\/given$/);
    const answer = await fixture.send("PUT", path, { body });
    assert.deepEqual(outputsOf(answer), { name: "given" });
    assert.deepEqual(answer.body["properties"]?.["parametersLink"] as unknown, {
      uri: `${origin}/parameters.json`,
      contentVersion: "1.0.0.0",
    });
  });

  test("what-if looks into the templates that a template links", async () => {
    const fixture = await openLinked();
    const body = { properties: { mode: "Incremental", templateLink: { uri: `${origin}/main.json` } } };
    const predicted = await fixture.send("POST", `${deploymentUrl("linked")}/whatIf`, { body });
    assert.match(
      JSON.stringify(predicted.body["properties"]?.["changes"]),
      /"changeType":"Create".*sites\/linked/,
    );
  });

  test("may need a token, which is passed on to relative paths and shown nowhere", async () => {
    for (const link of [
      { uri: `${origin}/private/main.json?sig=abc` },
      { uri: `${origin}/private/main.json`, queryString: "sig=abc" },
    ]) {
      const fixture = await openLinked();
      asked.length = 0;
      const answer = await deployLink(fixture, link);
      assert.equal(stateOf(answer), "Succeeded", JSON.stringify(answer.body));
      const child = "/private/nested/child.json?sig=abc";
      // Once to ask for the rights that it takes, once to run.
      assert.deepEqual(asked, ["/private/main.json?sig=abc", child, child]);
      const shown = [answer, await fixture.send("GET", deploymentUrl("child"))];
      assert.ok(!JSON.stringify(shown.map(({ body }) => body)).includes("sig=abc"));
    }
  });

  test("nested deployments take an address and parameters of their own", async () => {
    const fixture = await openLinked();
    const document = template({
      parameters: { base: { type: "string" } },
      resources: [
        linked(
          { uri: "[uri(parameters('base'), 'nested/child.json')]" },
          { parameters: { name: { value: "[concat('a', 'b')]" } } },
        ),
      ],
      outputs: { name: { type: "string", value: "[reference('child').outputs.name.value]" } },
    });
    const parameters = { base: { value: `${origin}/` } };
    const body = { properties: { mode: "Incremental", template: document, parameters } };
    assert.deepEqual(outputsOf(await fixture.send("PUT", deploymentUrl(), { body })), { name: "ab" });
  });

  const refused: readonly (readonly [string, string, RegExp])[] = [
    ["what is not there", "/absent.json", /the host answered HTTP 404/],
    ["redirects", "/moved.json", /redirects are not followed/],
    ["what needs a token", "/private/main.json", /the host answered HTTP 403/],
    ["what is no JSON", "/text.txt", /it is not JSON/],
    ["what is no UTF-8", "/latin1.json", /it is not UTF-8/],
    ["what is longer than 4 MB", "/long.json", /it is longer than 4 MB/],
    ["a connection that breaks", "/broken.json", /the request failed with ECONNRESET/],
  ];
  for (const [name, path, why] of refused) {
    test(`is refused: ${name}`, async () => {
      const fixture = await openLinked();
      const answer = await deployLink(fixture, { uri: origin + path });
      assert.equal(outcome(answer), "400 InvalidContentLink");
      assert.match(
        messageOf(answer),
        /^Unable to download deployment content from 'http:.*'\. The tracking Id is '[0-9a-f-]{36}'\. Please see https:\/\/aka\.ms\/arm-deploy for usage details\.$/,
      );
      assert.match(JSON.stringify(answer.body["error"]?.["details"]), why);
      assert.ok(
        !JSON.stringify(answer.body).includes("secret text"),
        "answers of inner services stay inside",
      );
      assert.deepEqual(fixture.faults, []);
    });
  }

  const malformed: readonly (readonly [string, object, string])[] = [
    [
      "another content version",
      { uri: "/nested/child.json", contentVersion: "2.0.0.0" },
      "400 InvalidTemplate",
    ],
    ["a template that is none", { uri: "/wrong.json" }, "400 InvalidTemplate"],
    ["an array", { uri: "/array.json" }, "400 InvalidTemplate"],
    ["no address", { contentVersion: "1.0.0.0" }, "400 InvalidTemplate"],
    ["a relative path without a parent", { relativePath: "x.json" }, "400 InvalidTemplate"],
  ];
  for (const [name, link, expected] of malformed) {
    test(`is refused: ${name}`, async () => {
      const fixture = await openLinked();
      const { uri } = link as { uri?: string };
      const answer = await deployLink(fixture, uri === undefined ? link : { ...link, uri: origin + uri });
      assert.equal(outcome(answer), expected, messageOf(answer));
    });
  }

  test("is refused beside one that is sent, and parameters likewise", async () => {
    const fixture = await openLinked();
    const uri = `${origin}/main.json`;
    assert.equal(outcome(await deployLink(fixture, { uri }, { template: child })), "400 InvalidDeployment");
    const both = {
      parameters: { name: { value: "x" } },
      parametersLink: { uri: `${origin}/parameters.json` },
    };
    assert.equal(outcome(await deployLink(fixture, { uri }, both)), "400 InvalidDeployment");
  });

  test("one that a nested deployment cannot have fails that deployment and nothing else", async () => {
    const fixture = await openLinked();
    const document = template({ resources: [linked({ uri: `${origin}/absent.json` }), site("beside")] });
    const body = { properties: { mode: "Incremental", template: document } };
    const ended = await poll(fixture, await fixture.send("PUT", deploymentUrl(), { body }));
    assert.equal(ended["status"] as unknown, "Failed");
    assert.match(JSON.stringify(ended["error"]), /InvalidContentLink/);
    assert.deepEqual(await resourceNames(fixture), ["beside"]);
  });
});

describe("addresses that are asked", () => {
  const decide = async (address: string, more: object = {}): Promise<string> => {
    const result = await templateDownloads({ ...rules, ...more })(new URL(address));
    return "refused" in result ? result.refused : "fetched";
  };

  test("loopback, while the server itself is there", async () => {
    assert.equal(await decide(`${origin}/main.json`), "fetched");
    assert.match(await decide(`${origin}/main.json`, { loopback: false }), /is not allowed/);
  });

  test("named hosts, with their port or with any", async () => {
    const { host } = new URL(origin);
    assert.equal(await decide(`${origin}/main.json`, { loopback: false, hosts: [host] }), "fetched");
    assert.equal(await decide(`${origin}/main.json`, { loopback: false, hosts: ["127.0.0.1"] }), "fetched");
    assert.match(
      await decide(`${origin}/main.json`, { loopback: false, hosts: ["127.0.0.1:1"] }),
      /is not allowed/,
    );
  });

  const never = [
    "http://169.254.169.254/metadata/instance",
    "http://10.0.0.1/x.json",
    "https://raw.githubusercontent.com/x/y/z.json",
    "http://localhost.example.com/x.json",
    "http://127.0.0.1.example.com/x.json",
    "http://[fe80::1]/x.json",
    "http://0.0.0.0/x.json",
    "http://[::ffff:10.0.0.1]/x.json",
    "file:///etc/passwd",
    "ftp://127.0.0.1/x.json",
    "http://user:password@127.0.0.1/x.json",
  ];
  for (const address of never) {
    test(`not ${address}`, async () => {
      assert.match(await decide(address), /is not allowed|only http and https|user name or password/);
    });
  }
});

describe("a template spec", () => {
  const spec = `${group}/providers/Microsoft.Resources/templateSpecs/store/versions/1.0`;

  async function openSpec(): Promise<ArmFixture> {
    const fixture = await openGroupFixture();
    const version = { apiVersion: "2022-02-01" };
    const location = "westeurope";
    const made = await fixture.send("PUT", spec.replace("/versions/1.0", ""), {
      ...version,
      body: { location },
    });
    assert.equal(outcome(made), "200");
    const main = template({
      resources: [linked({ relativePath: "parts\\child.json" })],
      outputs: { name: { type: "string", value: "[reference('child').outputs.name.value]" } },
    });
    const properties = {
      mainTemplate: main,
      linkedTemplates: [{ path: "./parts/Child.json", template: child }],
    };
    const written = await fixture.send("PUT", spec, { ...version, body: { location, properties } });
    assert.equal(outcome(written), "200", messageOf(written));
    return fixture;
  }

  test("is deployed by its id, with the templates inside it", async () => {
    const fixture = await openSpec();
    const answer = await deployLink(fixture, { id: spec });
    assert.equal(stateOf(answer), "Succeeded", JSON.stringify(answer.body));
    assert.deepEqual(outputsOf(answer), { name: "linked" });
    assert.deepEqual(answer.body["properties"]?.["templateLink"] as unknown, { id: spec });
  });

  const refused: readonly (readonly [string, object, string])[] = [
    ["a version that is not there", { id: spec.replace("1.0", "2.0") }, "404 ResourceNotFound"],
    ["a spec without its version", { id: spec.replace("/versions/1.0", "") }, "400 InvalidTemplate"],
    ["a part that is not there", { id: spec, relativePath: "absent.json" }, "400 InvalidTemplate"],
  ];
  for (const [name, link, expected] of refused) {
    test(`is refused: ${name}`, async () => {
      assert.equal(outcome(await deployLink(await openSpec(), link)), expected);
    });
  }

  test("needs the right to read it", async () => {
    const fixture = await openSpec();
    const other = group.replace("/Shop", "/Other");
    await fixture.send("PUT", other, { body: { location: "westeurope" } });
    const as = await fixture.user("other", "Contributor", other);
    const body = { properties: { mode: "Incremental", templateLink: { id: spec } } };
    const answer = await fixture.send("PUT", deploymentUrl("x", other), { body, as });
    assert.equal(outcome(answer), "403 AuthorizationFailed");
    assert.match(messageOf(answer), /Microsoft\.Resources\/templateSpecs\/versions\/read/);
  });
});

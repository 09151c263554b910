/** Parameters that are secrets of a key vault: who may use them, what happens when they cannot be had, and where they never show. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type Answer,
  type ArmFixture,
  group,
  messageOf,
  openGroupFixture,
  outcome,
  subscription,
  tenantId,
} from "../fixture.ts";
import { deploymentUrl, outputsOf, site, stateOf, template } from "./templates.ts";

const vaultId = `${group}/providers/Microsoft.KeyVault/vaults/Vault1`;
const value = "S3cret-of-the-vault";
const aka = "Please see https://aka.ms/arm-keyvault for usage details.";

async function openVault(properties: object = { enabledForTemplateDeployment: true }): Promise<ArmFixture> {
  const fixture = await openGroupFixture();
  const put = (id: string, body: object): Promise<Answer> =>
    fixture.send("PUT", id, { apiVersion: "2023-07-01", body: { location: "westeurope", ...body } });
  assert.equal(outcome(await put(vaultId, { properties })), "200");
  assert.equal(outcome(await put(`${vaultId}/secrets/password`, { properties: { value } })), "200");
  const disabled = { properties: { value: "no", attributes: { enabled: false } } };
  assert.equal(outcome(await put(`${vaultId}/secrets/disabled`, disabled)), "200");
  return fixture;
}

function reference(more: object = {}): object {
  return { reference: { keyVault: { id: vaultId }, secretName: "password", ...more } };
}

const document = template({
  parameters: { password: { type: "secureString" } },
  resources: [
    site("web", { properties: { siteConfig: { setting: "[parameters('password')]" }, length: 1 } }),
  ],
  outputs: {
    length: { type: "int", value: "[length(parameters('password'))]" },
    hidden: { type: "secureString", value: "[parameters('password')]" },
  },
});

function deploy(
  fixture: ArmFixture,
  given: object,
  more: { readonly as?: string; readonly action?: string; readonly template?: object } = {},
): Promise<Answer> {
  const { as = fixture.owner, action, template: sent = document } = more;
  const body = { properties: { mode: "Incremental", template: sent, parameters: { password: given } } };
  return action === undefined
    ? fixture.send("PUT", deploymentUrl(), { body, as })
    : fixture.send("POST", `${deploymentUrl()}/${action}`, { body, as });
}

describe("a secret of a key vault as a parameter", () => {
  test("reaches the resource, and shows nowhere else", async () => {
    const fixture = await openVault();
    const answer = await deploy(fixture, reference());
    assert.equal(outcome(answer), "201", messageOf(answer));
    assert.deepEqual(outputsOf(answer), { length: value.length, hidden: undefined });
    const parameters = answer.body["properties"]?.["parameters"] as unknown;
    assert.deepEqual(parameters, { password: { type: "SecureString", ...reference() } });
    const written = await fixture.send("GET", `${group}/providers/Microsoft.Web/sites/web`);
    assert.equal(written.body["properties"]?.["siteConfig"]?.["setting"] as unknown, value);
    const shown: Answer[] = [answer];
    for (const path of ["", "/operations"]) shown.push(await fixture.send("GET", deploymentUrl() + path));
    shown.push(await fixture.send("POST", `${deploymentUrl()}/exportTemplate`));
    shown.push(await deploy(fixture, reference(), { action: "validate" }));
    shown.push(await fixture.send("GET", `${vaultId}/secrets/password`, { apiVersion: "2023-07-01" }));
    shown.push(await fixture.send("GET", `${vaultId}/secrets`, { apiVersion: "2023-07-01" }));
    for (const each of shown) {
      assert.ok(each.status < 300, JSON.stringify(each.body));
      assert.ok(!JSON.stringify(each.body).includes(value), JSON.stringify(each.body));
    }
    assert.ok(!JSON.stringify(fixture.records).includes(value));
  });

  test("is not shown by what-if, which knows all the same that nothing changes", async () => {
    const fixture = await openVault();
    const before = await deploy(fixture, reference(), { action: "whatIf" });
    assert.equal(outcome(before), "200");
    assert.ok(!JSON.stringify(before.body).includes(value), JSON.stringify(before.body));
    assert.match(JSON.stringify(before.body), /\[parameters\('password'\)\]/);
    await deploy(fixture, reference());
    const after = await deploy(fixture, reference(), { action: "whatIf" });
    const changes = after.body["properties"]?.["changes"] as unknown as {
      changeType: string;
      after: unknown;
    }[];
    const [change] = changes.filter(({ changeType }) => changeType !== "Ignore");
    assert.equal(change?.changeType, "NoChange");
    assert.ok(!JSON.stringify(change.after).includes(value));
    const other = await deploy(fixture, { value: "another" }, { action: "whatIf" });
    assert.match(JSON.stringify(other.body), /"Modify"/);
    assert.ok(!JSON.stringify(other.body).includes("another"));
  });

  test("is not shown by the history of a nested deployment whose template is evaluated from outside", async () => {
    const fixture = await openVault();
    const outer = template({
      parameters: { password: { type: "secureString" } },
      variables: { again: "[concat(parameters('password'), '!')]" },
      resources: [
        {
          type: "Microsoft.Resources/deployments",
          apiVersion: "2022-09-01",
          name: "outside",
          properties: {
            mode: "Incremental",
            template: template({
              resources: [
                site("nested", { properties: { secret: "[variables('again')]" }, kind: "[toLower('APP')]" }),
              ],
            }),
          },
        },
      ],
    });
    const predicted = await deploy(fixture, reference(), { template: outer, action: "whatIf" });
    assert.match(JSON.stringify(predicted.body), /"secret":"\[variables\('again'\)\]"/);
    assert.ok(!JSON.stringify(predicted.body).includes(value), JSON.stringify(predicted.body));
    const answer = await deploy(fixture, reference(), { template: outer });
    assert.equal(stateOf(answer), "Succeeded", JSON.stringify(answer.body));
    const written = await fixture.send("GET", `${group}/providers/Microsoft.Web/sites/nested`);
    assert.equal(written.body["properties"]?.["secret"] as unknown, `${value}!`);
    const exported = await fixture.send("POST", `${deploymentUrl("outside")}/exportTemplate`);
    const resource = exported.body["template"]?.["resources"]?.[0];
    assert.equal(resource?.["kind"] as unknown, "app");
    assert.equal(resource?.["properties"]?.["secret"] as unknown, "[[variables('again')]");
  });

  test("is found by its version too", async () => {
    const fixture = await openVault();
    const { body } = await fixture.send("GET", `${vaultId}/secrets/password`, { apiVersion: "2023-07-01" });
    const secretVersion = String(body["properties"]?.["secretUriWithVersion"]).split("/").pop();
    assert.match(secretVersion ?? "", /^[0-9a-f]{32}$/);
    assert.equal(stateOf(await deploy(fixture, reference({ secretVersion }))), "Succeeded");
  });

  test("works for a parameter of any type that takes text, and is hidden there as well", async () => {
    const fixture = await openVault();
    const plain = template({ parameters: { password: { type: "string", minLength: 3 } } });
    const answer = await deploy(fixture, reference(), { template: plain });
    assert.equal(outcome(answer), "201", messageOf(answer));
    const parameters = answer.body["properties"]?.["parameters"] as unknown;
    assert.deepEqual(parameters, { password: { type: "String", ...reference() } });
    const allowed = template({ parameters: { password: { type: "string", allowedValues: ["a"] } } });
    const refused = await deploy(fixture, reference(), { template: allowed });
    assert.equal(outcome(refused), "400 InvalidTemplate");
    assert.ok(!messageOf(refused).includes(value), messageOf(refused));
  });

  test("is resolved for nested deployments, as the compiler writes getSecret()", async () => {
    const fixture = await openVault();
    const outer = template({
      resources: [
        {
          type: "Microsoft.Resources/deployments",
          apiVersion: "2025-04-01",
          name: "inner",
          properties: {
            mode: "Incremental",
            expressionEvaluationOptions: { scope: "inner" },
            parameters: {
              password: {
                reference: {
                  keyVault: { id: "[resourceId('Microsoft.KeyVault/vaults', 'Vault1')]" },
                  secretName: "password",
                },
              },
            },
            template: document,
          },
        },
      ],
    });
    const body = { properties: { mode: "Incremental", template: outer } };
    const answer = await fixture.send("PUT", deploymentUrl("outer"), { body });
    assert.equal(stateOf(answer), "Succeeded", JSON.stringify(answer.body));
    const inner = await fixture.send("GET", deploymentUrl("inner"));
    assert.equal(inner.body["properties"]?.["outputs"]?.["length"]?.["value"] as unknown, value.length);
    assert.ok(!JSON.stringify(inner.body).includes(value));
    const stranger = await fixture.user("nested", "DocumentDB Account Contributor", group);
    const denied = await fixture.send("PUT", deploymentUrl("outer"), { body, as: stranger });
    assert.equal(outcome(denied), "400 InvalidTemplateDeployment");
    assert.match(JSON.stringify(denied.body), /KeyVaultParameterReferenceAuthorizationFailed/);
  });

  const refused: readonly (readonly [string, object, object, string, string])[] = [
    [
      "vaults that do not allow it",
      {},
      reference(),
      "409 KeyVaultParameterReferenceSecretRetrieveFailed",
      `The secret of KeyVault parameter 'password' cannot be retrieved. Http status code: 'Forbidden'. Error message: 'Access denied to first party service.\r\nCaller: name=ARM;tid=${tenantId};appid=797f4846-ba00-4fd7-ba43-dac1f8f63013;oid=f248a218-1ef9-47bf-9928-ae47093fd442;iss=https://sts.windows.net/${tenantId}/\r\nVault: Vault1;location=westeurope'. ${aka}`,
    ],
    [
      "secrets that are not there",
      { enabledForTemplateDeployment: true },
      reference({ secretName: "absent" }),
      "409 KeyVaultParameterReferenceSecretRetrieveFailed",
      `The secret of KeyVault parameter 'password' cannot be retrieved. Http status code: 'NotFound'. Error message: 'A secret with (name/id) absent was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182'. ${aka}`,
    ],
    [
      "versions that are not there",
      { enabledForTemplateDeployment: true },
      reference({ secretVersion: "0".repeat(32) }),
      "409 KeyVaultParameterReferenceSecretRetrieveFailed",
      "",
    ],
    [
      "disabled secrets",
      { enabledForTemplateDeployment: true },
      reference({ secretName: "disabled" }),
      "409 KeyVaultParameterReferenceSecretRetrieveFailed",
      `The secret of KeyVault parameter 'password' cannot be retrieved. Http status code: 'Forbidden'. Error message: 'Operation get is not allowed on a disabled secret.'. ${aka}`,
    ],
    [
      "vaults that are not there",
      {},
      reference({ keyVault: { id: vaultId.replace("Vault1", "absent") } }),
      "404 KeyVaultParameterReferenceNotFound",
      `The specified KeyVault '${vaultId.replace("Vault1", "absent")}' could not be found. ${aka}`,
    ],
    [
      "what is no vault",
      {},
      reference({
        keyVault: { id: `${subscription}/resourceGroups/absent/providers/Microsoft.Web/sites/x` },
      }),
      "404 KeyVaultParameterReferenceNotFound",
      "",
    ],
    ["references without a vault", {}, { reference: { secretName: "password" } }, "400 InvalidTemplate", ""],
    ["references that are no object", {}, { reference: "password" }, "400 InvalidTemplate", ""],
  ];
  for (const [name, properties, given, expected, message] of refused) {
    test(`is refused: ${name}`, async () => {
      const fixture = await openVault(properties);
      const answer = await deploy(fixture, given);
      assert.equal(outcome(answer), expected, messageOf(answer));
      if (message !== "") assert.equal(messageOf(answer), message);
      assert.deepEqual(fixture.faults, []);
    });
  }

  test("needs the right to use the vault in deployments, whether or not the vault is there", async () => {
    const fixture = await openVault();
    const contributor = await fixture.user("contributor", "DocumentDB Account Contributor", group);
    const empty = template({ parameters: { password: { type: "secureString" } } });
    for (const id of [vaultId, vaultId.replace("Vault1", "absent")]) {
      const answer = await deploy(fixture, reference({ keyVault: { id } }), {
        as: contributor,
        template: empty,
      });
      assert.equal(outcome(answer), "403 KeyVaultParameterReferenceAuthorizationFailed", messageOf(answer));
      const text = messageOf(answer);
      const end = `with object id '${contributor}' does not have permission to perform action 'MICROSOFT.KEYVAULT/VAULTS/DEPLOY/ACTION' on the specified KeyVault resource '${id}'. ${aka}`;
      assert.ok(text.startsWith("The client '") && text.endsWith(end), text);
    }
    await fixture.grant(contributor, "Contributor", vaultId);
    assert.equal(
      stateOf(await deploy(fixture, reference(), { as: contributor, template: empty })),
      "Succeeded",
    );
  });
});

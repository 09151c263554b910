/** The admission webhook: what it adds to a pod, what it leaves alone, and what it refuses. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { PatchStep } from "../../src/identity/admission.ts";
import type { ManagedIdentityRecord } from "../../src/identity/control.ts";
import type { TestIdentity } from "./fixtures.ts";
import { bodyOf, openTestIdentity, putUserAssigned, send, tenantId } from "./fixtures.ts";

type Json = Record<string, unknown>;

let room: TestIdentity;
let orders: ManagedIdentityRecord;
const use = { "azure.workload.identity/use": "true" };

before(async () => {
  room = await openTestIdentity({
    caPem: async () => "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n",
  });
  orders = await putUserAssigned(room, "orders");
  await room.identity.applications.putFederatedCredential(orders.clientId, {
    name: "cluster",
    issuer: "https://oidc.example.com/",
    subject: "system:serviceaccount:shop:orders",
    audiences: ["api://AzureADTokenExchange"],
  });
});

async function review(pod: unknown, target = "/mutate-v1-pod"): Promise<Json> {
  const body = {
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    request: { uid: "u1", namespace: "shop", object: pod },
  };
  const reply = await send(room.identity.authority, "POST", target, {}, JSON.stringify(body));
  assert.equal(reply.status, 200);
  const answer = bodyOf(reply);
  assert.deepEqual([answer["apiVersion"], answer["kind"]], ["admission.k8s.io/v1", "AdmissionReview"]);
  const response = answer["response"] as Json;
  assert.equal(response["uid"], "u1");
  return response;
}

/** The pod after the patch; only the kinds of step that the webhook uses. */
function patched(pod: unknown, response: Json): Json {
  const text = Buffer.from(String(response["patch"] ?? "W10="), "base64").toString();
  const copy = structuredClone(pod) as Json;
  for (const { op, path, value } of JSON.parse(text) as PatchStep[]) {
    assert.equal(op, "add");
    const keys = path
      .slice(1)
      .split("/")
      .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
    const last = keys.pop() ?? "";
    const parent = keys.reduce<Json>((at, key) => at[key] as Json, copy);
    if (last === "-") (parent as unknown as unknown[]).push(value);
    else parent[last] = value;
  }
  return copy;
}

interface Shown {
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

const pod = (changes: Json = {}, spec: Json = {}): Json => ({
  metadata: { name: "orders-1", labels: use, ...changes },
  spec: { serviceAccountName: "orders", containers: [{ name: "main" }], ...spec },
});

function containersOf(shown: Json, kind = "containers"): readonly Shown[] {
  return (shown["spec"] as Json)[kind] as Shown[];
}

const variableOf = (container: Shown | undefined, name: string): string | undefined =>
  container?.env?.find((entry) => entry.name === name)?.value;

describe("a labelled pod", () => {
  test("gets variables, token volume and certificate authority", async () => {
    const response = await review(pod());
    assert.deepEqual([response["allowed"], response["patchType"]], [true, "JSONPatch"]);
    const shown = patched(pod(), response);
    const [main] = containersOf(shown);
    assert.equal(variableOf(main, "AZURE_CLIENT_ID"), orders.clientId);
    assert.equal(variableOf(main, "AZURE_TENANT_ID"), tenantId);
    assert.equal(variableOf(main, "AZURE_AUTHORITY_HOST"), "https://login.microsoftonline.com/");
    assert.equal(
      variableOf(main, "AZURE_FEDERATED_TOKEN_FILE"),
      "/var/run/secrets/azure/wi/token/azure-identity-token",
    );
    assert.equal(variableOf(main, "SSL_CERT_FILE"), "/var/run/secrets/celestite/ca.pem");
    const volumes = (shown["spec"] as Json)["volumes"] as Json[];
    const token = volumes.find((volume) =>
      String(volume["name"]).startsWith("azure-workload-identity-reserved-"),
    );
    assert.equal(String(token?.["name"]).length, 63);
    assert.deepEqual(token?.["projected"], {
      sources: [
        {
          serviceAccountToken: {
            path: "token/azure-identity-token",
            expirationSeconds: 3600,
            audience: "api://AzureADTokenExchange",
          },
        },
      ],
    });
    assert.deepEqual(
      main?.volumeMounts.map((mount) => mount.mountPath),
      ["/var/run/secrets/azure/wi", "/var/run/secrets/celestite"],
    );
    const annotations = (shown["metadata"] as Json)["annotations"] as Json;
    assert.match(String(annotations["celestite.dev/ca"]), /BEGIN CERTIFICATE/);
  });

  test("keeps what it set itself, skips containers, serves init containers", async () => {
    const own = pod(
      {
        annotations: {
          "azure.workload.identity/client-id": "mine",
          "azure.workload.identity/skip-containers": "sidecar; other",
          "azure.workload.identity/service-account-token-expiration": "7200",
        },
      },
      {
        containers: [
          {
            name: "main",
            env: [{ name: "AZURE_TENANT_ID", value: "kept" }],
            volumeMounts: [{ name: "v", mountPath: "/v" }],
          },
          { name: "sidecar" },
        ],
        initContainers: [{ name: "setup" }],
        volumes: [{ name: "v" }],
      },
    );
    const shown = patched(own, await review(own));
    const [main, sidecar] = containersOf(shown);
    assert.equal(variableOf(main, "AZURE_TENANT_ID"), "kept");
    assert.equal(main?.env.filter((entry) => entry.name === "AZURE_TENANT_ID").length, 1);
    assert.equal(variableOf(main, "AZURE_CLIENT_ID"), "mine");
    assert.equal(main?.volumeMounts.length, 3);
    assert.deepEqual(sidecar, { name: "sidecar" });
    assert.equal(variableOf(containersOf(shown, "initContainers")[0], "AZURE_CLIENT_ID"), "mine");
    assert.match(JSON.stringify((shown["spec"] as Json)["volumes"]), /"expirationSeconds":7200/);
  });

  test("reaches the authority where the configuration says, and nowhere else", async () => {
    const at = async (authority: string): Promise<string | undefined> => {
      const response = await review(pod(), `/mutate-v1-pod?authority=${encodeURIComponent(authority)}`);
      return variableOf(containersOf(patched(pod(), response))[0], "AZURE_AUTHORITY_HOST");
    };
    assert.equal(await at("https://celestite.local:8072"), "https://celestite.local:8072/");
    assert.equal(await at("http://celestite.local"), "https://login.microsoftonline.com/");
    assert.equal(await at("https://a/b"), "https://login.microsoftonline.com/");
  });

  test("of a service account that nobody trusts gets no client id", async () => {
    const stranger = pod({}, { serviceAccountName: "stranger" });
    const [main] = containersOf(patched(stranger, await review(stranger)));
    assert.equal(variableOf(main, "AZURE_CLIENT_ID"), undefined);
  });
});

describe("left alone or refused", () => {
  for (const labels of [undefined, {}, { "azure.workload.identity/use": "false" }]) {
    test(`labels ${JSON.stringify(labels)}`, async () => {
      const response = await review(pod({ labels }));
      assert.deepEqual([response["allowed"], response["patch"]], [true, undefined]);
    });
  }

  for (const seconds of ["3599", "86401", "soon", "3600.5"]) {
    test(`a token life of ${seconds}`, async () => {
      const annotations = { "azure.workload.identity/service-account-token-expiration": seconds };
      assert.equal((await review(pod({ annotations })))["allowed"], false);
    });
  }

  for (const body of [
    "",
    "{",
    "null",
    "[]",
    '{"kind":"AdmissionReview"}',
    '{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{"uid":"a"}}',
  ]) {
    test(`no review: ${body}`, async () => {
      assert.equal((await send(room.identity.authority, "POST", "/mutate-v1-pod", {}, body)).status, 400);
    });
  }

  for (const strange of [
    "a text",
    [],
    { metadata: 1 },
    { metadata: { labels: use, name: 1 } },
    { metadata: { labels: { ...use, more: {} } } },
    { metadata: { labels: use, annotations: { "azure.workload.identity/skip-containers": 7 } } },
    { metadata: { labels: use }, spec: [] },
    { metadata: { labels: use }, spec: { volumes: 7 } },
    { metadata: { labels: use }, spec: { containers: {} } },
    { metadata: { labels: use }, spec: { initContainers: [null] } },
    { metadata: { labels: use }, spec: { containers: [{ env: 3 }] } },
    { metadata: { labels: use }, spec: { containers: [{ volumeMounts: ["x"] }] } },
  ]) {
    test(`no pod: ${JSON.stringify(strange)}`, async () => {
      const response = await review(strange);
      assert.deepEqual([response["allowed"], response["patch"]], [false, undefined]);
    });
  }

  for (const empty of [{ containers: null }, { containers: [{ env: null }] }, {}]) {
    test(`a pod with nothing in its place: ${JSON.stringify(empty)}`, async () => {
      assert.equal((await review({ metadata: { labels: use }, spec: empty }))["allowed"], true);
    });
  }

  test("a GET", async () => {
    assert.equal((await send(room.identity.authority, "GET", "/mutate-v1-pod")).status, 400);
  });
});

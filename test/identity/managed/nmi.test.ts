/** AKS pod identity, version 1: which pod gets whose token, and every near miss that must not. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { Reply } from "../../../src/http/service.ts";
import type { ManagedIdentityRecord } from "../../../src/identity/control.ts";
import {
  boundIdentities,
  fromPodIdentityProfile,
  isExcepted,
  type Pod,
  PodIdentityError,
  type PodIdentityObjects,
  readPodIdentityObjects,
} from "../../../src/identity/managed/pod-identity.ts";
import {
  bodyOf,
  claimsOf,
  openTestIdentity,
  putUserAssigned,
  send,
  type TestIdentity,
  userAssignedId,
} from "../fixtures.ts";

const version = "aadpodidentity.k8s.io/v1";
const metadata = { metadata: "true", host: "169.254.169.254" };
const path = "/metadata/identity/oauth2/token";
const base = "api-version=2018-02-01&resource=https://cosmos.azure.com";

let room: TestIdentity;
let orders: ManagedIdentityRecord;
let billing: ManagedIdentityRecord;
/** Of the node, for excepted pods. */
let node: string;

before(async () => {
  room = await openTestIdentity();
  orders = await putUserAssigned(room, "orders");
  billing = await putUserAssigned(room, "billing");
  const kubelet = await putUserAssigned(room, "kubelet");
  node = room.identity.managed.workloads.register({ identities: [kubelet.resourceId] }).id;
});

interface Meta {
  readonly name?: string;
  readonly namespace?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

const identityObject = (
  { resourceId, clientId }: Pick<ManagedIdentityRecord, "resourceId" | "clientId">,
  meta: Meta = {},
): unknown => ({
  apiVersion: version,
  kind: "AzureIdentity",
  metadata: { name: "orders", namespace: "shop", ...meta },
  spec: { type: 0, resourceID: resourceId, clientID: clientId },
});
const bindingObject = (spec: object = {}, meta: Meta = {}): unknown => ({
  apiVersion: version,
  kind: "AzureIdentityBinding",
  metadata: { name: "orders-binding", namespace: "shop", ...meta },
  spec: { azureIdentity: "orders", selector: "orders-pods", ...spec },
});
const exceptionObject = (podLabels: object, namespace = "shop"): unknown => ({
  apiVersion: version,
  kind: "AzurePodIdentityException",
  metadata: { name: "exception", namespace },
  spec: { podLabels },
});
const pod: Pod = { namespace: "shop", name: "orders-1", labels: { aadpodidbinding: "orders-pods" } };

const ask = (
  objects: PodIdentityObjects,
  request: {
    readonly pod?: Pod;
    readonly query?: string;
    readonly path?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly redirected?: true;
  } = {},
): Promise<Reply> => {
  const service = room.identity.managed.nmi(node, {
    pod: request.pod ?? pod,
    objects: async () => objects,
    answerWithoutHeader: request.redirected === true,
  });
  const query = request.query ?? base;
  return send(service, "GET", `${request.path ?? path}?${query}`, request.headers ?? metadata);
};
const textOf = (reply: Reply): string => Buffer.from(reply.body ?? "").toString();
const both = (): PodIdentityObjects =>
  readPodIdentityObjects([
    { kind: "List", items: [identityObject(orders), bindingObject()] },
    identityObject(billing, { name: "billing" }),
    bindingObject({ azureIdentity: "billing" }, { name: "billing-binding" }),
    { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "other" } },
  ]);

describe("tokens", () => {
  test("of the bound identity, all fields strings", async () => {
    const reply = await ask(readPodIdentityObjects([identityObject(orders), bindingObject()]));
    assert.equal(reply.status, 200, textOf(reply));
    const body = bodyOf(reply);
    assert.deepEqual(Object.keys(body).sort(), [
      "access_token",
      "expires_in",
      "expires_on",
      "not_before",
      "refresh_token",
      "resource",
      "token_type",
    ]);
    assert.ok(Object.values(body).every((value) => typeof value === "string"));
    const claims = claimsOf(String(body["access_token"]));
    assert.deepEqual([claims["oid"], claims["appid"]], [orders.principalId, orders.clientId]);
    assert.equal(claims["xms_mirid"], orders.resourceId.replace("resourceGroups", "resourcegroups"));
  });

  test("of several: the first, by client id, by resource id, and none of another's", async () => {
    const principal = async (more: string): Promise<unknown> =>
      claimsOf(String(bodyOf(await ask(both(), { query: `${base}${more}` }))["access_token"]))["oid"];
    assert.equal(await principal(""), orders.principalId);
    assert.equal(await principal(`&client_id=${billing.clientId.toUpperCase()}`), billing.principalId);
    assert.equal(await principal(`&mi_res_id=${billing.resourceId.toLowerCase()}`), billing.principalId);
    const kubelet = await putUserAssigned(room, "kubelet");
    for (const more of [`client_id=${kubelet.clientId}`, `mi_res_id=${kubelet.resourceId}`, "client_id="]) {
      assert.equal((await ask(both(), { query: `${base}&${more}` })).status, 403, more);
    }
  });

  test("for programs on the node's network, which name this pod and no other", async () => {
    const asPod = (podns: string, podname: string) =>
      ask(both(), { path: "/host/token/", headers: { podns, podname } });
    const reply = bodyOf(await asPod("shop", "orders-1"));
    assert.equal(reply["clientid"], orders.clientId);
    const token = reply["token"] as Record<string, string>;
    assert.equal(claimsOf(token["access_token"] ?? "")["oid"], orders.principalId);
    assert.equal((await asPod("shop", "orders-2")).status, 403);
    assert.equal((await asPod("other", "orders-1")).status, 403);
    assert.equal((await ask(both(), { path: "/host/token", headers: {} })).status, 400);
  });

  test("an excepted pod speaks to its node", async () => {
    const objects = (podLabels: object, namespace?: string): PodIdentityObjects =>
      readPodIdentityObjects([exceptionObject(podLabels, namespace)]);
    const labels = { app: "orders", tier: "back" };
    const excepted = { ...pod, labels };
    const reply = await ask(objects({ app: "orders", tier: "back" }), { pod: excepted });
    const kubelet = await putUserAssigned(room, "kubelet");
    assert.equal(claimsOf(String(bodyOf(reply)["access_token"]))["oid"], kubelet.principalId);
    for (const [podLabels, namespace] of [
      [{ app: "orders", tier: "front" }, "shop"],
      [{ app: "orders", tier: "back" }, "other"],
      [{}, "shop"],
    ] as const) {
      const other = objects(podLabels, namespace);
      assert.equal(isExcepted(excepted, other), false);
      assert.equal((await ask(other, { pod: excepted })).status, 403);
    }
  });
});

describe("refusals", () => {
  const one = (...objects: readonly unknown[]): PodIdentityObjects => readPodIdentityObjects(objects);
  const namespaced = { annotations: { "aadpodidentity.k8s.io/Behavior": "namespaced" } };
  const cases: readonly [
    what: string,
    objects: () => PodIdentityObjects,
    pod: Partial<Pod>,
    status: number,
  ][] = [
    ["no objects", () => one(), {}, 403],
    ["no label", both, { labels: {} }, 403],
    ["an empty label", both, { labels: { aadpodidbinding: "" } }, 403],
    ["another label", both, { labels: { aadpodidbinding: "orders" } }, 403],
    ["the label in another case", both, { labels: { aadpodidbinding: "Orders-Pods" } }, 403],
    ["the label under another name", both, { labels: { AadPodIdBinding: "orders-pods" } }, 403],
    ["a binding alone", () => one(bindingObject()), {}, 403],
    ["an identity alone", () => one(identityObject(orders)), {}, 403],
    [
      "a binding of another namespace than the identity",
      () => one(identityObject(orders), bindingObject({}, { namespace: "other" })),
      {},
      403,
    ],
    [
      "a binding to another identity",
      () => one(identityObject(orders), bindingObject({ azureIdentity: "Orders" })),
      {},
      403,
    ],
    [
      "a namespaced identity for a pod of another namespace",
      () => one(identityObject(orders, namespaced), bindingObject()),
      { namespace: "other" },
      403,
    ],
    [
      "another client id than the identity's",
      () => one(identityObject({ ...orders, clientId: billing.clientId }), bindingObject()),
      {},
      403,
    ],
    [
      "an identity that does not exist yet",
      () => one(identityObject({ ...orders, resourceId: userAssignedId("later") }), bindingObject()),
      {},
      404,
    ],
    [
      "an identity that is none",
      () => one(identityObject({ ...orders, resourceId: "/nothing" }), bindingObject()),
      {},
      404,
    ],
  ];
  for (const [what, objects, changed, status] of cases) {
    test(`${what}: ${status} in plain text`, async () => {
      const reply = await ask(objects(), { pod: { ...pod, ...changed } });
      assert.equal(reply.status, status, textOf(reply));
      assert.match(reply.headers["content-type"] ?? "", /^text\/plain/);
      assert.doesNotMatch(textOf(reply), /ey[JK]/);
    });
  }

  test("an identity that is not namespaced serves pods of every namespace", async () => {
    const reply = await ask(both(), { pod: { ...pod, namespace: "other" } });
    assert.equal(reply.status, 200);
  });

  test("no header, no resource, an unknown one", async () => {
    const without = await ask(both(), { headers: { host: "169.254.169.254" } });
    assert.equal(without.status, 400);
    assert.match(textOf(without), /Required metadata header not specified/);
    assert.equal((await ask(both(), { headers: { host: "127.0.0.1:1" }, redirected: true })).status, 200);
    for (const headers of [{ host: "attacker.example:1" }, { host: "attacker.example", metadata: "true" }]) {
      assert.equal((await ask(both(), { headers, redirected: true })).status, 400, "led here by its name");
    }
    assert.match(textOf(await ask(both(), { query: "a=b" })), /parameter resource cannot be empty/);
    const unknown = await ask(both(), { query: "resource=https://example.com" });
    assert.equal(unknown.status, 403);
    assert.match(textOf(unknown), /AADSTS500011/);
  });

  test("objects that cannot be", () => {
    for (const object of [
      { apiVersion: version, kind: "AzureIdentity", spec: {} },
      { apiVersion: version, kind: "AzureIdentity", metadata: { name: "x" }, spec: { type: 1 } },
      { apiVersion: version, kind: "AzureIdentity", metadata: { name: "x" }, spec: { type: 0 } },
      { apiVersion: version, kind: "AzureIdentityBinding", metadata: { name: "x" }, spec: { selector: "y" } },
      bindingObject({ selector: "" }),
    ]) {
      assert.throws(() => readPodIdentityObjects([object]), PodIdentityError, JSON.stringify(object));
    }
    const empty = readPodIdentityObjects([null, 1, "text", {}, { kind: "AzureIdentity" }]);
    assert.deepEqual(empty, { identities: [], bindings: [], exceptions: [] });
  });
});

describe("a cluster's profile", () => {
  const entry = { name: "orders", namespace: "shop", identity: { resourceId: "/id", clientId: "c" } };
  const profile = {
    enabled: true,
    userAssignedIdentities: [entry, { ...entry, name: "billing", bindingSelector: "money" }],
    userAssignedIdentityExceptions: [{ name: "e", namespace: "shop", podLabels: { app: "agent" } }],
  };
  const bound = (namespace: string, label: string, given: unknown = profile): readonly string[] =>
    boundIdentities(
      { namespace, name: "p", labels: { aadpodidbinding: label } },
      fromPodIdentityProfile(given),
    ).map(({ name }) => name);

  test("binds by its selector, or else its name, within the namespace only", () => {
    assert.deepEqual(bound("shop", "orders"), ["orders"]);
    assert.deepEqual(bound("shop", "money"), ["billing"]);
    assert.deepEqual(bound("shop", "billing"), []);
    assert.deepEqual(bound("other", "orders"), []);
    assert.ok(
      isExcepted({ namespace: "shop", name: "p", labels: { app: "agent" } }, fromPodIdentityProfile(profile)),
    );
  });

  test("that is off or broken binds nothing", () => {
    for (const given of [
      null,
      {},
      { ...profile, enabled: false },
      { enabled: true, userAssignedIdentities: "orders" },
      { enabled: true, userAssignedIdentities: [null, {}, { name: "orders" }] },
    ]) {
      assert.deepEqual(bound("shop", "orders", given), [], JSON.stringify(given));
    }
  });
});

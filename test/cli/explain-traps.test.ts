/**
 * The traps that `explain` knows by name: each is fallen into for real, explained by the command, compared with the
 * text that it must print, and then mended by doing what is printed, after which the request succeeds.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { sign, textToSign } from "../../src/authz/account-key.ts";
import type { Celestite } from "../../src/celestite.ts";
import { runCommandLine } from "../../src/cli/command-line.ts";
import { call, callArm, type JsonReply, startServer, testSettings } from "../fixtures.ts";

const reader = "00000000-0000-0000-0000-000000000001";
const contributor = "00000000-0000-0000-0000-000000000002";
const api = "api-version=2024-08-15";
const azureApi = "api-version=2022-04-01";
const prefix = "Microsoft.DocumentDB/databaseAccounts/";
const inA = { "x-ms-documentdb-partitionkey": '["a"]' };

let directory: string;
let server: Celestite;
let group: string;
let account: string;
let endpoint: string;
const words = new Map<string, string>();

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "celestite-traps-"));
  const faults: unknown[] = [];
  server = await startServer(testSettings(directory), (fault) => faults.push(fault));
  const { subscriptionId, tenantId } = await server.status();
  words.set(tenantId, "TENANT");
  group = `/subscriptions/${subscriptionId}/resourceGroups/rg`;
  account = `${group}/providers/Microsoft.DocumentDB/databaseAccounts/shop`;
  await arm("PUT", `${group}?api-version=2024-03-01`, { location: "westeurope" });
  await arm("PUT", `${account}?${api}`, { location: "westeurope", properties: {} });
  await arm("PUT", `${account}/sqlDatabases/db?${api}`, { properties: { resource: { id: "db" } } });
  await arm("PUT", `${account}/sqlDatabases/db/containers/orders?${api}`, {
    properties: { resource: { id: "orders", partitionKey: { paths: ["/pk"] } } },
  });
  endpoint = (await server.status()).accounts[0]?.endpoint.replace(/\/$/, "") ?? "";
  words.set(subscriptionId, "SUBSCRIPTION");
  const made = await signed("POST", "/dbs/db/colls/orders/docs", {
    headers: inA,
    json: { id: "1", pk: "a" },
  });
  assert.equal(made.status, 201);
});
after(async () => {
  await server.close();
  await rm(directory, { recursive: true, force: true });
});

async function arm(method: string, path: string, json?: unknown): Promise<JsonReply> {
  const reply = await callArm(server, method, path, json);
  assert.ok(reply.status < 300, JSON.stringify(reply.body));
  return reply;
}

interface Identity {
  readonly principalId: string;
  readonly clientId: string;
}

async function identity(name: string): Promise<Identity> {
  const path = `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}?api-version=2023-01-31`;
  const { body } = await arm("PUT", path, { location: "westeurope" });
  const { principalId, clientId } = body["properties"] as Identity;
  words.set(principalId, `PRINCIPAL-OF-${name}`);
  words.set(clientId, `CLIENT-OF-${name}`);
  return { principalId, clientId };
}

interface Sent {
  readonly headers?: Record<string, string>;
  readonly json?: unknown;
}

/** A request of the data plane with any authorization. */
async function send(
  method: string,
  path: string,
  authorization: string,
  { headers, json }: Sent = {},
): Promise<JsonReply> {
  return call(server, `${endpoint}${path}`, { method, headers: { authorization, ...headers }, json });
}

async function aad(principalId: string, audience = "https://cosmos.azure.com"): Promise<string> {
  return `type=aad&ver=1.0&sig=${(await server.identity.issueFor(principalId, audience)).accessToken}`;
}

async function signed(
  method: string,
  path: string,
  { key = "primaryMasterKey", skew = 0, ...sent }: Sent & { key?: string; skew?: number } = {},
): Promise<JsonReply> {
  const { body } = await arm("POST", `${account}/listKeys?${api}`);
  const parts = path.split("/").filter((part) => part !== "");
  const isFeed = parts.length % 2 === 1;
  const date = new Date(Date.now() + skew).toUTCString();
  const text = textToSign(
    method,
    (isFeed ? parts.at(-1) : parts.at(-2)) ?? "",
    (isFeed ? parts.slice(0, -1) : parts).join("/"),
    date,
    false,
  );
  const signature = sign(Buffer.from(String(body[key]), "base64"), text).toString("base64");
  const authorization = encodeURIComponent(`type=master&ver=1.0&sig=${signature}`);
  return send(method, path, authorization, { ...sent, headers: { "x-ms-date": date, ...sent.headers } });
}

async function celestite(...args: string[]): Promise<string> {
  let output = "";
  const terminal = { out: (text: string) => (output += text), error: (text: string) => (output += text) };
  const code = await runCommandLine([...args, "--data", directory], terminal);
  assert.equal(code, 0, output);
  return output;
}

/** What `explain` prints from the trap on, with ids replaced by what they stand for. */
async function explained(reply: JsonReply): Promise<string> {
  const id = reply.headers["x-ms-activity-id"] ?? reply.headers["x-ms-request-id"];
  const text = await celestite("explain", String(id));
  const at = text.indexOf("Known trap: ");
  assert.ok(at >= 0, text);
  // Its commands are for the server that was asked.
  return text.slice(at).replaceAll(` --data ${directory}`, "").trimEnd();
}

function named(text: string): string {
  let shown = text;
  for (const [id, word] of words) shown = shown.replaceAll(new RegExp(id, "gi"), word);
  return shown;
}

/** Runs the commands among the printed lines, and returns what they print. */
async function follow(
  text: string,
  change: (command: string) => string = (command) => command,
): Promise<string> {
  const commands = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith("celestite "));
  assert.ok(commands.length > 0, text);
  let output = "";
  for (const command of commands) {
    const args = [...change(command).matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
      (match) => match[1] ?? match[2] ?? match[3] ?? "",
    );
    output += await celestite(...args.slice(1));
  }
  return output;
}

async function assign(principalId: string, role: string, below = ""): Promise<void> {
  await arm("PUT", `${account}/sqlRoleAssignments/${randomUUID()}?${api}`, {
    properties: {
      roleDefinitionId: `${account}/sqlRoleDefinitions/${role}`,
      principalId,
      scope: `${account}${below}`,
    },
  });
}

async function define(roleName: string, ...actions: string[]): Promise<string> {
  const name = randomUUID();
  await arm("PUT", `${account}/sqlRoleDefinitions/${name}?${api}`, {
    properties: {
      roleName,
      type: "CustomRole",
      assignableScopes: [account],
      permissions: [{ dataActions: actions.map((action) => prefix + action) }],
    },
  });
  return name;
}

function golden(text: string, expected: string): void {
  assert.equal(named(text), expected.trim());
}

const item = "/dbs/db/colls/orders/docs/1";
const accountId =
  "/subscriptions/SUBSCRIPTION/resourceGroups/rg/providers/Microsoft.DocumentDB/databaseAccounts/shop";

test("1. an Azure role is expected to open data", async () => {
  const { principalId } = await identity("owner");
  await arm(
    "PUT",
    `${account}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}?${azureApi}`,
    {
      properties: {
        roleDefinitionId:
          "/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
        principalId,
        principalType: "ServicePrincipal",
      },
    },
  );
  const request = async () => send("GET", item, await aad(principalId), { headers: inA });
  const denied = await request();
  assert.equal(denied.status, 403);
  const text = await explained(denied);
  golden(
    text,
    `Known trap: Azure role expected to open data.
  owner holds the Azure role "Owner" at ${accountId}; Azure roles grant no data actions. Missing is ${prefix}sqlDatabases/containers/items/read on dbs/db/colls/orders.

The smallest fix:
  celestite role assign --account shop --principal owner --role "Cosmos DB Built-in Data Reader" --scope "/dbs/db/colls/orders"`,
  );
  await follow(text);
  assert.equal((await request()).status, 200);
});

test("2. a Cosmos data action in an Azure custom role", async () => {
  const name = randomUUID();
  const { subscriptionId } = await server.status();
  const scope = `/subscriptions/${subscriptionId}`;
  const denied = await callArm(
    server,
    "PUT",
    `${scope}/providers/Microsoft.Authorization/roleDefinitions/${name}?${azureApi}`,
    {
      properties: {
        roleName: "Data people",
        type: "CustomRole",
        assignableScopes: [scope],
        permissions: [
          { actions: [], notActions: [], dataActions: [`${prefix}readMetadata`], notDataActions: [] },
        ],
      },
    },
  );
  assert.equal(denied.status, 400);
  const text = await explained(denied);
  golden(
    text,
    `Known trap: Cosmos data action in an Azure role.
  ${prefix}readMetadata is a data action of Cosmos DB, which Azure roles do not know: it belongs into a sqlRoleDefinition of the account.

The smallest fix:
  celestite role define --name "Data people" --actions readMetadata`,
  );
  await follow(text);
  const { principalId } = await identity("people");
  await celestite("role", "assign", "--principal", "people", "--role", "Data people");
  assert.equal((await send("GET", "/", await aad(principalId))).status, 200);
});

test("3. a data role used with roleAssignments", async () => {
  const { principalId } = await identity("mixed-up");
  const denied = await callArm(
    server,
    "PUT",
    `${account}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}?${azureApi}`,
    {
      properties: {
        roleDefinitionId: `/providers/Microsoft.Authorization/roleDefinitions/${contributor}`,
        principalId,
        principalType: "ServicePrincipal",
      },
    },
  );
  assert.equal(denied.status, 400);
  const text = await explained(denied);
  golden(
    text,
    `Known trap: data role used with roleAssignments.
  The id ${contributor} belongs to sqlRoleDefinitions; Microsoft.Authorization/roleAssignments knows it not.

The smallest fix:
  celestite role assign --principal PRINCIPAL-OF-mixed-up --role ${contributor} --scope "/"`,
  );
  await follow(text);
  assert.equal((await send("GET", item, await aad(principalId), { headers: inA })).status, 200);
});

/** An assignment as `az cosmosdb sql role assignment create` sends it. */
async function putAssignment(principalId: string, scope: string): Promise<JsonReply> {
  return callArm(server, "PUT", `${account}/sqlRoleAssignments/${randomUUID()}?${api}`, {
    properties: { roleDefinitionId: `${account}/sqlRoleDefinitions/${reader}`, principalId, scope },
  });
}

test("4. a client id in place of the principal id", async () => {
  const { principalId, clientId } = await identity("swapped");
  const denied = await putAssignment(clientId, account);
  assert.equal(denied.status, 400);
  const text = await explained(denied);
  golden(
    text,
    `Known trap: client id in place of the principal id.
  CLIENT-OF-swapped is the clientId of swapped; its principalId is PRINCIPAL-OF-swapped.

The smallest fix:
  celestite role assign --account shop --principal PRINCIPAL-OF-swapped --role ${reader} --scope "/"`,
  );
  await follow(text);
  assert.equal((await send("GET", item, await aad(principalId), { headers: inA })).status, 200);
});

test("5. an assignment for a group that the principal is not in", async () => {
  const { principalId } = await identity("outsider");
  const people = await server.identity.directory.addGroup({ displayName: "Team" });
  words.set(people.objectId, "GROUP");
  await assign(people.objectId, contributor, "/dbs/db");
  const request = async () =>
    send("POST", "/dbs/db/colls/orders/docs", await aad(principalId), {
      headers: { ...inA, "x-ms-documentdb-is-upsert": "True" },
      json: { id: "5", pk: "a" },
    });
  const denied = await request();
  assert.equal(denied.status, 403);
  const text = await explained(denied);
  golden(
    text,
    `Known trap: assignment for a group.
  "Cosmos DB Built-in Data Contributor" at /dbs/db is for the group Team (GROUP); the principal is no member of it, and its token names no such group.

The smallest fix:
  Make it a member of the group, or assign the role to itself:
  celestite role assign --account shop --principal outsider --role "Cosmos DB Built-in Data Contributor" --scope "/dbs/db"`,
  );
  await follow(text);
  assert.equal((await request()).status, 201);
});

test("6. a role at the container, and the client reads the database", async () => {
  const { principalId } = await identity("narrow");
  await assign(principalId, contributor, "/dbs/db/colls/orders");
  const request = async () => send("GET", "/dbs/db", await aad(principalId));
  const denied = await request();
  assert.equal(denied.status, 403);
  const text = await explained(denied);
  golden(
    text,
    `Known trap: container scope, and the client reads the database.
  GET /dbs/db needs readMetadata at database scope; "Cosmos DB Built-in Data Contributor" is held at /dbs/db/colls/orders, which begins below it.

The smallest fix:
  celestite role define --account shop --name "Metadata Reader" --actions readMetadata
  celestite role assign --account shop --principal narrow --role "Metadata Reader" --scope "/dbs/db"`,
  );
  await follow(text);
  assert.equal((await request()).status, 200);
});

test("7. no readChangeFeed", async () => {
  const { principalId } = await identity("querier");
  const role = await define("Querier", "readMetadata", "sqlDatabases/containers/executeQuery");
  await assign(principalId, role);
  const request = async () => send("GET", "/dbs/db/colls/orders/docs", await aad(principalId));
  const denied = await request();
  assert.equal(denied.status, 403);
  const text = await explained(denied);
  golden(
    text,
    `Known trap: no readChangeFeed.
  This is a read feed, not a query: it needs readChangeFeed, which "Querier" does not contain.

The smallest fix:
  celestite role define --account shop --name "Feed Reader" --actions sqlDatabases/containers/readChangeFeed
  celestite role assign --account shop --principal querier --role "Feed Reader" --scope "/dbs/db/colls/orders"`,
  );
  await follow(text);
  assert.equal((await request()).status, 200);
});

test("8. a management operation with an Entra token", async () => {
  const { principalId } = await identity("manager");
  await assign(principalId, contributor);
  const denied = await send("POST", "/dbs", await aad(principalId), { json: { id: "fresh" } });
  assert.equal(denied.status, 403);
  const text = await explained(denied);
  golden(
    text,
    `Known trap: management operation with an Entra token.
  'CreateDatabase' is a management operation: no data role allows it. Use Azure Resource Manager (az, Bicep) or an account key.

The smallest fix:
  celestite rest PUT "${accountId}/sqlDatabases/fresh?${api}" --body '{"properties":{"resource":{"id":"fresh"}}}'`,
  );
  await follow(text);
  assert.equal(
    (await send("GET", "/dbs/fresh", await aad(principalId))).status,
    200,
    "createIfNotExists finds it",
  );
  const container = await send("POST", "/dbs/fresh/colls", await aad(principalId), {
    json: { id: "c", partitionKey: { paths: ["/pk"], kind: "Hash" } },
  });
  await follow(await explained(container));
  assert.equal((await send("GET", "/dbs/fresh/colls/c", await aad(principalId))).status, 200);
});

test("9. a scope with two prefixes", async () => {
  const { principalId } = await identity("doubled");
  const denied = await putAssignment(principalId, `${account}${account.toUpperCase()}/dbs/db`);
  assert.equal(denied.status, 400);
  assert.match(
    JSON.stringify(denied.body),
    /Expected path segment \[dbs\] at position \[0\] but found \[subscriptions\]/,
  );
  const text = await explained(denied);
  golden(
    text,
    `Known trap: scope with two prefixes.
  The scope was sent as ${accountId}${accountId.toUpperCase()}/dbs/db: the tool put the account's id before a full id, because that was written in another letter case.

The smallest fix:
  celestite role assign --account shop --principal PRINCIPAL-OF-doubled --role ${reader} --scope "/dbs/db"`,
  );
  await follow(text);
  assert.equal((await send("GET", item, await aad(principalId), { headers: inA })).status, 200);
});

test("10. a token of another tenant", async () => {
  const { principalId } = await identity("visitor");
  await assign(principalId, reader);
  const good = await aad(principalId);
  const [head = "", payload = "", signature = ""] = good.slice("type=aad&ver=1.0&sig=".length).split(".");
  const recoded = (part: string, change: object): string =>
    Buffer.from(
      JSON.stringify({
        ...(JSON.parse(Buffer.from(part, "base64url").toString("utf8")) as object),
        ...change,
      }),
    ).toString("base64url");
  const tid = "99999999-9999-4999-8999-999999999999";
  const foreign = [
    recoded(head, { kid: "elsewhere" }),
    recoded(payload, { tid, iss: `https://sts.windows.net/${tid}/` }),
    signature,
  ].join(".");
  const denied = await send("GET", item, `type=aad&ver=1.0&sig=${foreign}`, { headers: inA });
  assert.deepEqual([denied.status, denied.headers["x-ms-substatus"]], [401, "5007"]);
  const text = await explained(denied);
  golden(
    text,
    `Known trap: token of another tenant.
  The token is of tenant ${tid}, the account belongs to tenant TENANT; it was issued to the application CLIENT-OF-visitor.
  A credential that remembers an earlier sign-in (az CLI, Visual Studio) sends such tokens.

The smallest fix:
  Ask the account's tenant for the token: AZURE_TENANT_ID=TENANT`,
  );
  assert.equal(/AZURE_TENANT_ID=(\S+)/.exec(text)?.[1], server.identity.tenantId);
  assert.equal((await send("GET", item, good, { headers: inA })).status, 200);
});

test("11. the wrong audience", async () => {
  const { principalId } = await identity("listener");
  await assign(principalId, reader);
  const elsewhere = await aad(principalId, "https://management.azure.com");
  const denied = await send("GET", item, elsewhere, { headers: inA });
  assert.deepEqual([denied.status, denied.headers["x-ms-substatus"]], [401, "5008"]);
  const text = await explained(denied);
  golden(
    text,
    `Known trap: wrong audience.
  The token is for https://management.azure.com, which is no name of this account: no trailing slash, no regional host.

The smallest fix:
  Request the scope https://shop.documents.azure.com/.default`,
  );
  const scope = /Request the scope (\S+)\/\.default/.exec(text)?.[1];
  assert.equal((await send("GET", item, await aad(principalId, scope), { headers: inA })).status, 200);
});

test("12. a principal that is not (yet) known", async () => {
  const unknown = randomUUID();
  words.set(unknown, "UNKNOWN");
  const denied = await putAssignment(unknown, account);
  assert.equal(denied.status, 400);
  const text = await explained(denied);
  golden(
    text,
    `Known trap: principal not (yet) known.
  The directory knows no principal UNKNOWN. In Azure a new identity takes a while until it is known, so retry; here it is known at once, so the id is of one that was deleted, or was mistyped.

The smallest fix:
  Assign by the identity's name:
  celestite role assign --account shop --principal NAME --role ${reader} --scope "/"`,
  );
  const { principalId } = await identity("late");
  await follow(text, (command) => command.replace("NAME", "late"));
  assert.equal((await send("GET", item, await aad(principalId), { headers: inA })).status, 200);
});

test("13. a key while local authorization is off", async () => {
  await arm("PATCH", `${account}?${api}`, { properties: { disableLocalAuth: true } });
  const denied = await signed("GET", item, { headers: inA });
  assert.deepEqual([denied.status, denied.headers["x-ms-substatus"]], [401, "5202"]);
  const text = await explained(denied);
  golden(
    text,
    `Known trap: key while disableLocalAuth.
  The request was sent with type=master (primary key); the account has disableLocalAuth, so key auth is off.

The smallest fix:
  Use an Entra token (DefaultAzureCredential) in place of the key, or switch keys on:
  celestite rest PATCH "${accountId}?${api}" --body '{"properties":{"disableLocalAuth":false}}'`,
  );
  await follow(text);
  assert.equal((await signed("GET", item, { headers: inA })).status, 200);
});

test("14. the lock on metadata writes", async () => {
  await arm("PATCH", `${account}?${api}`, { properties: { disableKeyBasedMetadataWriteAccess: true } });
  const request = async () =>
    signed("POST", "/dbs/db/colls", {
      json: { id: "locked", partitionKey: { paths: ["/pk"], kind: "Hash" } },
    });
  const denied = await request();
  assert.equal(denied.status, 403);
  const text = await explained(denied);
  golden(
    text,
    `Known trap: metadata-write lock.
  The account has disableKeyBasedMetadataWriteAccess: 'CreateContainer' goes through Azure Resource Manager only, whatever the credential.

The smallest fix:
  celestite rest PUT "${accountId}/sqlDatabases/db/containers/locked?${api}" --body '{"properties":{"resource":{"id":"locked","partitionKey":{"paths":["/pk"],"kind":"Hash","version":2}}}}'
  celestite rest PATCH "${accountId}?${api}" --body '{"properties":{"disableKeyBasedMetadataWriteAccess":false}}'`,
  );
  await follow(text);
  assert.equal((await signed("GET", "/dbs/db/colls/locked")).status, 200);
  assert.equal((await request()).status, 409, "the lock is off, and the container is there");
});

test("15. a read-only key", async () => {
  const write = async (key: string) =>
    signed("PUT", item, { headers: inA, json: { id: "1", pk: "a", n: 1 }, key });
  const denied = await write("primaryReadonlyMasterKey");
  assert.equal(denied.status, 401);
  const text = await explained(denied);
  golden(
    text,
    `Known trap: read-only key.
  The signature matches the primary read-only key, and 'ReplaceItem' writes.

The smallest fix:
  Sign with a read-write key; this shows them:
  celestite keys list --account shop`,
  );
  const [name] = (await follow(text)).split(/\s/);
  assert.equal((await write(name ?? "")).status, 200);
});

test("16. a resource token narrower than the request", async () => {
  await signed("POST", "/dbs/db/users", { json: { id: "phone" } });
  const made = await signed("POST", "/dbs/db/users/phone/permissions", {
    json: { id: "p1", permissionMode: "Read", resource: "dbs/db/colls/orders", resourcePartitionKey: ["1"] },
  });
  const request = (token: unknown) =>
    send("POST", "/dbs/db/colls/orders/docs", encodeURIComponent(String(token)), {
      headers: { "x-ms-documentdb-partitionkey": '["2"]', "x-ms-documentdb-is-upsert": "True" },
      json: { id: "16", pk: "2" },
    });
  const denied = await request(made.body["_token"]);
  assert.equal(denied.status, 403);
  const text = await explained(denied);
  golden(
    text,
    `Known trap: token narrower than the request.
  permission p1: Read, dbs/db/colls/orders, partition ["1"]; request: UpsertItem, dbs/db/colls/orders, partition ["2"].

The smallest fix:
  Let the broker give a permission that covers it:
  PUT /dbs/db/users/phone/permissions/p1 {"id":"p1","permissionMode":"All","resource":"dbs/db/colls/orders","resourcePartitionKey":["2"]}`,
  );
  const [, path = "", body = ""] = /PUT (\S+) (\{.*\})/.exec(text) ?? [];
  const again = await signed("PUT", path, { json: JSON.parse(body) as unknown });
  assert.equal((await request(again.body["_token"])).status, 201);
});

test("17. clock skew", async () => {
  const denied = await signed("GET", item, { headers: inA, skew: 20 * 60_000 });
  assert.equal(denied.status, 403);
  const text = (await explained(denied)).replace(
    /\(the server's time was [^)]*\)/,
    "(the server's time was NOW)",
  );
  golden(
    text,
    `Known trap: clock skew.
  x-ms-date is 20 min ahead of the server's time; accepted are 30 min behind to 15 min ahead.

The smallest fix:
  Set the client's clock (the server's time was NOW) and send the request again.`,
  );
  assert.equal((await signed("GET", item, { headers: inA })).status, 200);
});

/**
 * The access table through the unmodified JavaScript SDK: each method under each credential. The SDK sends several
 * requests for most methods (it reads the account, the container, the ranges), so what is expected of a method is what
 * the table says of the first of them that is denied.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  type Container,
  CosmosClient,
  type CosmosClientOptions,
  ErrorResponse,
  type JSONObject,
  PermissionMode,
  TriggerOperation,
  TriggerType,
} from "@azure/cosmos";
import { accountName, bodyOf } from "../cosmos/fixture.ts";
import { type Wire, withWire } from "../cosmos/wire-fixture.ts";
import { sized } from "../full-size.ts";
import { type AccessRoom, openAccessRoom } from "./credentials.ts";
import { denialOf, readAccessTable } from "./table.ts";

const table = new Map(readAccessTable().map(({ row, column, expected }) => [`${row} ${column}`, expected]));
const columns = [...new Set(readAccessTable().map(({ column }) => column))];

interface Method {
  readonly name: string;
  /** Rows of the requests that it sends, in order. */
  readonly rows: readonly string[];
  readonly run: (client: CosmosClient, orders: Container) => Promise<unknown>;
}

const first = "ReadDatabaseAccount";
const body = "function () {}";
const trigger = { body, triggerType: TriggerType.Pre, triggerOperation: TriggerOperation.All };
const scripts = (container: Container) => container.scripts;
const user = (client: CosmosClient) => client.database("shop").user("u");
const permission = {
  id: "sdk",
  permissionMode: PermissionMode.Read,
  resource: "dbs/shop/colls/orders/docs/sdk",
};

const methods: readonly Method[] = [
  {
    name: "list databases",
    rows: [first, "ListDatabases"],
    run: (client) => client.databases.readAll().fetchAll(),
  },
  {
    name: "create database",
    rows: [first, "CreateDatabase"],
    run: (client) => client.databases.create({ id: "sdk" }),
  },
  { name: "read database", rows: [first, "ReadDatabase"], run: (client) => client.database("shop").read() },
  {
    name: "list containers",
    rows: [first, "ListContainers"],
    run: (client) => client.database("shop").containers.readAll().fetchAll(),
  },
  {
    name: "create container",
    rows: [first, "CreateContainer"],
    run: (client) => client.database("shop").containers.create({ id: "sdk", partitionKey: "/pk" }),
  },
  { name: "read container", rows: [first, "ReadContainer"], run: (_, orders) => orders.read() },
  {
    name: "replace container",
    rows: [first, "ReplaceContainer"],
    run: (_, orders) => orders.replace({ id: "orders", partitionKey: { paths: ["/pk"] } }),
  },
  {
    name: "create item",
    rows: [first, "ReadContainer", "CreateItem"],
    run: (_, orders) => orders.items.create({ id: "sdk", pk: "a" }),
  },
  {
    name: "create item in b",
    rows: [first, "ReadContainer", "CreateItem:b"],
    run: (_, orders) => orders.items.create({ id: "sdk", pk: "b" }),
  },
  {
    name: "upsert item",
    rows: [first, "ReadContainer", "UpsertItem"],
    run: (_, orders) => orders.items.upsert({ id: "1", pk: "a" }),
  },
  { name: "read item", rows: [first, "ReadItem"], run: (_, orders) => orders.item("1", "a").read() },
  { name: "read item in b", rows: [first, "ReadItem:b"], run: (_, orders) => orders.item("1", "b").read() },
  {
    name: "replace item",
    rows: [first, "ReplaceItem"],
    run: (_, orders) => orders.item("1", "a").replace({ id: "1", pk: "a" }),
  },
  {
    name: "patch item",
    rows: [first, "PatchItem"],
    run: (_, orders) => orders.item("1", "a").patch([{ op: "set", path: "/n", value: 1 }]),
  },
  {
    name: "query a partition",
    rows: [first, "QueryItems:a"],
    run: (_, orders) => orders.items.query("SELECT * FROM c", { partitionKey: "a" }).fetchAll(),
  },
  {
    name: "query partition b",
    rows: [first, "QueryItems:b"],
    run: (_, orders) => orders.items.query("SELECT * FROM c", { partitionKey: "b" }).fetchAll(),
  },
  {
    name: "batch",
    rows: [first, "ExecuteBatch:both"],
    run: (_, orders) =>
      orders.items.batch(
        [
          { operationType: "Read", id: "1" },
          { operationType: "Upsert", resourceBody: { id: "9", pk: "a" } as JSONObject },
        ],
        "a",
      ),
  },
  {
    name: "list conflicts",
    rows: [first, "ListConflicts"],
    run: (_, orders) => orders.conflicts.readAll().fetchAll(),
  },
  {
    name: "list procedures",
    rows: [first, "ListStoredProcedures"],
    run: (_, orders) => scripts(orders).storedProcedures.readAll().fetchAll(),
  },
  {
    name: "create procedure",
    rows: [first, "CreateStoredProcedure"],
    run: (_, orders) => scripts(orders).storedProcedures.create({ id: "sdk", body }),
  },
  {
    name: "read procedure",
    rows: [first, "ReadStoredProcedure"],
    run: (_, orders) => scripts(orders).storedProcedure("s").read(),
  },
  {
    name: "replace procedure",
    rows: [first, "ReplaceStoredProcedure"],
    run: (_, orders) => scripts(orders).storedProcedure("s").replace({ id: "s", body }),
  },
  {
    name: "execute procedure",
    rows: [first, "ExecuteStoredProcedure"],
    run: (_, orders) => scripts(orders).storedProcedure("s").execute("a", []),
  },
  {
    name: "create trigger",
    rows: [first, "CreateTrigger"],
    run: (_, orders) => scripts(orders).triggers.create({ id: "sdk", ...trigger }),
  },
  {
    name: "read trigger",
    rows: [first, "ReadTrigger"],
    run: (_, orders) => scripts(orders).trigger("t").read(),
  },
  {
    name: "replace trigger",
    rows: [first, "ReplaceTrigger"],
    run: (_, orders) =>
      scripts(orders)
        .trigger("t")
        .replace({ id: "t", ...trigger }),
  },
  {
    name: "create function",
    rows: [first, "CreateUserDefinedFunction"],
    run: (_, orders) => scripts(orders).userDefinedFunctions.create({ id: "sdk", body }),
  },
  {
    name: "read function",
    rows: [first, "ReadUserDefinedFunction"],
    run: (_, orders) => scripts(orders).userDefinedFunction("f").read(),
  },
  {
    name: "replace function",
    rows: [first, "ReplaceUserDefinedFunction"],
    run: (_, orders) => scripts(orders).userDefinedFunction("f").replace({ id: "f", body }),
  },
  {
    name: "list users",
    rows: [first, "ListUsers"],
    run: (client) => client.database("shop").users.readAll().fetchAll(),
  },
  {
    name: "create user",
    rows: [first, "CreateUser"],
    run: (client) => client.database("shop").users.create({ id: "sdk" }),
  },
  { name: "read user", rows: [first, "ReadUser"], run: (client) => user(client).read() },
  {
    name: "list permissions",
    rows: [first, "ListPermissions"],
    run: (client) => user(client).permissions.readAll().fetchAll(),
  },
  {
    name: "create permission",
    rows: [first, "CreatePermission"],
    run: (client) => user(client).permissions.upsert(permission),
  },
  {
    name: "read permission",
    rows: [first, "ReadPermission"],
    run: (client) => user(client).permission("tokenAll").read(),
  },
  { name: "list offers", rows: [first, "ListOffers"], run: (client) => client.offers.readAll().fetchAll() },
];

/** Without retries: some denials would be tried again for half a minute. */
const connectionPolicy = {
  enableBackgroundEndpointRefreshing: false,
  retryOptions: { maxRetryAttemptCount: 0, fixedRetryIntervalInMilliseconds: 0, maxWaitTimeInSeconds: 1 },
};

/** `+`, or status and substatus as the SDK reports them. */
async function outcomeOf(run: () => Promise<unknown>): Promise<string> {
  try {
    await run();
    return "+";
  } catch (error) {
    // A batch that is refused as a whole comes as an error without a code.
    if (error instanceof Error && error.message.startsWith("Batch request error: ")) {
      return batchDenial(error.message);
    }
    if (!(error instanceof ErrorResponse)) throw error;
    const { code, substatus } = error as { code?: number; substatus?: number };
    if (code !== 401 && code !== 403) return "+";
    return substatus === undefined || substatus === 0 ? String(code) : `${code}/${substatus}`;
  }
}

/** What refused a batch, by the words that only this denial has. */
function batchDenial(message: string): string {
  const words: Readonly<Record<string, string>> = {
    "action [Microsoft.DocumentDB/databaseAccounts/readMetadata]": "403/5301",
    "required RBAC permissions": "403/5302",
    "has been expired": "401/5006",
    "unknown key": "401/5200",
    "is intended for": "401/5008",
    "not valid at the current time": "401",
    "can't serve the request": "401",
    "Insufficient permissions provided": "403",
  };
  const found = Object.keys(words).find((text) => message.includes(text));
  return words[found ?? ""] ?? message;
}

/** A room whose time is the SDK's time, which signs with the machine's clock. */
async function openRoomNow(): Promise<AccessRoom> {
  return openAccessRoom(Date.now() - 25 * 3_600_000);
}

function clientOf(
  { columns: credentials }: AccessRoom,
  key: string,
  column: string,
  { endpoint, agent }: Wire,
): CosmosClient {
  const credential = credentials.get(column);
  assert.ok(credential !== undefined, column);
  const options: CosmosClientOptions = { endpoint, agent, connectionPolicy };
  if (credential.kind === "key") return new CosmosClient({ ...options, key });
  if (credential.kind === "resource")
    return new CosmosClient({ ...options, tokenProvider: async () => credential.token });
  const getToken = async () => ({ token: credential.token, expiresOnTimestamp: Date.now() + 3_600_000 });
  return new CosmosClient({ ...options, aadCredentials: { getToken } });
}

async function keyOf({ fixture }: AccessRoom, column: string): Promise<string> {
  const keys = await fixture.control.listKeys(fixture.store, accountName);
  assert.ok(keys !== undefined);
  if (column === "wrongKey") return Buffer.alloc(64, 1).toString("base64");
  return column === "keyRo" ? keys.primaryReadonlyMasterKey : keys.primaryMasterKey;
}

describe("the access table through the SDK", () => {
  let room: AccessRoom;
  before(async () => {
    room = await openRoomNow();
  });
  for (const [place, column] of columns.entries()) {
    // Every credential in every run, with every method at full size.
    const some = methods.filter((_, at) => (at + place) % sized(3, 1) === 0);
    test(column, async () => {
      const wrong: string[] = [];
      await withWire(room.fixture, async (wire) => {
        const client = clientOf(room, await keyOf(room, column), column, wire);
        const orders = client.database("shop").container("orders");
        for (const { name, rows, run } of some) {
          const denied = rows
            .map((row) => table.get(`${row} ${column}`) ?? "no cell")
            .find((cell) => cell !== "+");
          const expected = denied === undefined ? "+" : denialOf(denied);
          const came = await outcomeOf(() => run(client, orders));
          if (came !== expected) wrong.push(`${name}: expected ${expected}, came ${came}`);
        }
        client.dispose();
      });
      assert.deepEqual(wrong, []);
    });
  }
});

describe("how the SDK chooses among several tokens", () => {
  let room: AccessRoom;
  let stop: () => void = () => {};
  let wire: Wire;
  let served: Promise<void>;
  before(async () => {
    room = await openRoomNow();
    await new Promise<void>((ready) => {
      served = withWire(room.fixture, async (given) => {
        wire = given;
        ready();
        await new Promise<void>((resolve) => {
          stop = resolve;
        });
      });
    });
  });
  after(async () => {
    stop();
    await served;
  });
  const token = (column: string): string => {
    const credential = room.columns.get(column);
    assert.ok(credential?.kind === "resource");
    return credential.token;
  };
  const use = (
    options: CosmosClientOptions,
  ): { client: CosmosClient; orders: Container; customers: Container } => {
    const client = new CosmosClient({
      agent: wire.agent,
      connectionPolicy,
      ...options,
      endpoint: wire.endpoint,
    });
    const container = (name: string): Container => client.database("shop").container(name);
    return { client, orders: container("orders"), customers: container("customers") };
  };

  test("resourceTokens by container path: each container under its own", async () => {
    const { orders, customers } = use({
      resourceTokens: {
        "dbs/shop/colls/orders": token("tokenRead"),
        "dbs/shop/colls/customers": token("otherAll"),
      },
    });
    assert.equal((await orders.item("1", "a").read()).statusCode, 200);
    assert.equal((await customers.item("1", "a").read()).statusCode, 200);
    assert.equal(await outcomeOf(() => customers.items.upsert({ id: "1", pk: "a" })), "+");
    assert.equal(await outcomeOf(() => orders.items.upsert({ id: "1", pk: "a" })), "403");
    assert.equal(await outcomeOf(() => orders.item("1", "a").delete()), "403");
  });

  test("resourceTokens of an item alone: its read is granted, its container's is sent without a token", async () => {
    const { orders } = use({ resourceTokens: { "dbs/shop/colls/orders/docs/1": token("itemRead") } });
    assert.equal((await orders.item("1", "a").read()).statusCode, 200);
    assert.equal(await outcomeOf(() => orders.read()), "401");
    assert.equal(await outcomeOf(() => orders.item("2", "a").read()), "401");
  });

  test("permissionFeed as the broker reads it", async () => {
    const reply = await room.fixture.sendSigned("GET", "/dbs/shop/users/partAll/permissions");
    const permissionFeed = (bodyOf(reply) as { Permissions: { _token: string; resource: string }[] })
      .Permissions;
    const { orders } = use({ permissionFeed: permissionFeed as never });
    assert.equal((await orders.items.upsert({ id: "fed", pk: "a" })).statusCode, 201);
    const found = await orders.items.query("SELECT VALUE c.pk FROM c", { partitionKey: "a" }).fetchAll();
    assert.deepEqual([...new Set(found.resources)], ["a"]);
    assert.equal(await outcomeOf(() => orders.items.upsert({ id: "fed", pk: "b" })), "403");
    assert.equal(await outcomeOf(() => orders.items.query("SELECT * FROM c").fetchAll()), "403");
    const one = [{ operationType: "Upsert" as const, resourceBody: { id: "bulk", pk: "a" } as JSONObject }];
    await assert.rejects(orders.items.bulk(one), /Insufficient permissions provided/);
  });

  test("a token that has expired is 401", async () => {
    const { orders } = use({ resourceTokens: { "dbs/shop/colls/orders": token("tokenOld") } });
    assert.equal(await outcomeOf(() => orders.item("1", "a").read()), "401");
  });
});

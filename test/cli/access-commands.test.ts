/** `can-i`, `suggest-role`, `audit` and `keys` against a whole server, driven by the unmodified SDK. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { ChangeFeedStartFrom, type CosmosClient } from "@azure/cosmos";
import { planRoles } from "../../src/cli/suggest-role-plan.ts";
import type { AccessUse } from "../../src/observability/access-use.ts";
import { withAccessServer } from "./access-server.ts";

const reader = "00000000-0000-0000-0000-000000000001";
const contributor = "00000000-0000-0000-0000-000000000002";
const prefix = "Microsoft.DocumentDB/databaseAccounts/";
const containers = `${prefix}sqlDatabases/containers/`;

/** A program with several needs: it writes, reads, queries and follows changes, and reads its database's metadata. */
async function program(client: CosmosClient): Promise<void> {
  const database = client.database("db");
  await database.containers.readAll().fetchAll();
  const orders = database.container("orders");
  await orders.items.upsert({ id: "1", pk: "a" });
  await orders.item("1", "a").read();
  await orders.items.query("SELECT * FROM c", { partitionKey: "a" }).fetchAll();
  const changes = orders.items.getChangeFeedIterator({
    changeFeedStartFrom: ChangeFeedStartFrom.Beginning(),
  });
  await changes.readNext();
}

describe("can-i", () => {
  test("answers as requests are answered", async () => {
    await withAccessServer(async ({ identity, assign, celestite, account, group }) => {
      await assign(await identity("worker"), reader, "/dbs/db");
      const questions: readonly (readonly [string, string, number])[] = [
        ["items/read", "/dbs/db/colls/orders", 0],
        [`${containers}items/read`, "/dbs/db", 0],
        ["readMetadata", "/dbs/db/colls/orders", 0],
        ["readMetadata", "/", 1],
        ["items/read", "/dbs/other/colls/orders", 1],
        ["items/upsert", "/dbs/db/colls/orders", 1],
        [`${prefix}listKeys/action`, account, 1],
        [`${prefix}read`, group, 1],
      ];
      for (const [action, scope, code] of questions) {
        const said = await celestite("can-i", "worker", action, scope);
        assert.equal(said.code, code, `${action} ${scope}: ${said.out}${said.error}`);
        assert.match(said.out, code === 0 ? /^yes\n/ : /^no\n/);
      }
      const no = await celestite("can-i", "worker", "items/upsert", "/dbs/db/colls/orders");
      assert.match(no.out, /does not apply: its role does not contain the action/);
      assert.match(no.out, /celestite role assign --account shop --principal worker --role/);
      const json = JSON.parse(
        (await celestite("can-i", "worker", "items/read", "/dbs/db", "--json")).out,
      ) as {
        allowed: boolean;
      };
      assert.equal(json.allowed, true);
    });
  });

  test("an owner of the group may list keys, and read no data", async () => {
    await withAccessServer(async ({ server, celestite, account }) => {
      const user = server.identity.directory.bootstrapUserId;
      assert.equal((await celestite("can-i", user, `${prefix}listKeys/action`, account)).code, 0);
      assert.equal((await celestite("can-i", user, "items/read", "/dbs/db/colls/orders")).code, 1);
    });
  });

  for (const [args, code, words] of [
    [[], 2, /PRINCIPAL ACTION SCOPE/],
    [["nobody", "items/read", "/"], 1, /There is no principal 'nobody'/],
    [["worker", "items/read", "/colls/x"], 1, /is no scope/],
  ] as const) {
    test(`'can-i ${args.join(" ")}' says what is wrong`, async () => {
      await withAccessServer(async ({ identity, celestite }) => {
        await identity("worker");
        const said = await celestite("can-i", ...args);
        assert.equal(said.code, code);
        assert.match(said.error, words);
      });
    });
  }
});

describe("suggest-role", () => {
  test("roles from a recorded run let the same program pass, and not one action can be taken away", async () => {
    await withAccessServer(
      async ({ identity, assign, arm, client, celestite, account, directory, group, server }) => {
        const principal = await identity("worker");
        await assign(principal, contributor);
        await program(client(principal));
        const said = await celestite("suggest-role", "--principal", "worker", "--format", "json");
        assert.equal(said.code, 0, said.error);
        assert.match(
          said.error,
          /granted by "Cosmos DB Built-in Data Contributor" at \/ and not used: .*items\/delete/,
        );
        const file = join(directory, "roles.json");
        await writeFile(file, said.out);

        const other = await identity("other");
        const deployed = await celestite("deploy", file, "-g", "rg", "-p", `principalId=${other}`);
        assert.equal(deployed.code, 0, deployed.error);
        await program(client(other));

        const definitions = (JSON.parse(said.out) as { resources: Resource[] }).resources.filter(({ type }) =>
          type.endsWith("/sqlRoleDefinitions"),
        );
        const granted = definitions.flatMap(({ properties }) => properties.permissions[0]?.dataActions ?? []);
        assert.ok(granted.length >= 5, granted.join());
        for (const definition of definitions) {
          const name = /'\/([0-9a-f-]{36})'/.exec(definition.name)?.[1] ?? "";
          const path = `${account}/sqlRoleDefinitions/${name}?api-version=2024-08-15`;
          const put = async (dataActions: readonly string[]) =>
            arm("PUT", path, {
              properties: {
                roleName: definition.properties.roleName,
                type: "CustomRole",
                assignableScopes: [account],
                permissions: [{ dataActions }],
              },
            });
          const all = definition.properties.permissions[0]?.dataActions ?? [];
          for (const action of all) {
            const rest = all.filter((one) => one !== action);
            await put(rest.length === 0 ? [`${containers}manageConflicts`] : rest);
            await assert.rejects(program(client(other)), { code: 403 }, `${action} is not needed`);
          }
          await put(all);
        }
        await program(client(other));
        assert.ok(group !== "" && server !== undefined);
      },
    );
  });

  test("each format names every role, and Bicep compiles", async () => {
    await withAccessServer(async ({ identity, assign, client, celestite, directory }) => {
      const principal = await identity("worker");
      await assign(principal, contributor);
      await program(client(principal));
      const written = new Map<string, string>();
      for (const format of ["bicep", "json", "az", "terraform"]) {
        const said = await celestite("suggest-role", "--principal", "worker", "--format", format);
        assert.equal(said.code, 0, said.error);
        assert.match(said.out, /items\/upsert/);
        assert.doesNotMatch(said.out, /items\/delete|\*/);
        written.set(format, said.out);
      }
      assert.match(
        written.get("az") ?? "",
        /az cosmosdb sql role assignment create .*--scope "\/dbs\/db\/colls\/orders"/,
      );
      assert.match(written.get("terraform") ?? "", /resource "azurerm_cosmosdb_sql_role_definition" "role1"/);
      const file = join(directory, "roles.bicep");
      await writeFile(file, written.get("bicep") ?? "");
      const deployed = await celestite("deploy", file, "-g", "rg");
      assert.equal(deployed.code, 0, deployed.error);
    });
  });

  test("audit mode shows what a program without any role needs", async () => {
    await withAccessServer(async ({ identity, client, celestite }) => {
      const principal = await identity("newcomer");
      await assert.rejects(program(client(principal)), { code: 403 });
      assert.equal((await celestite("suggest-role", "--principal", "newcomer")).code, 1);
      assert.equal((await celestite("audit", "mode", "audit")).code, 0);
      await program(client(principal));
      const denials = await celestite("audit", "denials");
      assert.match(
        denials.out,
        new RegExp(`shop: principal ${principal} \\(newcomer\\) lacks .*items/upsert on dbs/db/colls/orders`),
      );
      assert.equal((await celestite("suggest-role", "--principal", "newcomer")).code, 0);
      assert.equal((await celestite("audit", "mode", "enforce")).code, 0);
      await assert.rejects(program(client(principal)), { code: 403 });
    });
  });
});

interface Resource {
  readonly type: string;
  readonly name: string;
  readonly properties: {
    readonly roleName: string;
    readonly permissions: readonly { readonly dataActions: readonly string[] }[];
  };
}

describe("the plan behind suggest-role", () => {
  const use = (action: string, resource: string, operation = "Any"): AccessUse => ({
    account: "shop",
    kind: "aad",
    who: "p",
    action,
    resource,
    operation,
    clientIpAddress: "127.0.0.1",
    userAgent: "",
    count: 1,
    wouldDeny: 0,
    first: 1,
    last: 1,
  });
  const metadata = `${prefix}readMetadata`;
  const read = `${containers}items/read`;
  const c = "dbs/d/colls/c";
  const table: readonly (readonly [
    string,
    readonly AccessUse[],
    readonly (readonly [string, ...string[]])[],
  ])[] = [
    ["nothing", [], []],
    ["the account alone", [use(metadata, "/", "ReadDatabaseAccount")], [["/", metadata]]],
    [
      "the account and an item",
      [use(metadata, "/", "ReadDatabaseAccount"), use(read, c)],
      [[`/${c}`, metadata, read]],
    ],
    [
      "the account and a database",
      [use(metadata, "/", "ReadDatabaseAccount"), use(metadata, "dbs/d"), use(read, c)],
      [
        ["/dbs/d", metadata],
        [`/${c}`, read],
      ],
    ],
    ["a container under its database", [use(metadata, "dbs/d"), use(metadata, c)], [["/dbs/d", metadata]]],
    ["all databases", [use(metadata, "/", "ListDatabases"), use(metadata, c)], [["/", metadata]]],
    ["what no role allows", [use("CreateDatabase", "/", "CreateDatabase")], []],
    [
      "two containers of like names",
      [use(read, "dbs/d/colls/c"), use(read, "dbs/d/colls/cc")],
      [
        ["/dbs/d/colls/c", read],
        ["/dbs/d/colls/cc", read],
      ],
    ],
  ];
  for (const [name, uses, expected] of table) {
    test(name, () => {
      const shown = planRoles(uses, []).needed.map(({ scope, actions }) => [scope, ...actions]);
      assert.deepEqual(
        shown,
        expected.map(([scope, ...actions]) => [scope, ...actions.sort()]),
      );
    });
  }

  test("rights that were not used, wildcards taken apart", () => {
    const granted = [{ roleName: "R", scope: "/dbs/d", actions: [`${containers}items/*`, metadata] }];
    const { unused } = planRoles([use(read, c), use(metadata, "/", "ReadDatabaseAccount")], granted);
    const names = unused.map(({ action }) => action.slice(containers.length));
    assert.deepEqual(names.sort(), [
      "items/create",
      "items/delete",
      "items/replace",
      "items/unmask",
      "items/upsert",
    ]);
  });
});

describe("audit keys", () => {
  test("names the program until it has moved to an identity", async () => {
    await withAccessServer(async ({ arm, account, identity, assign, client, celestite }) => {
      const clean = await celestite("audit", "keys");
      assert.deepEqual([clean.code, clean.out.includes("is safe to set")], [0, true]);
      const principal = await identity("worker");
      await assign(principal, contributor);
      await program(client(principal));
      assert.equal((await celestite("audit", "keys")).code, 0, "an identity is no key");
      const { body } = await arm("POST", `${account}/listKeys?api-version=2024-08-15`);
      await program(client({ key: String(body["secondaryMasterKey"]) }));
      const said = await celestite("audit", "keys", "--account", "shop");
      assert.equal(said.code, 1);
      assert.match(said.out, /shop: account key secondary from 127\.0\.0\.1, \d+ requests, last 20/);
      assert.match(said.out, /azure-cosmos-js|azsdk-js-cosmos/);
      assert.match(said.out, /QueryItems.*UpsertItem/);
      assert.match(said.out, /disableLocalAuth is not safe to set/);
      for (const key of Object.values(body)) assert.ok(!said.out.includes(String(key)));
    });
  });
});

describe("keys", () => {
  test("list, connection-strings and regenerate", async () => {
    await withAccessServer(async ({ celestite, client }) => {
      const listed = async (): Promise<Record<string, string>> =>
        JSON.parse((await celestite("keys", "list", "--json")).out) as Record<string, string>;
      const before = await listed();
      assert.match((await celestite("keys", "list")).out, /^primaryMasterKey +\S{88}\n/);
      assert.match(
        (await celestite("keys", "connection-strings")).out,
        /^Primary SQL Connection String +AccountEndpoint=https:\/\/localhost:\d+\/;AccountKey=/,
      );
      assert.equal((await celestite("keys", "regenerate", "--kind", "Primary")).code, 0);
      const after = await listed();
      assert.notEqual(after["primaryMasterKey"], before["primaryMasterKey"]);
      assert.equal(after["secondaryMasterKey"], before["secondaryMasterKey"]);
      await assert.rejects(
        client({ key: before["primaryMasterKey"] ?? "" })
          .database("db")
          .read(),
        { code: 401 },
      );
      await client({ key: after["primaryMasterKey"] ?? "" })
        .database("db")
        .read();
      assert.equal((await celestite("keys", "regenerate")).code, 2);
      assert.equal((await celestite("keys", "regenerate", "--kind", "third")).code, 2);
      assert.equal((await celestite("keys", "list", "--account", "none")).code, 1);
    });
  });
});

describe("role", () => {
  test("defines, assigns and lists; and says what is meant by names that articles use", async () => {
    await withAccessServer(async ({ identity, celestite, client }) => {
      const principal = await identity("worker");
      const defined = await celestite(
        "role",
        "define",
        "--name",
        "Looker",
        "--actions",
        "readMetadata,sqlDatabases/containers/items/read",
      );
      assert.equal(defined.code, 0, defined.error);
      assert.equal((await celestite("role", "assign", "--principal", "worker", "--role", "looker")).code, 0);
      await client(principal).database("db").read();
      const again = await celestite(
        "role",
        "define",
        "--name",
        "Looker",
        "--actions",
        `${containers}items/read`,
      );
      assert.equal(again.code, 0, again.error);
      await assert.rejects(client(principal).database("db").read(), { code: 403 });
      assert.match(
        (await celestite("role", "list")).out,
        /Looker\n(.|\n)*Assignments:\n +[0-9a-f-]{36} worker +Looker +\/\n/,
      );
      for (const [role, words] of [
        ["Cosmos DB Data Reader", /Azure has no role 'Cosmos DB Data Reader'.*Built-in Data Reader/],
        ["Cosmos DB Operator", /opens no data.*Built-in Data Contributor/],
        ["Nothing", /has no role "Nothing"; it has: "Cosmos DB Built-in Data Reader"/],
      ] as const) {
        const said = await celestite("role", "assign", "--principal", "worker", "--role", role);
        assert.equal(said.code, 1);
        assert.match(said.error, words);
      }
      for (const actions of ["readEverything", "", "Microsoft.Storage/read"]) {
        assert.equal(
          (await celestite("role", "define", "--name", "Bad", "--actions", actions)).code,
          1,
          actions,
        );
      }
    });
  });
});

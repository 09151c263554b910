/** Server-side JavaScript, users and permissions through the unmodified SDK, over a real socket, on one range and on four. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  type Container,
  type Database,
  ErrorResponse,
  PermissionMode,
  TriggerOperation,
  TriggerType,
} from "@azure/cosmos";
import { openMemory } from "../../../src/storage/memory.ts";
import { openSdkFixture, type SdkFixture } from "../sdk-fixture.ts";

/** What the SDK rejects with, as `status` or `status/substatus`. */
async function refused(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof ErrorResponse, String(error));
    return error.substatus ? `${error.code}/${error.substatus}` : String(error.code);
  }
  return "done";
}

for (const ranges of [1, 4]) {
  describe(`the SDK on ${ranges} range${ranges === 1 ? "" : "s"}`, () => {
    let fixture: SdkFixture;
    let database: Database;
    let container: Container;
    before(async () => {
      fixture = await openSdkFixture(openMemory(), ranges);
      ({ database } = await fixture.client.databases.create({ id: "shop" }));
      ({ container } = await database.containers.create({ id: "orders", partitionKey: "/pk" }));
      for (const [id, pk] of [
        ["1", "a"],
        ["2", "a"],
        ["3", "b"],
      ] as const) {
        await container.items.create({ id, pk, price: Number(id) * 10 });
      }
    });
    after(async () => {
      await fixture.engine.scripts.close();
      await fixture.close();
    });

    test("stored procedures", async () => {
      const { storedProcedures } = container.scripts;
      const body = `function total(factor) {
        var collection = getContext().getCollection();
        console.log("factor " + factor);
        var accepted = collection.queryDocuments(collection.getSelfLink(), "SELECT VALUE SUM(c.price) FROM c", {}, function (error, sums) {
          if (error) throw error;
          getContext().getResponse().setBody({ total: sums[0] * factor });
        });
        if (!accepted) throw new Error("not accepted");
      }`;
      const { resource } = await storedProcedures.create({ id: "total", body });
      assert.equal(resource?.body, body);
      const procedure = container.scripts.storedProcedure("total");
      const a = await procedure.execute("a", [2], { enableScriptLogging: true });
      assert.deepEqual(a.resource, { total: 60 });
      assert.equal(decodeURIComponent(String(a.headers["x-ms-documentdb-script-log-results"])), "factor 2");
      assert.ok(a.requestCharge > 0);
      assert.deepEqual((await procedure.execute("b", [1])).resource, { total: 30 });
      await procedure.replace({ id: "total", body: () => {} });
      assert.equal((await procedure.execute("a")).resource, "");
      assert.match(String((await procedure.read()).resource?.body), /=>/);
      assert.deepEqual(
        (await storedProcedures.readAll().fetchAll()).resources.map(({ id }) => id),
        ["total"],
      );
      const found = await storedProcedures
        .query({ query: "SELECT * FROM r WHERE r.id = 'total'" })
        .fetchAll();
      assert.equal(found.resources.length, 1);
      assert.equal(await refused(storedProcedures.create({ id: "total", body })), "409");
      await storedProcedures.create({ id: "bad", body: "SELECT 1" });
      assert.equal(await refused(container.scripts.storedProcedure("bad").execute("a")), "400/65535");
      await procedure.delete();
      assert.equal(await refused(procedure.execute("a")), "404");
    });

    test("a procedure that fails says why and changes nothing", async () => {
      const body = `function fails() {
        __.createDocument(__.getSelfLink(), { id: "late", pk: "a" }, function (error, document) {
          if (error) throw error;
          throw new Error(449, "Try again: " + document.id);
        });
      }`;
      await container.scripts.storedProcedures.create({ id: "fails", body });
      const procedure = container.scripts.storedProcedure("fails");
      await assert.rejects(procedure.execute("a"), (error: ErrorResponse) => {
        assert.equal(error.code, 400);
        assert.equal(error.substatus, 449);
        assert.match(
          String(error.message),
          /Encountered exception while executing function\. Exception = Error: Try again: late/,
        );
        return true;
      });
      assert.equal((await container.item("late", "a").read()).statusCode, 404);
    });

    test("triggers", async () => {
      const { triggers } = container.scripts;
      await triggers.create({
        id: "stamp",
        triggerType: TriggerType.Pre,
        triggerOperation: TriggerOperation.Create,
        body: "function () { var r = getContext().getRequest(); var d = r.getBody(); d.stamped = true; r.setBody(d); }",
      });
      await triggers.create({
        id: "count",
        triggerType: TriggerType.Post,
        triggerOperation: TriggerOperation.All,
        body: `function () {
          var c = getContext().getCollection();
          var made = getContext().getResponse().getBody();
          c.upsertDocument(c.getSelfLink(), { id: "last", pk: made.pk, of: made.id }, function (e) { if (e) throw e; });
        }`,
      });
      const options = { preTriggerInclude: ["stamp"], postTriggerInclude: ["count"] };
      const { resource } = await container.items.create({ id: "t", pk: "t" }, options);
      assert.equal((resource as { stamped?: boolean } | undefined)?.stamped, true);
      assert.equal((await container.item("last", "t").read()).resource.of, "t");
      assert.equal(await refused(container.item("t", "t").replace({ id: "t", pk: "t" }, options)), "400");
      await container.scripts.trigger("stamp").delete();
      assert.equal(await refused(container.items.create({ id: "u", pk: "t" }, options)), "400");
      assert.deepEqual(
        (await triggers.readAll().fetchAll()).resources.map(({ id }) => id),
        ["count"],
      );
    });

    test("user-defined functions", async () => {
      const { userDefinedFunctions } = container.scripts;
      await userDefinedFunctions.create({
        id: "gross",
        body: "function gross(net) { return net === undefined ? undefined : Math.round(net * 119) / 100; }",
      });
      const query =
        "SELECT c.id, udf.gross(c.price) AS gross FROM c WHERE udf.gross(c.price) > 12 ORDER BY c.price";
      const { resources } = await container.items.query(query).fetchAll();
      assert.deepEqual(resources, [
        { id: "2", gross: 23.8 },
        { id: "3", gross: 35.7 },
      ]);
      const one = await container.items
        .query("SELECT VALUE udf.gross(c.price) FROM c", { partitionKey: "a" })
        .fetchAll();
      assert.deepEqual(one.resources, [11.9, 23.8]);
      const paged: unknown[] = [];
      const iterator = container.items.query("SELECT VALUE udf.gross(c.price) FROM c WHERE c.pk = 'a'", {
        maxItemCount: 1,
      });
      while (iterator.hasMoreResults()) paged.push(...((await iterator.fetchNext()).resources ?? []));
      assert.deepEqual(paged, [11.9, 23.8]);
      await container.scripts.userDefinedFunction("gross").delete();
      assert.equal(await refused(container.items.query(query).fetchAll()), "400");
    });

    test("users and permissions", async () => {
      await database.users.create({ id: "ada" });
      const user = database.user("ada");
      const definition = { id: "reads", permissionMode: PermissionMode.Read, resource: container.url };
      const { resource } = await user.permissions.create(definition, { resourceTokenExpirySeconds: 600 });
      assert.equal(resource?.permissionMode, PermissionMode.Read);
      assert.equal(await refused(user.permissions.create({ ...definition, id: "again" })), "409");
      const permission = user.permission("reads");
      const replaced = await permission.replace({ ...definition, permissionMode: PermissionMode.All });
      assert.equal(replaced.resource?.permissionMode, PermissionMode.All);
      assert.equal(
        (await user.permissions.upsert({ ...definition, id: "reads" })).resource?.permissionMode,
        PermissionMode.Read,
      );
      assert.deepEqual(
        (await user.permissions.readAll().fetchAll()).resources.map(({ id }) => id),
        ["reads"],
      );
      await database.users.upsert({ id: "bob" });
      const users = await database.users
        .query({ query: "SELECT VALUE u.id FROM u ORDER BY u.id" })
        .fetchAll();
      assert.deepEqual(users.resources, ["ada", "bob"]);
      await permission.delete();
      await user.delete();
      assert.equal(await refused(user.read()), "404");
    });
  });
}

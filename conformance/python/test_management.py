"""Databases, containers, throughput, scripts, users, batches and the change feed through azure-cosmos with an account key."""
import os
import time
import unittest

from azure.core import MatchConditions
from azure.cosmos import CosmosClient, PartitionKey, ThroughputProperties, documents, exceptions

ENDPOINT = os.environ["CONFORMANCE_keyEndpoint"]
NAME = f"python-{os.getpid()}"


class Managed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = CosmosClient(ENDPOINT, credential=os.environ["CONFORMANCE_key"])
        cls.name = f"{NAME}-{cls.__name__}"
        cls.database = cls.client.create_database(cls.name)
        cls.container = cls.database.create_container("c", PartitionKey(path="/pk"))

    @classmethod
    def tearDownClass(cls):
        cls.client.delete_database(cls.name)

    def fails(self, status, work, sub_status=None):
        with self.assertRaises(exceptions.CosmosHttpResponseError) as raised:
            work()
        self.assertEqual(raised.exception.status_code, status)
        if sub_status is not None:
            self.assertEqual(raised.exception.sub_status, sub_status)


class Metadata(Managed):
    def test_databases(self):
        self.fails(409, lambda: self.client.create_database(self.name))
        self.fails(400, lambda: self.client.create_database("x" * 256))
        self.assertIn(self.name, [d["id"] for d in self.client.list_databases()])
        query = {"query": "SELECT * FROM root r WHERE r.id = @id", "parameters": [{"name": "@id", "value": self.name}]}
        self.assertEqual([d["id"] for d in self.client.query_databases(**query)], [self.name])
        self.assertEqual(self.database.read()["id"], self.name)
        self.fails(404, self.client.get_database_client("none").read)
        self.fails(404, lambda: self.client.delete_database("none"))

    def test_containers(self):
        own = self.database.create_container("own", PartitionKey(path="/pk"))
        self.fails(409, lambda: self.database.create_container("own", PartitionKey(path="/pk")))
        etag = own.read()["_etag"]
        replaced = self.database.replace_container(own, PartitionKey(path="/pk"), default_ttl=100)
        self.assertEqual(replaced.read()["defaultTtl"], 100)
        self.fails(400, lambda: self.database.replace_container(own, PartitionKey(path="/other")))
        stale = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        self.fails(412, lambda: self.database.replace_container(own, PartitionKey(path="/pk"), **stale))
        self.assertIn("own", [c["id"] for c in self.database.list_containers()])
        self.assertEqual(len(list(self.database.query_containers("SELECT * FROM r WHERE r.id = 'own'"))), 1)
        self.database.delete_container("own")
        self.fails(404, own.read)
        missing = self.client.get_database_client("none")
        self.fails(404, lambda: missing.create_container("x", PartitionKey(path="/pk")))

    def test_unique_keys_and_time_to_live(self):
        policy = {"uniqueKeys": [{"paths": ["/mail"]}]}
        own = self.database.create_container("unique", PartitionKey(path="/pk"), unique_key_policy=policy, default_ttl=-1)
        own.create_item({"id": "1", "pk": "a", "mail": "m", "ttl": 1})
        self.fails(409, lambda: own.create_item({"id": "2", "pk": "a", "mail": "m"}))
        time.sleep(2.1)
        self.fails(404, lambda: own.read_item("1", "a"))
        own.create_item({"id": "2", "pk": "a", "mail": "m"})

    def test_throughput(self):
        own = self.database.create_container("offered", PartitionKey(path="/pk"), offer_throughput=500)
        self.assertEqual(own.get_throughput().offer_throughput, 500)
        self.assertEqual(own.replace_throughput(700).offer_throughput, 700)
        self.fails(400, lambda: own.replace_throughput(750))
        autoscale = ThroughputProperties(auto_scale_max_throughput=4000)
        scaled = self.database.create_container("autoscale", PartitionKey(path="/pk"), offer_throughput=autoscale)
        self.assertEqual(scaled.get_throughput().auto_scale_max_throughput, 4000)

    def test_throughput_that_is_used_up_is_waited_for(self):
        own = self.database.create_container("slow", PartitionKey(path="/pk"), offer_throughput=400)
        for n in range(8):
            own.create_item({"id": str(n), "pk": "a", "v": "x" * 20_000})
        self.assertEqual(len(list(own.read_all_items())), 8)

    def test_users_and_permissions(self):
        user = self.database.create_user({"id": "u"})
        self.fails(409, lambda: self.database.create_user({"id": "u"}))
        self.database.upsert_user({"id": "v"})
        self.assertEqual(len(list(self.database.list_users())), 2)
        self.assertEqual(len(list(self.database.query_users("SELECT * FROM r WHERE r.id = 'v'"))), 1)
        self.database.replace_user("v", {"id": "w"})
        self.database.delete_user("w")
        self.assertEqual(user.read()["id"], "u")
        link = self.container.read()["_self"]
        permission = user.create_permission({"id": "p", "permissionMode": "Read", "resource": link})
        self.assertEqual(user.get_permission("p").permission_mode, "Read")
        self.assertEqual(len(list(user.list_permissions())), 1)
        self.assertEqual(len(list(user.query_permissions("SELECT * FROM r"))), 1)
        user.upsert_permission({"id": "p", "permissionMode": "Read", "resource": link})
        self.assertTrue(permission.properties["_token"].startswith("type=resource&"))
        user.replace_permission("p", {"id": "p", "permissionMode": "All", "resource": link})
        user.delete_permission("p")
        self.fails(404, lambda: user.get_permission("p"))
        self.database.delete_user("u")

    def test_conflicts(self):
        self.assertEqual(list(self.container.list_conflicts()), [])
        self.assertEqual(list(self.container.query_conflicts("SELECT * FROM r", enable_cross_partition_query=True)), [])
        self.fails(404, lambda: self.container.get_conflict("none", "a"))
        self.fails(404, lambda: self.container.delete_conflict("none", "a"))


class Scripts(Managed):
    BODY = "function (name) { getContext().getResponse().setBody('hello ' + name); }"

    def test_stored_procedures(self):
        scripts = self.container.scripts
        scripts.create_stored_procedure({"id": "hello", "body": self.BODY})
        self.fails(409, lambda: scripts.create_stored_procedure({"id": "hello", "body": self.BODY}))
        self.assertEqual(scripts.execute_stored_procedure("hello", partition_key="a", params=["you"]), "hello you")
        self.assertEqual(scripts.get_stored_procedure("hello")["body"], self.BODY)
        scripts.replace_stored_procedure("hello", {"id": "hello", "body": "function () { throw new Error('no'); }"})
        self.fails(400, lambda: scripts.execute_stored_procedure("hello", partition_key="a"))
        # What does not compile is kept, and fails when it is to run.
        scripts.replace_stored_procedure("hello", {"id": "hello", "body": "function ("})
        self.fails(400, lambda: scripts.execute_stored_procedure("hello", partition_key="a"))
        self.assertEqual(len(list(scripts.list_stored_procedures())), 1)
        self.assertEqual(len(list(scripts.query_stored_procedures("SELECT * FROM r"))), 1)
        scripts.delete_stored_procedure("hello")
        self.fails(404, lambda: scripts.execute_stored_procedure("hello", partition_key="a"))

    def test_triggers(self):
        scripts = self.container.scripts
        body = "function () { const r = getContext().getRequest(); const b = r.getBody(); b.stamped = true; r.setBody(b); }"
        definition = {
            "id": "stamp",
            "body": body,
            "triggerType": documents.TriggerType.Pre,
            "triggerOperation": documents.TriggerOperation.Create,
        }
        scripts.create_trigger(definition)
        item = self.container.create_item({"id": "t", "pk": "t"}, pre_trigger_include="stamp")
        self.assertTrue(item["stamped"])
        self.assertEqual(scripts.get_trigger("stamp")["id"], "stamp")
        scripts.replace_trigger("stamp", {**definition, "body": "function () {}"})
        self.assertEqual(len(list(scripts.list_triggers())), 1)
        self.assertEqual(len(list(scripts.query_triggers("SELECT * FROM r"))), 1)
        scripts.delete_trigger("stamp")
        self.fails(404, lambda: scripts.get_trigger("stamp"))

    def test_user_defined_functions(self):
        scripts = self.container.scripts
        scripts.create_user_defined_function({"id": "twice", "body": "function (n) { return 2 * n; }"})
        self.container.upsert_item({"id": "udf", "pk": "udf", "n": 21})
        query = "SELECT VALUE udf.twice(c.n) FROM c WHERE c.id = 'udf'"
        self.assertEqual(list(self.container.query_items(query, partition_key="udf")), [42])
        self.assertEqual(scripts.get_user_defined_function("twice")["id"], "twice")
        scripts.replace_user_defined_function("twice", {"id": "twice", "body": "function (n) { return n; }"})
        self.assertEqual(len(list(scripts.list_user_defined_functions())), 1)
        self.assertEqual(len(list(scripts.query_user_defined_functions("SELECT * FROM r"))), 1)
        scripts.delete_user_defined_function("twice")
        self.fails(404, lambda: scripts.get_user_defined_function("twice"))


class Items(Managed):
    def test_patch(self):
        self.container.upsert_item({"id": "patched", "pk": "p", "n": 1})
        operations = [{"op": "incr", "path": "/n", "value": 4}, {"op": "add", "path": "/list", "value": [1]}]
        self.assertEqual(self.container.patch_item("patched", "p", operations)["n"], 5)
        setting = [{"op": "set", "path": "/n", "value": 0}]
        condition = "from c where c.n = 1"
        self.fails(412, lambda: self.container.patch_item("patched", "p", setting, filter_predicate=condition), 1110)
        self.fails(400, lambda: self.container.patch_item("patched", "p", [{"op": "remove", "path": "/none"}]))
        self.fails(404, lambda: self.container.patch_item("none", "p", setting))

    def test_transactional_batch(self):
        def create(item):
            return ("create", ({"id": item, "pk": "batch"},))

        done = self.container.execute_item_batch([create("1"), ("read", ("1",))], partition_key="batch")
        self.assertEqual([result["statusCode"] for result in done], [201, 200])
        with self.assertRaises(exceptions.CosmosBatchOperationError) as raised:
            self.container.execute_item_batch([create("2"), create("1")], partition_key="batch")
        self.assertEqual(raised.exception.error_index, 1)
        self.assertEqual([r["statusCode"] for r in raised.exception.operation_responses], [424, 409])
        self.fails(404, lambda: self.container.read_item("2", "batch"))
        self.fails(400, lambda: self.container.execute_item_batch([create(f"m{n}") for n in range(101)], "batch"))

    def test_delete_by_partition_key(self):
        for n in range(5):
            self.container.create_item({"id": str(n), "pk": "gone"})
        self.container.delete_all_items_by_partition_key("gone")
        self.assertEqual(list(self.container.query_items("SELECT * FROM c", partition_key="gone")), [])

    def test_partition_keys_of_every_kind(self):
        for item, pk in [("number", 1.5), ("true", True), ("null", None), ("unicode", "żółć 🦊")]:
            self.container.create_item({"id": item, "pk": pk})
            self.assertEqual(self.container.read_item(item, pk if pk is not None else None)["id"], item)
        own = self.database.create_container("hierarchical", PartitionKey(path=["/tenant", "/user"], kind="MultiHash"))
        for n in range(6):
            own.create_item({"id": str(n), "tenant": f"t{n % 2}", "user": f"u{n}"})
        self.assertEqual(own.read_item("3", ["t1", "u3"])["user"], "u3")
        rows = own.query_items("SELECT VALUE c.id FROM c ORDER BY c.id", partition_key=["t1"])
        self.assertEqual(list(rows), ["1", "3", "5"])

    def test_a_container_made_anew_under_its_name_is_noticed(self):
        own = self.database.create_container("anew", PartitionKey(path="/pk"))
        own.create_item({"id": "1", "pk": "a"})
        other = CosmosClient(ENDPOINT, credential=os.environ["CONFORMANCE_key"]).get_database_client(self.name)
        other.delete_container("anew")
        other.create_container("anew", PartitionKey(path="/other"))
        own.create_item({"id": "1", "other": "b"})
        self.assertEqual(own.read_item("1", "b")["other"], "b")

    def test_quota(self):
        headers = {}
        self.container.read(populate_quota_info=True, response_hook=lambda h, _: headers.update(h))
        self.assertIn("documentsCount=", headers["x-ms-resource-usage"])


COUNT = 300


class Splits(Managed):
    def filled(self, name, throughput):
        own = self.database.create_container(name, PartitionKey(path="/pk"), offer_throughput=throughput)
        for n in range(COUNT):
            own.create_item({"id": str(n), "pk": f"p{n % 23}", "n": n})
        return own

    def test_a_paged_query_goes_on_over_new_ranges(self):
        own = self.filled("paged", 10_000)
        pages = own.query_items("SELECT VALUE c.n FROM c", enable_cross_partition_query=True, max_item_count=20).by_page()
        seen = []
        for at, page in enumerate(pages):
            seen += list(page)
            if at == 3:
                own.replace_throughput(20_000)
            if at == 7:
                own.replace_throughput(40_000)
        self.assertEqual(sorted(seen), list(range(COUNT)))
        self.assertEqual(len(list(own.read_feed_ranges())), 4)

    def test_an_ordered_query_over_several_ranges(self):
        own = self.filled("ordered", 40_000)
        query = "SELECT VALUE c.n FROM c ORDER BY c.n"
        pages = own.query_items(query, enable_cross_partition_query=True, max_item_count=20).by_page()
        self.assertEqual([n for page in pages for n in page], list(range(COUNT)))

    def test_the_change_feed_goes_on_over_new_ranges(self):
        own = self.filled("changes", 20_000)
        feeds = [
            own.query_items_change_feed(feed_range=each, start_time="Beginning", max_item_count=15).by_page()
            for each in own.read_feed_ranges()
        ]
        self.assertEqual(len(feeds), 2)
        seen = [item["n"] for feed in feeds for item in next(feed)]
        own.replace_throughput(40_000)
        seen += [item["n"] for item in next(feeds[0])]
        for n in range(COUNT, COUNT + 30):
            own.create_item({"id": str(n), "pk": f"p{n % 23}", "n": n})
        own.replace_throughput(60_000)
        seen += [item["n"] for feed in feeds for page in feed for item in page]
        self.assertEqual(sorted(seen), list(range(COUNT + 30)))
        self.assertEqual(len(list(own.read_feed_ranges())), 6)

    def test_a_continuation_from_before_a_split_is_taken_after_it(self):
        own = self.filled("resumed", 10_000)
        pages = own.query_items_change_feed(start_time="Beginning", max_item_count=100).by_page()
        seen = [item["n"] for item in next(pages)]
        token = own.client_connection.last_response_headers["etag"]
        own.replace_throughput(20_000)
        for page in own.query_items_change_feed(continuation=token, max_item_count=100).by_page():
            seen += [item["n"] for item in page]
        self.assertEqual(sorted(seen), list(range(COUNT)))


if __name__ == "__main__":
    unittest.main()

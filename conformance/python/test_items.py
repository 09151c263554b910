"""Items and queries through the newest azure-cosmos with a managed identity."""
import os
import unittest

from azure.core import MatchConditions
from azure.cosmos import CosmosClient, exceptions
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

ENDPOINT = os.environ["COSMOS_ENDPOINT"]
PK = "python-items"


def container(client_id):
    credential = ManagedIdentityCredential(client_id=client_id)
    client = CosmosClient(ENDPOINT, credential=credential)
    return client.get_database_client("shop").get_container_client("orders")


class Items(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.worker = container(os.environ["CONFORMANCE_workerClientId"])
        cls.reader = container(os.environ["CONFORMANCE_readerClientId"])
        for n in range(12):
            cls.worker.upsert_item({"id": f"p-{n}", "partitionKey": PK, "n": n})

    def test_create_read_delete(self):
        item = f"created-{os.getpid()}"
        created = self.worker.create_item({"id": item, "partitionKey": PK, "text": "żółć 🦊"})
        self.assertEqual(created["text"], "żółć 🦊")
        with self.assertRaises(exceptions.CosmosResourceExistsError):
            self.worker.create_item({"id": item, "partitionKey": PK})
        self.worker.delete_item(item, partition_key=PK)
        with self.assertRaises(exceptions.CosmosResourceNotFoundError):
            self.worker.read_item(item, partition_key=PK)

    def test_replace_with_etag(self):
        item = self.worker.upsert_item({"id": "replaced", "partitionKey": PK, "v": 1})
        item["v"] = 2
        match = {"etag": item["_etag"], "match_condition": MatchConditions.IfNotModified}
        self.assertEqual(self.worker.replace_item("replaced", item, **match)["v"], 2)
        with self.assertRaises(exceptions.CosmosAccessConditionFailedError):
            self.worker.replace_item("replaced", item, **match)

    def test_items_as_they_were_read(self):
        """Given an item instead of its id, the client addresses it by its rid."""
        item = self.worker.upsert_item({"id": "held", "partitionKey": PK, "v": 1})
        replaced = self.worker.replace_item(item, {"id": "held", "partitionKey": PK, "v": 2})
        self.assertEqual(self.worker.read_item(replaced, partition_key=PK)["v"], 2)
        with self.assertRaises(exceptions.CosmosHttpResponseError) as denied:
            self.reader.delete_item(replaced, partition_key=PK)
        self.assertEqual((denied.exception.status_code, denied.exception.sub_status), (403, 5303))
        for found in self.worker.query_items("SELECT * FROM c WHERE c.id = 'held'", partition_key=PK):
            self.worker.delete_item(found, partition_key=PK)
        with self.assertRaises(exceptions.CosmosResourceNotFoundError):
            self.worker.read_item(replaced, partition_key=PK)

    def test_query_one_partition_and_all(self):
        query = "SELECT VALUE c.n FROM c WHERE c.n > @n AND STARTSWITH(c.id, 'p-') ORDER BY c.n"
        parameters = [{"name": "@n", "value": 8}]
        inside = self.worker.query_items(query, parameters=parameters, partition_key=PK)
        self.assertEqual(list(inside), [9, 10, 11])
        across = self.worker.query_items(query, parameters=parameters, enable_cross_partition_query=True)
        self.assertEqual(list(across), [9, 10, 11])

    def test_paging(self):
        pages = self.worker.query_items(
            "SELECT VALUE c.n FROM c WHERE STARTSWITH(c.id, 'p-')", partition_key=PK, max_item_count=5
        ).by_page()
        rows = [list(page) for page in pages]
        self.assertGreaterEqual(len(rows), 3)
        self.assertEqual(sorted(sum(rows, [])), list(range(12)))

    def test_read_all_items(self):
        self.assertGreaterEqual(len(list(self.worker.read_all_items())), 12)

    def test_container_read(self):
        self.assertEqual(self.worker.read()["partitionKey"]["paths"], ["/partitionKey"])

    def test_reader_reads(self):
        self.assertEqual(self.reader.read_item("p-3", partition_key=PK)["n"], 3)
        self.assertEqual(list(self.reader.query_items("SELECT VALUE COUNT(1) FROM c", partition_key=PK))[0] > 0, True)

    def test_reader_is_denied_writing(self):
        writes = {
            "create": lambda: self.reader.create_item({"id": "no", "partitionKey": PK}),
            "upsert": lambda: self.reader.upsert_item({"id": "no", "partitionKey": PK}),
            "replace": lambda: self.reader.replace_item("p-3", {"id": "p-3", "partitionKey": PK}),
            "delete": lambda: self.reader.delete_item("p-3", partition_key=PK),
        }
        for name, write in writes.items():
            with self.subTest(name), self.assertRaises(exceptions.CosmosHttpResponseError) as raised:
                write()
            self.assertEqual((raised.exception.status_code, raised.exception.sub_status), (403, 5302))

    def test_databases_are_not_created_with_a_token(self):
        client = CosmosClient(
            ENDPOINT,
            credential=DefaultAzureCredential(managed_identity_client_id=os.environ["CONFORMANCE_workerClientId"]),
        )
        with self.assertRaises(exceptions.CosmosHttpResponseError) as raised:
            client.create_database("new")
        self.assertEqual((raised.exception.status_code, raised.exception.sub_status), (403, 5300))


if __name__ == "__main__":
    unittest.main()

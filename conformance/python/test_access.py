"""A sample of the access table through the newest azure-cosmos: each method under each credential."""
import json
import os
import subprocess
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from azure.core.credentials import AccessToken
from azure.cosmos import CosmosClient, exceptions

ROOM = Path(__file__).resolve().parents[2] / "dist/conformance/access-room.js"
FIRST = "ReadDatabaseAccount"
COLL = "ReadContainer"

# Name, the rows of access.yaml behind its requests, and the call.
METHODS = [
    ("read container", [FIRST, COLL], lambda c: c.read()),
    ("create item", [FIRST, COLL, "CreateItem"], lambda c: c.create_item({"id": "py", "pk": "a"})),
    ("create item in b", [FIRST, COLL, "CreateItem:b"], lambda c: c.create_item({"id": "py", "pk": "b"})),
    ("upsert item", [FIRST, COLL, "UpsertItem"], lambda c: c.upsert_item({"id": "1", "pk": "a"})),
    ("read item", [FIRST, COLL, "ReadItem"], lambda c: c.read_item("1", "a")),
    ("read item in b", [FIRST, COLL, "ReadItem:b"], lambda c: c.read_item("1", "b")),
    ("replace item", [FIRST, COLL, "ReplaceItem"], lambda c: c.replace_item("1", {"id": "1", "pk": "a"})),
    (
        "patch item",
        [FIRST, COLL, "PatchItem"],
        lambda c: c.patch_item("1", "a", [{"op": "set", "path": "/n", "value": 1}]),
    ),
    (
        "query a partition",
        [FIRST, COLL, "QueryItems:a"],
        lambda c: list(c.query_items("SELECT * FROM c", partition_key="a")),
    ),
    (
        "query partition b",
        [FIRST, COLL, "QueryItems:b"],
        lambda c: list(c.query_items("SELECT * FROM c", partition_key="b")),
    ),
    (
        "batch",
        [FIRST, COLL, "ExecuteBatch:upsert"],
        lambda c: c.execute_item_batch([("upsert", ({"id": "9", "pk": "a"},))], "a"),
    ),
    (
        "execute procedure",
        [FIRST, COLL, "ExecuteStoredProcedure"],
        lambda c: c.scripts.execute_stored_procedure("s", partition_key="a", params=[]),
    ),
]


class StaticToken:
    """A credential that has one token."""

    def __init__(self, token):
        self.token = token

    def get_token(self, *_scopes, **_options):
        return AccessToken(self.token, 2**31)


def outcome(run):
    """`+`, or the status and substatus of a refusal."""
    try:
        run()
    except exceptions.CosmosHttpResponseError as error:
        return refused(error)
    return "+"


def refused(error):
    """Status and substatus; `+` for what is no refusal of access."""
    if error.status_code not in (401, 403):
        return "+"
    return f"{error.status_code}/{error.sub_status}" if error.sub_status else str(error.status_code)


def denial(cell):
    """A cell of the table as an outcome."""
    if len(cell) == 3:
        return cell
    return f"{403 if cell.startswith('53') else 401}/{cell}"


class Access(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        node = os.environ.get("NODE", "node")
        cls.process = subprocess.Popen([node, str(ROOM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        cls.room = json.loads(cls.process.stdout.readline())
        os.environ["REQUESTS_CA_BUNDLE"] = cls.room["caFile"]

    @classmethod
    def tearDownClass(cls):
        cls.process.stdin.close()
        cls.process.wait(timeout=30)
        cls.process.stdout.close()

    def container(self, column):
        credential = self.room["credentials"][column]
        secret = credential["secret"]
        given = {
            "key": lambda: secret,
            "aad": lambda: StaticToken(secret),
            "resource": lambda: {"dbs/shop/colls/orders": secret},
        }[credential["kind"]]()
        client = CosmosClient(
            self.room["endpoint"],
            credential=given,
            enable_endpoint_discovery=False,
            retry_total=0,
        )
        return client.get_database_client("shop").get_container_client("orders")

    def test_sample_of_the_access_table(self):
        table = self.room["table"]
        # Item and script tokens do not open the container that this SDK reads first.
        columns = [name for name in self.room["credentials"] if not name.startswith(("item", "sproc", "trig", "udf"))]
        # The SDK waits between its own tries, so columns run beside each other.
        with ThreadPoolExecutor(len(columns)) as pool:
            wrong = [line for lines in pool.map(lambda column: self.wrong(table, column), columns) for line in lines]
        self.assertEqual("\n".join(wrong), "")
        self.assertGreaterEqual(len(columns) * len(METHODS), 200)

    def wrong(self, table, column):
        """What differs from the table under one credential."""
        lines = []
        # Reading the account is part of making a client, which fails with it.
        container = None
        for name, rows, run in METHODS:
            denied = next((table[f"{row} {column}"] for row in rows if table[f"{row} {column}"] != "+"), None)
            expected = "+" if denied is None else denial(denied)
            try:
                container = container or self.container(column)
            except exceptions.CosmosHttpResponseError as error:
                came = refused(error)
            else:
                came = outcome(lambda run=run, container=container: run(container))
            if came != expected:
                lines.append(f"{column}: {name}: expected {expected}, came {came}")
        return lines


if __name__ == "__main__":
    unittest.main()

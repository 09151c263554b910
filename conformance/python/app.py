"""A passwordless program as users write it, driven by the flows of conformance/flows.ts.

Nothing in it knows where it runs. Prints one line of JSON for each thing it does.
"""
import base64
import json
import os
import sys

from azure.cosmos import CosmosClient
from azure.identity import DefaultAzureCredential

mode, *args = sys.argv[1:]
credential = DefaultAzureCredential()


def client():
    return CosmosClient(os.environ["COSMOS_ENDPOINT"], credential=credential)


def report(work):
    try:
        print(json.dumps({"ok": True, **work()}), flush=True)
    except Exception as error:  # the flows judge what it is
        print(
            json.dumps(
                {
                    "ok": False,
                    "status": getattr(error, "status_code", None),
                    "substatus": getattr(error, "sub_status", None),
                    "name": type(error).__name__,
                    "message": str(error),
                }
            ),
            flush=True,
        )


def read(cosmos, container, item):
    found = cosmos.get_database_client("shop").get_container_client(container).read_item(item=item, partition_key=item)
    return {"status": 200, "id": found["id"]}


def create(container, item):
    client().get_database_client("shop").get_container_client(container).create_item({"id": item, "partitionKey": item})
    return {"status": 201}


def whoami():
    token = credential.get_token("https://cosmos.azure.com/.default").token
    payload = token.split(".")[1]
    return {"oid": json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["oid"]}


if mode == "read":
    report(lambda: read(client(), *args))
elif mode == "create":
    report(lambda: create(*args))
elif mode == "whoami":
    report(whoami)
elif mode == "read-again-and-again":
    cosmos = client()
    report(lambda: read(cosmos, *args))
    for _line in sys.stdin:
        report(lambda: read(cosmos, *args))

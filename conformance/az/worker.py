"""The worker of the tutorial: writes one item under the identity it runs as, or with the key it is given."""

import os
import sys
import uuid

from azure.cosmos import CosmosClient
from azure.cosmos.exceptions import CosmosHttpResponseError
from azure.identity import DefaultAzureCredential

endpoint = sys.argv[1]
credential = os.environ.get("COSMOS_KEY") or DefaultAzureCredential()
identifier = str(uuid.uuid4())
try:
    container = CosmosClient(endpoint, credential).get_database_client("rbacsample").get_container_client("data")
    container.create_item({"id": identifier, "partitionKey": identifier, "name": "Ted Lasso"})
    print("created")
except CosmosHttpResponseError as error:
    print(error.status_code)

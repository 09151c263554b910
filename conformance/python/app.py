"""A passwordless program as users write it, driven by the flows of conformance/flows.ts.

Nothing in it knows where it runs. Prints one line of JSON for each thing it does.
"""
import base64
import json
import os
import sys

from azure.cosmos import CosmosClient
from azure.identity import (
    CertificateCredential,
    ClientAssertionCredential,
    ClientSecretCredential,
    DefaultAzureCredential,
    DeviceCodeCredential,
    InteractiveBrowserCredential,
    ManagedIdentityCredential,
    OnBehalfOfCredential,
)

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


def ordered(order):
    """The credential that an order asks for, with the SDK's own names for what it is given."""
    use, tenant, client = order["use"], order.get("tenantId"), order.get("clientId")
    options = {"disable_instance_discovery": order.get("disableInstanceDiscovery", False)}
    if "authorityHost" in order:
        options["authority"] = order["authorityHost"]
    if use == "secret":
        return ClientSecretCredential(tenant, client, order["secret"], **options)
    if use == "certificate":
        return CertificateCredential(tenant, client, order["certificatePath"], **options)
    if use == "assertion":
        return ClientAssertionCredential(tenant, client, lambda: order["assertion"], **options)
    if use == "on-behalf-of":
        proof = {"client_secret": order["secret"], "user_assertion": order["userAssertionToken"]}
        return OnBehalfOfCredential(tenant, client, **proof, **options)
    if use == "managed":
        other = {name: order[key] for name, key in (("resource_id", "resourceId"), ("object_id", "objectId")) if key in order}
        return ManagedIdentityCredential(client_id=client) if client else ManagedIdentityCredential(identity_config=other)
    return credential


def token_of(order, more):
    found = ordered(order).get_token(order["scope"], **more)
    return {"token": found.token, "expiresOn": found.expires_on}


def tokens(file):
    """Tokens for the orders in a file, one line for each."""
    with open(file, encoding="utf-8") as orders:
        for order in json.load(orders):
            more = {"claims": order["challenge"], "enable_cae": True} if "challenge" in order else {}
            report(lambda order=order, more=more: token_of(order, more))


def show(verification_uri, user_code, _expires_on):
    print(json.dumps({"verificationUri": verification_uri, "userCode": user_code}), flush=True)


def personal(flow):
    """A person signs in: in a browser that the SDK opens, or with the code that it shows."""
    tenant = os.environ["AZURE_TENANT_ID"]
    if flow == "device":
        return DeviceCodeCredential(tenant_id=tenant, prompt_callback=show)
    return InteractiveBrowserCredential(tenant_id=tenant)


def whoami(asked):
    token = asked.get_token("https://cosmos.azure.com/.default").token
    payload = token.split(".")[1]
    return {"oid": json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["oid"]}


if mode == "read":
    report(lambda: read(client(), *args))
elif mode == "create":
    report(lambda: create(*args))
elif mode == "whoami":
    report(lambda: whoami(credential))
elif mode == "tokens":
    tokens(*args)
elif mode == "sign-in":
    report(lambda: whoami(personal(*args)))
elif mode == "read-again-and-again":
    cosmos = client()
    report(lambda: read(cosmos, *args))
    for _line in sys.stdin:
        report(lambda: read(cosmos, *args))

import os


def get_credential(is_async=False, **_):
    """The identity that the run has put into the environment."""
    if is_async:
        from azure.identity.aio import ManagedIdentityCredential
    else:
        from azure.identity import ManagedIdentityCredential
    return ManagedIdentityCredential(client_id=os.environ["AZURE_CLIENT_ID"])

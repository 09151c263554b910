"""Debian's own azure-cli 2.45, unmodified, in a profile that a person would set up by hand: no `celestite az`.

That build cannot run three commands itself, because the SDK it is packaged with is too new for it: `role assignment
create`, `role assignment list` and `role definition list` end before any request is sent. They are done with `az rest`
here, and the last test notices when a build comes that can run them.
"""

import json
import os
import ssl
import subprocess
import tempfile
import unittest
import urllib.request
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
AZ = os.environ["CONFORMANCE_azDebian"]
CLI = os.environ["CONFORMANCE_cli"]
NODE = os.environ["CONFORMANCE_node"]
PYTHON = os.environ["CONFORMANCE_python"]
TOUR = os.path.join(os.path.dirname(HERE), "az")
GROUP = "rg-debian"
SUBSCRIPTION = "/subscriptions/" + os.environ["CONFORMANCE_subscriptionId"]
GROUP_ID = f"{SUBSCRIPTION}/resourceGroups/{GROUP}"
ROLES = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
VIRTUAL_MACHINE_CONTRIBUTOR = "9980e02c-c2be-4d73-94e8-173b1dc7cf3c"

profile = tempfile.TemporaryDirectory(prefix="celestite-az-")
environment = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("AZURE_", "IDENTITY_", "MSI_"))},
    "AZURE_CONFIG_DIR": profile.name,
    "AZURE_CORE_COLLECT_TELEMETRY": "false",
    "AZURE_CORE_ONLY_SHOW_ERRORS": "true",
    "AZURE_BICEP_CHECK_VERSION": "false",
    "AZURE_BICEP_USE_BINARY_FROM_PATH": "false",
    "NO_PROXY": "localhost,127.0.0.1,::1",
    "no_proxy": "localhost,127.0.0.1,::1",
    "REQUESTS_CA_BUNDLE": os.environ["SSL_CERT_FILE"],
}


class AzError(Exception):
    """What az printed when it failed."""


def az(*words):
    """Runs one az command and returns its JSON answer, or None when it prints nothing."""
    command = [AZ, *words, "--output", "json"]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    if finished.returncode != 0:
        raise AzError(f"az {' '.join(words)}: {finished.stderr.strip()}")
    return json.loads(finished.stdout) if finished.stdout.strip() else None


def celestite(*words, **more):
    """Runs our own command line and returns what it printed."""
    command = [NODE, CLI, *words]
    env = {**os.environ, **more}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False).stdout.strip()


def rest(path, properties):
    """Writes a resource as the user who owns the subscription."""
    body = json.dumps({"properties": properties})
    return json.loads(celestite("rest", "PUT", f"{path}?api-version=2022-04-01", "--body", body))


def assignment(scope, role, principal):
    """The id of a new role assignment, and what it holds."""
    path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    properties = {"roleDefinitionId": f"{ROLES}/{role}", "principalId": principal, "principalType": "ServicePrincipal"}
    return path, properties


def login_endpoint(arm):
    """The token authority, from the metadata that every cloud gives without a sign-in."""
    trust = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    with urllib.request.urlopen(f"{arm}/metadata/endpoints?api-version=2022-09-01", context=trust) as reply:
        return json.load(reply)["authentication"]["loginEndpoint"]


def register_cloud():
    """What docs/control-plane.md tells people who prefer a profile of their own."""
    arm = os.environ["CONFORMANCE_arm"]
    authority = login_endpoint(arm).rstrip("/")
    endpoints = {
        "resourceManager": arm,
        "management": arm,
        # This build asks a well-known host about every authority but those that end in /adfs.
        "activeDirectory": f"{authority}/adfs",
        "activeDirectoryResourceId": "https://management.core.windows.net/",
        "activeDirectoryGraphResourceId": "https://graph.windows.net/",
        "microsoftGraphResourceId": f"{authority}/",
    }
    suffixes = {
        "keyvaultDns": ".vault.azure.net",
        "storageEndpoint": "core.windows.net",
        "sqlServerHostname": ".database.windows.net",
        "acrLoginServerEndpoint": ".azurecr.io",
    }
    path = os.path.join(profile.name, "cloud.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"endpoints": endpoints, "suffixes": suffixes}, file)
    az("cloud", "register", "-n", "Celestite", "--cloud-config", f"@{path}")
    az("cloud", "set", "-n", "Celestite")


def setUpModule():
    """Signs in as a service principal that owns the subscription."""
    celestite("bicep", "install", "--to", os.path.join(profile.name, "bin"))
    application = json.loads(celestite("identity", "app", "add", "az-debian", "--json"))
    secret = json.loads(celestite("identity", "app", "secret", application["appId"], "--json"))["secretText"]
    principal = application["servicePrincipal"]
    rest(*assignment(SUBSCRIPTION, OWNER, principal["objectId"]))
    register_cloud()
    who = ["-u", application["appId"], "-p", secret, "--tenant", principal["tenantId"]]
    az("login", "--service-principal", *who)


def tearDownModule():
    """Nothing of the profile stays."""
    profile.cleanup()


class DebianTour(unittest.TestCase):
    """The tutorial again, in the order of the names."""

    def test_01_group_and_identity(self):
        self.assertEqual(az("group", "create", "-n", GROUP, "-l", "westeurope")["name"], GROUP)
        made = az("identity", "create", "--name", "umid-debian", "--resource-group", GROUP, "--location", "westeurope")
        shown = az("identity", "show", "-n", "umid-debian", "-g", GROUP)
        self.assertEqual(shown["principalId"], made["principalId"])

    def test_02_deployment_and_worker(self):
        principal = az("identity", "show", "-n", "umid-debian", "-g", GROUP)["principalId"]
        parameters = ["-g", GROUP, "-f", os.path.join(TOUR, "deploy.bicep"), "--parameters", f"principalId={principal}"]
        changes = az("deployment", "group", "what-if", *parameters, "--no-pretty-print")["changes"]
        self.assertEqual({"Create", "Ignore"}, {change["changeType"] for change in changes})
        outputs = az("deployment", "group", "create", *parameters)["properties"]["outputs"]
        shown = az("deployment", "group", "show", "-g", GROUP, "-n", "deploy")
        self.assertEqual(shown["properties"]["provisioningState"], "Succeeded")
        place = os.path.join(TOUR, "worker.py"), outputs["endpoint"]["value"]
        worker = ["run", "--identity", "umid-debian", "--", PYTHON, *place]
        self.assertEqual(celestite(*worker), "created")
        keys = az("cosmosdb", "keys", "list", "-n", outputs["accountName"]["value"], "-g", GROUP)
        with_key = {"COSMOS_KEY": keys["primaryMasterKey"]}
        self.assertEqual(celestite(*worker, **with_key), "created")
        az("deployment", "group", "create", *parameters, "disableLocalAuth=true")
        self.assertEqual(celestite(*worker, **with_key), "401")
        self.assertEqual(celestite(*worker), "created")

    def test_03_account_by_hand(self):
        names = ["-n", "debiancosmos", "-g", GROUP]
        self.assertEqual(az("cosmosdb", "create", *names)["provisioningState"], "Succeeded")
        account = ["-a", "debiancosmos", "-g", GROUP]
        az("cosmosdb", "sql", "database", "create", *account, "-n", "db")
        az("cosmosdb", "sql", "container", "create", *account, "-d", "db", "-n", "c", "-p", "/pk")
        self.assertEqual(len(az("cosmosdb", "sql", "role", "definition", "list", *account)), 2)
        before = az("cosmosdb", "keys", "list", *names)
        az("cosmosdb", "keys", "regenerate", *names, "--key-kind", "secondary")
        after = az("cosmosdb", "keys", "list", *names)
        self.assertNotEqual(before["secondaryMasterKey"], after["secondaryMasterKey"])
        kind = ["--resource-type", "Microsoft.DocumentDB/databaseAccounts"]
        az("resource", "update", *names, *kind, "--set", "properties.disableLocalAuth=true")
        self.assertTrue(az("cosmosdb", "show", *names)["disableLocalAuth"])

    def test_04_cluster_and_role(self):
        feature = ["--name", "EnablePodIdentityPreview", "--namespace", "Microsoft.ContainerService"]
        az("feature", "register", *feature)
        self.assertEqual(az("feature", "show", *feature)["properties"]["state"], "Registered")
        cluster = ["-g", GROUP, "-n", "debian"]
        az("aks", "create", *cluster, "-c", "1", "--no-ssh-key")
        nodes = az("aks", "show", *cluster)["nodeResourceGroup"]
        scope = az("group", "show", "-n", nodes)["id"]
        principal = az("identity", "show", "-n", "umid-debian", "-g", GROUP)["principalId"]
        path, properties = assignment(scope, VIRTUAL_MACHINE_CONTRIBUTOR, principal)
        body = json.dumps({"properties": properties})
        where = f"{os.environ['CONFORMANCE_arm']}{path}?api-version=2022-04-01"
        made = az("rest", "--method", "put", "--url", where, "--body", body)
        self.assertEqual(made["properties"]["scope"], scope)

    def test_05_what_this_build_cannot_run(self):
        role = ["--role", "Reader", "--assignee", str(uuid.uuid4())]
        commands = [
            ["role", "assignment", "create", *role, "--scope", GROUP_ID],
            ["role", "assignment", "list", "--scope", GROUP_ID],
            ["role", "definition", "list", "--name", "Reader"],
        ]
        for command in commands:
            with self.assertRaises(AzError) as caught:
                az(*command)
            self.assertIn("object has no attribute 'config'", str(caught.exception))

    def test_06_the_end(self):
        az("group", "delete", "-n", GROUP, "--yes")
        self.assertFalse(az("group", "exists", "-n", GROUP))


if __name__ == "__main__":
    unittest.main()

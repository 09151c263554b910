"""The newest azure-cli, unmodified, in a profile of its own: the commands that set up Azure set up Celestite.

Every test is a chapter of one tour, in the order of the names; a chapter may use what earlier ones made.
"""

import json
import os
import re
import ssl
import subprocess
import sys
import time
import unittest
import urllib.parse
import urllib.request
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
AZ = os.path.join(os.path.dirname(sys.executable), "az")
CLI = os.environ["CONFORMANCE_cli"]
NODE = os.environ["CONFORMANCE_node"]
PYTHON = os.environ["CONFORMANCE_python"]
SIGN_IN_AS = ["--identity", "operator"]
GROUP = "rg-cosmosrbac"
SUBSCRIPTION = "/subscriptions/" + os.environ["CONFORMANCE_subscriptionId"]
GROUP_ID = f"{SUBSCRIPTION}/resourceGroups/{GROUP}"

USER = "admin@celestite.local"
PASSWORD = "Correct-Horse-9"

environment = {
    **os.environ,
    "PATH": os.path.dirname(AZ) + os.pathsep + os.environ["PATH"],
    "AZURE_CORE_ONLY_SHOW_ERRORS": "true",
    "AZURE_BICEP_CHECK_VERSION": "false",
}


class AzError(Exception):
    """What az printed when it failed."""


def az(*words):
    """Runs one az command and returns its JSON answer, or None when it prints nothing."""
    command = [NODE, CLI, "az", *SIGN_IN_AS, "--", *words, "--output", "json"]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    if finished.returncode != 0:
        raise AzError(f"az {' '.join(words)}: {finished.stderr.strip()}")
    return json.loads(finished.stdout) if finished.stdout.strip() else None


def celestite(*words, **more):
    """Runs our own command line and returns what it printed."""
    command = [NODE, CLI, *words]
    env = {**os.environ, **more}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False).stdout.strip()


def sign_in_with_device_code():
    """Starts `az login --use-device-code` and does on its page what a person would do."""
    command = [NODE, CLI, "az", "--", "login", "--use-device-code"]
    env = {**environment, "AZURE_CORE_ONLY_SHOW_ERRORS": "false", "AZURE_CORE_LOGIN_EXPERIENCE_V2": "off"}
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=env, text=True, **pipes) as login:
        shown = ""
        while (found := re.search(r"open the page (\S+) and enter the code (\S+)", shown)) is None:
            line = login.stderr.readline()
            if line == "":
                raise AzError(f"az login: {shown}")
            shown += line
        page, code = found.groups()
        trust = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"]))
        browser = urllib.request.build_opener(trust, urllib.request.HTTPCookieProcessor())
        flow = re.search(r'name="flow" value="([^"]+)"', browser.open(page).read().decode()).group(1)
        form = {"flow": flow, "otc": code, "username": USER, "password": PASSWORD, "decision": "signin"}
        browser.open(page, urllib.parse.urlencode(form).encode())
        rest = login.stderr.read()
        if login.wait(timeout=60) != 0:
            raise AzError(f"az login: {rest}")


def setUpModule():
    """Signs in as the user who owns the subscription."""
    celestite("identity", "user", "password", USER, "--password", PASSWORD)
    sign_in_with_device_code()


class AzTour(unittest.TestCase):
    """The tutorial that this product was born from, and the commands around it."""

    def refused(self, code, *words):
        with self.assertRaises(AzError) as caught:
            az(*words)
        self.assertIn(code, str(caught.exception))

    def test_01_group_and_identity(self):
        self.assertEqual(az("group", "create", "-n", GROUP, "-l", "westeurope")["name"], GROUP)
        made = az("identity", "create", "-n", "umid-cosmosid", "-g", GROUP, "-l", "westeurope")
        shown = az("identity", "show", "-n", "umid-cosmosid", "-g", GROUP)
        self.assertEqual(shown["principalId"], made["principalId"])
        self.refused("ResourceNotFound", "identity", "show", "-n", "nobody", "-g", GROUP)

    def test_02_deployment_and_worker(self):
        principal = az("identity", "show", "-n", "umid-cosmosid", "-g", GROUP)["principalId"]
        parameters = ["-g", GROUP, "-f", os.path.join(HERE, "deploy.bicep"), "--parameters", f"principalId={principal}"]
        changes = az("deployment", "group", "what-if", *parameters, "--no-pretty-print")["changes"]
        self.assertEqual({"Create", "Ignore"}, {change["changeType"] for change in changes})
        deployed = az("deployment", "group", "create", *parameters)
        outputs = deployed["properties"]["outputs"]
        endpoint = outputs["endpoint"]["value"]
        account = outputs["accountName"]["value"]
        shown = az("deployment", "group", "show", "-g", GROUP, "-n", "deploy")
        self.assertEqual(shown["properties"]["provisioningState"], "Succeeded")
        steps = az("deployment", "operation", "group", "list", "-g", GROUP, "-n", "deploy")
        self.assertGreaterEqual(len(steps), 5)
        worker = ["run", "--identity", "umid-cosmosid", "--", PYTHON, os.path.join(HERE, "worker.py"), endpoint]
        self.assertEqual(celestite(*worker), "created")
        keys = az("cosmosdb", "keys", "list", "-n", account, "-g", GROUP)
        with_key = {"COSMOS_KEY": keys["primaryMasterKey"]}
        self.assertEqual(celestite(*worker, **with_key), "created")
        az("deployment", "group", "create", *parameters, "disableLocalAuth=true")
        self.assertEqual(celestite(*worker, **with_key), "401")
        self.assertEqual(celestite(*worker), "created")
        unchanged = az("deployment", "group", "what-if", *parameters, "disableLocalAuth=true", "--no-pretty-print")
        kinds = {change["changeType"] for change in unchanged["changes"]}
        self.assertEqual({"NoChange", "Ignore"}, kinds)
        self.refused("unrecognized template parameter", "deployment", "group", "create", *parameters, "nonsense=true")

    def test_03_cosmosdb(self):
        account = ["-a", "azcosmos", "-g", GROUP]
        made = az("cosmosdb", "create", "-n", "azcosmos", "-g", GROUP)
        self.assertEqual(made["provisioningState"], "Succeeded")
        az("cosmosdb", "sql", "database", "create", *account, "-n", "db")
        container = [*account, "-d", "db", "-n", "c"]
        az("cosmosdb", "sql", "container", "create", *container, "-p", "/pk", "--throughput", "500")
        throughput = ["cosmosdb", "sql", "container", "throughput"]
        self.assertEqual(az(*throughput, "show", *container)["resource"]["throughput"], 500)
        updated = az(*throughput, "update", *container, "--throughput", "800")
        self.assertEqual(updated["resource"]["throughput"], 800)
        names = ["-n", "azcosmos", "-g", GROUP]
        before = az("cosmosdb", "keys", "list", *names)
        az("cosmosdb", "keys", "regenerate", *names, "--key-kind", "secondary")
        after = az("cosmosdb", "keys", "list", *names)
        self.assertNotEqual(before["secondaryMasterKey"], after["secondaryMasterKey"])
        self.assertEqual(before["primaryMasterKey"], after["primaryMasterKey"])
        strings = az("cosmosdb", "keys", "list", *names, "--type", "connection-strings")["connectionStrings"]
        self.assertTrue(any(each["description"] == "Primary SQL Connection String" for each in strings))
        self.assertTrue(az("cosmosdb", "update", *names, "--disable-local-auth", "true")["disableLocalAuth"])
        resource = ["--resource-type", "Microsoft.DocumentDB/databaseAccounts"]
        az("resource", "update", *names, *resource, "--set", "properties.disableLocalAuth=false")
        self.assertFalse(az("cosmosdb", "show", *names)["disableLocalAuth"])

    def test_04_cosmosdb_roles(self):
        principal = az("identity", "show", "-n", "umid-cosmosid", "-g", GROUP)["principalId"]
        account = ["-a", "azcosmos", "-g", GROUP]
        roles = ["cosmosdb", "sql", "role"]
        self.assertEqual(len(az(*roles, "definition", "list", *account)), 2)
        contributor = "00000000-0000-0000-0000-000000000002"
        made = az(*roles, "assignment", "create", *account, "-s", "/dbs/db", "-p", principal, "-d", contributor)
        self.assertTrue(made["scope"].endswith("/dbs/db"))
        self.assertEqual(len(az(*roles, "assignment", "list", *account)), 1)
        az(*roles, "assignment", "delete", *account, "-i", made["name"], "--yes")
        self.assertEqual(az(*roles, "assignment", "list", *account), [])

    def test_05_azure_roles(self):
        principal = az("identity", "show", "-n", "umid-cosmosid", "-g", GROUP)["principalId"]
        by_object = ["--assignee-object-id", principal, "--assignee-principal-type", "ServicePrincipal"]
        made = az("role", "assignment", "create", *by_object, "--role", "Reader", "--scope", GROUP_ID)
        self.assertEqual(made["principalId"], principal)
        self.assertEqual(az("role", "definition", "list", "--name", "Reader")[0]["roleName"], "Reader")
        shown = az("ad", "sp", "show", "--id", principal)
        self.assertEqual(shown["servicePrincipalType"], "ManagedIdentity")
        by_application = ["role", "assignment", "create", "--assignee", shown["appId"], "--role", "Contributor"]
        self.assertEqual(az(*by_application, "--scope", GROUP_ID)["principalId"], principal)
        user = az("ad", "signed-in-user", "show")["id"]
        by_name = ["role", "assignment", "create", "--assignee", USER, "--role", "Cosmos DB Operator"]
        self.assertEqual(az(*by_name, "--scope", GROUP_ID)["principalId"], user)
        untyped = ["role", "assignment", "create", "--assignee", principal, "--role", "Cosmos DB Operator"]
        operator = az(*untyped, "--scope", GROUP_ID)
        self.assertEqual((operator["principalId"], operator["principalType"]), (principal, "ServicePrincipal"))
        self.assertEqual(az(*untyped, "--scope", GROUP_ID)["id"], operator["id"])
        nobody = ["--assignee-object-id", str(uuid.uuid4()), "--role", "Reader", "--scope", GROUP_ID]
        self.refused("PrincipalNotFound", "role", "assignment", "create", *nobody)
        self.refused("doesn't exist", "role", "assignment", "create", *by_object, "--role", "No Such", "--scope", GROUP_ID)
        self.assertEqual(len(az("role", "assignment", "list", "-g", GROUP)), 4)
        held = az("role", "assignment", "list", "--assignee", shown["appId"], "-g", GROUP)
        roles = sorted(each["roleDefinitionName"] for each in held)
        self.assertEqual(roles, ["Contributor", "Cosmos DB Operator", "Reader"])
        self.assertIsNone(az("role", "assignment", "delete", "--ids", made["id"], "--yes"))
        self.assertEqual(az("ad", "signed-in-user", "show")["userPrincipalName"], USER)

    def test_06_federated_credentials(self):
        names = ["--identity-name", "umid-cosmosid", "-g", GROUP, "-n", "cluster"]
        subject = "system:serviceaccount:default:worker"
        values = ["--issuer", "https://issuer.example.com", "--subject", subject]
        audiences = ["--audiences", "api://AzureADTokenExchange"]
        made = az("identity", "federated-credential", "create", *names, *values, *audiences)
        self.assertEqual(made["subject"], subject)
        listed = az("identity", "federated-credential", "list", *names[:4])
        self.assertEqual([each["issuer"] for each in listed], ["https://issuer.example.com"])
        az("identity", "federated-credential", "delete", *names, "--yes")
        self.assertEqual(az("identity", "federated-credential", "list", *names[:4]), [])

    def test_07_other_services(self):
        place = ["-g", GROUP, "-l", "westeurope"]
        self.assertIn("vaultUri", az("keyvault", "create", "-n", "azvault1", *place)["properties"])
        az("storage", "account", "create", "-n", "azstorage1", *place)
        self.assertEqual(len(az("storage", "account", "keys", "list", "-n", "azstorage1", "-g", GROUP)), 2)
        admin = ["--external-admin-principal-type", "User", "--external-admin-name", "admin"]
        sid = ["--external-admin-sid", "11111111-1111-4111-8111-111111111112"]
        az("sql", "server", "create", "-n", "azsql1", *place, "--enable-ad-only-auth", *admin, *sid)
        self.assertEqual(az("sql", "db", "create", "-s", "azsql1", "-g", GROUP, "-n", "db")["name"], "db")
        cluster = ["-g", GROUP, "-n", "cosmosrbac"]
        az("aks", "create", *cluster, "-c", "1", "--no-ssh-key", "--enable-oidc-issuer")
        nodes = az("aks", "show", *cluster)["nodeResourceGroup"]
        scope = az("group", "show", "-n", nodes)["id"]
        application = az("identity", "show", "-n", "umid-cosmosid", "-g", GROUP)["clientId"]
        role = ["--role", "Virtual Machine Contributor", "--assignee", application]
        self.assertEqual(az("role", "assignment", "create", *role, "--scope", scope)["scope"], scope)

    def test_08_around_the_group(self):
        az("lock", "create", "-n", "keep", "--lock-type", "CanNotDelete", "-g", GROUP)
        self.refused("ScopeLocked", "group", "delete", "-n", GROUP, "--yes")
        az("lock", "delete", "-n", "keep", "-g", GROUP)
        tagged = az("tag", "create", "--resource-id", GROUP_ID, "--tags", "a=b")
        self.assertEqual(tagged["properties"]["tags"], {"a": "b"})
        feature = ["--name", "EnablePodIdentityPreview", "--namespace", "Microsoft.ContainerService"]
        az("feature", "register", *feature)
        self.assertEqual(az("feature", "show", *feature)["properties"]["state"], "Registered")
        self.assertIn("resources", az("group", "export", "-n", GROUP))
        self.assertIn("azcosmos", [each["name"] for each in az("resource", "list", "-g", GROUP)])
        az("provider", "register", "-n", "Microsoft.Web", "--wait")
        self.assertIn("westeurope", [each["name"] for each in az("account", "list-locations")])

    def test_08b_above_the_subscription(self):
        elevate = "/providers/Microsoft.Authorization/elevateAccess?api-version=2016-07-01"
        az("rest", "--method", "post", "--url", elevate)
        user = az("ad", "signed-in-user", "show")["id"]
        by_object = ["--assignee-object-id", user, "--assignee-principal-type", "User"]
        owner = az("role", "assignment", "create", *by_object, "--role", "Owner", "--scope", "/")
        self.assertEqual(az("account", "management-group", "create", "-n", "az-team")["name"], "az-team")
        place = ["-l", "westeurope", "-f", os.path.join(HERE, "management-group.bicep")]
        group = ["-m", "az-team"]
        changes = az("deployment", "mg", "what-if", *group, *place, "--no-pretty-print")["changes"]
        self.assertEqual([each["changeType"] for each in changes], ["Create", "Create"])
        made = az("deployment", "mg", "create", *group, *place)
        self.assertEqual(made["properties"]["outputs"]["name"]["value"], "az-team")
        names = ["-n", "management-group"]
        self.assertEqual(len(az("deployment", "operation", "mg", "list", *group, *names)), 2)
        self.assertEqual(az("group", "show", "-n", "az-from-above")["name"], "az-from-above")
        place = ["-l", "westeurope", "-f", os.path.join(HERE, "tenant.bicep")]
        made = az("deployment", "tenant", "create", *place)
        self.assertEqual(made["properties"]["outputs"]["name"]["value"], "az-made")
        subscription = ["-n", "az-team", "-s", os.environ["CONFORMANCE_subscriptionId"]]
        az("account", "management-group", "subscription", "add", *subscription)
        inside = az("account", "management-group", "show", "-n", "az-team", "-e")["children"]
        self.assertEqual([each["name"] for each in inside], [os.environ["CONFORMANCE_subscriptionId"]])
        az("account", "management-group", "subscription", "remove", *subscription)
        az("account", "management-group", "delete", "-n", "az-team")
        az("group", "delete", "-n", "az-from-above", "--yes")
        self.assertIsNone(az("role", "assignment", "delete", "--ids", owner["id"], "--yes"))

    def test_08c_other_ways_to_sign_in(self):
        tenant = os.environ["CONFORMANCE_tenantId"]
        made = json.loads(celestite("identity", "app", "add", "az-app", "--json"))
        principal = ["login", "--service-principal", "--tenant", tenant, "--allow-no-subscriptions", "-u", made["appId"]]
        self.refused("AADSTS7000215", *principal, "-p", "wrong")
        az(*principal, "-p", celestite("identity", "app", "secret", made["appId"]))
        self.assertEqual(az("account", "get-access-token")["tokenType"], "Bearer")
        # Otherwise a token that is kept would do for the next sign-in, whatever proves it.
        az("account", "clear")
        issuer = f"https://oidc.celestite.local/{tenant}/local/"
        subject = "system:serviceaccount:az:app"
        celestite("identity", "app", "federate", made["appId"], "az-cluster", "--issuer", issuer, "--subject", subject)
        self.refused("AADSTS700213", *principal, "--federated-token", celestite("issuer", "mint", "--subject", "other"))
        az(*principal, "--federated-token", celestite("issuer", "mint", "--subject", subject))
        self.assertEqual(az("account", "get-access-token")["tenant"], tenant)
        self.refused("AADSTS50126", "login", "-u", USER, "-p", "wrong")
        az("login", "-u", USER, "-p", PASSWORD)
        self.assertEqual(az("account", "show")["user"]["name"], USER)
        self.assertEqual(az("group", "show", "-n", GROUP)["name"], GROUP)

    def test_08d_a_move_needs_roles_on_what_is_moved(self):
        user = az("ad", "signed-in-user", "show")["id"]
        assign = ["role", "assignment", "create", "--assignee-object-id"]
        owner = az(*assign, user, "--assignee-principal-type", "User", "--role", "Owner", "--scope", "/")
        for name in ("az-mine", "az-corp"):
            az("account", "management-group", "create", "-n", name)
        subscription = ["-n", "az-corp", "-s", os.environ["CONFORMANCE_subscriptionId"]]
        az("account", "management-group", "subscription", "add", *subscription)
        app = json.loads(celestite("identity", "app", "add", "az-mover", "--json"))["appId"]
        mover = az("ad", "sp", "show", "--id", app)["id"]
        groups = "/providers/Microsoft.Management/managementGroups/"
        for role, name in (("Owner", "az-mine"), ("Management Group Contributor", "az-corp")):
            place = ["--assignee-principal-type", "ServicePrincipal", "--role", role, "--scope", groups + name]
            az(*assign, mover, *place)
        tenant = ["--tenant", os.environ["CONFORMANCE_tenantId"], "--allow-no-subscriptions"]
        az("login", "--service-principal", "-u", app, "-p", celestite("identity", "app", "secret", app), *tenant)
        self.refused("AuthorizationFailed", "account", "management-group", "update", "-n", "az-corp", "--parent", "az-mine")
        az("account", "management-group", "update", "-n", "az-corp", "--display-name", "Corp")
        az("login", "-u", USER, "-p", PASSWORD)
        az("account", "management-group", "update", "-n", "az-corp", "--parent", "az-mine")
        az("account", "management-group", "subscription", "remove", *subscription)
        for name in ("az-corp", "az-mine"):
            az("account", "management-group", "delete", "-n", name)
        az("role", "assignment", "delete", "--ids", owner["id"], "--yes")

    def test_09_sites(self):
        here = ["-g", GROUP]
        plan = az("appservice", "plan", "create", "-n", "azplan", *here, "--sku", "B1", "--is-linux")
        self.assertEqual((plan["sku"]["tier"], plan["reserved"]), ("Basic", True))
        site = ["-n", "azsite1", *here]
        made = az("webapp", "create", *site, "-p", "azplan", "--runtime", "NODE:22-lts")
        self.assertEqual(made["defaultHostName"], "azsite1.azurewebsites.net")
        self.assertEqual(az("webapp", "config", "show", *site)["linuxFxVersion"], "NODE|22-lts")
        az("webapp", "config", "appsettings", "set", *site, "--settings", "A=1", "B=2")
        az("webapp", "config", "appsettings", "set", *site, "--slot-settings", "C=3")
        az("webapp", "config", "appsettings", "delete", *site, "--setting-names", "A")
        settings = az("webapp", "config", "appsettings", "list", *site)
        shown = {each["name"]: (each["value"], each["slotSetting"]) for each in settings}
        self.assertEqual((shown["B"], shown["C"], "A" in shown), (("2", False), ("3", True), False))
        assigned = az("webapp", "identity", "assign", *site)
        self.assertEqual(assigned["type"], "SystemAssigned")
        self.assertEqual(az("ad", "sp", "show", "--id", assigned["principalId"])["displayName"], "azsite1")
        az("storage", "account", "create", "-n", "azfnstorage", *here, "-l", "westeurope")
        function = ["-n", "azfunction1", *here]
        runtime = ["--runtime", "python", "--functions-version", "4", "--os-type", "linux", "--disable-app-insights"]
        az("functionapp", "create", *function, "-s", "azfnstorage", "-p", "azplan", *runtime)
        names = [each["name"] for each in az("functionapp", "config", "appsettings", "list", *function)]
        self.assertIn("AzureWebJobsStorage", names)

    def test_10_what_is_deleted_softly(self):
        vault = ["-n", "azvault2"]
        az("keyvault", "create", *vault, "-g", GROUP, "-l", "westeurope", "--enable-rbac-authorization", "false")
        reader = ["--object-id", "11111111-1111-4111-8111-111111111113", "--secret-permissions", "get"]
        policies = az("keyvault", "set-policy", *vault, "-g", GROUP, *reader)["properties"]["accessPolicies"]
        self.assertIn("11111111-1111-4111-8111-111111111113", [each["objectId"] for each in policies])
        az("keyvault", "delete", *vault, "-g", GROUP)
        self.refused("deleted state", "keyvault", "create", *vault, "-g", GROUP, "-l", "westeurope")
        kept = az("keyvault", "recover", *vault)["properties"]["accessPolicies"]
        self.assertEqual(len(kept), len(policies))
        az("keyvault", "delete", *vault, "-g", GROUP)
        az("keyvault", "purge", *vault)
        self.assertEqual(az("keyvault", "list-deleted", "--resource-type", "vault"), [])

    def test_11_logs_and_administrators(self):
        account = az("cosmosdb", "show", "-n", "azcosmos", "-g", GROUP)["id"]
        storage = az("storage", "account", "show", "-n", "azstorage1", "-g", GROUP)["id"]
        setting = ["-n", "all", "--resource", account]
        logs = json.dumps([{"category": "DataPlaneRequests", "enabled": True}])
        diagnostics = ["monitor", "diagnostic-settings"]
        made = az(*diagnostics, "create", *setting, "--storage-account", storage, "--logs", logs)
        self.assertEqual(made["logs"][0]["category"], "DataPlaneRequests")
        names = [each["name"] for each in az(*diagnostics, "categories", "list", "--resource", account)["value"]]
        self.assertIn("ControlPlaneRequests", names)
        az(*diagnostics, "delete", *setting)
        server = ["-s", "azsql1", "-g", GROUP]
        self.assertEqual(az("sql", "server", "ad-admin", "list", *server)[0]["login"], "admin")
        only = ["sql", "server", "ad-only-auth"]
        named = ["-n", "azsql1", "-g", GROUP]
        self.assertTrue(az(*only, "get", *named)["azureAdOnlyAuthentication"])
        az(*only, "disable", *named)
        administrators = az("sql", "server", "show", *named)["administrators"]
        self.assertFalse(administrators["azureAdOnlyAuthentication"])

    def test_12_with_a_managed_identity(self):
        az("login", "--identity", "--client-id", os.environ["CONFORMANCE_operatorClientId"])
        self.assertEqual(az("account", "show")["user"]["name"], "userAssignedIdentity")
        self.assertEqual(az("group", "show", "-n", GROUP)["name"], GROUP)

    def test_13_the_end(self):
        az("group", "delete", "-n", GROUP, "--yes")
        deadline = time.monotonic() + 30
        while az("group", "exists", "-n", GROUP) and time.monotonic() < deadline:
            time.sleep(1)
        self.assertFalse(az("group", "exists", "-n", GROUP))


if __name__ == "__main__":
    unittest.main()

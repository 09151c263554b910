package dev.celestite;

import static dev.celestite.Suite.check;
import static dev.celestite.Suite.expect;

import com.azure.cosmos.CosmosAsyncClient;
import com.azure.cosmos.CosmosAsyncContainer;
import com.azure.cosmos.CosmosAsyncDatabase;
import com.azure.cosmos.CosmosAsyncUser;
import com.azure.cosmos.CosmosClient;
import com.azure.cosmos.CosmosClientBuilder;
import com.azure.cosmos.CosmosContainer;
import com.azure.cosmos.CosmosDatabase;
import com.azure.cosmos.CosmosScripts;
import com.azure.cosmos.models.CosmosClientEncryptionKeyProperties;
import com.azure.cosmos.models.CosmosConflictRequestOptions;
import com.azure.cosmos.models.CosmosContainerProperties;
import com.azure.cosmos.models.CosmosContainerRequestOptions;
import com.azure.cosmos.models.CosmosItemRequestOptions;
import com.azure.cosmos.models.CosmosPermissionProperties;
import com.azure.cosmos.models.CosmosPermissionRequestOptions;
import com.azure.cosmos.models.CosmosQueryRequestOptions;
import com.azure.cosmos.models.CosmosStoredProcedureProperties;
import com.azure.cosmos.models.CosmosStoredProcedureRequestOptions;
import com.azure.cosmos.models.CosmosTriggerProperties;
import com.azure.cosmos.models.CosmosUserDefinedFunctionProperties;
import com.azure.cosmos.models.CosmosUserProperties;
import com.azure.cosmos.models.EncryptionKeyWrapMetadata;
import com.azure.cosmos.models.PartitionKey;
import com.azure.cosmos.models.PermissionMode;
import com.azure.cosmos.models.ThroughputProperties;
import com.azure.cosmos.models.TriggerOperation;
import com.azure.cosmos.models.TriggerType;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Databases, containers, throughput, scripts, users, conflicts and encryption keys with an account key. */
final class Management {
    private static final ObjectMapper JSON = new ObjectMapper();
    static final String NAME = "java-" + ProcessHandle.current().pid();

    private Management() {}

    static CosmosClientBuilder builder() {
        return new CosmosClientBuilder()
            .endpoint(System.getenv("CONFORMANCE_keyEndpoint"))
            .key(System.getenv("CONFORMANCE_key"))
            .gatewayMode()
            .contentResponseOnWriteEnabled(true);
    }

    static ObjectNode item(String id, String pk, int n) {
        return JSON.createObjectNode().put("id", id).put("pk", pk).put("n", n);
    }

    private static int count(Iterable<?> rows) {
        int found = 0;
        for (Object ignored : rows) found++;
        return found;
    }

    static void addTo(Map<String, Suite.Test> tests) {
        CosmosClient client = builder().buildClient();
        CosmosAsyncClient async = builder().buildAsyncClient();
        CosmosDatabase database = client.getDatabase(NAME);
        CosmosContainer container = database.getContainer("c");
        tests.put("databases and containers are made", () -> {
            client.createDatabase(NAME);
            database.createContainer("c", "/pk");
        });
        tests.put("databases", () -> databases(client, database));
        tests.put("containers", () -> containers(database));
        tests.put("throughput", () -> throughput(database));
        tests.put("an ordered query goes on over ranges that split", () -> orderedQuery(database));
        tests.put("stored procedures", () -> storedProcedures(container.getScripts()));
        tests.put("triggers", () -> triggers(container));
        tests.put("user-defined functions", () -> functions(container));
        tests.put("users and permissions", () -> users(async.getDatabase(NAME)));
        tests.put("conflicts", () -> conflicts(async.getDatabase(NAME).getContainer("c")));
        tests.put("client encryption keys", () -> encryptionKeys(async.getDatabase(NAME)));
        tests.put("delete by partition key", () -> deleteByPartitionKey(container));
    }

    private static void databases(CosmosClient client, CosmosDatabase database) throws Exception {
        expect(409, -1, () -> client.createDatabase(NAME));
        check(database.read().getProperties().getId().equals(NAME), "read");
        check(count(client.readAllDatabases()) > 0, "list");
        check(count(client.queryDatabases("SELECT * FROM r WHERE r.id = '" + NAME + "'", new CosmosQueryRequestOptions())) == 1, "query");
        expect(404, -1, () -> client.getDatabase("none").read());
        client.createDatabase(NAME + "-gone");
        client.getDatabase(NAME + "-gone").delete();
        expect(404, -1, () -> client.getDatabase(NAME + "-gone").delete());
    }

    private static void containers(CosmosDatabase database) throws Exception {
        var made = database.createContainer("own", "/pk");
        CosmosContainer own = database.getContainer("own");
        expect(409, -1, () -> database.createContainer("own", "/pk"));
        CosmosContainerProperties properties = made.getProperties();
        properties.setDefaultTimeToLiveInSeconds(100);
        check(own.replace(properties).getProperties().getDefaultTimeToLiveInSeconds() == 100, "replace");
        // The SDK addresses a replace by the link of the properties that it read.
        var stale = new CosmosContainerRequestOptions().setIfMatchETag(made.getProperties().getETag());
        expect(412, -1, () -> own.replace(properties, stale));
        check(count(database.readAllContainers()) >= 2, "list");
        check(count(database.queryContainers("SELECT * FROM r WHERE r.id = 'own'")) == 1, "query");
        own.delete();
        expect(404, -1, own::read);
    }

    private static void throughput(CosmosDatabase database) throws Exception {
        database.createContainer(new CosmosContainerProperties("offered", "/pk"), ThroughputProperties.createManualThroughput(500));
        CosmosContainer own = database.getContainer("offered");
        check(own.readThroughput().getProperties().getManualThroughput() == 500, "read");
        check(own.replaceThroughput(ThroughputProperties.createManualThroughput(700)).getProperties().getManualThroughput() == 700, "replace");
        expect(400, -1, () -> own.replaceThroughput(ThroughputProperties.createManualThroughput(750)));
        database.createContainer(new CosmosContainerProperties("autoscale", "/pk"), ThroughputProperties.createAutoscaledThroughput(4000));
        var scaled = database.getContainer("autoscale").readThroughput().getProperties();
        check(scaled.getAutoscaleMaxThroughput() == 4000, scaled);
    }

    private static void orderedQuery(CosmosDatabase database) {
        database.createContainer(new CosmosContainerProperties("ordered", "/pk"), ThroughputProperties.createManualThroughput(20_000));
        CosmosContainer own = database.getContainer("ordered");
        int items = 300;
        for (int n = 0; n < items; n++) own.createItem(item("" + n, "p" + n % 23, n));
        List<Integer> seen = new ArrayList<>();
        int page = 0;
        for (var response : own.queryItems("SELECT VALUE c.n FROM c ORDER BY c.n", new CosmosQueryRequestOptions(), Integer.class).iterableByPage(20)) {
            seen.addAll(response.getResults());
            if (++page == 3) own.replaceThroughput(ThroughputProperties.createManualThroughput(40_000));
        }
        List<Integer> expected = new ArrayList<>();
        for (int n = 0; n < items; n++) expected.add(n);
        check(seen.equals(expected), seen.size() + " rows: " + ChangeFeeds.faults(seen, items));
        check(own.getFeedRanges().size() >= 2, own.getFeedRanges());
    }

    private static void storedProcedures(CosmosScripts scripts) throws Exception {
        String body = "function (name) { getContext().getResponse().setBody('hello ' + name); }";
        scripts.createStoredProcedure(new CosmosStoredProcedureProperties("hello", body));
        expect(409, -1, () -> scripts.createStoredProcedure(new CosmosStoredProcedureProperties("hello", body)));
        var procedure = scripts.getStoredProcedure("hello");
        var options = new CosmosStoredProcedureRequestOptions().setPartitionKey(new PartitionKey("a"));
        check(procedure.execute(List.of("you"), options).getResponseAsString().contains("hello you"), "execute");
        check(procedure.read().getProperties().getBody().equals(body), "read");
        procedure.replace(procedure.read().getProperties().setBody("function () { throw new Error('no'); }"));
        expect(400, -1, () -> procedure.execute(List.of(), options));
        // What does not compile is kept, and fails when it is to run.
        procedure.replace(procedure.read().getProperties().setBody("function ("));
        expect(400, 65535, () -> procedure.execute(List.of(), options));
        check(count(scripts.readAllStoredProcedures()) == 1, "list");
        check(count(scripts.queryStoredProcedures("SELECT * FROM r", new CosmosQueryRequestOptions())) == 1, "query");
        procedure.delete();
        expect(404, -1, () -> procedure.execute(List.of(), options));
    }

    private static void triggers(CosmosContainer container) {
        CosmosScripts scripts = container.getScripts();
        var definition = new CosmosTriggerProperties("stamp",
            "function () { const r = getContext().getRequest(); const b = r.getBody(); b.stamped = true; r.setBody(b); }");
        definition.setTriggerType(TriggerType.PRE).setTriggerOperation(TriggerOperation.CREATE);
        scripts.createTrigger(definition);
        var options = new CosmosItemRequestOptions().setPreTriggerInclude(List.of("stamp"));
        check(container.createItem(item("t", "t", 1), new PartitionKey("t"), options).getItem().has("stamped"), "run");
        var trigger = scripts.getTrigger("stamp");
        check(trigger.read().getProperties().getId().equals("stamp"), "read");
        trigger.replace(trigger.read().getProperties().setBody("function () {}"));
        check(count(scripts.readAllTriggers()) == 1, "list");
        check(count(scripts.queryTriggers("SELECT * FROM r", new CosmosQueryRequestOptions())) == 1, "query");
        trigger.delete();
    }

    private static void functions(CosmosContainer container) {
        CosmosScripts scripts = container.getScripts();
        scripts.createUserDefinedFunction(new CosmosUserDefinedFunctionProperties("twice", "function (n) { return 2 * n; }"));
        container.upsertItem(item("udf", "udf", 21));
        var options = new CosmosQueryRequestOptions().setPartitionKey(new PartitionKey("udf"));
        List<Integer> rows = new ArrayList<>();
        container.queryItems("SELECT VALUE udf.twice(c.n) FROM c", options, Integer.class).forEach(rows::add);
        check(rows.equals(List.of(42)), rows);
        var function = scripts.getUserDefinedFunction("twice");
        check(function.read().getProperties().getId().equals("twice"), "read");
        function.replace(function.read().getProperties().setBody("function (n) { return n; }"));
        check(count(scripts.readAllUserDefinedFunctions()) == 1, "list");
        check(count(scripts.queryUserDefinedFunctions("SELECT * FROM r", new CosmosQueryRequestOptions())) == 1, "query");
        function.delete();
    }

    private static void users(CosmosAsyncDatabase database) throws Exception {
        database.createUser(new CosmosUserProperties().setId("u")).block();
        expect(409, -1, () -> database.createUser(new CosmosUserProperties().setId("u")).block());
        database.upsertUser(new CosmosUserProperties().setId("v")).block();
        check(count(database.readAllUsers().toIterable()) == 2, "list");
        check(count(database.queryUsers("SELECT * FROM r WHERE r.id = 'v'").toIterable()) == 1, "query");
        database.getUser("v").replace(database.getUser("v").read().block().getProperties().setId("w")).block();
        database.getUser("w").delete().block();
        CosmosAsyncUser user = database.getUser("u");
        check(user.read().block().getProperties().getId().equals("u"), "read");
        var properties = new CosmosPermissionProperties().setId("p").setContainerName("c").setPermissionMode(PermissionMode.READ);
        var made = user.createPermission(properties, new CosmosPermissionRequestOptions()).block().getProperties();
        check(made.getToken().startsWith("type=resource&"), "token");
        var permission = user.getPermission("p");
        check(permission.read(new CosmosPermissionRequestOptions()).block().getProperties().getPermissionMode() == PermissionMode.READ, "mode");
        check(count(user.readAllPermissions().toIterable()) == 1, "permissions");
        check(count(user.queryPermissions("SELECT * FROM r").toIterable()) == 1, "query permissions");
        user.upsertPermission(properties, new CosmosPermissionRequestOptions()).block();
        permission.replace(made.setPermissionMode(PermissionMode.ALL), new CosmosPermissionRequestOptions()).block();
        permission.delete(new CosmosPermissionRequestOptions()).block();
        expect(404, -1, () -> permission.read(new CosmosPermissionRequestOptions()).block());
        user.delete().block();
    }

    private static void conflicts(CosmosAsyncContainer container) throws Exception {
        check(count(container.readAllConflicts(new CosmosQueryRequestOptions()).toIterable()) == 0, "list");
        check(count(container.queryConflicts("SELECT * FROM r").toIterable()) == 0, "query");
        var options = new CosmosConflictRequestOptions(new PartitionKey("a"));
        expect(404, -1, () -> container.getConflict("none").delete(options).block());
    }

    private static void encryptionKeys(CosmosAsyncDatabase database) throws Exception {
        var metadata = new EncryptionKeyWrapMetadata("custom", "key", "https://vault/keys/key/1", "RSA-OAEP");
        var properties = new CosmosClientEncryptionKeyProperties("k", "AEAD_AES_256_CBC_HMAC_SHA256", new byte[] {1, 2, 3}, metadata);
        database.createClientEncryptionKey(properties).block();
        expect(409, -1, () -> database.createClientEncryptionKey(properties).block());
        var key = database.getClientEncryptionKey("k");
        check(key.read().block().getProperties().getWrappedDataEncryptionKey().length == 3, "read");
        var other = new CosmosClientEncryptionKeyProperties("k", "AEAD_AES_256_CBC_HMAC_SHA256", new byte[] {4, 5}, metadata);
        check(key.replace(other).block().getProperties().getWrappedDataEncryptionKey().length == 2, "replace");
        check(count(database.readAllClientEncryptionKeys().toIterable()) == 1, "list");
        check(count(database.queryClientEncryptionKeys("SELECT * FROM r").toIterable()) == 1, "query");
        expect(404, -1, () -> database.getClientEncryptionKey("none").read().block());
    }

    private static void deleteByPartitionKey(CosmosContainer container) {
        for (int n = 0; n < 5; n++) container.createItem(item("" + n, "gone", n));
        container.deleteAllItemsByPartitionKey(new PartitionKey("gone"), new CosmosItemRequestOptions());
        var options = new CosmosQueryRequestOptions().setPartitionKey(new PartitionKey("gone"));
        check(count(container.queryItems("SELECT * FROM c", options, ObjectNode.class)) == 0, "left");
    }
}

package dev.celestite;

import static dev.celestite.Management.item;
import static dev.celestite.Suite.check;
import static dev.celestite.Suite.expect;

import com.azure.cosmos.CosmosAsyncClient;
import com.azure.cosmos.CosmosAsyncUser;
import com.azure.cosmos.CosmosClient;
import com.azure.cosmos.CosmosClientBuilder;
import com.azure.cosmos.CosmosContainer;
import com.azure.cosmos.CosmosDatabase;
import com.azure.cosmos.models.CosmosAuthorizationTokenResolver;
import com.azure.cosmos.models.CosmosBatch;
import com.azure.cosmos.models.CosmosItemRequestOptions;
import com.azure.cosmos.models.CosmosPatchOperations;
import com.azure.cosmos.models.CosmosPermissionProperties;
import com.azure.cosmos.models.CosmosPermissionRequestOptions;
import com.azure.cosmos.models.CosmosQueryRequestOptions;
import com.azure.cosmos.models.CosmosStoredProcedureProperties;
import com.azure.cosmos.models.CosmosStoredProcedureRequestOptions;
import com.azure.cosmos.models.CosmosUserProperties;
import com.azure.cosmos.models.PartitionKey;
import com.azure.cosmos.models.PermissionMode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Map;

/** Clients that have a resource token, or the permissions with their tokens, and no key: what they may and may not do. */
final class ResourceTokens {
    private static final String NAME = Management.NAME + "-tokens";
    private static final PartitionKey A = new PartitionKey("a");
    private static final PartitionKey B = new PartitionKey("b");

    private ResourceTokens() {}

    static void addTo(Map<String, Suite.Test> tests) {
        CosmosAsyncClient async = Management.builder().buildAsyncClient();
        CosmosClient client = Management.builder().buildClient();
        CosmosAsyncUser user = async.getDatabase(NAME).getUser("u");
        tests.put("resource tokens: what they are about is made", () -> prepare(client, async));
        tests.put("resource tokens: All of a container", () -> all(user));
        tests.put("resource tokens: Read of a container", () -> read(user));
        tests.put("resource tokens: All of one partition", () -> partition(user));
        tests.put("resource tokens: several permissions, each for its own", () -> several(user, client.getDatabase(NAME)));
        tests.put("resource tokens: the permission is deleted, its token ends", () -> revoked(user));
        tests.put("resource tokens: what they were about are deleted again", () -> {
            async.getDatabase(NAME).delete().block();
            async.close();
            client.close();
        });
    }

    private static void prepare(CosmosClient client, CosmosAsyncClient async) {
        client.createDatabase(NAME);
        CosmosDatabase database = client.getDatabase(NAME);
        for (String id : List.of("c", "other")) {
            database.createContainer(id, "/pk");
            CosmosContainer container = database.getContainer(id);
            container.createItem(item("1", "a", 1));
            container.createItem(item("1", "b", 2));
        }
        String body = "function () { getContext().getResponse().setBody('ran'); }";
        database.getContainer("c").getScripts().createStoredProcedure(new CosmosStoredProcedureProperties("s", body));
        async.getDatabase(NAME).createUser(new CosmosUserProperties().setId("u")).block();
    }

    private static CosmosPermissionProperties grant(CosmosAsyncUser user, String id, PermissionMode mode, String container, PartitionKey key) {
        var properties = new CosmosPermissionProperties().setId(id).setPermissionMode(mode).setContainerName(container);
        if (key != null) properties.setResourcePartitionKey(key);
        return user.upsertPermission(properties, new CosmosPermissionRequestOptions()).block().getProperties();
    }

    private static void remove(CosmosAsyncUser user, String id) {
        user.getPermission(id).delete(new CosmosPermissionRequestOptions()).block();
    }

    private static CosmosClientBuilder builder() {
        return new CosmosClientBuilder().endpoint(System.getenv("CONFORMANCE_keyEndpoint")).gatewayMode().contentResponseOnWriteEnabled(true);
    }

    private static int count(CosmosContainer container, CosmosQueryRequestOptions options) {
        int found = 0;
        for (ObjectNode ignored : container.queryItems("SELECT * FROM c", options, ObjectNode.class)) found++;
        return found;
    }

    private static String run(CosmosContainer container, PartitionKey key) {
        var options = new CosmosStoredProcedureRequestOptions().setPartitionKey(key);
        return container.getScripts().getStoredProcedure("s").execute(List.of(), options).getResponseAsString();
    }

    private static void all(CosmosAsyncUser user) throws Exception {
        var permission = grant(user, "all", PermissionMode.ALL, "c", null);
        try (CosmosClient client = builder().resourceToken(permission.getToken()).buildClient()) {
            CosmosDatabase database = client.getDatabase(NAME);
            CosmosContainer c = database.getContainer("c");
            check(c.readItem("1", A, ObjectNode.class).getItem().get("n").asInt() == 1, "read");
            c.createItem(item("2", "a", 2), A, null);
            c.upsertItem(item("2", "a", 3), A, null);
            c.replaceItem(item("2", "a", 4), "2", A, null);
            c.patchItem("2", A, CosmosPatchOperations.create().increment("/n", 1), ObjectNode.class);
            CosmosBatch batch = CosmosBatch.createCosmosBatch(A);
            batch.upsertItemOperation(item("3", "a", 3));
            batch.deleteItemOperation("3");
            check(c.executeCosmosBatch(batch).isSuccessStatusCode(), "batch");
            check(count(c, new CosmosQueryRequestOptions()) == 3, "query over all");
            check(run(c, A).contains("ran"), "procedure");
            c.deleteItem("2", A, new CosmosItemRequestOptions());
            expect(403, -1, database::read);
            expect(403, -1, c::delete);
            expect(403, -1, () -> client.createDatabase("no"));
            expect(403, -1, () -> database.getContainer("other").readItem("1", A, ObjectNode.class));
            expect(403, -1, () -> c.getScripts().createStoredProcedure(new CosmosStoredProcedureProperties("no", "function () {}")));
        }
        remove(user, "all");
    }

    private static void read(CosmosAsyncUser user) throws Exception {
        var permission = grant(user, "read", PermissionMode.READ, "c", null);
        try (CosmosClient client = builder().resourceToken(permission.getToken()).buildClient()) {
            CosmosContainer c = client.getDatabase(NAME).getContainer("c");
            check(c.readItem("1", B, ObjectNode.class).getItem().get("n").asInt() == 2, "read");
            check(count(c, new CosmosQueryRequestOptions().setPartitionKey(A)) == 1, "query");
            expect(403, -1, () -> c.createItem(item("no", "a", 1), A, null));
            expect(403, -1, () -> c.upsertItem(item("1", "a", 9), A, null));
            expect(403, -1, () -> c.replaceItem(item("1", "a", 9), "1", A, null));
            expect(403, -1, () -> c.patchItem("1", A, CosmosPatchOperations.create().set("/n", 9), ObjectNode.class));
            expect(403, -1, () -> c.deleteItem("1", A, new CosmosItemRequestOptions()));
            expect(403, -1, () -> run(c, A));
            check(c.readItem("1", A, ObjectNode.class).getItem().get("n").asInt() == 1, "unchanged");
        }
        remove(user, "read");
    }

    private static void partition(CosmosAsyncUser user) throws Exception {
        var permission = grant(user, "part", PermissionMode.ALL, "c", A);
        try (CosmosClient client = builder().resourceToken(permission.getToken()).buildClient()) {
            CosmosContainer c = client.getDatabase(NAME).getContainer("c");
            c.upsertItem(item("5", "a", 5), A, null);
            check(count(c, new CosmosQueryRequestOptions().setPartitionKey(A)) == 2, "query");
            check(run(c, A).contains("ran"), "procedure");
            expect(403, -1, () -> c.readItem("1", B, ObjectNode.class));
            expect(403, -1, () -> c.createItem(item("no", "b", 1), B, null));
            expect(403, -1, () -> c.deleteItem("1", B, new CosmosItemRequestOptions()));
            expect(403, -1, () -> count(c, new CosmosQueryRequestOptions().setPartitionKey(B)));
            expect(403, -1, () -> count(c, new CosmosQueryRequestOptions()));
            expect(403, -1, () -> run(c, B));
            // The partition of the header counts, and the item's must be the same.
            expect(400, -1, () -> c.createItem(item("no", "b", 1), A, null));
            c.deleteItem("5", A, new CosmosItemRequestOptions());
        }
        remove(user, "part");
    }

    /** The SDK asks for the token of each request by the resource's names or, for ranges, by its resource ids. */
    private static void several(CosmosAsyncUser user, CosmosDatabase owner) throws Exception {
        var inC = grant(user, "in-c", PermissionMode.READ, "c", null);
        var inOther = grant(user, "in-other", PermissionMode.ALL, "other", null);
        String otherRid = owner.getContainer("other").read().getProperties().getResourceId();
        CosmosAuthorizationTokenResolver resolver = (verb, resource, type, properties) ->
            resource.contains("colls/other") || resource.toLowerCase().contains(otherRid.toLowerCase()) ? inOther.getToken() : inC.getToken();
        try (CosmosClient client = builder().authorizationTokenResolver(resolver).buildClient()) {
            CosmosContainer c = client.getDatabase(NAME).getContainer("c");
            CosmosContainer other = client.getDatabase(NAME).getContainer("other");
            check(c.readItem("1", A, ObjectNode.class).getStatusCode() == 200, "read c");
            other.upsertItem(item("7", "a", 7), A, null);
            other.deleteItem("7", A, new CosmosItemRequestOptions());
            expect(403, -1, () -> c.upsertItem(item("7", "a", 7), A, null));
        }
        try (CosmosClient client = builder().permissions(List.of(inC, inOther)).buildClient()) {
            CosmosDatabase database = client.getDatabase(NAME);
            check(database.getContainer("other").read().getProperties().getId().equals("other"), "a list of permissions");
            expect(403, -1, () -> database.getContainer("c").delete());
        }
        remove(user, "in-c");
        remove(user, "in-other");
    }

    private static void revoked(CosmosAsyncUser user) throws Exception {
        var permission = grant(user, "short", PermissionMode.READ, "c", null);
        try (CosmosClient client = builder().resourceToken(permission.getToken()).buildClient()) {
            CosmosContainer c = client.getDatabase(NAME).getContainer("c");
            check(c.readItem("1", A, ObjectNode.class).getStatusCode() == 200, "read");
            remove(user, "short");
            expect(401, -1, () -> c.readItem("1", A, ObjectNode.class));
            // A permission of the same name is another one.
            grant(user, "short", PermissionMode.ALL, "c", null);
            expect(401, -1, () -> c.readItem("1", A, ObjectNode.class));
        }
        remove(user, "short");
    }
}

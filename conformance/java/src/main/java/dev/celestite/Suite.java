package dev.celestite;

import com.azure.cosmos.CosmosClient;
import com.azure.cosmos.CosmosClientBuilder;
import com.azure.cosmos.CosmosContainer;
import com.azure.cosmos.CosmosException;
import com.azure.cosmos.models.CosmosBatch;
import com.azure.cosmos.models.CosmosBulkOperations;
import com.azure.cosmos.models.CosmosChangeFeedRequestOptions;
import com.azure.cosmos.models.CosmosItemOperation;
import com.azure.cosmos.models.CosmosItemRequestOptions;
import com.azure.cosmos.models.CosmosPatchItemRequestOptions;
import com.azure.cosmos.models.CosmosPatchOperations;
import com.azure.cosmos.models.CosmosQueryRequestOptions;
import com.azure.cosmos.models.FeedRange;
import com.azure.cosmos.models.PartitionKey;
import com.azure.cosmos.models.SqlParameter;
import com.azure.cosmos.models.SqlQuerySpec;
import com.azure.identity.ManagedIdentityCredentialBuilder;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Items, queries, batches, bulk and change feed through the newest azure-cosmos in gateway mode with a managed identity. */
public final class Suite {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String PK = "java-items";
    private static final PartitionKey KEY = new PartitionKey(PK);

    /** A test that throws when it fails. */
    interface Test {
        void run() throws Exception;
    }

    private static CosmosContainer containerAs(String who) {
        CosmosClient client = new CosmosClientBuilder()
            .endpoint(System.getenv("COSMOS_ENDPOINT"))
            .credential(new ManagedIdentityCredentialBuilder().clientId(System.getenv("CONFORMANCE_" + who + "ClientId")).build())
            .gatewayMode()
            .contentResponseOnWriteEnabled(true)
            .buildClient();
        return client.getDatabase("shop").getContainer("orders");
    }

    private static ObjectNode item(String id, int n) {
        return JSON.createObjectNode().put("id", id).put("partitionKey", PK).put("n", n);
    }

    static void check(boolean holds, Object detail) {
        if (!holds) throw new AssertionError(String.valueOf(detail));
    }

    static void expect(int status, int substatus, Test work) throws Exception {
        try {
            work.run();
        } catch (CosmosException error) {
            check(error.getStatusCode() == status && (substatus < 0 || error.getSubStatusCode() == substatus),
                error.getStatusCode() + "/" + error.getSubStatusCode());
            return;
        }
        throw new AssertionError("expected " + status);
    }

    private static List<Integer> numbers(CosmosContainer container, String query, CosmosQueryRequestOptions options) {
        SqlQuerySpec spec = new SqlQuerySpec(query, new SqlParameter("@n", 4));
        List<Integer> rows = new ArrayList<>();
        container.queryItems(spec, options, Integer.class).forEach(rows::add);
        return rows;
    }

    public static void main(String[] args) {
        CosmosContainer worker = containerAs("worker");
        CosmosContainer reader = containerAs("reader");
        Map<String, Test> tests = new LinkedHashMap<>();
        tests.put("create, read, replace, delete", () -> {
            String id = "java-" + ProcessHandle.current().pid();
            var created = worker.createItem(item(id, 1), KEY, null);
            check(created.getItem().get("n").asInt() == 1, created.getItem());
            expect(409, -1, () -> worker.createItem(item(id, 1), KEY, null));
            worker.upsertItem(item(id, 2), KEY, null);
            expect(412, -1, () -> worker.replaceItem(item(id, 3), id, KEY, new CosmosItemRequestOptions().setIfMatchETag(created.getETag())));
            worker.deleteItem(id, KEY, null);
            expect(404, 0, () -> worker.readItem(id, KEY, ObjectNode.class));
        });
        tests.put("queries in one partition and across", () -> {
            for (int n = 0; n < 9; n++) worker.upsertItem(item("j-" + n, n), KEY, null);
            String filter = " FROM c WHERE c.n >= @n AND STARTSWITH(c.id, 'j-')";
            var inside = new CosmosQueryRequestOptions().setPartitionKey(KEY);
            check(numbers(worker, "SELECT VALUE c.n" + filter + " ORDER BY c.n DESC", inside).equals(List.of(8, 7, 6, 5, 4)), "inside");
            var across = new CosmosQueryRequestOptions();
            check(numbers(worker, "SELECT VALUE c.n" + filter + " ORDER BY c.n", across).equals(List.of(4, 5, 6, 7, 8)), "across");
            check(numbers(worker, "SELECT VALUE COUNT(1)" + filter, new CosmosQueryRequestOptions()).equals(List.of(5)), "count");
            check(numbers(worker, "SELECT VALUE c.n" + filter + " ORDER BY c.n OFFSET 1 LIMIT 2", new CosmosQueryRequestOptions()).equals(List.of(5, 6)), "offset");
            check(numbers(worker, "SELECT DISTINCT VALUE c.n" + filter + " ORDER BY c.n", new CosmosQueryRequestOptions()).equals(List.of(4, 5, 6, 7, 8)), "distinct");
        });
        tests.put("patch with and without a condition", () -> {
            worker.upsertItem(item("patched", 1), KEY, null);
            var patched = worker.patchItem("patched", KEY, CosmosPatchOperations.create().increment("/n", 4).set("/color", "red"), ObjectNode.class);
            check(patched.getItem().get("n").asInt() == 5, patched.getItem());
            var options = new CosmosPatchItemRequestOptions().setFilterPredicate("from c where c.n = 1");
            expect(412, 1110, () -> worker.patchItem("patched", KEY, CosmosPatchOperations.create().set("/n", 0), options, ObjectNode.class));
        });
        tests.put("transactional batch", () -> {
            CosmosBatch batch = CosmosBatch.createCosmosBatch(KEY);
            batch.upsertItemOperation(item("b-1", 1));
            batch.readItemOperation("b-1");
            var done = worker.executeCosmosBatch(batch);
            check(done.isSuccessStatusCode() && done.getResults().size() == 2, done.getStatusCode());
            CosmosBatch failing = CosmosBatch.createCosmosBatch(KEY);
            failing.upsertItemOperation(item("b-undone", 1));
            failing.createItemOperation(item("b-1", 1));
            var failed = worker.executeCosmosBatch(failing);
            check(!failed.isSuccessStatusCode() && failed.getResults().get(0).getStatusCode() == 424, failed.getStatusCode());
            expect(404, 0, () -> worker.readItem("b-undone", KEY, ObjectNode.class));
        });
        tests.put("bulk", () -> {
            List<CosmosItemOperation> operations = new ArrayList<>();
            for (int n = 0; n < 50; n++) operations.add(CosmosBulkOperations.getUpsertItemOperation(item("bulk-" + n, n), KEY));
            int[] created = {0};
            worker.executeBulkOperations(operations).forEach(result -> {
                if (result.getResponse() != null && result.getResponse().isSuccessStatusCode()) created[0]++;
            });
            check(created[0] == 50, created[0]);
        });
        tests.put("change feed from the beginning", () -> {
            worker.upsertItem(item("changed", 1), KEY, null);
            var options = CosmosChangeFeedRequestOptions.createForProcessingFromBeginning(FeedRange.forFullRange());
            int[] seen = {0};
            worker.queryChangeFeed(options, ObjectNode.class).forEach(change -> seen[0]++);
            check(seen[0] > 0, seen[0]);
        });
        tests.put("read all items of a partition", () -> {
            int[] seen = {0};
            worker.readAllItems(KEY, new CosmosQueryRequestOptions(), ObjectNode.class).forEach(row -> seen[0]++);
            check(seen[0] >= 9, seen[0]);
        });
        tests.put("a reader reads", () -> check(reader.readItem("changed", KEY, ObjectNode.class).getStatusCode() == 200, "read"));
        tests.put("a reader may not write", () -> {
            expect(403, 5302, () -> reader.createItem(item("no", 1), KEY, null));
            expect(403, 5302, () -> reader.upsertItem(item("no", 1), KEY, null));
            expect(403, 5302, () -> reader.deleteItem("changed", KEY, null));
        });
        tests.put("containers are not changed with a token", () -> expect(403, 5300, worker::delete));
        Management.addTo(tests);
        ResourceTokens.addTo(tests);
        ChangeFeeds.addTo(tests);
        int passed = 0;
        int failed = 0;
        for (Map.Entry<String, Test> test : tests.entrySet()) {
            boolean wanted = args.length == 0 || test.getKey().contains(args[0]) || test.getKey().endsWith("are made");
            if (!wanted) continue;
            try {
                test.getValue().run();
                passed++;
                System.out.println("ok - " + test.getKey());
            } catch (Throwable error) {
                failed++;
                System.out.println("not ok - " + test.getKey() + ": " + error);
            }
        }
        System.out.println(passed + " passed, " + failed + " failed");
        System.exit(failed == 0 ? 0 : 1);
    }
}

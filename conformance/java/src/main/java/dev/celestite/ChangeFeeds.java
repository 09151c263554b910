package dev.celestite;

import static dev.celestite.Management.item;
import static dev.celestite.Suite.check;

import com.azure.cosmos.ChangeFeedProcessor;
import com.azure.cosmos.ChangeFeedProcessorBuilder;
import com.azure.cosmos.CosmosAsyncClient;
import com.azure.cosmos.CosmosAsyncContainer;
import com.azure.cosmos.CosmosAsyncDatabase;
import com.azure.cosmos.models.ChangeFeedPolicy;
import com.azure.cosmos.models.ChangeFeedProcessorOptions;
import com.azure.cosmos.models.CosmosContainerProperties;
import com.azure.cosmos.models.PartitionKey;
import com.azure.cosmos.models.ThroughputProperties;
import java.time.Duration;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.BooleanSupplier;
import reactor.core.publisher.Flux;

/** The SDK's change feed processor with leases: several hosts, ranges that split, all versions and deletes. */
final class ChangeFeeds {
    private static final int ITEMS = 200;
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private ChangeFeeds() {}

    static void addTo(Map<String, Suite.Test> tests) {
        CosmosAsyncClient client = Management.builder().buildAsyncClient();
        CosmosAsyncDatabase database = client.getDatabase(Management.NAME);
        tests.put("a processor goes on over ranges that split, and sees each change once", () -> split(database));
        tests.put("two processors share the leases, and no change is lost", () -> shared(database));
        tests.put("a processor of all versions sees creates, replaces and deletes", () -> allVersions(database));
        tests.put("the database of these tests is deleted", () -> {
            database.delete().block();
            client.close();
        });
    }

    private static ChangeFeedProcessorOptions options() {
        return new ChangeFeedProcessorOptions()
            .setFeedPollDelay(Duration.ofMillis(100))
            .setLeaseAcquireInterval(Duration.ofMillis(500))
            .setLeaseRenewInterval(Duration.ofSeconds(1))
            .setLeaseExpirationInterval(Duration.ofSeconds(20))
            .setMaxItemCount(20);
    }

    private static CosmosAsyncContainer create(CosmosAsyncDatabase database, String id, String key, int throughput) {
        database.createContainer(new CosmosContainerProperties(id, key), ThroughputProperties.createManualThroughput(throughput)).block();
        return database.getContainer(id);
    }

    private static void write(CosmosAsyncContainer container, int first, int count) {
        Flux.range(first, count).flatMap(n -> container.createItem(item("" + n, "p" + n % 23, n)), 8).blockLast();
    }

    private static void await(BooleanSupplier holds, Collection<?> seen) throws InterruptedException {
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (!holds.getAsBoolean()) {
            check(System.nanoTime() < end, "in time there were only " + seen.size() + ": " + seen);
            Thread.sleep(50);
        }
    }

    private static ChangeFeedProcessor start(String host, CosmosAsyncContainer feed, CosmosAsyncContainer leases, Collection<Integer> seen) {
        ChangeFeedProcessor processor = new ChangeFeedProcessorBuilder()
            .hostName(host)
            .feedContainer(feed)
            .leaseContainer(leases)
            .options(options().setStartFromBeginning(true))
            .handleLatestVersionChanges(changes -> changes.forEach(change -> seen.add(change.getCurrent().get("n").asInt())))
            .buildChangeFeedProcessor();
        processor.start().block();
        return processor;
    }

    /** Numbers that are missing or there more than once. */
    static String faults(Collection<Integer> seen, int count) {
        int[] times = new int[count];
        for (int n : seen) times[n]++;
        StringBuilder faults = new StringBuilder();
        for (int n = 0; n < count; n++) if (times[n] != 1) faults.append(n).append(" x ").append(times[n]).append("; ");
        return faults.toString();
    }

    private static void split(CosmosAsyncDatabase database) throws Exception {
        CosmosAsyncContainer feed = create(database, "feed", "/pk", 20_000);
        CosmosAsyncContainer leases = create(database, "leases", "/id", 10_000);
        write(feed, 0, ITEMS);
        ConcurrentLinkedQueue<Integer> seen = new ConcurrentLinkedQueue<>();
        ChangeFeedProcessor processor = start("one", feed, leases, seen);
        await(() -> seen.size() >= ITEMS / 2, seen);
        feed.replaceThroughput(ThroughputProperties.createManualThroughput(40_000)).block();
        write(feed, ITEMS, ITEMS);
        await(() -> new HashSet<>(seen).size() >= 2 * ITEMS, seen);
        Thread.sleep(500);
        processor.stop().block();
        check(faults(seen, 2 * ITEMS).isEmpty(), faults(seen, 2 * ITEMS));
    }

    private static void shared(CosmosAsyncDatabase database) throws Exception {
        CosmosAsyncContainer feed = create(database, "shared", "/pk", 40_000);
        CosmosAsyncContainer leases = create(database, "shared-leases", "/id", 10_000);
        write(feed, 0, ITEMS);
        ConcurrentLinkedQueue<Integer> first = new ConcurrentLinkedQueue<>();
        ConcurrentLinkedQueue<Integer> second = new ConcurrentLinkedQueue<>();
        ChangeFeedProcessor one = start("one", feed, leases, first);
        await(() -> first.size() >= ITEMS / 2, first);
        ChangeFeedProcessor two = start("two", feed, leases, second);
        int[] written = {ITEMS};
        await(() -> {
            // Changes go on coming, so that the second one has something to do as soon as it holds a lease.
            write(feed, written[0], 10);
            written[0] += 10;
            return !second.isEmpty();
        }, second);
        Set<Integer> all = new HashSet<>();
        await(() -> {
            all.addAll(first);
            all.addAll(second);
            return all.size() >= written[0];
        }, all);
        one.stop().block();
        two.stop().block();
        check(all.size() == written[0], all);
    }

    private static void allVersions(CosmosAsyncDatabase database) throws Exception {
        CosmosContainerProperties properties = new CosmosContainerProperties("versions", "/pk");
        properties.setChangeFeedPolicy(ChangeFeedPolicy.createAllVersionsAndDeletesPolicy(Duration.ofMinutes(10)));
        database.createContainer(properties).block();
        CosmosAsyncContainer feed = database.getContainer("versions");
        CosmosAsyncContainer leases = create(database, "version-leases", "/id", 400);
        ConcurrentLinkedQueue<String> seen = new ConcurrentLinkedQueue<>();
        ChangeFeedProcessor processor = new ChangeFeedProcessorBuilder()
            .hostName("one")
            .feedContainer(feed)
            .leaseContainer(leases)
            .options(options())
            .handleAllVersionsAndDeletesChanges((List<com.azure.cosmos.models.ChangeFeedProcessorItem> changes) ->
                changes.forEach(change -> seen.add(change.getChangeFeedMetaData().getOperationType().toString().toLowerCase())))
            .buildChangeFeedProcessor();
        processor.start().block();
        // It starts from now, which is when its leases are there.
        await(processor::isStarted, seen);
        Thread.sleep(3000);
        feed.createItem(item("1", "a", 1)).block();
        feed.upsertItem(item("1", "a", 2)).block();
        feed.deleteItem("1", new PartitionKey("a")).block();
        await(() -> seen.size() >= 3, seen);
        processor.stop().block();
        check(List.copyOf(seen).equals(List.of("create", "replace", "delete")), seen);
    }
}

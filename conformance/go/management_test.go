// Databases, containers, throughput and the change feed over ranges that split, through azcosmos with an account key.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"
)

func managed(t *testing.T) (*azcosmos.Client, *azcosmos.DatabaseClient) {
	t.Helper()
	credential, err := azcosmos.NewKeyCredential(os.Getenv("CONFORMANCE_key"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := azcosmos.NewClientWithKey(os.Getenv("CONFORMANCE_keyEndpoint"), credential, nil)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("go-%d-%s", os.Getpid(), t.Name())
	if _, err := client.CreateDatabase(ctx, azcosmos.DatabaseProperties{ID: name}, nil); err != nil {
		t.Fatal(err)
	}
	database, err := client.NewDatabase(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := database.Delete(ctx, nil); err != nil {
			t.Error(err)
		}
		_, err := database.Read(ctx, nil)
		expectStatus(t, err, 404, "")
	})
	return client, database
}

func makeContainer(t *testing.T, database *azcosmos.DatabaseClient, id string, throughput *azcosmos.ThroughputProperties) *azcosmos.ContainerClient {
	t.Helper()
	properties := azcosmos.ContainerProperties{ID: id, PartitionKeyDefinition: azcosmos.PartitionKeyDefinition{Paths: []string{"/pk"}}}
	if _, err := database.CreateContainer(ctx, properties, &azcosmos.CreateContainerOptions{ThroughputProperties: throughput}); err != nil {
		t.Fatal(err)
	}
	container, err := database.NewContainer(id)
	if err != nil {
		t.Fatal(err)
	}
	return container
}

func TestDatabasesAndContainers(t *testing.T) {
	client, database := managed(t)
	_, err := client.CreateDatabase(ctx, azcosmos.DatabaseProperties{ID: database.ID()}, nil)
	expectStatus(t, err, 409, "")
	found, err := client.NewQueryDatabasesPager("SELECT * FROM r WHERE r.id = '"+database.ID()+"'", nil).NextPage(ctx)
	if err != nil || len(found.Databases) != 1 {
		t.Fatal(err, found.Databases)
	}
	own := makeContainer(t, database, "own", nil)
	read, err := own.Read(ctx, nil)
	if err != nil || read.ContainerProperties.PartitionKeyDefinition.Paths[0] != "/pk" {
		t.Fatal(err, read.ContainerProperties)
	}
	_, err = database.CreateContainer(ctx, *read.ContainerProperties, nil)
	expectStatus(t, err, 409, "")
	changed := *read.ContainerProperties
	ttl := int32(100)
	changed.DefaultTimeToLive = &ttl
	replaced, err := own.Replace(ctx, changed, nil)
	if err != nil || *replaced.ContainerProperties.DefaultTimeToLive != 100 {
		t.Fatal(err, replaced.ContainerProperties)
	}
	changed.PartitionKeyDefinition.Paths = []string{"/other"}
	_, err = own.Replace(ctx, changed, nil)
	expectStatus(t, err, 400, "")
	listed, err := database.NewQueryContainersPager("SELECT * FROM r", nil).NextPage(ctx)
	if err != nil || len(listed.Containers) != 1 {
		t.Fatal(err, listed.Containers)
	}
	if _, err := own.Delete(ctx, nil); err != nil {
		t.Fatal(err)
	}
	_, err = own.Read(ctx, nil)
	expectStatus(t, err, 404, "")
}

func TestThroughput(t *testing.T) {
	_, database := managed(t)
	manual := azcosmos.NewManualThroughputProperties(500)
	own := makeContainer(t, database, "offered", &manual)
	read, err := own.ReadThroughput(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if value, _ := read.ThroughputProperties.ManualThroughput(); value != 500 {
		t.Fatal(value)
	}
	if _, err = own.ReplaceThroughput(ctx, azcosmos.NewManualThroughputProperties(700), nil); err != nil {
		t.Fatal(err)
	}
	_, err = own.ReplaceThroughput(ctx, azcosmos.NewManualThroughputProperties(750), nil)
	expectStatus(t, err, 400, "")
	autoscale := azcosmos.NewAutoscaleThroughputProperties(4000)
	scaled, err := makeContainer(t, database, "autoscale", &autoscale).ReadThroughput(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if value, _ := scaled.ThroughputProperties.AutoscaleMaxThroughput(); value != 4000 {
		t.Fatal(value)
	}
}

func TestQueryAcrossPartitions(t *testing.T) {
	_, database := managed(t)
	own := makeContainer(t, database, "across", nil)
	for n := 0; n < 20; n++ {
		write(t, own, n)
	}
	pager := own.NewQueryItemsPager("SELECT VALUE c.n FROM c WHERE c.n >= 15", azcosmos.NewPartitionKey(), nil)
	rows := 0
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		rows += len(page.Items)
	}
	if rows != 5 {
		t.Fatal(rows)
	}
}

func write(t *testing.T, container *azcosmos.ContainerClient, n int) {
	t.Helper()
	pk := fmt.Sprintf("p%d", n%23)
	body, _ := json.Marshal(map[string]any{"id": fmt.Sprint(n), "pk": pk, "n": n})
	if _, err := container.CreateItem(ctx, azcosmos.NewPartitionKeyString(pk), body, nil); err != nil {
		t.Fatal(err)
	}
}

// The feed ranges that were read before a split stay readable after it: the server serves the part of the new ranges.
func TestTheChangeFeedOfEveryRange(t *testing.T) {
	_, database := managed(t)
	manual := azcosmos.NewManualThroughputProperties(20_000)
	own := makeContainer(t, database, "changes", &manual)
	for n := 0; n < 100; n++ {
		write(t, own, n)
	}
	if _, err := own.ReplaceThroughput(ctx, azcosmos.NewManualThroughputProperties(40_000), nil); err != nil {
		t.Fatal(err)
	}
	ranges, err := own.ReadFeedRanges(ctx, nil)
	if err != nil || len(ranges) != 4 {
		t.Fatal(err, ranges)
	}
	var seen []int
	for at := range ranges {
		options := &azcosmos.ChangeFeedOptions{MaxItemCount: 7, FeedRange: &ranges[at]}
		for {
			feed, err := own.ReadChangeFeed(ctx, options)
			if err != nil {
				t.Fatal(err)
			}
			if feed.Count == 0 {
				break
			}
			for _, document := range feed.Items {
				var row struct{ N int }
				if err := json.Unmarshal(document, &row); err != nil {
					t.Fatal(err)
				}
				seen = append(seen, row.N)
			}
			token, err := feed.GetCompositeContinuationToken()
			if err != nil {
				t.Fatal(err)
			}
			options = &azcosmos.ChangeFeedOptions{MaxItemCount: 7, Continuation: &token}
		}
	}
	sort.Ints(seen)
	if len(seen) != 100 || seen[0] != 0 || seen[99] != 99 {
		t.Fatal(seen)
	}
}

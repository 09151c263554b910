// Items, queries, batches and change feed through the newest azcosmos with a managed identity.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"
)

const pk = "go-items"

var ctx = context.Background()
var key = azcosmos.NewPartitionKeyString(pk)

func containerAs(t *testing.T, who string) *azcosmos.ContainerClient {
	t.Helper()
	credential, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{
		ID: azidentity.ClientID(os.Getenv("CONFORMANCE_" + who + "ClientId")),
	})
	if err != nil {
		t.Fatal(err)
	}
	client, err := azcosmos.NewClient(os.Getenv("COSMOS_ENDPOINT"), credential, nil)
	if err != nil {
		t.Fatal(err)
	}
	container, err := client.NewContainer("shop", "orders")
	if err != nil {
		t.Fatal(err)
	}
	return container
}

func item(id string, n int) []byte {
	body, _ := json.Marshal(map[string]any{"id": id, "partitionKey": pk, "n": n})
	return body
}

func expectStatus(t *testing.T, err error, status int, substatus string) {
	t.Helper()
	var response *azcore.ResponseError
	if !errors.As(err, &response) {
		t.Fatalf("expected %d, got %v", status, err)
	}
	if got := response.RawResponse.Header.Get("x-ms-substatus"); response.StatusCode != status || (substatus != "" && got != substatus) {
		t.Fatalf("expected %d/%s, got %d/%s", status, substatus, response.StatusCode, got)
	}
}

func TestCreateReadReplaceDelete(t *testing.T) {
	c := containerAs(t, "worker")
	id := fmt.Sprintf("go-%d", os.Getpid())
	created, err := c.CreateItem(ctx, key, item(id, 1), &azcosmos.ItemOptions{EnableContentResponseOnWrite: true})
	if err != nil || len(created.Value) == 0 {
		t.Fatal(err, created.Value)
	}
	minimal, err := c.UpsertItem(ctx, key, item(id, 2), nil)
	if err != nil || len(minimal.Value) != 0 {
		t.Fatal("a minimal response has no body", err, string(minimal.Value))
	}
	_, err = c.CreateItem(ctx, key, item(id, 1), nil)
	expectStatus(t, err, 409, "")
	stale := created.ETag
	_, err = c.ReplaceItem(ctx, key, id, item(id, 3), &azcosmos.ItemOptions{IfMatchEtag: &stale})
	expectStatus(t, err, 412, "")
	if _, err = c.DeleteItem(ctx, key, id, nil); err != nil {
		t.Fatal(err)
	}
	_, err = c.ReadItem(ctx, key, id, nil)
	expectStatus(t, err, 404, "")
}

func TestQueryInOnePartition(t *testing.T) {
	c := containerAs(t, "worker")
	for n := 0; n < 9; n++ {
		if _, err := c.UpsertItem(ctx, key, item(fmt.Sprintf("q-%d", n), n), nil); err != nil {
			t.Fatal(err)
		}
	}
	pager := c.NewQueryItemsPager("SELECT VALUE c.n FROM c WHERE c.n >= @n AND STARTSWITH(c.id, 'q-') ORDER BY c.n DESC", key,
		&azcosmos.QueryOptions{PageSizeHint: 2, QueryParameters: []azcosmos.QueryParameter{{Name: "@n", Value: 4}}})
	var rows []int
	pages := 0
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, row := range page.Items {
			var n int
			if err := json.Unmarshal(row, &n); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, n)
		}
	}
	if fmt.Sprint(rows) != "[8 7 6 5 4]" || pages < 3 {
		t.Fatal(rows, pages)
	}
}

func TestPatch(t *testing.T) {
	c := containerAs(t, "worker")
	if _, err := c.UpsertItem(ctx, key, item("patched", 1), nil); err != nil {
		t.Fatal(err)
	}
	patch := azcosmos.PatchOperations{}
	patch.AppendIncrement("/n", 4)
	patch.AppendSet("/color", "red")
	response, err := c.PatchItem(ctx, key, "patched", patch, &azcosmos.ItemOptions{EnableContentResponseOnWrite: true})
	if err != nil {
		t.Fatal(err)
	}
	var body map[string]any
	if json.Unmarshal(response.Value, &body) != nil || body["n"] != 5.0 || body["color"] != "red" {
		t.Fatal(string(response.Value))
	}
	patch.SetCondition("from c where c.n = 1")
	_, err = c.PatchItem(ctx, key, "patched", patch, nil)
	expectStatus(t, err, 412, "")
}

func TestTransactionalBatch(t *testing.T) {
	c := containerAs(t, "worker")
	batch := c.NewTransactionalBatch(key)
	batch.UpsertItem(item("b-1", 1), nil)
	batch.ReadItem("b-1", nil)
	done, err := c.ExecuteTransactionalBatch(ctx, batch, nil)
	if err != nil || !done.Success || len(done.OperationResults) != 2 || done.OperationResults[1].StatusCode != 200 {
		t.Fatal(err, done)
	}
	failing := c.NewTransactionalBatch(key)
	failing.UpsertItem(item("b-undone", 1), nil)
	failing.CreateItem(item("b-1", 1), nil)
	failed, err := c.ExecuteTransactionalBatch(ctx, failing, nil)
	if err != nil || failed.Success || failed.OperationResults[0].StatusCode != 424 || failed.OperationResults[1].StatusCode != 409 {
		t.Fatal(err, failed)
	}
	_, err = c.ReadItem(ctx, key, "b-undone", nil)
	expectStatus(t, err, 404, "")
}

func TestFeedRangesAndChangeFeed(t *testing.T) {
	c := containerAs(t, "worker")
	if _, err := c.UpsertItem(ctx, key, item("changed", 1), nil); err != nil {
		t.Fatal(err)
	}
	ranges, err := c.ReadFeedRanges(ctx, nil)
	if err != nil || len(ranges) != 1 {
		t.Fatal(err, ranges)
	}
	feed, err := c.ReadChangeFeed(ctx, &azcosmos.ChangeFeedOptions{MaxItemCount: 1000, FeedRange: &ranges[0]})
	if err != nil || feed.Count == 0 {
		t.Fatal(err, feed.Count)
	}
}

func TestReaderIsDeniedWriting(t *testing.T) {
	c := containerAs(t, "reader")
	if _, err := c.Read(ctx, nil); err != nil {
		t.Fatal(err)
	}
	_, err := c.CreateItem(ctx, key, item("no", 1), nil)
	expectStatus(t, err, 403, "5302")
	_, err = c.UpsertItem(ctx, key, item("no", 1), nil)
	expectStatus(t, err, 403, "5302")
	_, err = c.DeleteItem(ctx, key, "changed", nil)
	expectStatus(t, err, 403, "5302")
	batch := c.NewTransactionalBatch(key)
	batch.ReadItem("changed", nil)
	batch.CreateItem(item("no", 1), nil)
	if _, err = c.ExecuteTransactionalBatch(ctx, batch, nil); err == nil {
		t.Fatal("a batch with a create must be denied")
	}
	expectStatus(t, err, 403, "5302")
}

func TestContainersAreNotChangedWithAToken(t *testing.T) {
	c := containerAs(t, "worker")
	_, err := c.Delete(ctx, nil)
	expectStatus(t, err, 403, "5300")
	_, err = c.ReadThroughput(ctx, nil)
	expectStatus(t, err, 403, "5300")
}

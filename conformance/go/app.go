// A passwordless program as users write it, driven by the flows of conformance/flows.ts. Nothing in it knows where it
// runs. Prints one line of JSON for each thing it does.
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"
)

func report(work func() (map[string]any, error)) {
	line, err := work()
	if err != nil {
		line = map[string]any{"ok": false, "name": fmt.Sprintf("%T", err), "message": err.Error()}
		var response *azcore.ResponseError
		if errors.As(err, &response) {
			line["status"] = response.StatusCode
			if response.RawResponse != nil {
				var sub int
				if _, scanned := fmt.Sscan(response.RawResponse.Header.Get("x-ms-substatus"), &sub); scanned == nil {
					line["substatus"] = sub
				}
			}
		}
	} else {
		line["ok"] = true
	}
	text, _ := json.Marshal(line)
	fmt.Println(string(text))
}

func main() {
	ctx := context.Background()
	mode, args := os.Args[1], os.Args[2:]
	credential, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		panic(err)
	}
	container := func(name string) (*azcosmos.ContainerClient, error) {
		client, err := azcosmos.NewClient(os.Getenv("COSMOS_ENDPOINT"), credential, nil)
		if err != nil {
			return nil, err
		}
		return client.NewContainer("shop", name)
	}
	read := func(c *azcosmos.ContainerClient, id string) (map[string]any, error) {
		response, err := c.ReadItem(ctx, azcosmos.NewPartitionKeyString(id), id, nil)
		if err != nil {
			return nil, err
		}
		var item map[string]any
		if err := json.Unmarshal(response.Value, &item); err != nil {
			return nil, err
		}
		return map[string]any{"status": 200, "id": item["id"]}, nil
	}

	switch mode {
	case "read":
		report(func() (map[string]any, error) {
			c, err := container(args[0])
			if err != nil {
				return nil, err
			}
			return read(c, args[1])
		})
	case "create":
		report(func() (map[string]any, error) {
			c, err := container(args[0])
			if err != nil {
				return nil, err
			}
			body, _ := json.Marshal(map[string]string{"id": args[1], "partitionKey": args[1]})
			response, err := c.CreateItem(ctx, azcosmos.NewPartitionKeyString(args[1]), body, nil)
			if err != nil {
				return nil, err
			}
			return map[string]any{"status": response.RawResponse.StatusCode}, nil
		})
	case "whoami":
		report(func() (map[string]any, error) {
			token, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://cosmos.azure.com/.default"}})
			if err != nil {
				return nil, err
			}
			payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token.Token, ".")[1])
			if err != nil {
				return nil, err
			}
			var claims map[string]any
			if err := json.Unmarshal(payload, &claims); err != nil {
				return nil, err
			}
			return map[string]any{"oid": claims["oid"]}, nil
		})
	case "read-again-and-again":
		c, err := container(args[0])
		if err != nil {
			panic(err)
		}
		report(func() (map[string]any, error) { return read(c, args[1]) })
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			report(func() (map[string]any, error) { return read(c, args[1]) })
		}
	}
}

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
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
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

func whoami(ctx context.Context, credential azcore.TokenCredential) (map[string]any, error) {
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
}

// order names a credential and what it is given.
type order struct {
	Use, TenantID, ClientID, ResourceID, ObjectID, Secret, CertificatePath string
	Assertion, UserAssertionToken, AuthorityHost, Scope, Challenge         string
	DisableInstanceDiscovery                                               bool
}

func (o order) credential(fallback azcore.TokenCredential) (azcore.TokenCredential, error) {
	client := azcore.ClientOptions{}
	if o.AuthorityHost != "" {
		client.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: o.AuthorityHost}
	}
	switch o.Use {
	case "secret":
		return azidentity.NewClientSecretCredential(o.TenantID, o.ClientID, o.Secret, &azidentity.ClientSecretCredentialOptions{
			ClientOptions: client, DisableInstanceDiscovery: o.DisableInstanceDiscovery})
	case "certificate":
		pem, err := os.ReadFile(o.CertificatePath)
		if err != nil {
			return nil, err
		}
		certificates, key, err := azidentity.ParseCertificates(pem, nil)
		if err != nil {
			return nil, err
		}
		return azidentity.NewClientCertificateCredential(o.TenantID, o.ClientID, certificates, key, nil)
	case "assertion":
		give := func(context.Context) (string, error) { return o.Assertion, nil }
		return azidentity.NewClientAssertionCredential(o.TenantID, o.ClientID, give, nil)
	case "on-behalf-of":
		return azidentity.NewOnBehalfOfCredentialWithSecret(o.TenantID, o.ClientID, o.UserAssertionToken, o.Secret, nil)
	case "managed":
		options := azidentity.ManagedIdentityCredentialOptions{}
		switch {
		case o.ClientID != "":
			options.ID = azidentity.ClientID(o.ClientID)
		case o.ResourceID != "":
			options.ID = azidentity.ResourceID(o.ResourceID)
		case o.ObjectID != "":
			options.ID = azidentity.ObjectID(o.ObjectID)
		}
		return azidentity.NewManagedIdentityCredential(&options)
	}
	return fallback, nil
}

// Tokens for the orders in a file, one line for each.
func tokens(ctx context.Context, file string, fallback azcore.TokenCredential) {
	text, err := os.ReadFile(file)
	var orders []order
	if err == nil {
		err = json.Unmarshal(text, &orders)
	}
	if err != nil {
		panic(err)
	}
	for _, o := range orders {
		report(func() (map[string]any, error) {
			ordered, err := o.credential(fallback)
			if err != nil {
				return nil, err
			}
			found, err := ordered.GetToken(ctx, policy.TokenRequestOptions{
				Scopes: []string{o.Scope}, Claims: o.Challenge, EnableCAE: o.Challenge != ""})
			return map[string]any{"token": found.Token, "expiresOn": found.ExpiresOn.Unix()}, err
		})
	}
}

// A person signs in: in a browser that the SDK opens, or with the code that it shows.
func personal(flow string) (azcore.TokenCredential, error) {
	tenant := os.Getenv("AZURE_TENANT_ID")
	if flow != "device" {
		return azidentity.NewInteractiveBrowserCredential(&azidentity.InteractiveBrowserCredentialOptions{TenantID: tenant})
	}
	show := func(_ context.Context, message azidentity.DeviceCodeMessage) error {
		text, err := json.Marshal(map[string]string{"verificationUri": message.VerificationURL, "userCode": message.UserCode})
		fmt.Println(string(text))
		return err
	}
	return azidentity.NewDeviceCodeCredential(&azidentity.DeviceCodeCredentialOptions{TenantID: tenant, UserPrompt: show})
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
		report(func() (map[string]any, error) { return whoami(ctx, credential) })
	case "tokens":
		tokens(ctx, args[0], credential)
	case "sign-in":
		report(func() (map[string]any, error) {
			person, err := personal(args[0])
			if err != nil {
				return nil, err
			}
			return whoami(ctx, person)
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

package dev.celestite;

import com.azure.core.credential.TokenCredential;
import com.azure.core.credential.TokenRequestContext;
import com.azure.cosmos.CosmosClient;
import com.azure.cosmos.CosmosClientBuilder;
import com.azure.cosmos.CosmosException;
import com.azure.cosmos.models.CosmosItemRequestOptions;
import com.azure.cosmos.models.PartitionKey;
import com.azure.identity.ClientAssertionCredentialBuilder;
import com.azure.identity.ClientCertificateCredentialBuilder;
import com.azure.identity.ClientSecretCredentialBuilder;
import com.azure.identity.DefaultAzureCredential;
import com.azure.identity.DefaultAzureCredentialBuilder;
import com.azure.identity.DeviceCodeCredentialBuilder;
import com.azure.identity.InteractiveBrowserCredentialBuilder;
import com.azure.identity.ManagedIdentityCredentialBuilder;
import com.azure.identity.OnBehalfOfCredentialBuilder;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.util.Base64;

/**
 * A passwordless program as users write it, driven by the flows of conformance/flows.ts. Nothing in it knows where it
 * runs. Prints one line of JSON for each thing it does.
 */
public final class App {
    private static final ObjectMapper JSON = new ObjectMapper();

    private interface Work {
        ObjectNode run() throws Exception;
    }

    private static void report(Work work) {
        ObjectNode line;
        try {
            line = work.run();
            line.put("ok", true);
        } catch (Exception error) {
            line = JSON.createObjectNode().put("ok", false).put("name", error.getClass().getSimpleName());
            CosmosException cosmos = cosmosException(error);
            if (cosmos != null) {
                line.put("status", cosmos.getStatusCode()).put("substatus", cosmos.getSubStatusCode());
                line.put("message", String.valueOf(cosmos.getMessage()).replace("\\/", "/"));
            } else {
                line.put("message", messages(error));
            }
        }
        System.out.println(line);
    }

    /** What the error and its causes say: this SDK wraps what the authority answered. */
    private static String messages(Throwable error) {
        StringBuilder text = new StringBuilder();
        for (Throwable cause = error; cause != null; cause = cause.getCause()) text.append(cause.getMessage()).append('\n');
        return text.toString();
    }

    private static CosmosException cosmosException(Throwable error) {
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            if (cause instanceof CosmosException) return (CosmosException) cause;
        }
        return null;
    }

    private static CosmosClient client(DefaultAzureCredential credential) {
        return new CosmosClientBuilder()
            .endpoint(System.getenv("COSMOS_ENDPOINT"))
            .credential(credential)
            .gatewayMode()
            .buildClient();
    }

    private static ObjectNode read(CosmosClient client, String container, String id) {
        var response = client.getDatabase("shop").getContainer(container).readItem(id, new PartitionKey(id), ObjectNode.class);
        return JSON.createObjectNode().put("status", response.getStatusCode()).put("id", response.getItem().get("id").asText());
    }

    private static ObjectNode create(CosmosClient client, String container, String id) {
        ObjectNode item = JSON.createObjectNode().put("id", id).put("partitionKey", id);
        var response = client.getDatabase("shop").getContainer(container)
            .createItem(item, new PartitionKey(id), new CosmosItemRequestOptions());
        return JSON.createObjectNode().put("status", response.getStatusCode());
    }

    private static String text(JsonNode order, String name) {
        return order.hasNonNull(name) ? order.get(name).asText() : null;
    }

    /** The credential that an order asks for, with the SDK's own names for what it is given. */
    private static TokenCredential ordered(JsonNode order, TokenCredential fallback) {
        String tenant = text(order, "tenantId");
        String client = text(order, "clientId");
        switch (order.get("use").asText()) {
            case "secret" -> {
                var builder = new ClientSecretCredentialBuilder().tenantId(tenant).clientId(client).clientSecret(text(order, "secret"));
                if (order.hasNonNull("authorityHost")) builder.authorityHost(text(order, "authorityHost"));
                if (order.path("disableInstanceDiscovery").asBoolean()) builder.disableInstanceDiscovery();
                return builder.build();
            }
            case "certificate" -> {
                return new ClientCertificateCredentialBuilder().tenantId(tenant).clientId(client)
                    .pemCertificate(text(order, "certificatePath")).build();
            }
            case "assertion" -> {
                return new ClientAssertionCredentialBuilder().tenantId(tenant).clientId(client)
                    .clientAssertion(() -> text(order, "assertion")).build();
            }
            case "on-behalf-of" -> {
                return new OnBehalfOfCredentialBuilder().tenantId(tenant).clientId(client)
                    .clientSecret(text(order, "secret")).userAssertion(text(order, "userAssertionToken")).build();
            }
            case "managed" -> {
                var builder = new ManagedIdentityCredentialBuilder();
                if (client != null) builder.clientId(client);
                if (order.hasNonNull("resourceId")) builder.resourceId(text(order, "resourceId"));
                if (order.hasNonNull("objectId")) builder.objectId(text(order, "objectId"));
                return builder.build();
            }
            default -> {
                return fallback;
            }
        }
    }

    /** Tokens for the orders in a file, one line for each. */
    private static void tokens(String file, TokenCredential fallback) throws Exception {
        for (JsonNode order : JSON.readTree(new File(file))) {
            report(() -> {
                var request = new TokenRequestContext().addScopes(order.get("scope").asText());
                if (order.hasNonNull("challenge")) request.setClaims(text(order, "challenge")).setCaeEnabled(true);
                var found = ordered(order, fallback).getTokenSync(request);
                return JSON.createObjectNode().put("token", found.getToken()).put("expiresOn", found.getExpiresAt().toEpochSecond());
            });
        }
    }

    /** A person signs in: in a browser that the SDK opens, or with the code that it shows. */
    private static TokenCredential personal(String flow) {
        String tenant = System.getenv("AZURE_TENANT_ID");
        if (!flow.equals("device")) {
            return new InteractiveBrowserCredentialBuilder().tenantId(tenant).redirectUrl("http://localhost:8765").build();
        }
        return new DeviceCodeCredentialBuilder()
            .tenantId(tenant)
            .challengeConsumer(shown -> System.out.println(JSON.createObjectNode()
                .put("verificationUri", shown.getVerificationUrl())
                .put("userCode", shown.getUserCode())))
            .build();
    }

    private static ObjectNode whoami(TokenCredential credential) throws Exception {
        String token = credential.getTokenSync(new TokenRequestContext().addScopes("https://cosmos.azure.com/.default")).getToken();
        byte[] payload = Base64.getUrlDecoder().decode(token.split("\\.")[1]);
        return JSON.createObjectNode().put("oid", JSON.readTree(payload).get("oid").asText());
    }

    public static void main(String[] args) throws Exception {
        DefaultAzureCredential credential = new DefaultAzureCredentialBuilder().build();
        switch (args[0]) {
            case "read" -> report(() -> read(client(credential), args[1], args[2]));
            case "create" -> report(() -> create(client(credential), args[1], args[2]));
            case "whoami" -> report(() -> whoami(credential));
            case "tokens" -> tokens(args[1], credential);
            case "sign-in" -> report(() -> whoami(personal(args[1])));
            case "read-again-and-again" -> {
                CosmosClient client = client(credential);
                report(() -> read(client, args[1], args[2]));
                BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
                while (lines.readLine() != null) report(() -> read(client, args[1], args[2]));
            }
            default -> throw new IllegalArgumentException(args[0]);
        }
        System.exit(0);
    }
}

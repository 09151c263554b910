package dev.celestite;

import com.azure.core.credential.TokenRequestContext;
import com.azure.cosmos.CosmosClient;
import com.azure.cosmos.CosmosClientBuilder;
import com.azure.cosmos.CosmosException;
import com.azure.cosmos.models.CosmosItemRequestOptions;
import com.azure.cosmos.models.PartitionKey;
import com.azure.identity.DefaultAzureCredential;
import com.azure.identity.DefaultAzureCredentialBuilder;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
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
                line.put("message", String.valueOf(error.getMessage()));
            }
        }
        System.out.println(line);
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

    private static ObjectNode whoami(DefaultAzureCredential credential) throws Exception {
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

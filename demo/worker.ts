/**
 * An ordinary Azure program: it creates an order and reads it back. There is no key, no certificate and no port in it,
 * and nothing that knows where it runs.
 */
import { CosmosClient } from "@azure/cosmos";
import { DefaultAzureCredential } from "@azure/identity";

const client = new CosmosClient({
  endpoint: process.env["COSMOS_ENDPOINT"] ?? "",
  aadCredentials: new DefaultAzureCredential(),
});
const container = client.database("rbacsample").container("data");

try {
  const id = `order-${process.pid}`;
  await container.items.create({ id, partitionKey: id, name: "Ted Lasso" });
  const { resource } = await container.item(id, id).read();
  process.stdout.write(`created and read: ${JSON.stringify({ id: resource.id, name: resource.name })}\n`);
} catch (error) {
  const { code, substatus, message } = error as { code?: unknown; substatus?: unknown; message?: string };
  process.stdout.write(`failed with ${String(code)}, substatus ${String(substatus)}:\n${message ?? ""}\n`);
  process.exitCode = 1;
}

/**
 * A passwordless program as users write it, driven by the flows of conformance/flows.ts. Nothing in it knows where it
 * runs. Prints one line of JSON for each thing it does.
 */
import { createInterface } from "node:readline";
import { CosmosClient } from "@azure/cosmos";
import { DefaultAzureCredential } from "@azure/identity";

const [mode, ...args] = process.argv.slice(2);
const credential = new DefaultAzureCredential();
const client = new CosmosClient({ endpoint: process.env.COSMOS_ENDPOINT, aadCredentials: credential });

async function report(work) {
  try {
    console.log(JSON.stringify({ ok: true, ...(await work()) }));
  } catch (error) {
    const { code, substatus, name, message } = error;
    console.log(
      JSON.stringify({ ok: false, status: code ?? null, substatus: substatus ?? null, name, message }),
    );
  }
}

async function read(container, id) {
  const { resource, statusCode } = await client.database("shop").container(container).item(id, id).read();
  return { status: statusCode, id: resource?.id ?? null };
}

async function create(container, id) {
  const { statusCode } = await client
    .database("shop")
    .container(container)
    .items.create({ id, partitionKey: id });
  return { status: statusCode };
}

if (mode === "read") await report(() => read(...args));
if (mode === "create") await report(() => create(...args));
if (mode === "whoami") {
  await report(async () => {
    const { token } = await credential.getToken("https://cosmos.azure.com/.default");
    return { oid: JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString()).oid };
  });
}
if (mode === "read-again-and-again") {
  await report(() => read(...args));
  for await (const _line of createInterface({ input: process.stdin })) await report(() => read(...args));
}

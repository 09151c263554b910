/**
 * A passwordless program as users write it, driven by the flows of conformance/flows.ts. Nothing in it knows where it
 * runs. Prints one line of JSON for each thing it does.
 */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { CosmosClient } from "@azure/cosmos";
import {
  ClientAssertionCredential,
  ClientCertificateCredential,
  ClientSecretCredential,
  DefaultAzureCredential,
  DeviceCodeCredential,
  InteractiveBrowserCredential,
  ManagedIdentityCredential,
  OnBehalfOfCredential,
} from "@azure/identity";

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

async function whoami(asked) {
  const { token } = await asked.getToken("https://cosmos.azure.com/.default");
  return { oid: JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString()).oid };
}

/** The credential that an order asks for, with the SDK's own names for what it is given. */
function ordered({ use, tenantId, clientId, authorityHost, disableInstanceDiscovery, ...order }) {
  const { secret, certificatePath, assertion, userAssertionToken, resourceId, objectId } = order;
  const options = { authorityHost, disableInstanceDiscovery };
  if (use === "secret") return new ClientSecretCredential(tenantId, clientId, secret, options);
  if (use === "certificate")
    return new ClientCertificateCredential(tenantId, clientId, { certificatePath }, options);
  if (use === "assertion")
    return new ClientAssertionCredential(tenantId, clientId, async () => assertion, options);
  if (use === "on-behalf-of")
    return new OnBehalfOfCredential({
      tenantId,
      clientId,
      clientSecret: secret,
      userAssertionToken,
      ...options,
    });
  if (use === "managed")
    return new ManagedIdentityCredential(
      clientId ? { clientId } : resourceId ? { resourceId } : objectId ? { objectId } : {},
    );
  return credential;
}

/** Tokens for the orders in a file, one line for each. */
async function tokens(file) {
  for (const order of JSON.parse(readFileSync(file, "utf8"))) {
    await report(async () => {
      const { token, expiresOnTimestamp } = await ordered(order).getToken(order.scope, {
        claims: order.challenge,
        enableCae: order.challenge !== undefined,
      });
      return { token, expiresOn: Math.round(expiresOnTimestamp / 1000) };
    });
  }
}

/** A person signs in: in a browser that the SDK opens, or with the code that it shows. */
function personal(flow) {
  const tenantId = process.env.AZURE_TENANT_ID;
  const userPromptCallback = ({ verificationUri, userCode }) =>
    console.log(JSON.stringify({ verificationUri, userCode }));
  return flow === "device"
    ? new DeviceCodeCredential({ tenantId, userPromptCallback })
    : new InteractiveBrowserCredential({ tenantId });
}

if (mode === "read") await report(() => read(...args));
if (mode === "create") await report(() => create(...args));
if (mode === "whoami") await report(() => whoami(credential));
if (mode === "tokens") await tokens(args[0]);
if (mode === "sign-in") await report(() => whoami(personal(...args)));
if (mode === "read-again-and-again") {
  await report(() => read(...args));
  for await (const _line of createInterface({ input: process.stdin })) await report(() => read(...args));
}

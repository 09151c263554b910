/** Forged and misdirected tokens, handed to the unmodified SDK as if a credential had made them. */
import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import { before, test } from "node:test";
import { CosmosClient } from "@azure/cosmos";
import { ManagedIdentityCredential } from "@azure/identity";

const credential = new ManagedIdentityCredential({ clientId: process.env.CONFORMANCE_workerClientId });
const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const decode = (part) => JSON.parse(Buffer.from(part, "base64url").toString());
const foreign = generateKeyPairSync("rsa", { modulusLength: 2048 });
const signed = (header, claims, key) => {
  const input = `${encode(header)}.${encode(claims)}`;
  return `${input}.${sign("sha256", Buffer.from(input), key).toString("base64url")}`;
};

let good;
let header;
let claims;
before(async () => {
  good = (await credential.getToken("https://cosmos.azure.com/.default")).token;
  [header, claims] = good.split(".").slice(0, 2).map(decode);
});

async function read(token) {
  const aadCredentials = { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3600_000 }) };
  const client = new CosmosClient({ endpoint: process.env.COSMOS_ENDPOINT, aadCredentials });
  return client.database("shop").container("orders").read();
}

test("the token itself opens the account", async () => {
  assert.equal((await read(good)).statusCode, 200);
});

const forgeries = {
  "alg none": [() => `${encode({ ...header, alg: "none" })}.${encode(claims)}.`, 5003],
  "alg none with the old signature": [
    () => `${encode({ ...header, alg: "none" })}.${good.split(".").slice(1).join(".")}`,
    5003,
  ],
  "HS256 with the public key as secret": [
    () => {
      const input = `${encode({ ...header, alg: "HS256" })}.${encode(claims)}`;
      const secret = foreign.publicKey.export({ type: "spki", format: "pem" });
      return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
    },
    5003,
  ],
  "an unknown key": [
    () => signed({ ...header, kid: "unknown", x5t: "unknown" }, claims, foreign.privateKey),
    5200,
  ],
  "a foreign key under our key's name": [() => signed(header, claims, foreign.privateKey), 5004],
  "changed claims": [
    () =>
      `${good.split(".")[0]}.${encode({ ...claims, oid: "00000000-0000-0000-0000-000000000000" })}.${good.split(".")[2]}`,
    5004,
  ],
  "a cut signature": [() => good.slice(0, -10), 5004],
  "only two parts": [() => good.split(".").slice(0, 2).join("."), 5003],
  "20 kB of token": [() => `${good}${"A".repeat(20_000)}`, 5001],
  "not a token": [() => "hello", 5003],
};
for (const [name, [forge, substatus]] of Object.entries(forgeries)) {
  test(`${name} is 401/${substatus}`, async () => {
    await assert.rejects(read(forge()), (error) => {
      assert.deepEqual([error.code, error.substatus], [401, substatus]);
      return true;
    });
  });
}

for (const resource of ["https://management.azure.com", "https://vault.azure.net"]) {
  test(`a token for ${resource} is 401/5008`, async () => {
    const { token } = await credential.getToken(`${resource}/.default`);
    await assert.rejects(read(token), { code: 401, substatus: 5008 });
  });
}

test("a token for an unknown resource is not issued", async () => {
  await assert.rejects(credential.getToken("https://nobody.example/.default"), /500011|invalid_resource/);
});

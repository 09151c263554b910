/** Certificates of clients, and of authorities that nobody should trust. */
import { generateKeyPairSync, sign } from "node:crypto";
import { selfSignedCertificate } from "../../src/identity/certificate.ts";

/** A key and a self-signed certificate around it, PEM. */
export async function makeCertificate(): Promise<{ readonly key: string; readonly cert: string }> {
  const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const der = await selfSignedCertificate(
    {
      commonName: "conformance",
      serial: Buffer.from("0102030405060708", "hex"),
      notBefore: Date.now() - 60_000,
      notAfter: Date.now() + 86_400_000,
      publicKey: pair.publicKey.export({ type: "spki", format: "der" }),
    },
    async (bytes) => sign("RSA-SHA256", bytes, pair.privateKey),
  );
  const lines = Buffer.from(der).toString("base64").replace(/.{64}/g, "$&\n").trimEnd();
  return {
    key: pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
  };
}

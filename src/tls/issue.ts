/**
 * Makes certificates. Apart from what keeps them, and imported only when one has to be made: loading the X.509
 * library takes about a tenth of a second, and most starts find their certificates on disk.
 */
import "reflect-metadata";
import { createHash, createPrivateKey, createPublicKey, KeyObject, webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";
import type { Entropy } from "../clock.ts";
import type { ServerName } from "./names.ts";

/** A certificate and its private key, both PEM (the key in PKCS #8). */
export interface Issued {
  readonly cert: string;
  readonly key: string;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const AUTHORITY_DAYS = 3652;
/** Clients that follow the public rules refuse a server certificate of more than 398 days. */
const LEAF_DAYS = 397;

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** A new certificate authority, good from an hour before `now` (ms since the epoch) for ten years. */
export async function issueAuthority(now: number, entropy: Entropy): Promise<Issued> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const spki = Buffer.from(await webcrypto.subtle.exportKey("spki", keys.publicKey));
  const shortId = createHash("sha256").update(spki).digest("hex").slice(0, 8);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serialNumber(entropy),
      name: `CN=Celestite local CA ${shortId}`,
      notBefore: new Date(now - HOUR),
      notAfter: new Date(now - HOUR + AUTHORITY_DAYS * DAY),
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return { cert: pem(certificate), key: privatePem(KeyObject.from(keys.privateKey)) };
}

/**
 * A server certificate for `names` signed by `authority`, good from an hour before `now` for 397 days, or until the
 * authority ends.
 */
export async function issueLeaf(
  authority: Issued,
  names: readonly ServerName[],
  now: number,
  entropy: Entropy,
): Promise<Issued> {
  const issuer = new x509.X509Certificate(authority.cert);
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const issuerPublic = await importKey(createPublicKey(authority.cert), "spki", "verify");
  const end = Math.min(now - HOUR + LEAF_DAYS * DAY, issuer.notAfter.getTime());
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: serialNumber(entropy),
      subject: "CN=Celestite server",
      issuer: issuer.subjectName,
      notBefore: new Date(now - HOUR),
      notAfter: new Date(end),
      signingAlgorithm: ALGORITHM,
      publicKey: keys.publicKey,
      signingKey: await importKey(createPrivateKey(authority.key), "pkcs8", "sign"),
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension([...names]),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
        await x509.AuthorityKeyIdentifierExtension.create(issuerPublic, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return { cert: pem(certificate), key: privatePem(KeyObject.from(keys.privateKey)) };
}

/** A positive number of 127 bits in hexadecimal; RFC 5280 section 4.1.2.2 allows up to 20 octets. */
function serialNumber(entropy: Entropy): string {
  const bytes = Buffer.from(entropy.bytes(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString("hex");
}

function importKey(
  key: KeyObject,
  type: "spki" | "pkcs8",
  usage: "sign" | "verify",
): Promise<webcrypto.CryptoKey> {
  const der = type === "spki" ? key.export({ type, format: "der" }) : key.export({ type, format: "der" });
  return webcrypto.subtle.importKey(type, der, ALGORITHM, true, [usage]);
}

function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString("pem").trim()}\n`;
}

function privatePem(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

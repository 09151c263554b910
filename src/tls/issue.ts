/** Makes the certificates of the local authority: its own, and those of servers. Apart from what keeps them. */
import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  X509Certificate,
} from "node:crypto";
import type { Entropy } from "../clock.ts";
import {
  authorityKeyIdentifier,
  basicConstraints,
  type CertificateFacts,
  certificatePem,
  commonName,
  keyUsage,
  makeCertificate,
  serverAuthentication,
  subjectAlternativeNames,
  subjectKeyIdentifier,
  subjectOf,
} from "../x509/certificate.ts";
import { addressBytes, type ServerName } from "./names.ts";

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

/** A new certificate authority, good from an hour before `now` (ms since the epoch) for ten years. */
export async function issueAuthority(now: number, entropy: Entropy): Promise<Issued> {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const spki = publicKey.export({ type: "spki", format: "der" });
  const shortId = createHash("sha256").update(spki).digest("hex").slice(0, 8);
  const name = commonName(`Celestite local CA ${shortId}`);
  return issue(privateKey, privateKey, {
    serial: serialNumber(entropy),
    issuer: name,
    subject: name,
    notBefore: now - HOUR,
    notAfter: now - HOUR + AUTHORITY_DAYS * DAY,
    publicKey: spki,
    extensions: [basicConstraints(true), keyUsage(true), subjectKeyIdentifier(spki)],
  });
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
  const issuer = new X509Certificate(authority.cert);
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const spki = publicKey.export({ type: "spki", format: "der" });
  return issue(privateKey, createPrivateKey(authority.key), {
    serial: serialNumber(entropy),
    issuer: subjectOf(issuer),
    subject: commonName("Celestite server"),
    notBefore: now - HOUR,
    notAfter: Math.min(now - HOUR + LEAF_DAYS * DAY, Date.parse(issuer.validTo)),
    publicKey: spki,
    extensions: [
      basicConstraints(false),
      keyUsage(false),
      serverAuthentication(),
      subjectAlternativeNames(
        names.map((name) => (name.type === "ip" ? addressBytes(name.value) : name.value)),
      ),
      subjectKeyIdentifier(spki),
      authorityKeyIdentifier(issuer.publicKey.export({ type: "spki", format: "der" })),
    ],
  });
}

async function issue(own: KeyObject, signer: KeyObject, facts: CertificateFacts): Promise<Issued> {
  const der = await makeCertificate(facts, "ecdsa", (bytes) => sign("sha256", bytes, signer));
  return { cert: certificatePem(der), key: own.export({ type: "pkcs8", format: "pem" }).toString() };
}

/** A positive number of 127 bits; RFC 5280 section 4.1.2.2 allows up to 20 octets. */
function serialNumber(entropy: Entropy): Uint8Array {
  const bytes = Buffer.from(entropy.bytes(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes;
}

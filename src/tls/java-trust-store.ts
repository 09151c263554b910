/**
 * The bundle of authorities as a Java key store (JKS), because Java reads neither PEM bundles nor the variables that
 * other runtimes read. Certificates only, so the store's customary password protects nothing.
 */
import { createHash } from "node:crypto";

/** What Java's own trust store has; clients must name one. */
export const trustStorePassword = "changeit";

const magic = 0xfeedfeed;
const version = 2;
const trustedCertificate = 2;
/** The first byte of every certificate in DER. */
const derSequence = 0x30;

/** A JKS store of every certificate in `pem`; `now` (milliseconds) becomes the entries' creation time. */
export function javaTrustStore(pem: string, now: number): Buffer {
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  const entries = certificates.flatMap((text, at) => {
    const raw = certificateBytes(text);
    return raw === undefined ? [] : [entry(`celestite-${at}`, raw, now)];
  });
  const content = Buffer.concat([integer(magic), integer(version), integer(entries.length), ...entries]);
  return Buffer.concat([content, digest(content)]);
}

/** The certificate in DER; `undefined` for a block that holds none. Decoding is enough: parsing 140 of them takes longer than all else at a start. */
function certificateBytes(pem: string): Buffer | undefined {
  const raw = Buffer.from(pem.replace(/-----[A-Z ]+-----/g, ""), "base64");
  return raw[0] === derSequence ? raw : undefined;
}

function entry(alias: string, certificate: Buffer, now: number): Buffer {
  const time = Buffer.alloc(8);
  time.writeBigInt64BE(BigInt(now));
  const type = utf("X.509");
  return Buffer.concat([
    integer(trustedCertificate),
    utf(alias),
    time,
    type,
    integer(certificate.length),
    certificate,
  ]);
}

/** SHA-1 over password, a fixed phrase and the content: the format's integrity check (JDK, JavaKeyStore). */
function digest(content: Buffer): Buffer {
  const password = Buffer.from(trustStorePassword, "utf16le").swap16();
  return createHash("sha1").update(password).update("Mighty Aphrodite", "utf8").update(content).digest();
}

function integer(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Java's modified UTF-8 with its length; the same as UTF-8 for the ASCII used here. */
function utf(text: string): Buffer {
  const bytes = Buffer.from(text, "utf8");
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

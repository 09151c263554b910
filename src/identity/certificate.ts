/**
 * A self-signed X.509 certificate around a signing key, so that a key has the thumbprint and the `x5c` that token
 * libraries know from Entra. Written out in DER because it is one fixed shape; a certificate library would cost
 * more start-up time than making the key.
 */
import { createHash } from "node:crypto";

const DAY_MS = 24 * 3600 * 1000;
const FIRST_GENERALIZED_YEAR = 2050;

/** What the certificate says. Times in milliseconds since the epoch. */
export interface CertificateFacts {
  readonly commonName: string;
  /** 1 to 20 bytes; read as a positive integer. */
  readonly serial: Uint8Array;
  readonly notBefore: number;
  readonly notAfter: number;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
}

/** Five years, as the certificates behind Entra's own keys. */
export const certificateLifetimeMilliseconds: number = 5 * 365 * DAY_MS;

/**
 * The DER of a version 3 certificate signed with sha256WithRSAEncryption by `sign`, which gets the bytes to sign
 * (RFC 5280 section 4.1).
 */
export async function selfSignedCertificate(
  facts: CertificateFacts,
  sign: (bytes: Uint8Array) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const algorithm = sequence(objectIdentifier("1.2.840.113549.1.1.11"), tlv(0x05));
  const name = sequence(
    tlv(0x31, sequence(objectIdentifier("2.5.4.3"), tlv(0x0c, Buffer.from(facts.commonName, "utf8")))),
  );
  const body = sequence(
    tlv(0xa0, integer(Uint8Array.of(2))),
    integer(facts.serial),
    algorithm,
    name,
    sequence(time(facts.notBefore), time(facts.notAfter)),
    name,
    facts.publicKey,
  );
  const signature = await sign(body);
  return sequence(body, algorithm, tlv(0x03, Uint8Array.of(0), signature));
}

/** SHA-1 of the DER, base64url: the `x5t` of JWS headers (RFC 7515 section 4.1.7). */
export function thumbprint(certificate: Uint8Array): string {
  return createHash("sha1").update(certificate).digest("base64url");
}

function tlv(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  const length = content.reduce((sum, part) => sum + part.length, 0);
  const head = [tag];
  if (length < 0x80) head.push(length);
  else if (length < 0x100) head.push(0x81, length);
  else head.push(0x82, length >> 8, length & 0xff);
  return Buffer.concat([Uint8Array.from(head), ...content]);
}

function sequence(...content: readonly Uint8Array[]): Uint8Array {
  return tlv(0x30, ...content);
}

/** A positive integer: no superfluous leading zero bytes, and one where the first bit would read as a sign. */
function integer(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const digits = bytes.subarray(start);
  const negative = ((digits[0] ?? 0) & 0x80) !== 0;
  return negative ? tlv(0x02, Uint8Array.of(0), digits) : tlv(0x02, digits);
}

function objectIdentifier(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let left = arc >> 7; left > 0; left >>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return tlv(0x06, Uint8Array.from(bytes));
}

/** UTCTime until 2049, GeneralizedTime after (RFC 5280 section 4.1.2.5). */
function time(milliseconds: number): Uint8Array {
  const date = new Date(milliseconds);
  const digits = date.toISOString().replace(/[-:T]/g, "").slice(0, 14);
  const long = date.getUTCFullYear() >= FIRST_GENERALIZED_YEAR;
  return tlv(long ? 0x18 : 0x17, Buffer.from(`${long ? digits : digits.slice(2)}Z`, "ascii"));
}

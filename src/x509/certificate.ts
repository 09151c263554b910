/**
 * X.509 certificates of a few fixed shapes (RFC 5280), written out in DER: the one behind a token signing key, and the
 * local certificate authority with its server certificates. A certificate library takes longer to load than all of a
 * start may take.
 */
import { createHash, X509Certificate } from "node:crypto";
import {
  type Bytes,
  bitString,
  elements,
  integer,
  nothing,
  objectIdentifier,
  octetString,
  sequence,
  time,
  tlv,
  yes,
} from "./der.ts";

/** Signature algorithms: RSA with PKCS #1 v1.5 padding, or ECDSA, both over SHA-256. */
export type SignatureAlgorithm = "rsa" | "ecdsa";

/** What a certificate says. Times in milliseconds since the epoch. */
export interface CertificateFacts {
  /** 1 to 20 bytes; read as a positive integer. */
  readonly serial: Bytes;
  /** A name in DER, as `commonName` or `subjectOf` give it. */
  readonly issuer: Bytes;
  readonly subject: Bytes;
  readonly notBefore: number;
  readonly notAfter: number;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Bytes;
  readonly extensions?: readonly Bytes[];
}

const algorithms: Readonly<Record<SignatureAlgorithm, () => Bytes>> = {
  rsa: () => sequence(objectIdentifier("1.2.840.113549.1.1.11"), nothing),
  ecdsa: () => sequence(objectIdentifier("1.2.840.10045.4.3.2")),
};

/** The DER of a version 3 certificate; `sign` gets the bytes to sign (RFC 5280 section 4.1). */
export async function makeCertificate(
  facts: CertificateFacts,
  algorithm: SignatureAlgorithm,
  sign: (bytes: Bytes) => Bytes | Promise<Bytes>,
): Promise<Bytes> {
  const extensions = facts.extensions ?? [];
  const body = sequence(
    tlv(0xa0, integer(Uint8Array.of(2))),
    integer(facts.serial),
    algorithms[algorithm](),
    facts.issuer,
    sequence(time(facts.notBefore), time(facts.notAfter)),
    facts.subject,
    facts.publicKey,
    ...(extensions.length === 0 ? [] : [tlv(0xa3, sequence(...extensions))]),
  );
  return sequence(body, algorithms[algorithm](), bitString(await sign(body)));
}

/** A name of one common name. */
export function commonName(text: string): Bytes {
  return sequence(tlv(0x31, sequence(objectIdentifier("2.5.4.3"), tlv(0x0c, Buffer.from(text, "utf8")))));
}

/** The subject of a certificate, byte for byte: what certificates signed by it must name as issuer. */
export function subjectOf(certificate: X509Certificate): Bytes {
  const [body] = elements(certificate.raw);
  // Version, serial number, algorithm, issuer and validity stand before it.
  const subject = body === undefined ? undefined : elements(body)[5];
  if (subject === undefined) throw new RangeError("the certificate has no subject");
  return subject;
}

function extension(id: string, value: Bytes, critical: boolean): Bytes {
  return sequence(objectIdentifier(id), ...(critical ? [yes] : []), octetString(value));
}

/** Basic constraints, critical: a certificate authority that signs only end certificates, or an end certificate. */
export function basicConstraints(isAuthority: boolean): Bytes {
  return extension("2.5.29.19", isAuthority ? sequence(yes, integer(Uint8Array.of(0))) : sequence(), true);
}

/** Key usage, critical: signing certificates and revocation lists, or signing in handshakes. */
export function keyUsage(isAuthority: boolean): Bytes {
  return extension(
    "2.5.29.15",
    isAuthority ? bitString(Uint8Array.of(0x06), 1) : bitString(Uint8Array.of(0x80), 7),
    true,
  );
}

export function serverAuthentication(): Bytes {
  return extension("2.5.29.37", sequence(objectIdentifier("1.3.6.1.5.5.7.3.1")), false);
}

/** DNS names and IP addresses (4 or 16 bytes). */
export function subjectAlternativeNames(names: readonly (string | Bytes)[]): Bytes {
  const general = names.map((name) =>
    typeof name === "string" ? tlv(0x82, Buffer.from(name, "ascii")) : tlv(0x87, name),
  );
  return extension("2.5.29.17", sequence(...general), false);
}

export function subjectKeyIdentifier(publicKey: Bytes): Bytes {
  return extension("2.5.29.14", octetString(keyIdentifier(publicKey)), false);
}

export function authorityKeyIdentifier(publicKey: Bytes): Bytes {
  return extension("2.5.29.35", sequence(tlv(0x80, keyIdentifier(publicKey))), false);
}

/** SHA-1 of the key's bits without tag, length and unused bits (RFC 5280 section 4.2.1.2, method 1). */
function keyIdentifier(publicKey: Bytes): Bytes {
  const bits = elements(publicKey)[1];
  if (bits === undefined) throw new RangeError("the public key is no SubjectPublicKeyInfo");
  const headerBytes = (bits[1] ?? 0) < 0x80 ? 2 : 2 + ((bits[1] ?? 0) & 0x7f);
  return createHash("sha1")
    .update(bits.subarray(headerBytes + 1))
    .digest();
}

/** SHA-1 of the DER, base64url: the `x5t` of JWS headers (RFC 7515 section 4.1.7). */
export function thumbprint(certificate: Bytes): string {
  return createHash("sha1").update(certificate).digest("base64url");
}

/** The PEM form of a certificate. */
export function certificatePem(der: Bytes): string {
  return new X509Certificate(der).toString();
}

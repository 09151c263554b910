/** The self-signed certificate around a token signing key, which gives the key the thumbprint that clients know. */
import { commonName, makeCertificate } from "../x509/certificate.ts";

export { thumbprint } from "../x509/certificate.ts";

const dayMilliseconds = 24 * 3600 * 1000;

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
export const certificateLifetimeMilliseconds: number = 5 * 365 * dayMilliseconds;

/** The DER of the certificate, signed with sha256WithRSAEncryption by `sign`, which gets the bytes to sign. */
export function selfSignedCertificate(
  facts: CertificateFacts,
  sign: (bytes: Uint8Array) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const name = commonName(facts.commonName);
  return makeCertificate({ ...facts, issuer: name, subject: name }, "rsa", sign);
}

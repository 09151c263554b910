/**
 * One file with the system's certificate authorities and ours. Apart from the authority because only some runtimes
 * need it: those whose variable (`SSL_CERT_FILE`, `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`) replaces the trust store
 * instead of adding to it, and which must still reach the rest of the world.
 */
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { exists, readText, writeFileWhole } from "./files.ts";
import { javaTrustStore } from "./java-trust-store.ts";

/** Where systems keep their authorities as one PEM file, in the order they are tried. */
export const systemBundles: readonly string[] = [
  "/etc/ssl/certs/ca-certificates.crt", // Debian, Ubuntu, Arch, Gentoo, Alpine
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL, CentOS
  "/etc/pki/tls/certs/ca-bundle.crt", // older Red Hat
  "/etc/ssl/ca-bundle.pem", // SUSE
  "/etc/pki/tls/cacert.pem", // OpenELEC
  "/etc/ssl/cert.pem", // macOS, BSD, Alpine
];

export interface Bundle {
  readonly pemPath: string;
  /** The same authorities as a Java key store. */
  readonly javaPath: string;
}

/**
 * Writes `ca-bundle.pem` and `ca-bundle.jks` into `directory`, unless they are there with the same content, and resolves
 * to their paths. The system's authorities come from the first of `candidates` that holds any, else from the list Node
 * carries. `now` is in milliseconds.
 */
export async function writeBundle(
  directory: string,
  caPem: string,
  now: number,
  candidates: readonly string[] = systemBundles,
): Promise<Bundle> {
  const pemPath = join(directory, "ca-bundle.pem");
  const javaPath = join(directory, "ca-bundle.jks");
  const text = `${(await systemRoots(candidates)).trimEnd()}\n${caPem}`;
  const isCurrent = (await readText(pemPath)) === text && (await exists(javaPath));
  if (!isCurrent) {
    // The PEM file is written last: while it is not current, both are made again.
    await writeFileWhole(javaPath, javaTrustStore(text, now), 0o644);
    await writeFileWhole(pemPath, text, 0o644);
  }
  return { pemPath, javaPath };
}

async function systemRoots(candidates: readonly string[]): Promise<string> {
  for (const file of candidates) {
    // A file that is not readable is as good as none: the next one, or Node's list, serves.
    const text = await readText(file).catch(() => undefined);
    if (text?.includes("-----BEGIN CERTIFICATE-----")) return text;
  }
  return rootCertificates.join("\n");
}

/**
 * One file with the system's certificate authorities and ours. Apart from the authority because only some runtimes
 * need it: those whose variable (`SSL_CERT_FILE`, `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`) replaces the trust store
 * instead of adding to it, and which must still reach the rest of the world.
 */
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { readText, writeText } from "./files.ts";

/** Where systems keep their authorities as one PEM file, in the order they are tried. */
const SYSTEM_BUNDLES: readonly string[] = [
  "/etc/ssl/certs/ca-certificates.crt", // Debian, Ubuntu, Arch, Gentoo, Alpine
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL, CentOS
  "/etc/pki/tls/certs/ca-bundle.crt", // older Red Hat
  "/etc/ssl/ca-bundle.pem", // SUSE
  "/etc/pki/tls/cacert.pem", // OpenELEC
  "/etc/ssl/cert.pem", // macOS, BSD, Alpine
];

/**
 * Writes `ca-bundle.pem` into `directory`, unless it is there with the same content, and resolves to its path. The
 * system's authorities come from the first of `systemBundles` that holds any, else from the list Node carries.
 */
export async function writeBundle(
  directory: string,
  caPem: string,
  systemBundles: readonly string[] = SYSTEM_BUNDLES,
): Promise<string> {
  const path = join(directory, "ca-bundle.pem");
  const text = `${(await systemRoots(systemBundles)).trimEnd()}\n${caPem}`;
  if ((await readText(path)) !== text) await writeText(path, text, 0o644);
  return path;
}

async function systemRoots(systemBundles: readonly string[]): Promise<string> {
  for (const file of systemBundles) {
    // A file that is not readable is as good as none: the next one, or Node's list, serves.
    const text = await readText(file).catch(() => undefined);
    if (text?.includes("-----BEGIN CERTIFICATE-----")) return text;
  }
  return rootCertificates.join("\n");
}

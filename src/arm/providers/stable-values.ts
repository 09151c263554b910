/**
 * Values that a service would invent for a resource once and show for ever: ids, addresses, short names. Made from the
 * resource's own id, so that they are the same after every write, on every machine and in every run of a test.
 */
import { createHash } from "node:crypto";
import { normalizeResourceId } from "../../azure/resource-id.ts";
import { stringMember } from "../json.ts";
import type { StoredResource } from "../resources.ts";

function digest({ id }: StoredResource, purpose: string): Buffer {
  return createHash("sha256")
    .update(`${purpose}\n${normalizeResourceId(id)}`, "utf8")
    .digest();
}

/** Lower-case hexadecimal digits, at most 64. */
export function stableHex(resource: StoredResource, purpose: string, digits: number): string {
  return digest(resource, purpose).toString("hex").slice(0, digits);
}

/** A UUID of version 8 (RFC 9562: contents of one's own making). */
export function stableGuid(resource: StoredResource, purpose: string): string {
  const bytes = digest(resource, purpose).subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** An address that nobody has: of 203.0.113.0/24, the range for documentation (RFC 5737). */
export function stableAddress(resource: StoredResource, purpose: string): string {
  return `203.0.113.${1 + ((digest(resource, purpose)[0] ?? 0) % 254)}`;
}

/** The location as host names have it. */
export function hostLocation({ body }: StoredResource): string {
  return (stringMember(body, "location") ?? "global").replaceAll(" ", "").toLowerCase();
}

export function createdIso({ createdAt }: StoredResource): string {
  return new Date(createdAt).toISOString();
}

/**
 * Can the client that asks for a plan follow it? Clients declare what they can merge; a plan that needs more is
 * refused, because rows merged wrongly would look like results.
 */
import { plainError } from "./error.ts";

/** Throws when a needed feature is not in `supported`; an undeclared list means a client of our own: everything. */
export function checkFeatures(supported: readonly string[] | undefined, needed: readonly string[]): void {
  if (supported === undefined) return;
  const known = new Set(supported.map((feature) => feature.trim().toLowerCase()));
  const missing = needed.filter((feature) => !known.has(feature.toLowerCase()));
  if (missing.length === 0) return;
  const lines = missing.map(
    (feature) => `Query contained ${feature}, which the calling client does not support.`,
  );
  throw plainError(
    "Query contains 1 or more unsupported features. Upgrade your SDK to a version that does support the requested " +
      `features:\r\n${lines.join("\r\n")}`,
  );
}

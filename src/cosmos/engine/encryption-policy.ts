/**
 * What the server minds of a container's client encryption policy: that the keys it names are there, and that it never
 * changes. The rest is the clients' business. Apart from container-policies.ts, because it looks into the store.
 */
import type { Reader } from "../../storage/port.ts";
import { badRequest, invalidInput } from "../errors.ts";
import { contentKey } from "./records.ts";

/** 400 when a path is to be encrypted with a key that the database does not have. */
export async function checkEncryptionKeys(
  reader: Reader,
  account: string,
  database: string,
  policy: unknown,
): Promise<void> {
  if (policy === undefined) return;
  const paths = (policy as { readonly includedPaths?: unknown } | null)?.includedPaths;
  if (!Array.isArray(paths)) throw invalidInput();
  for (const entry of paths as readonly ({ readonly clientEncryptionKeyId?: unknown } | null)[]) {
    const id = entry?.clientEncryptionKeyId;
    if (typeof id !== "string") throw invalidInput();
    if ((await reader.get(contentKey(account, "clientEncryptionKey", database, id))) === undefined)
      throw badRequest(`ClientEncryptionKey with id '[${id.slice(0, 255)}]' does not exist.`);
  }
}

/** 400 when a replacement says anything else than before, or nothing of what was said. */
export function checkEncryptionKept(before: unknown, after: unknown): void {
  if (JSON.stringify(before) === JSON.stringify(after)) return;
  throw badRequest("'clientEncryptionPolicy' cannot be changed as part of collection replace operation.");
}

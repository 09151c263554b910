/**
 * Finding an RSA key takes some hundred milliseconds, so the fixtures of a whole run share the first one's: its record
 * is copied into each new store, and kept in the run's directory for other processes (run.ts). The keys are still
 * real, and so is every token.
 */
import { createPrivateKey, generateKeyPair, type KeyObject } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { SigningKeys } from "../src/identity/signing-keys.ts";
import { encodeKey, prefixRange } from "../src/storage/keys.ts";
import type { Store } from "../src/storage/port.ts";

const place = ["identity", "signingKey"];
const signingKeys = prefixRange(place);

/** Whose tokens a fixture issues: a stranger's are refused where ours are good. */
export type Signer = "ours" | "stranger";

/** Where the run keeps its keys; a file that is run by itself remembers its own alone. */
const directory = process.env["CELESTITE_TEST_KEYS"];
const known = new Map<string, string>();

async function kept(name: string): Promise<string | undefined> {
  const here = known.get(name);
  if (here !== undefined || directory === undefined) return here;
  const found = await readFile(join(directory, name), "utf8").catch(() => undefined);
  if (found !== undefined) known.set(name, found);
  return found;
}

/** Other processes see a file whole or not at all; of two that are made at the same time either will do. */
async function keep(name: string, text: string): Promise<void> {
  known.set(name, text);
  if (directory === undefined) return;
  const draft = join(directory, `${name}.${process.pid}`);
  await writeFile(draft, text, { mode: 0o600 });
  await rename(draft, join(directory, name));
}

/** The RSA key of this name, the same one throughout the run. */
export async function rsaKey(name: string): Promise<KeyObject> {
  const pem = await kept(`rsa-${name}`);
  if (pem !== undefined) return createPrivateKey(pem);
  const { privateKey } = await promisify(generateKeyPair)("rsa", { modulusLength: 2048 });
  await keep(`rsa-${name}`, privateKey.export({ type: "pkcs8", format: "pem" }).toString());
  return privateKey;
}

/** Before identity is opened on `store`: puts the shared key there, as old as `now`, unless the store has one. */
export async function shareSigningKey(store: Store, now: number, signer: Signer = "ours"): Promise<void> {
  const text = await kept(signer);
  if (text === undefined || (await store.range(signingKeys, 1)).length > 0) return;
  const record = JSON.parse(text) as { readonly kid: string };
  const value = Buffer.from(JSON.stringify({ ...record, createdAt: now }));
  await store.transact([], async (transaction) => transaction.put(encodeKey([...place, record.kid]), value));
}

/** After it was opened: keeps its key for the next ones, if it is the store's only one. */
export async function keepSigningKey(
  store: Store,
  keys: Pick<SigningKeys, "published">,
  signer: Signer = "ours",
): Promise<void> {
  if ((await kept(signer)) !== undefined) return;
  await keys.published();
  const [only, second] = await store.range(signingKeys, 2);
  if (only === undefined || second !== undefined) return;
  await keep(signer, Buffer.from(only.value).toString("utf8"));
}

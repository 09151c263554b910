/**
 * Account keys between the wire and `authz/`: what a client may have signed, which key signed it, and what that key
 * may do here.
 */
import { decideAccountKey, signingKey, textToSign } from "../../authz/account-key.ts";
import { plainAddress } from "../../authz/network.ts";
import type { AccountView } from "../engine/catalog.ts";
import type { Access, AccessParts, AccessRequest } from "./authorize.ts";
import { localAuthDisabled } from "./authorize-denials.ts";
import { actionName, noLocks, resourceName } from "./authorize-names.ts";
import { signatureDate, wrongSignature } from "./credential.ts";

const keyTokenTypes = {
  primary: "PrimaryMasterKey",
  secondary: "SecondaryMasterKey",
  primaryReadonly: "PrimaryReadonlyMasterKey",
  secondaryReadonly: "SecondaryReadonlyMasterKey",
} as const;

/** Decides a request with a key signature; 401 for one that no key made, 403 for a date outside its time. */
export function decideKey(parts: AccessParts, request: AccessRequest, signature: string): Access {
  const { account, row } = request;
  const settings = account.record.account;
  const date = signatureDate(request.headers, parts.clock.now());
  const links = signedLinks(request);
  const types =
    request.address.kind === "partitionKeyDelete"
      ? ["partitionkey", "colls"]
      : [request.address.resourceType];
  const facts = {
    verb: request.method,
    resourceTypes: types,
    resourceLinks: links,
    date: date.text,
    plainDate: date.plain,
  };
  const payload = textToSign(request.method, types[0] ?? "", links[0] ?? "", date.text, date.plain);
  const key = signingKey(facts, signature, keysFor(parts, request));
  if (key === undefined) throw settings.disableLocalAuth ? localAuthDisabled() : wrongSignature(payload);
  const asked = {
    key,
    action: actionName(row),
    resource: resourceName(request),
    access: row.access,
    metadataWrite: row.metadataWrite,
  };
  const { disableLocalAuth, disableKeyBasedMetadataWriteAccess } = settings;
  const decision = decideAccountKey({ ...asked, disableLocalAuth, disableKeyBasedMetadataWriteAccess });
  const unlocked = decideAccountKey({ ...asked, ...noLocks });
  return { decision, unlocked, authTokenType: keyTokenTypes[key], payload };
}

/** The account's keys, and for callers of this machine the well-known one where it is switched on. */
function keysFor(
  { emulatorKey }: AccessParts,
  { account, remoteAddress }: AccessRequest,
): AccountView["keys"] {
  const keys = account.acceptedKeys();
  if (emulatorKey === undefined || !plainAddress(remoteAddress).startsWith("127.")) return keys;
  return [...keys, { name: "primary", secret: emulatorKey }];
}

/**
 * The spellings of the resource link that clients sign: of a feed its owner's link, of anything else its own;
 * decoded, as sent, and for rid addressing the last rid in lower case. A name alone signs nothing: it says not where.
 */
function signedLinks({ address, account, byRid }: AccessRequest): readonly string[] {
  if (address.kind === "offer") return [(address.id ?? "").toLowerCase()];
  const mayBeRid = byRid || !account.databases.has(address.database ?? "");
  if (address.kind === "addresses") {
    const target = new URLSearchParams(address.query).get("$resolveFor") ?? "";
    const owner = target.replace(/\/docs\/?$/, "");
    if (!mayBeRid) return [target, owner];
    return [target, target.toLowerCase(), owner, (owner.split("/").pop() ?? "").toLowerCase()];
  }
  const drop = address.kind === "partitionKeyDelete" ? 2 : address.kind.endsWith("Feed") ? 1 : 0;
  const cut = (link: string): string =>
    link
      .split("/")
      .slice(0, drop === 0 ? undefined : -drop)
      .join("/");
  const own = cut(address.link);
  const last = own.split("/").pop() ?? "";
  return [...new Set([own, cut(address.rawLink), ...(mayBeRid ? [last.toLowerCase()] : [])])];
}

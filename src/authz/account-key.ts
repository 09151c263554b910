/**
 * Account keys: which of the four keys signed a request, and what that key may do. The signature proves the verb,
 * the resource and the date; it says nothing about the body.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Decision } from "./decision.ts";

export type KeyName = "primary" | "secondary" | "primaryReadonly" | "secondaryReadonly";

/** What a client may have signed: the wire allows a few spellings of one resource. */
export interface SignedFacts {
  readonly verb: string;
  readonly resourceTypes: readonly string[];
  readonly resourceLinks: readonly string[];
  /** `x-ms-date`, or `date` when that is absent; as sent. */
  readonly date: string;
  /** True when the date came from the `date` header, which stands on the last line of the text. */
  readonly plainDate: boolean;
}

/** The text under the signature (REST reference, "access control on Cosmos DB resources"); links keep their case. */
export function textToSign(
  verb: string,
  resourceType: string,
  resourceLink: string,
  date: string,
  plain: boolean,
): string {
  const lower = date.toLowerCase();
  const dates = plain ? `\n${lower}\n` : `${lower}\n\n`;
  return `${verb.toLowerCase()}\n${resourceType.toLowerCase()}\n${resourceLink}\n${dates}`;
}

/** Base64 HMAC-SHA256 of `text` under a base64 key, as clients compute it. */
export function sign(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text, "utf8").digest();
}

/**
 * The key whose signature this is, or `undefined`. Every candidate is compared in constant time and none is skipped
 * after a match, so the time taken does not tell which key or spelling was right.
 */
export function signingKey(
  facts: SignedFacts,
  signature: string,
  keys: readonly { readonly name: KeyName; readonly secret: Buffer }[],
): KeyName | undefined {
  const given = Buffer.from(signature, "base64");
  if (given.length !== 32) return undefined;
  let found: KeyName | undefined;
  for (const key of keys) {
    for (const type of facts.resourceTypes) {
      for (const link of facts.resourceLinks) {
        const expected = sign(key.secret, textToSign(facts.verb, type, link, facts.date, facts.plainDate));
        if (timingSafeEqual(expected, given) && found === undefined) found = key.name;
      }
    }
  }
  return found;
}

export interface KeyRequest {
  readonly key: KeyName;
  readonly action: string;
  readonly resource: string;
  readonly access: "read" | "write";
  /** True for changes of databases, containers, throughput and scripts. */
  readonly metadataWrite: boolean;
  readonly disableLocalAuth: boolean;
  readonly disableKeyBasedMetadataWriteAccess: boolean;
}

/** Decides a request signed with an account key: everything, or every read for a read-only key. */
export function decideAccountKey(request: KeyRequest): Decision {
  const base = {
    credential: { kind: "accountKey", key: request.key },
    action: request.action,
    resource: request.resource,
    considered: [],
  } as const;
  if (request.disableLocalAuth) return { ...base, allowed: false, reason: "localAuthDisabled" };
  if (request.metadataWrite && request.disableKeyBasedMetadataWriteAccess) {
    return { ...base, allowed: false, reason: "keyMetadataWriteDisabled" };
  }
  const readOnly = request.key === "primaryReadonly" || request.key === "secondaryReadonly";
  if (readOnly && request.access === "write") return { ...base, allowed: false, reason: "readOnlyKey" };
  return { ...base, allowed: true };
}

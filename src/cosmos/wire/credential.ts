/**
 * The `authorization` header: which of the three credential kinds it carries, decoded exactly once (some SDKs send it
 * percent-encoded, some raw; a `+` is never a space), and the checks that hold before any decision.
 */
import { claimedIdentity, type Diagnosis } from "../../authz/diagnosis.ts";
import type { AccessTokenClaims, TokenFault } from "../../azure/principal.ts";
import { CosmosError, forbidden, unauthorized } from "../errors.ts";
import type { RequestHeaders } from "./headers.ts";

export type RawCredential =
  | { readonly kind: "master"; readonly signature: string }
  | { readonly kind: "resource"; readonly token: string }
  | { readonly kind: "aad"; readonly token: string };

/** Longest header per kind, in bytes; a longer one is refused before anything is computed from it. */
const headerBytesMax = { master: 1024, resource: 8192, aad: 16384 } as const;

const malformed = "Authorization header doesn't confirm to the required format. Please verify and try again.";

/** Reads the credential; 401 when it is missing, malformed or too long. */
export function parseCredential(headers: RequestHeaders): RawCredential {
  const header = headers["authorization"];
  if (header === undefined || header === "") {
    throw unauthorized(
      "Required Header authorization is missing. Ensure a valid Authorization token is passed.",
      5000,
    );
  }
  const token = usualToken(header);
  if (token !== undefined) return { kind: "aad", token };
  const text = decodeOnce(header);
  const match = /^type=(master|resource|aad)&ver=1(?:\.0)?&sig=(.+)$/is.exec(text);
  const kind = match?.[1]?.toLowerCase();
  const signature = match?.[2];
  if (signature === undefined || (kind !== "master" && kind !== "resource" && kind !== "aad")) {
    throw unauthorized(malformed);
  }
  if (text.length > headerBytesMax[kind]) throw unauthorized(malformed, 5001);
  if (kind === "master") return { kind, signature };
  return kind === "resource" ? { kind, token: text } : { kind, token: signature };
}

/** How SDKs begin the header of an Entra token: as they are, and percent-encoded. */
const usualPrefixes: readonly string[] = ["type%3Daad%26ver%3D1.0%26sig%3D", "type=aad&ver=1.0&sig="];

/**
 * The token of a header in one of the usual spellings, which every request of an SDK has: found without decoding,
 * copying or matching some kilobytes. Anything unusual is left to the slow way.
 */
function usualToken(header: string): string | undefined {
  if (header.length > headerBytesMax.aad) return undefined;
  const prefix = usualPrefixes.find((usual) => header.startsWith(usual));
  if (prefix === undefined || header.length === prefix.length) return undefined;
  if (prefix.includes("%") && header.includes("%", prefix.length)) return undefined;
  return header.slice(prefix.length);
}

/** A percent-encoded token: only its prefix is encoded, for a JWT has nothing to encode. */
const encodedPrefix = /^type%3daad%26ver%3d1(?:\.0)?%26sig%3d/i;

function decodeOnce(header: string): string {
  if (!/^type%3d/i.test(header)) return header;
  // Decoding kilobytes of token letter by letter would be a good part of a request's cost.
  const prefix = encodedPrefix.exec(header)?.[0];
  if (prefix !== undefined && !header.includes("%", prefix.length)) {
    return `type=aad&ver=1.0&sig=${header.slice(prefix.length)}`;
  }
  try {
    return decodeURIComponent(header);
  } catch {
    throw unauthorized(malformed);
  }
}

/** Accepted age and lead of a key signature's date, in milliseconds (client library: 15 minutes life and skew each). */
const dateAgeMax = 30 * 60_000;
const dateLeadMax = 15 * 60_000;
const tokenLife = 15 * 60_000;

export interface SignatureDate {
  readonly text: string;
  /** True when it came from `date` because `x-ms-date` is absent. */
  readonly plain: boolean;
}

/** The date under a key signature; 401 when it is missing or unreadable, 403 outside the window. */
export function signatureDate(headers: RequestHeaders, now: number): SignatureDate {
  const own = headers["x-ms-date"];
  const text = own ?? headers["date"];
  const time = text === undefined ? Number.NaN : Date.parse(text);
  if (text === undefined || Number.isNaN(time)) {
    throw unauthorized("The input date header is invalid format. Please pass in RFC 1123 style date format.");
  }
  if (time < now - dateAgeMax || time > now + dateLeadMax) {
    throw forbidden(outsideTime(time, time + tokenLife, now), 0, { kind: "signatureDate", given: time, now });
  }
  return { text, plain: own === undefined };
}

/** The text for a credential outside its time; all in milliseconds since the epoch. */
export function outsideTime(start: number, end: number, now: number): string {
  const at = (milliseconds: number): string => new Date(milliseconds).toUTCString();
  return `The authorization token is not valid at the current time. Please create another token and retry (token start time: ${at(start)}, token expiry time: ${at(end)}, current server time: ${at(now)}).`;
}

/** 401 for a signature that no key of the account made; the text under it helps the client's author. */
export function wrongSignature(payload: string): CosmosError {
  const shown = payload.replaceAll("\n", "\\n");
  return unauthorized(
    `The input authorization token can't serve the request. The wrong key is being used or the expected payload is not built as per the protocol. For more info: https://aka.ms/cosmosdb-tsg-unauthorized. Server used the following payload to sign: '${shown}'`,
    0,
    { kind: "signature" },
  );
}

/** 401 for a token that the identity room refused, with the substatus of its fault. */
export function tokenFault(fault: TokenFault, now: number, diagnosis?: Diagnosis): CosmosError {
  const [message, substatus] = faultText(fault, now);
  if (fault.kind !== "revoked") return unauthorized(message, substatus, diagnosis);
  return new CosmosError(401, "Unauthorized", message, {
    substatus,
    headers: { "www-authenticate": newerTokenChallenge(now) },
    ...(diagnosis === undefined ? {} : { diagnosis }),
  });
}

/** Asks for a token issued from now on; SDKs that know claims challenges ask for one and try again. */
function newerTokenChallenge(now: number): string {
  const claims = { access_token: { nbf: { essential: true, value: String(Math.floor(now / 1000)) } } };
  const encoded = Buffer.from(JSON.stringify(claims), "utf8").toString("base64");
  return `Bearer realm="", authorization_uri="", error="insufficient_claims", claims="${encoded}"`;
}

function faultText(fault: TokenFault, now: number): readonly [string, number] {
  switch (fault.kind) {
    case "format":
      return [`Provided AAD token has an invalid format. ${fault.detail}`, 5003];
    case "unknownKey":
      return [`Provided AAD token was signed with an unknown key. ${fault.detail}`, 5200];
    case "signature":
      return [`Provided AAD token has an invalid signature. ${fault.detail}`, 5004];
    case "notYetValid":
      return [
        `Provided AAD token is not valid before [${serverTime(fault.notBefore * 1000)}]. Current server time is [${serverTime(now)}].`,
        5005,
      ];
    case "expired":
      return [
        `Provided AAD token has been expired since [${serverTime(fault.expiredAt * 1000)}]. Current server time is [${serverTime(now)}]. Please refresh the AAD token.`,
        5006,
      ];
    case "issuer":
      return [
        `Provided AAD token was issued by the authority [${fault.issuer}] which is not trusted by this database account. Please ensure the token has been issued by the AAD tenant(s) [${fault.tenantId}].`,
        5007,
      ];
    case "missingObjectId":
      return ["Provided AAD token does not contain the object identifier [oid] claim.", 5011];
    case "revoked":
      return ["Provided AAD token has been revoked.", 5013];
  }
}

/** 401 for a token that is meant for another service. */
export function wrongAudience(claims: AccessTokenClaims, accepted: readonly string[]): CosmosError {
  const claimed = claimedIdentity({ ...claims });
  return unauthorized(
    `Provided AAD token is intended for [${claims.aud}]. This database account accepts tokens intended for [${accepted.join(", ")}].`,
    5008,
    { kind: "audience", claimed, accepted },
  );
}

/** Times in token messages look like `1/30/2025 2:47:35 PM (UTC)`. */
function serverTime(milliseconds: number): string {
  const date = new Date(milliseconds);
  const two = (value: number): string => String(value).padStart(2, "0");
  const hour = date.getUTCHours();
  const day = `${date.getUTCMonth() + 1}/${date.getUTCDate()}/${date.getUTCFullYear()}`;
  const time = `${hour % 12 === 0 ? 12 : hour % 12}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
  return `${day} ${time} ${hour < 12 ? "AM" : "PM"} (UTC)`;
}

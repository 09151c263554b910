/**
 * The compact JWS form (RFC 7515 section 7.1), read as strictly as it can be: what is not exactly what a signer
 * writes is refused before any key is touched. Says nothing about who signed or whether the claims hold.
 */

/** 16 KiB: more than twice the longest token the platform issues. */
const TOKEN_BYTES_MAX = 16 * 1024;

export interface Jws {
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: Readonly<Record<string, unknown>>;
  /** The first two parts with their dot: the bytes that were signed. */
  readonly signingInput: string;
  readonly signature: Uint8Array;
}

export type ParsedJws =
  | { readonly ok: true; readonly jws: Jws }
  | { readonly ok: false; readonly detail: string };

const SEGMENT = /^[A-Za-z0-9_-]+$/;
const UTF8 = { fatal: true, ignoreBOM: true };

/**
 * Splits and decodes a token. `canonicalJson` also demands that header and payload are spelled exactly as
 * `JSON.stringify` would: true for our own tokens, and it rules out duplicate members, which parsers read
 * differently (RFC 7519 section 4 lets us refuse them).
 */
export function parseCompactJws(token: string, canonicalJson: boolean): ParsedJws {
  if (token.length > TOKEN_BYTES_MAX) return refused(`the token is longer than ${TOKEN_BYTES_MAX} bytes`);
  const parts = token.split(".", 4);
  const [headerPart, payloadPart, signaturePart] = parts;
  if (
    parts.length !== 3 ||
    headerPart === undefined ||
    payloadPart === undefined ||
    signaturePart === undefined
  ) {
    return refused("the token has not exactly three parts");
  }
  const headerBytes = decodeBase64url(headerPart);
  const payloadBytes = decodeBase64url(payloadPart);
  const signature = decodeBase64url(signaturePart);
  if (headerBytes === undefined || payloadBytes === undefined || signature === undefined) {
    return refused("a part of the token is not canonical base64url");
  }
  const header = parseObject(headerBytes, canonicalJson);
  if (header === undefined) return refused("the header is not a well-formed JSON object");
  const payload = parseObject(payloadBytes, canonicalJson);
  if (payload === undefined) return refused("the payload is not a well-formed JSON object");
  return { ok: true, jws: { header, payload, signingInput: `${headerPart}.${payloadPart}`, signature } };
}

/** One part of a token: the JSON of `value` in base64url. */
export function encodePart(value: unknown): string {
  return Buffer.from(JSON.stringify(value), "utf8").toString("base64url");
}

/** The bytes of an unpadded base64url text whose unused bits are zero; `undefined` for any other text. */
function decodeBase64url(text: string): Uint8Array | undefined {
  if (!SEGMENT.test(text)) return undefined;
  const bytes = Buffer.from(text, "base64url");
  return bytes.toString("base64url") === text ? bytes : undefined;
}

function parseObject(
  bytes: Uint8Array,
  canonicalJson: boolean,
): Readonly<Record<string, unknown>> | undefined {
  try {
    const text = new TextDecoder("utf-8", UTF8).decode(bytes);
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    if (canonicalJson && JSON.stringify(value) !== text) return undefined;
    return value as Readonly<Record<string, unknown>>;
  } catch {
    // Neither UTF-8 nor JSON: the caller reports it.
    return undefined;
  }
}

function refused(detail: string): ParsedJws {
  return { ok: false, detail };
}

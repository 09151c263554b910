/**
 * Query strings and form bodies, read strictly: a parameter that comes twice or cannot be decoded is a fault and
 * not a guess, because two readers of the same request must never see two different clients or identities.
 */

import type { Request } from "../http/service.ts";
import { AuthorityError, faults } from "./errors.ts";

export type Parameters =
  | { readonly ok: true; readonly values: ReadonlyMap<string, string> }
  /** `name` is the parameter at fault, as sent. */
  | { readonly ok: false; readonly fault: "malformed" | "duplicate"; readonly name: string };

const PARAMETERS_MAX = 100;

/**
 * The parameters of `text` (`application/x-www-form-urlencoded`), names in lower case. Names that differ only in
 * case count as the same name.
 */
export function parseParameters(text: string): Parameters {
  const values = new Map<string, string>();
  const pieces = text.split("&");
  if (pieces.length > PARAMETERS_MAX) return { ok: false, fault: "malformed", name: "" };
  for (const piece of pieces) {
    if (piece === "") continue;
    const equals = piece.indexOf("=");
    const rawName = equals < 0 ? piece : piece.slice(0, equals);
    const name = decodeFormText(rawName);
    const value = decodeFormText(equals < 0 ? "" : piece.slice(equals + 1));
    if (name === undefined || value === undefined || name === "") {
      return { ok: false, fault: "malformed", name: rawName };
    }
    const key = name.toLowerCase();
    if (values.has(key)) return { ok: false, fault: "duplicate", name };
    values.set(key, value);
  }
  return { ok: true, values };
}

const FORM_BYTES_MAX = 64 * 1024;

/**
 * The parameters of a form body. Throws `AuthorityError` for what is no form, or not a readable one. `untyped` takes a
 * body without a content type for a form.
 */
export function formParameters(
  request: Request,
  { untyped = false }: { readonly untyped?: boolean } = {},
): ReadonlyMap<string, string> {
  const assumed = untyped ? "application/x-www-form-urlencoded" : undefined;
  const type = (request.headers["content-type"] ?? assumed)?.split(";", 1)[0]?.trim().toLowerCase();
  // What is no form has no parameters; the platform then misses the first one.
  if (type !== "application/x-www-form-urlencoded")
    throw new AuthorityError(faults.missingParameter("grant_type"));
  if (request.body.length > FORM_BYTES_MAX) throw new AuthorityError(faults.malformedRequest());
  const form = parseParameters(Buffer.from(request.body).toString("utf8"));
  if (!form.ok) {
    throw new AuthorityError(
      form.fault === "duplicate" ? faults.duplicateParameter(form.name) : faults.malformedRequest(),
    );
  }
  return form.values;
}

/** Decodes `+` and percent escapes; `undefined` when the escapes are no UTF-8 text. */
export function decodeFormText(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    // A stray percent sign or invalid UTF-8; the caller reports it.
    return undefined;
  }
}

/** A request target in the two parts that matter: path segments (decoded, empty ones dropped) and query text. */
export interface TargetParts {
  readonly segments: readonly string[];
  readonly query: string;
}

/**
 * Splits a target, forgiving what real clients send: doubled slashes and a trailing one. `undefined` when a segment
 * cannot be decoded or is a dot segment, which no client sends.
 */
export function splitTarget(target: string): TargetParts | undefined {
  const questionMark = target.indexOf("?");
  const path = questionMark < 0 ? target : target.slice(0, questionMark);
  const segments: string[] = [];
  for (const raw of path.split("/")) {
    if (raw === "") continue;
    const segment = decodeSegment(raw);
    if (segment === undefined || segment === "." || segment === "..") return undefined;
    segments.push(segment);
  }
  return { segments, query: questionMark < 0 ? "" : target.slice(questionMark + 1) };
}

function decodeSegment(raw: string): string | undefined {
  try {
    return decodeURIComponent(raw);
  } catch {
    // A stray percent sign or invalid UTF-8; the caller reports it.
    return undefined;
  }
}

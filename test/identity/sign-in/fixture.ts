/** A room with users, clients and the steps of a browser, for the tests of sign-in. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { Reply } from "../../../src/http/service.ts";
import { bodyOf, openTestIdentity, send, type TestIdentity, tenantId } from "../fixtures.ts";

export const user: string = "dev@celestite.onmicrosoft.com";
export const password: string = "correct horse";
export const cliId: string = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
export const verifier: string = "v".repeat(43);
export const challenge: string = createHash("sha256").update(verifier).digest("base64url");
export const loopback: string = "http://localhost:40000";
export const webRedirect: string = "https://shop.example.com/signed-in";
const form = { "content-type": "application/x-www-form-urlencoded" };

export interface SignInRoom extends TestIdentity {
  readonly userId: string;
  /** A confidential web client with a secret. */
  readonly web: { readonly appId: string; readonly secret: string };
  /** An API that the web client calls, under `api://orders`. */
  readonly api: { readonly appId: string; readonly secret: string };
  /** A public client of the tenant's own. */
  readonly native: string;
}

export async function openSignInRoom(): Promise<SignInRoom> {
  const room = await openTestIdentity();
  const { directory, passwords, applications } = room.identity;
  const { objectId: userId } = await directory.addUser({ userPrincipalName: user, displayName: "Dev" });
  await passwords.set(user, password);
  const confidential = async (
    displayName: string,
    more: object,
  ): Promise<{ appId: string; secret: string }> => {
    const { appId } = await applications.add({ displayName, ...more });
    return { appId, secret: (await applications.addSecret(appId)).secretText };
  };
  const web = await confidential("Web shop", { redirectUris: [{ uri: webRedirect, platform: "web" }] });
  const api = await confidential("Orders API", { identifierUris: ["api://orders"], accessTokenVersion: 2 });
  const native = await applications.add({
    displayName: "Native",
    publicClient: true,
    redirectUris: [{ uri: "http://localhost/cb", platform: "public" }],
  });
  return { ...room, userId, web, api, native: native.appId };
}

export type Fields = Readonly<Record<string, string | undefined>>;

function encoded(fields: Fields): string {
  const given = Object.entries(fields).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return new URLSearchParams(given).toString();
}

/** `GET /authorize`; fields that are undefined are left out. */
export function authorize(
  room: TestIdentity,
  fields: Fields = {},
  path = "oauth2/v2.0/authorize",
): Promise<Reply> {
  const query = encoded({
    client_id: cliId,
    response_type: "code",
    redirect_uri: loopback,
    scope: "https://cosmos.azure.com/.default openid profile offline_access",
    code_challenge: challenge,
    code_challenge_method: "S256",
    state: "st",
    nonce: "no",
    ...fields,
  });
  return send(room.identity.authority, "GET", `/${tenantId}/${path}?${query}`);
}

export function textOf(reply: Reply): string {
  return Buffer.from(reply.body ?? "").toString("utf8");
}

/** The form on a page: its hidden flow and the cookie that came with it. */
export function formOf(shown: Reply): { readonly flow: string; readonly cookie: string } {
  const flow = /name="flow" value="([\w-]+)"/.exec(textOf(shown))?.[1] ?? "";
  const cookie = (shown.headers["set-cookie"] ?? "").split(";")[0] ?? "";
  return { flow, cookie };
}

/** Posts a form of ours with the browser's cookie. */
export function submit(room: TestIdentity, path: string, cookie: string, fields: Fields): Promise<Reply> {
  return send(room.identity.authority, "POST", `/${tenantId}/${path}`, { ...form, cookie }, encoded(fields));
}

/** Answers the page with a name and password. */
export function signIn(room: TestIdentity, shown: Reply, fields: Fields = {}): Promise<Reply> {
  const { flow, cookie } = formOf(shown);
  return submit(room, "oauth2/v2.0/authorize", cookie, {
    flow,
    username: user,
    password,
    decision: "signin",
    ...fields,
  });
}

/** Parameters that a redirect carries back. */
export function sentBack(reply: Reply): URLSearchParams {
  assert.equal(reply.status, 302, textOf(reply));
  return new URL(reply.headers["location"] ?? "").searchParams;
}

/** A whole browser sign-in; the code. */
export async function codeFor(room: TestIdentity, fields: Fields = {}): Promise<string> {
  const code = sentBack(await signIn(room, await authorize(room, fields))).get("code");
  assert.ok(code !== null);
  return code;
}

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  /** The AADSTS number of a refusal. */
  readonly code: unknown;
}

/** `POST /token`. */
export async function token(room: TestIdentity, fields: Fields, path = "oauth2/v2.0/token"): Promise<Answer> {
  const reply = await send(room.identity.authority, "POST", `/${tenantId}/${path}`, form, encoded(fields));
  const body = bodyOf(reply);
  return { status: reply.status, body, code: (body["error_codes"] as unknown[] | undefined)?.[0] };
}

/** Redeems a code as the built-in public client. */
export function redeem(room: TestIdentity, code: string, fields: Fields = {}): Promise<Answer> {
  return token(room, {
    grant_type: "authorization_code",
    client_id: cliId,
    code,
    redirect_uri: loopback,
    code_verifier: verifier,
    scope: "https://cosmos.azure.com/.default openid profile offline_access",
    client_info: "1",
    ...fields,
  });
}

/** Refreshes as the built-in public client. */
export function refresh(room: TestIdentity, refreshToken: unknown, fields: Fields = {}): Promise<Answer> {
  return token(room, {
    grant_type: "refresh_token",
    client_id: cliId,
    refresh_token: String(refreshToken),
    scope: "https://cosmos.azure.com/.default offline_access",
    ...fields,
  });
}

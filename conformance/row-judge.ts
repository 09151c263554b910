/**
 * Orders for tokens and what must come of them: an order names a credential class of the SDK and what it is given, a row
 * says what its token must carry or which number refuses it. Apart from the rows, which are many.
 */
import { createPublicKey, type JsonWebKey, verify } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { join } from "node:path";
import type { Ground } from "./identity-ground.ts";

/** What the app's `tokens` mode takes. */
export interface Order {
  readonly use: "default" | "managed" | "secret" | "certificate" | "assertion" | "on-behalf-of";
  readonly scope: string;
  readonly tenantId?: string;
  readonly clientId?: string;
  readonly resourceId?: string;
  readonly objectId?: string;
  readonly secret?: string;
  readonly certificatePath?: string;
  readonly assertion?: string;
  readonly userAssertionToken?: string;
  readonly authorityHost?: string;
  readonly disableInstanceDiscovery?: boolean;
  readonly challenge?: string;
}

export interface Outcome {
  readonly ok: boolean;
  readonly token?: string;
  readonly expiresOn?: number;
  readonly name?: string;
  readonly message?: string;
}

export type Claims = Readonly<Record<string, unknown>>;

/** One row's order and what must come of it: a check of the claims, or the pattern of a refusal. */
export interface Row {
  readonly what: string;
  readonly order: Order;
  readonly expected: ((claims: Claims, outcome: Outcome) => boolean) | RegExp;
}

/** Runs the orders in one process of the app under `celestite run`, and judges each. */
export async function judge(
  ground: Ground,
  run: readonly string[],
  rows: readonly Row[],
  variables: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { folder, under, language, report, server } = ground;
  const file = join(folder, "orders.json");
  await writeFile(file, JSON.stringify(rows.map(({ order }) => order)));
  const settings = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  const { stdout, stderr } = await under(run, ["env", ...settings, ...language.app, "tokens", file]);
  const lines = stdout.trim().split("\n");
  const keys = await publishedKeys(server.outputs["authority"] ?? "", join(server.data, "ca.pem"));
  for (const [at, { what, expected }] of rows.entries()) {
    const outcome = readOutcome(lines[at] ?? "", stderr);
    const holds =
      expected instanceof RegExp
        ? !outcome.ok && outcome.token === undefined && expected.test(outcome.message ?? "")
        : outcome.ok && isSigned(outcome.token ?? "", keys) && expected(claimsOf(outcome), outcome);
    const seen = outcome.ok ? claimsOf(outcome) : outcome;
    report.check(`${language.name}: ${what}`, holds, JSON.stringify(seen));
  }
}

function readOutcome(line: string, complaint: string): Outcome {
  try {
    return JSON.parse(line) as Outcome;
  } catch {
    return { ok: false, message: `no line of JSON: ${line} ${complaint.slice(-1500)}` };
  }
}

function claimsOf({ token = "" }: Outcome): Claims {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString() || "{}") as Claims;
}

type PublishedKeys = ReadonlyMap<string, JsonWebKey>;

async function publishedKeys(authority: string, caFile: string): Promise<PublishedKeys> {
  const { keys } = JSON.parse(await fetchLocal(`${authority}/common/discovery/v2.0/keys`, caFile)) as {
    keys: (JsonWebKey & { kid: string })[];
  };
  return new Map(keys.map((key) => [key.kid, key]));
}

function isSigned(token: string, keys: PublishedKeys): boolean {
  const [header = "", payload = "", signature = ""] = token.split(".");
  const { kid } = JSON.parse(Buffer.from(header, "base64url").toString() || "{}") as { kid?: string };
  const { n, e } = keys.get(kid ?? "") ?? {};
  if (n === undefined || e === undefined) return false;
  const key = createPublicKey({ key: { kty: "RSA", n, e }, format: "jwk" });
  return verify("RSA-SHA256", Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, "base64url"));
}

/** GET, or POST of a form or of JSON with a token; the body of the answer. */
export async function fetchLocal(
  url: string,
  caFile: string,
  post?: { readonly type: string; readonly body: string; readonly token?: string },
): Promise<string> {
  const ca = await readFile(caFile);
  return new Promise((resolve, reject) => {
    const headers = {
      ...(post === undefined ? {} : { "content-type": post.type }),
      ...(post?.token === undefined ? {} : { authorization: `Bearer ${post.token}` }),
    };
    const asked = request(url, { ca, headers, method: post === undefined ? "GET" : "POST" }, (reply) => {
      let text = "";
      reply.on("data", (part: Buffer) => {
        text += part.toString();
      });
      reply.once("end", () => resolve(text));
      reply.once("error", reject);
    });
    asked.once("error", reject);
    asked.end(post?.body);
  });
}

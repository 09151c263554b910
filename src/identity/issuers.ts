/**
 * Federated issuers whose keys are kept here instead of being fetched: key sets that somebody uploaded, and clusters
 * that this system plays itself, minting tokens in the form of a Kubernetes service account. Apart from
 * `issuer-keys.ts`, which only asks others.
 */
import type { JsonWebKey, KeyObject } from "node:crypto";
import { createPrivateKey, createPublicKey, generateKeyPair, sign } from "node:crypto";
import { promisify } from "node:util";
import { uuid } from "../clock.ts";
import type { DirectoryContext } from "./directory.ts";
import { DirectoryError } from "./directory.ts";
import type { FederatedKeys } from "./issuer-keys.ts";
import { readKeySet } from "./issuer-keys.ts";
import { encodePart } from "./jws.ts";
import type { IssuerRecord } from "./records.ts";
import { collection, encodeRecord, readRecord, recordKey, scanRecords } from "./records.ts";

/** The audience that workload identity asks of a token. */
export const exchangeAudience = "api://AzureADTokenExchange";

/** Kubernetes refuses shorter lives than 10 minutes and the webhook longer ones than a day. */
const LIFETIME_SECONDS_MIN = 600;
const LIFETIME_SECONDS_MAX = 24 * 3600;
/** A key that a cluster no longer signs with is still accepted for the longest life of its tokens. */
const KEYS_KEPT = 2;

/** An issuer as operators see it. */
export interface IssuerView {
  readonly issuer: string;
  readonly cluster?: string;
  readonly keyIds: readonly string[];
  /** Milliseconds since the epoch. */
  readonly addedAt: number;
}

export interface MintRequest {
  /** The cluster that issues it; made when first named. `local` unless told. */
  readonly cluster?: string;
  /** The `sub` claim, e.g. `system:serviceaccount:shop:orders`. */
  readonly subject: string;
  readonly audience?: string;
  /** 600 to 86400; an hour unless told. */
  readonly lifetimeSeconds?: number;
}

export interface MintedToken {
  readonly token: string;
  readonly issuer: string;
  /** Seconds since the epoch. */
  readonly expiresOn: number;
}

export interface Issuers {
  /** Trusts `jwks` (a JSON Web Key Set) for `issuer`, replacing an earlier one. Throws `DirectoryError`. */
  add(issuer: string, jwks: unknown): Promise<IssuerView>;
  /** False when none was kept under this name. */
  remove(issuer: string): Promise<boolean>;
  list(): Promise<readonly IssuerView[]>;
  /** The `iss` of a cluster that this system plays. */
  clusterIssuer(cluster: string): string;
  /** A token of a cluster that this system plays. Throws `DirectoryError`. */
  mint(request: MintRequest): Promise<MintedToken>;
  /** A new signing key for a cluster; the one before stays accepted. Its kid. */
  rotateCluster(cluster: string): Promise<string>;
  /** Keys of kept issuers, and of all others through `elsewhere`. */
  readonly federatedKeys: FederatedKeys;
}

/** The issuers of the directory in `context`; keys of issuers that are not kept come from `elsewhere`. */
export function createIssuers(context: DirectoryContext, elsewhere: FederatedKeys): Issuers {
  const { store } = context;
  const clusterIssuer = (cluster: string): string =>
    `https://oidc.celestite.local/${context.tenantId}/${cluster}/`;
  return {
    add: (issuer, jwks) => addIssuer(context, issuer, jwks),
    remove: (issuer) =>
      context.change(async (transaction) => {
        if ((await readRecord(transaction, recordKey.issuer(issuer))) === undefined) return false;
        transaction.delete(recordKey.issuer(issuer));
        return true;
      }),
    async list() {
      return (await scanRecords<IssuerRecord>(store, collection.issuers())).map(view);
    },
    clusterIssuer,
    mint: (request) => mint(context, clusterIssuer, request),
    rotateCluster: async (cluster) =>
      (await writeClusterKey(context, checkCluster(cluster), clusterIssuer(cluster), true)).kid,
    async federatedKeys(issuer, kid) {
      const record = await readRecord<IssuerRecord>(store, recordKey.issuer(issuer));
      if (record === undefined) return elsewhere(issuer, kid);
      const key = record.keys.find((candidate) => candidate["kid"] === kid);
      if (key === undefined) return { ok: false, detail: `The issuer has no key '${kid}'.` };
      return { ok: true, publicKey: createPublicKey({ key, format: "jwk" }) };
    },
  };
}

function view({ issuer, cluster, keys, addedAt }: IssuerRecord): IssuerView {
  const keyIds = keys.map((key) => String(key["kid"]));
  return { issuer, keyIds, addedAt, ...(cluster === undefined ? {} : { cluster }) };
}

async function addIssuer(context: DirectoryContext, issuer: string, jwks: unknown): Promise<IssuerView> {
  if (!/^https?:\/\/[\x21-\x7e]{1,600}$/.test(issuer) || !URL.canParse(issuer)) {
    throw new DirectoryError("invalid", `The issuer '${issuer.slice(0, 200)}' is no https address.`);
  }
  let keys: Map<string, KeyObject>;
  try {
    keys = readKeySet((typeof jwks === "object" && jwks !== null ? jwks : {}) as Record<string, unknown>);
  } catch {
    keys = new Map();
  }
  if (keys.size === 0) {
    throw new DirectoryError(
      "invalid",
      "The key set is no JSON Web Key Set with an RSA signing key of 2048 bits or more that has a kid.",
    );
  }
  const record: IssuerRecord = {
    issuer,
    keys: [...keys].map(([kid, key]) => publicJwk(key, kid)),
    addedAt: context.clock.now(),
  };
  await context.change(async (transaction) => {
    const existing = await readRecord<IssuerRecord>(transaction, recordKey.issuer(issuer));
    if (existing?.cluster !== undefined) {
      throw new DirectoryError("conflict", `The issuer ${issuer} is a cluster of this system.`);
    }
    transaction.put(recordKey.issuer(issuer), encodeRecord(record));
  });
  return view(record);
}

function publicJwk(key: KeyObject, kid: string): JsonWebKey {
  const { n = "", e = "" } = key.export({ format: "jwk" });
  return { kty: "RSA", use: "sig", alg: "RS256", kid, n, e };
}

function checkCluster(cluster: string): string {
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(cluster)) {
    throw new DirectoryError("invalid", `The cluster name '${cluster.slice(0, 80)}' is no DNS label.`);
  }
  return cluster;
}

async function mint(
  context: DirectoryContext,
  clusterIssuer: (cluster: string) => string,
  request: MintRequest,
): Promise<MintedToken> {
  const cluster = checkCluster(request.cluster ?? "local");
  const { subject, audience = exchangeAudience, lifetimeSeconds = 3600 } = request;
  if (subject === "" || subject.length > 600 || audience === "" || audience.length > 600) {
    throw new DirectoryError("invalid", "Subject and audience have 1 to 600 characters.");
  }
  if (
    !Number.isInteger(lifetimeSeconds) ||
    lifetimeSeconds < LIFETIME_SECONDS_MIN ||
    lifetimeSeconds > LIFETIME_SECONDS_MAX
  ) {
    throw new DirectoryError(
      "invalid",
      `A token's life is ${LIFETIME_SECONDS_MIN} to ${LIFETIME_SECONDS_MAX} seconds.`,
    );
  }
  const issuer = clusterIssuer(cluster);
  const { kid, key } = await writeClusterKey(context, cluster, issuer, false);
  const now = Math.floor(context.clock.now() / 1000);
  const claims = {
    aud: [audience],
    exp: now + lifetimeSeconds,
    iat: now,
    iss: issuer,
    jti: uuid(context.entropy),
    ...serviceAccountClaims(context, subject),
    nbf: now,
    sub: subject,
  };
  const input = `${encodePart({ alg: "RS256", kid })}.${encodePart(claims)}`;
  const signature = sign("RSA-SHA256", Buffer.from(input, "ascii"), createPrivateKey({ key, format: "jwk" }));
  return { token: `${input}.${signature.toString("base64url")}`, issuer, expiresOn: claims.exp };
}

/** Kubernetes says in a claim of its own which service account it is. */
function serviceAccountClaims(context: DirectoryContext, subject: string): Record<string, unknown> {
  const [, namespace, name] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(subject) ?? [];
  if (namespace === undefined || name === undefined) return {};
  return { "kubernetes.io": { namespace, serviceaccount: { name, uid: uuid(context.entropy) } } };
}

/** The cluster's signing key, made when it has none or when `renew` asks for a new one. */
async function writeClusterKey(
  context: DirectoryContext,
  cluster: string,
  issuer: string,
  renew: boolean,
): Promise<{ readonly kid: string; readonly key: JsonWebKey }> {
  const known = await readRecord<IssuerRecord>(context.store, recordKey.issuer(issuer));
  if (known?.signing !== undefined && !renew) return known.signing;
  // OpenSSL's own generator, as for the tenant's keys: a reproducible signing key would be a forgeable one.
  const pair = await promisify(generateKeyPair)("rsa", { modulusLength: 2048 });
  const kid = Buffer.from(context.entropy.bytes(20)).toString("base64url");
  const made = { kid, key: pair.privateKey.export({ format: "jwk" }) };
  return context.change(async (transaction) => {
    const existing = await readRecord<IssuerRecord>(transaction, recordKey.issuer(issuer));
    if (existing?.signing !== undefined && !renew) return existing.signing;
    const record: IssuerRecord = {
      issuer,
      cluster,
      keys: [publicJwk(pair.publicKey, kid), ...(existing?.keys ?? [])].slice(0, KEYS_KEPT),
      signing: made,
      addedAt: existing?.addedAt ?? context.clock.now(),
    };
    transaction.put(recordKey.issuer(issuer), encodeRecord(record));
    return made;
  });
}

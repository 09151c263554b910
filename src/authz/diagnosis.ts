/**
 * What was found about a request that was refused before any decision could be made: the facts behind the public
 * text, for those who must explain it. Plain JSON data, and never a token, a key or a signature.
 */
import type { TokenFault } from "../azure/principal.ts";

/** Who a token says that it is about; unverified where the token itself was refused. */
export interface ClaimedIdentity {
  readonly tenantId?: string;
  readonly objectId?: string;
  readonly appId?: string;
  readonly audience?: string;
}

export type Diagnosis =
  | {
      readonly kind: "token";
      readonly fault: TokenFault["kind"];
      readonly claimed: ClaimedIdentity;
      readonly accountTenantId: string;
    }
  | { readonly kind: "audience"; readonly claimed: ClaimedIdentity; readonly accepted: readonly string[] }
  /** Milliseconds since the epoch. */
  | { readonly kind: "signatureDate"; readonly given: number; readonly now: number }
  | { readonly kind: "signature" }
  | {
      readonly kind: "resourceToken";
      readonly fault: "expired" | "revoked";
      readonly permission: string;
      readonly ended?: number;
    }
  | {
      readonly kind: "network";
      readonly address: string;
      readonly publicNetworkAccess: "Enabled" | "Disabled" | "SecuredByPerimeter";
      readonly ipRules: readonly string[];
    };

/** The members of a token's payload that may be told; anything else is left out. */
export function claimedIdentity(claims: Readonly<Record<string, unknown>> | undefined): ClaimedIdentity {
  const text = (value: unknown): string | undefined =>
    typeof value === "string" ? value.slice(0, 200) : undefined;
  const tenantId = text(claims?.["tid"]);
  const objectId = text(claims?.["oid"]);
  const appId = text(claims?.["appid"]) ?? text(claims?.["azp"]);
  const audience = text(claims?.["aud"]);
  return {
    ...(tenantId === undefined ? {} : { tenantId }),
    ...(objectId === undefined ? {} : { objectId }),
    ...(appId === undefined ? {} : { appId }),
    ...(audience === undefined ? {} : { audience }),
  };
}

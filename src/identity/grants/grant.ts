/** What a grant receives from the token endpoint, after every check that all grants share, and what it gives back. */

import type { AuthorityCall, AuthorityContext } from "../operations.ts";
import type { ApplicationObject } from "../records.ts";
import type { Resource } from "../resources.ts";
import type { IssuedToken, TokenSubject } from "../tokens.ts";

/** How the client proved who it is; a public client has nothing to prove it with. */
export type ClientProof = "none" | "secret" | "assertion";

/** A client whose proof was accepted, or that needs none. */
export interface AuthenticatedClient {
  readonly appId: string;
  readonly proof: ClientProof;
  /** Absent for managed identities and the built-in public clients. */
  readonly application?: ApplicationObject;
  /** The client as the subject of its own tokens; absent for a public client. */
  readonly subject?: TokenSubject;
}

export interface GrantRequest {
  readonly call: AuthorityCall;
  readonly client: AuthenticatedClient;
  readonly form: ReadonlyMap<string, string>;
}

/** What a grant yields: members of the token endpoint's answer beside the access token's own. */
export interface GrantResult {
  readonly issued: IssuedToken;
  readonly resource: Resource;
  readonly more?: Readonly<Record<string, string>>;
}

/** Issues tokens, or throws `AuthorityError`. */
export type Grant = (context: AuthorityContext, request: GrantRequest) => Promise<GrantResult>;

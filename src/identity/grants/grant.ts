/** What a grant receives from the token endpoint, after every check that all grants share. */
import type { AuthorityContext } from "../operations.ts";
import type { Resource } from "../resources.ts";
import type { IssuedToken, TokenSubject } from "../tokens.ts";

/** A client that has proven who it is. */
export interface AuthenticatedClient {
  readonly appId: string;
  /** The client as the subject of its own tokens. */
  readonly subject: TokenSubject;
}

export interface GrantRequest {
  readonly client: AuthenticatedClient;
  readonly resource: Resource;
  /** Scheme and host of the authority as the caller wrote them. */
  readonly authority: string;
  readonly form: ReadonlyMap<string, string>;
}

/** Issues the token, or throws `AuthorityError`. */
export type Grant = (context: AuthorityContext, request: GrantRequest) => Promise<IssuedToken>;

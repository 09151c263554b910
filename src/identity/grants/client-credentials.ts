/** The grant in which an application speaks for itself (RFC 6749 section 4.4). */
import type { Grant } from "./grant.ts";

/** A token whose subject is the client. */
export const clientCredentials: Grant = (context, { client, resource, authority }) =>
  context.tokens.issue(client.subject, resource, authority);

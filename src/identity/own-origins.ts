/**
 * Which addresses are ours. A caller chooses the Host header that it sends, so what it says there proves nothing about a
 * name that somebody else could have; apart from discovery, which only describes us to whoever asks.
 */
import type { AuthorityContext } from "./operations.ts";

/** Names under which clients know the authority whatever address they use. */
const publicAuthorities: readonly string[] = [
  "https://login.microsoftonline.com",
  "https://login.windows.net",
];

/** Names that nobody can register (RFC 6761, RFC 6762, `internal`, a cluster's `svc`), and names without a dot. */
const privateName = /^([a-z0-9_-]+|[a-z0-9_.-]+\.(localhost|local|internal|test|svc))$/i;
/** Addresses of this machine and of private networks (RFC 1918, RFC 3927, RFC 4193). */
const privateAddress =
  /^(127\.|10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.)\d{1,3}(\.\d{1,3}){0,2}$|^\[(::1|f[cd][0-9a-f:]*)\]$/i;

/**
 * The origins that a client may have meant when it made out an assertion to us: the public ones, those of our
 * configuration, and the one that this caller used, unless that is a name which somebody else could hold.
 */
export function assertionOrigins(
  { ownOrigins, authorityHosts }: Pick<AuthorityContext, "ownOrigins" | "authorityHosts">,
  used: string,
): readonly string[] {
  const known = [...publicAuthorities, ...ownOrigins(), ...authorityHosts.map((host) => `https://${host}`)];
  return isPrivate(used) ? [...known, used] : known;
}

function isPrivate(origin: string): boolean {
  if (!URL.canParse(origin)) return false;
  const { hostname } = new URL(origin);
  return privateName.test(hostname) || privateAddress.test(hostname);
}

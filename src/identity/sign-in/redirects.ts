/**
 * Where the authority may send a person: only to addresses that the client registered, letter for letter, except that
 * the port of a loopback address is free (RFC 8252 section 7.3). Everything else is an open redirect.
 */
import type { Applications } from "../applications.ts";
import { findPublicClient } from "../public-clients.ts";
import type { RedirectUri } from "../records.ts";

/** A client as the sign-in pages see it. */
export interface SignInClient {
  readonly appId: string;
  /** Object id of its registration; built-in clients have none. */
  readonly registration?: string;
  readonly displayName: string;
  readonly redirectUris: readonly RedirectUri[];
  readonly publicClient: boolean;
}

/** The built-in or registered client with this id. Managed identities are none: nobody signs in to them. */
export async function findSignInClient(
  applications: Applications,
  appId: string,
): Promise<SignInClient | undefined> {
  const builtIn = findPublicClient(appId);
  if (builtIn !== undefined) {
    const redirectUris = builtIn.redirectUris.map((uri) => ({ uri, platform: "public" }) as const);
    return { appId: builtIn.appId, displayName: builtIn.displayName, redirectUris, publicClient: true };
  }
  const application = (await applications.findClient(appId))?.application;
  if (application === undefined) return undefined;
  return {
    appId: application.appId,
    registration: application.id,
    displayName: application.displayName,
    redirectUris: application.redirectUris ?? [],
    publicClient: application.publicClient === true,
  };
}

/** The registration that allows `uri`; `undefined` when none does. */
export function findRedirect(client: SignInClient, uri: string): RedirectUri | undefined {
  if (!/^[\x21\x23-\x5b\x5d-\x7e]{1,2000}$/.test(uri)) return undefined;
  return client.redirectUris.find(
    (registered) => registered.uri === uri || sameLoopback(registered.uri, uri),
  );
}

function sameLoopback(registered: string, given: string): boolean {
  if (!URL.canParse(registered) || !URL.canParse(given)) return false;
  const [a, b] = [new URL(registered), new URL(given)];
  const isLoopback = a.protocol === "http:" && ["localhost", "127.0.0.1", "[::1]"].includes(a.hostname);
  return (
    isLoopback &&
    b.protocol === "http:" &&
    b.hostname === a.hostname &&
    b.username === "" &&
    b.password === "" &&
    b.hash === "" &&
    b.pathname === a.pathname &&
    b.search === a.search &&
    // Whatever a URL parser forgives (backslashes, tabs, odd slashes) another may read otherwise.
    given.startsWith(`http://${a.hostname}`)
  );
}

/** True for an address that may be registered: https, http on this machine, or a scheme of an app's own. */
export function isRegistrable(uri: string): boolean {
  if (!/^[\x21\x23-\x5b\x5d-\x7e]{1,2000}$/.test(uri) || !URL.canParse(uri) || uri.includes("#"))
    return false;
  const { protocol, hostname, username } = new URL(uri);
  if (username !== "" || uri.includes("*")) return false;
  if (protocol === "https:") return true;
  if (protocol === "http:") return ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
  return !["javascript:", "data:", "vbscript:", "file:", "about:", "blob:"].includes(protocol);
}

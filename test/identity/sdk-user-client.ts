/**
 * A program that signs users in with the official libraries, unmodified, and plays the person at the browser itself.
 * In a process of its own because trust in a certificate authority is read from the environment at its start. Reads
 * its settings from the first argument and prints what each way of signing in came to as JSON.
 */
import { createRequire } from "node:module";
import {
  AuthorizationCodeCredential,
  DeviceCodeCredential,
  OnBehalfOfCredential,
  UsernamePasswordCredential,
} from "@azure/identity";

export interface Settings {
  readonly authority: string;
  readonly tenantId: string;
  readonly user: string;
  readonly password: string;
  readonly web: { readonly appId: string; readonly secret: string; readonly redirectUri: string };
  readonly api: { readonly appId: string; readonly secret: string; readonly scope: string };
}

export interface SignedIn {
  readonly token?: string;
  /** From the cache and the refresh token, after the first. */
  readonly second?: string;
  readonly error?: string;
}

interface MsalResult {
  readonly accessToken: string;
  readonly account: object | null;
}

interface PublicClient {
  acquireTokenInteractive(request: object): Promise<MsalResult>;
  acquireTokenSilent(request: object): Promise<MsalResult>;
}

const settings = JSON.parse(process.argv[2] ?? "{}") as Settings;
const { authority, tenantId, user, password, web, api } = settings;
const options = { authorityHost: authority, disableInstanceDiscovery: true };
const developerClientId = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
const cosmos = "https://cosmos.azure.com/.default";
const vault = "https://vault.azure.net/.default";

/** Opens a page, fills its form and sends it; resolves to where the browser would go next. */
async function fillForm(address: string, more: Readonly<Record<string, string>>): Promise<Response> {
  const shown = await fetch(address);
  const html = await shown.text();
  const action = /<form method="post" action="([^"]+)"/.exec(html)?.[1] ?? "";
  const flow = /name="flow" value="([^"]+)"/.exec(html)?.[1] ?? "";
  const cookie = (shown.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
  return fetch(new URL(action, address), {
    method: "POST",
    redirect: "manual",
    headers: { cookie },
    body: new URLSearchParams({ flow, username: user, password, decision: "signin", ...more }),
  });
}

async function attempt(work: () => Promise<SignedIn>): Promise<SignedIn> {
  try {
    return await work();
  } catch (error) {
    return { error: String(error) };
  }
}

async function twice(credential: {
  getToken(scope: string): Promise<{ readonly token: string } | null>;
}): Promise<SignedIn> {
  const first = await credential.getToken(cosmos);
  const second = await credential.getToken(vault);
  return { token: first?.token ?? "", second: second?.token ?? "" };
}

const ways: Readonly<Record<string, () => Promise<SignedIn>>> = {
  device: () =>
    twice(
      new DeviceCodeCredential({
        ...options,
        tenantId,
        clientId: developerClientId,
        userPromptCallback({ userCode, verificationUri }) {
          fillForm(verificationUri, { otc: userCode }).catch(() => undefined);
        },
      }),
    ),
  async interactive() {
    const load = createRequire(import.meta.resolve("@azure/identity"));
    const { PublicClientApplication } = load("@azure/msal-node") as {
      PublicClientApplication: new (options: object) => PublicClient;
    };
    const client = new PublicClientApplication({
      auth: {
        clientId: developerClientId,
        authority: `${authority}/${tenantId}`,
        knownAuthorities: [new URL(authority).host],
      },
    });
    const result = await client.acquireTokenInteractive({
      scopes: [cosmos],
      async openBrowser(address: string) {
        const back = await fillForm(address, {});
        await fetch(back.headers.get("location") ?? "");
      },
    });
    const silent = await client.acquireTokenSilent({ scopes: [vault], account: result.account });
    return { token: result.accessToken, second: silent.accessToken };
  },
  async code() {
    const query = new URLSearchParams({
      client_id: web.appId,
      response_type: "code",
      redirect_uri: web.redirectUri,
      scope: `${cosmos} openid offline_access`,
    });
    const back = await fillForm(`${authority}/${tenantId}/oauth2/v2.0/authorize?${query}`, {});
    const code = new URL(back.headers.get("location") ?? "").searchParams.get("code") ?? "";
    const credential = new AuthorizationCodeCredential(
      tenantId,
      web.appId,
      web.secret,
      code,
      web.redirectUri,
      options,
    );
    return { token: (await credential.getToken(cosmos))?.token ?? "" };
  },
  password: () => twice(new UsernamePasswordCredential(tenantId, developerClientId, user, password, options)),
  wrongPassword: () =>
    twice(new UsernamePasswordCredential(tenantId, developerClientId, user, "guess", options)),
  async onBehalfOf() {
    const sign = new UsernamePasswordCredential(tenantId, developerClientId, user, password, options);
    const assertion = (await sign.getToken(api.scope))?.token ?? "";
    const credential = new OnBehalfOfCredential({
      ...options,
      tenantId,
      clientId: api.appId,
      clientSecret: api.secret,
      userAssertionToken: assertion,
    });
    return { token: (await credential.getToken(cosmos))?.token ?? "" };
  },
};

const outcomes: Record<string, SignedIn> = {};
await Promise.all(
  Object.entries(ways).map(async ([name, way]) => {
    outcomes[name] = await attempt(way);
  }),
);
process.stdout.write(JSON.stringify(outcomes));
process.exit(0);

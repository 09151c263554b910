/**
 * What stands on the PATH as `az` and `azd` under `celestite run --as-user`: the two calls that the SDKs' developer
 * credentials make, in the tools' own output forms, and their words when nobody is signed in. A program of its own;
 * arguments are its settings file, the tool's name, and what the tool was called with.
 */
import { readFileSync } from "node:fs";
import { get } from "node:http";
import { parseArgs } from "node:util";

export interface ShimSettings {
  readonly endpoint: string;
  readonly secret: string;
  readonly subscriptionId: string;
}

interface DeveloperToken {
  readonly accessToken: string;
  /** Seconds since the epoch. */
  readonly expiresOn: number;
  readonly tenant: string;
  readonly user: string;
}

const [settingsFile = "", tool = "az", ...args] = process.argv.slice(2);

function fail(message: string, code = 1): never {
  process.stderr.write(`${message}\n`);
  process.exit(code);
}

const signedOut: Readonly<Record<string, string>> = {
  az: "ERROR: Please run 'az login' to setup account.",
  azd: "ERROR: not logged in, run `azd auth login` to login",
};

/** What Celestite answers. By `node:http`, because the SDKs wait for us and `fetch` takes longer to load. */
function ask(settings: ShimSettings, resource: string): Promise<DeveloperToken> {
  const url = `${settings.endpoint}?resource=${encodeURIComponent(resource)}`;
  const silent = (error: Error): never => fail(`ERROR: Celestite does not answer: ${error.message}`);
  return new Promise((resolve) => {
    const options = { agent: false, headers: { secret: settings.secret }, signal: AbortSignal.timeout(8000) };
    get(url, options, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("error", silent);
      response.on("end", () => {
        const { statusCode = 0 } = response;
        if (statusCode === 401) fail(signedOut[tool] ?? "");
        const body = JSON.parse(text) as DeveloperToken & { readonly error?: string };
        if (statusCode !== 200) fail(`ERROR: ${body.error ?? statusCode}`);
        resolve(body);
      });
    }).on("error", silent);
  });
}

/** `YYYY-MM-DD HH:MM:SS.ffffff` in local time, as the Azure CLI prints it. */
function localTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.000000`;
}

const { values, positionals } = parseArgs({
  args,
  allowPositionals: true,
  strict: false,
  options: {
    output: { type: "string", short: "o" },
    resource: { type: "string" },
    scope: { type: "string", multiple: true },
    tenant: { type: "string", short: "t" },
    "tenant-id": { type: "string" },
    subscription: { type: "string", short: "s" },
    "no-prompt": { type: "boolean" },
    claims: { type: "string" },
  },
});
const settings = JSON.parse(readFileSync(settingsFile, "utf8")) as ShimSettings;
const [scope] = Array.isArray(values["scope"]) ? values["scope"] : [];
const resource = String(values["resource"] ?? scope ?? "https://management.core.windows.net/").replace(
  /\/\.default$/,
  "",
);
const call = positionals.join(" ");

if (tool === "az" && call === "account get-access-token") {
  const token = await ask(settings, resource);
  const { subscriptionId: subscription } = settings;
  const { accessToken, expiresOn, tenant } = token;
  const shown = {
    accessToken,
    expiresOn: localTime(expiresOn),
    expires_on: expiresOn,
    subscription,
    tenant,
    tokenType: "Bearer",
  };
  process.stdout.write(`${JSON.stringify(shown, undefined, 2)}\n`);
} else if (tool === "az" && call === "account show") {
  const { tenant, user } = await ask(settings, "https://management.core.windows.net/");
  const shown = {
    environmentName: "AzureCloud",
    id: settings.subscriptionId,
    isDefault: true,
    name: "Celestite",
    state: "Enabled",
    tenantId: tenant,
    user: { name: user, type: "user" },
  };
  process.stdout.write(`${JSON.stringify(shown, undefined, 2)}\n`);
} else if (tool === "azd" && call === "auth token") {
  if (values["claims"] !== undefined) fail("ERROR: claims are not supported by this shim");
  const { accessToken: token, expiresOn } = await ask(settings, resource);
  const shown = { token, expiresOn: new Date(expiresOn * 1000).toISOString().replace(".000Z", "Z") };
  process.stdout.write(`${JSON.stringify(shown)}\n`);
} else if (positionals[0] === "version" || args.includes("--version")) {
  process.stdout.write(`${tool} shim of Celestite\n`);
} else {
  fail(
    `ERROR: This is Celestite's shim for '${tool}': it only hands out tokens. The real Azure CLI runs with 'celestite az -- ${call}'.`,
    2,
  );
}

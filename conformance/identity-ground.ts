/**
 * What the identity flows of all languages stand on: a running server, the language's `app` under `celestite run`, and
 * the reasons of an SDK why a link cannot serve it.
 */
import { chown, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Language } from "./flows.ts";
import { type Finished, run } from "./lib/processes.ts";
import type { Report } from "./lib/report.ts";
import type { ServerUnderTest } from "./lib/server.ts";

/** The last line that the app prints. */
export interface Line {
  readonly ok: boolean;
  readonly oid?: string;
  readonly id?: string;
  readonly status?: number | null;
  readonly message?: string;
}

export interface Ground {
  readonly server: ServerUnderTest;
  readonly language: Language;
  readonly report: Report;
  /** Object id of the identity `worker`. */
  readonly worker: string;
  readonly tenantId: string;
  /** The door with production names: the sandbox, or the proxy where the system forbids namespaces. */
  readonly door: "sandbox" | "proxy";
  /** A folder of the server's user, for files. */
  readonly folder: string;
  /** `celestite run` around any command. */
  under(args: readonly string[], command: readonly string[]): Promise<Finished>;
  /** `celestite run` around the app, with further variables set for the app alone. */
  app(
    args: readonly string[],
    deed: readonly string[],
    variables?: Readonly<Record<string, string>>,
  ): Promise<Line>;
  /** The app's `whoami`: the principal of its token. */
  whoami(args: readonly string[], variables?: Readonly<Record<string, string>>): Promise<Line>;
}

/** Reasons of an SDK why a link cannot serve it, by language and link. */
const exceptions: Readonly<Record<string, string>> = {
  "go: metadata service by its variable":
    "azidentity declares AZURE_POD_IDENTITY_AUTHORITY_HOST and never reads it",
  "go: workload identity by variables":
    "MSAL for Go asks login.microsoftonline.com about every other authority; it needs a door",
  "java: an item at its production address, through the proxy":
    "azure-cosmos for Java takes a proxy from its own GatewayConnectionConfig only; it uses the sandbox",
};

/** Asks the running server for what the flows need. The caller removes `folder`. */
export async function prepareGround(
  server: ServerUnderTest,
  language: Language,
  report: Report,
): Promise<Ground> {
  const folder = await mkdtemp(join(tmpdir(), "celestite-links-"));
  const { account } = server;
  if (account !== undefined) await chown(folder, account.uid, account.gid);
  const unshare = ["--user", "--map-root-user", "--net", "--mount", "true"];
  const probe = await run("unshare", unshare, { account });
  const under: Ground["under"] = (args, command) =>
    server.celestite("run", "--account", server.outputs["accountName"] ?? "", ...args, "--", ...command);
  const app: Ground["app"] = async (args, deed, variables = {}) => {
    const settings = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    return parseLine(await under(args, ["env", ...settings, ...language.app, ...deed]));
  };
  const whoami: Ground["whoami"] = (args, variables) => app(args, ["whoami"], variables);
  const worker = (await whoami(["--identity", "worker"])).oid ?? "";
  const door = probe.code === 0 ? "sandbox" : "proxy";
  const tenantId = server.outputs["tenantId"] ?? "";
  return { server, language, report, worker, tenantId, door, folder, under, app, whoami };
}

/** The last line of a program's output; what it complained of when there is none. */
export function parseLine({ stdout, stderr, code }: Finished): Line {
  const last = stdout.trim().split("\n").pop() ?? "";
  try {
    return JSON.parse(last) as Line;
  } catch {
    return {
      ok: false,
      message: `no line of JSON, exit code ${code}; stdout: ${stdout} stderr: ${stderr.slice(-2000)}`,
    };
  }
}

/** Checks that a link did what it should, unless the SDK has a reason why it cannot. */
export function links({ language, report }: Ground, link: string, line: Line, holds: boolean): void {
  const reason = exceptions[`${language.name}: ${link}`];
  if (reason === undefined) report.check(`${language.name}: ${link}`, line.ok && holds, JSON.stringify(line));
  else {
    report.check(
      `${language.name}: ${link} fails as the SDK must (${reason})`,
      !line.ok,
      JSON.stringify(line),
    );
  }
}

/** Checks that a link gave the token of `oid`, unless the SDK has a reason why it cannot. */
export function linksAs(ground: Ground, link: string, line: Line, oid: string): void {
  links(ground, link, line, line.oid === oid && oid !== "");
}

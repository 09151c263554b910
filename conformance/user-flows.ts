/**
 * A person signs a program in, by the browser (authorization code with PKCE) and by the device code: the SDK's own
 * credential on one side, a real Chromium on the other, production names between them.
 */
import { type Ground, type Line, linksAs, parseLine } from "./identity-ground.ts";
import { run } from "./lib/processes.ts";

const password = "correct horse";

/** Both ways, to the end and broken off. Without Chromium only said so, except in continuous integration. */
export async function userFlows(ground: Ground): Promise<void> {
  const { server, language, report } = ground;
  const browser = await run("chromium", ["--version"]);
  if (browser.code !== 0) {
    if (process.env["CI"] === "true")
      report.check(`${language.name}: Chromium is there`, false, browser.stderr);
    else process.stdout.write(`NOT RUN - ${language.name}: signing in needs Chromium\n`);
    return;
  }
  const user = `person-${language.name}@celestite.local`;
  const added = await server.celestite("identity", "user", "add", user, "--password", password, "--json");
  const { objectId } = JSON.parse(added.stdout) as { objectId: string };
  for (const [flow, how] of [
    ["browser", "in a browser"],
    ["device", "with a device code"],
  ] as const) {
    linksAs(ground, `a user signs in ${how}`, await signIn(ground, flow, "signin", user), objectId);
    const declined = await signIn(ground, flow, "cancel", user);
    report.check(
      `${language.name}: and who declines ${how} gives no token`,
      !declined.ok && declined.oid === undefined && declined.seen !== undefined,
      JSON.stringify(declined),
    );
  }
}

interface SignedIn extends Line {
  /** What the page said last; only there when the pages went as they should. */
  readonly seen?: string;
}

async function signIn(
  ground: Ground,
  flow: "browser" | "device",
  deed: "signin" | "cancel",
  user: string,
): Promise<SignedIn> {
  const { server, language, door, tenantId, under } = ground;
  // The device code's page is shown at the server's own address, as any browser of this machine would reach it.
  const { port } = new URL(server.outputs["authority"] ?? "");
  const outside = door === "sandbox" ? ["--allow", `127.0.0.1:${port}`] : [];
  const person = [server.node, `${server.programs}/sign-in.js`, flow, deed, user, password, "-"];
  const finished = await under(
    ["--front", door, ...outside],
    ["env", `AZURE_TENANT_ID=${tenantId}`, ...person, ...language.app],
  );
  return parseLine(finished);
}

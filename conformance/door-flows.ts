/**
 * Programs behind the doors, with nothing but production names: items at the account's own address, and in the sandbox
 * no way to anything else. Continuous integration is root, so there a user without rights plays the one at the keyboard.
 */
import { type Ground, type Line, links } from "./identity-ground.ts";

/** What a sandbox must not lead to: the net, by number and by name, and what listens on the machine outside. */
const elsewhere = [
  "192.0.2.1:443",
  "1.1.1.1:53",
  "[2001:db8::1]:443",
  "169.254.169.254:443",
  "169.254.170.2:80",
  "example.com:443",
  "other.documents.azure.com:443",
];

/** All doors in the ground's language. */
export async function doorFlows(ground: Ground): Promise<void> {
  const { door, report, language } = ground;
  if (process.env["CI"] === "true") {
    report.check(
      `${language.name}: the system allows the sandbox to a user without rights`,
      door === "sandbox",
    );
  }
  await production(ground, "proxy", "through the proxy");
  if (door !== "sandbox") return;
  await production(ground, "sandbox", "in the sandbox");
  await rightless(ground);
  await closed(ground);
}

async function production(ground: Ground, front: "proxy" | "sandbox", where: string): Promise<void> {
  const { app, language, report } = ground;
  const id = `${front}-${language.name}`;
  const as = (identity: string): readonly string[] => ["--front", front, "--identity", identity];
  const link = `an item at its production address, ${where}`;
  const created = await app(as("worker"), ["create", "orders", id]);
  const read: Line = created.ok ? await app(as("worker"), ["read", "orders", id]) : created;
  links(ground, link, read, read.id === id);
  if (!read.ok) return;
  const denied = await app(as("reader"), ["create", "orders", `${id}-2`]);
  report.check(
    `${language.name}: and without the right it is refused there (403), ${where}`,
    !denied.ok && denied.status === 403,
    JSON.stringify(denied),
  );
}

/** The demonstration is worth nothing if root gave it. */
async function rightless({ under, language, report, server }: Ground): Promise<void> {
  const program = "id -u; grep CapEff /proc/self/status";
  const { stdout, stderr } = await under(
    ["--front", "sandbox", "--identity", "worker"],
    ["sh", "-c", program],
  );
  const [id = "", capabilities = ""] = stdout.trim().split("\n");
  const expected = server.account?.uid ?? process.getuid?.() ?? 0;
  report.check(
    `${language.name}: the program in the sandbox is a user without rights, and the one who started it`,
    id === String(expected) && expected !== 0 && /^CapEff:\s*0+$/.test(capabilities),
    stdout + stderr,
  );
}

async function closed({ under, server, language, report }: Ground): Promise<void> {
  const { port } = new URL(server.outputs["arm"] ?? "");
  const ours = `127.0.0.1:${port}`;
  const tries = JSON.stringify([...elsewhere, ours]);
  const program = `for (const target of ${tries}) {
    const { hostname, port } = new URL("http://" + target);
    const host = hostname.replace(/[\\[\\]]/g, "");
    const socket = require("net").connect({ host, port: Number(port || 80), timeout: 3000 });
    for (const end of ["connect", "error", "timeout"])
      socket.once(end, () => { console.log(target, end); socket.destroy(); socket.on("error", () => {}); });
  }`;
  const attempt = async (...more: string[]): Promise<readonly string[]> => {
    const args = ["--front", "sandbox", "--identity", "worker", ...more];
    const { stdout } = await under(args, [server.node, "-e", program]);
    return stdout.trim().split("\n").sort();
  };
  const refused = [...elsewhere, ours].map((target) => `${target} error`).sort();
  const found = await attempt();
  report.check(
    `${language.name}: no other address can be reached`,
    found.join() === refused.join(),
    found.join("\n"),
  );
  const opened = await attempt("--allow", ours);
  report.check(
    `${language.name}: but what was allowed can`,
    opened.includes(`${ours} connect`) && opened.length === refused.length,
    opened.join("\n"),
  );
}

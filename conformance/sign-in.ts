/**
 * A person who signs a program in: starts the program, takes the address or code that its SDK gives, and answers the
 * authority's pages in Chromium. A program of its own because it runs behind the same door as the one that it starts.
 * Arguments: `browser` or `device`, what the person does, user name, password, a file for pictures or `-`, and the
 * command. Prints one line of JSON: what the program printed last, and what the person saw last.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "node:tls";
import { type Browser, startChromium } from "./lib/chromium.ts";

const [flow = "", deed = "", user = "", password = "", pictureFile = "-", ...command] = process.argv.slice(2);

const patienceMilliseconds = 60_000;

/** What a program's SDK calls to show a page: it only notes the address, and the person comes. */
async function standInForBrowsers(folder: string): Promise<string> {
  const noted = join(folder, "address");
  const script = join(folder, "xdg-open");
  await writeFile(script, `#!/bin/sh\nprintf '%s' "$1" >'${noted}.new' && mv '${noted}.new' '${noted}'\n`);
  await chmod(script, 0o700);
  return noted;
}

function startProgram(folder: string): ChildProcess {
  const [file = "", ...args] = command;
  return spawn(file, [...args, "sign-in", flow], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      ...process.env,
      BROWSER: join(folder, "xdg-open"),
      PATH: `${folder}${delimiter}${process.env["PATH"] ?? ""}`,
    },
  });
}

/** The key of the certificate that an address shows, once our own trust has been checked: as Chromium wants it. */
function acceptedKey(address: string): Promise<string> {
  const { hostname, port } = new URL(address);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port || 443), servername: hostname }, () => {
      const { publicKey } = new X509Certificate(socket.getPeerCertificate().raw);
      socket.destroy();
      const key = publicKey.export({ type: "spki", format: "der" });
      resolve(createHash("sha256").update(key).digest("base64"));
    });
    socket.once("error", reject);
  });
}

async function addressFrom(file: string, program: ChildProcess): Promise<string> {
  const end = Date.now() + patienceMilliseconds;
  while (Date.now() < end && program.exitCode === null) {
    try {
      return await readFile(file, "utf8");
    } catch {
      // Not noted yet.
      await delay(50);
    }
  }
  throw new Error("the program opened no browser");
}

/** Fills in the form that stands on the page. */
async function answer(browser: Browser, secret: string, button = "signin"): Promise<void> {
  await browser.type("#username", user);
  await browser.type("#password", secret);
  await browser.press(`button[value=${button}]`);
}

/** One mistake first, as people make them; then what was asked for. */
async function signIn(browser: Browser): Promise<string> {
  if (deed === "cancel") {
    await browser.press("button[value=cancel]");
    return browser.see(flow === "device" ? "You declined" : "");
  }
  await answer(browser, `not ${password}`);
  await browser.see("The user name or the password is wrong.");
  return "";
}

async function byBrowser(browser: Browser, address: string): Promise<string> {
  await browser.open(address);
  await browser.see("asks for access to");
  if (pictureFile !== "-") await writeFile(pictureFile, await browser.picture());
  const seen = await signIn(browser);
  if (deed === "cancel") return seen;
  await answer(browser, password);
  // The page of the SDK's own listener; each has words of its own.
  await delay(500);
  return browser.see("");
}

async function byDevice(browser: Browser, address: string, userCode: string): Promise<string> {
  await browser.open(address);
  await browser.type("#otc", "XXXX XXXX");
  await answer(browser, password);
  await browser.see("No device waits with this code.");
  await browser.type("#otc", userCode);
  const seen = await signIn(browser);
  if (deed === "cancel") return seen;
  await browser.type("#otc", userCode.toLowerCase());
  await answer(browser, password);
  const done = await browser.see("You have signed in on your device.");
  await browser.open(address);
  await browser.type("#otc", userCode);
  await answer(browser, password);
  await browser.see("No device waits with this code.");
  return done;
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "celestite-sign-in-"));
  const noted = await standInForBrowsers(folder);
  const program = startProgram(folder);
  let browser: Browser | undefined;
  try {
    if (program.stdout === null) throw new Error("the program has no output");
    const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
    const line = async (): Promise<Record<string, unknown>> => {
      const { value } = (await lines.next()) as { readonly value?: string };
      return JSON.parse(value ?? '{"ok":false,"message":"the program said nothing"}') as Record<
        string,
        unknown
      >;
    };
    const code = flow === "device" ? await line() : {};
    const address = flow === "device" ? String(code["verificationUri"]) : await addressFrom(noted, program);
    const proxy = process.env["HTTPS_PROXY"];
    browser = await startChromium({
      acceptedKeys: [await acceptedKey(address)],
      ...(proxy === undefined ? {} : { proxy }),
    });
    const seen =
      flow === "device"
        ? await byDevice(browser, address, String(code["userCode"]))
        : await byBrowser(browser, address);
    process.stdout.write(`${JSON.stringify({ ...(await line()), seen, address })}\n`);
  } finally {
    program.kill("SIGKILL");
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  }
}

try {
  await main();
} catch (error) {
  process.stdout.write(`${JSON.stringify({ ok: false, message: String(error) })}\n`);
}
process.exit(0);

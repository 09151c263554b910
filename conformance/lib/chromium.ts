/**
 * A headless Chromium that is driven as a person would use it: it opens addresses, types into fields, presses buttons
 * and reads what is shown. Spoken over the DevTools protocol through two pipes, so that nothing is installed for it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";

export interface Browser {
  /** Resolves when the page at `url` has loaded. */
  open(url: string): Promise<void>;
  /** Types into the field that a CSS selector finds, in place of what it held. */
  type(selector: string, text: string): Promise<void>;
  /** Presses the middle of the element that a CSS selector finds. */
  press(selector: string): Promise<void>;
  /** Waits until the page's text contains `text`; the text of the page. Rejects after 20 seconds. */
  see(text: string): Promise<string>;
  /** A picture of the page, PNG. */
  picture(): Promise<Buffer>;
  close(): Promise<void>;
}

export interface BrowserOptions {
  /** Public keys (SHA-256 of the SPKI, base64) of certificates to accept, though their authority is not the system's. */
  readonly acceptedKeys: readonly string[];
  /** Address of a proxy for everything but this machine's own names. */
  readonly proxy?: string;
}

const patienceMilliseconds = 20_000;

/** Starts Debian's or anybody's `chromium` from the PATH. */
export async function startChromium(options: BrowserOptions): Promise<Browser> {
  const profile = await mkdtemp(join(tmpdir(), "celestite-chromium-"));
  const child = spawn("chromium", argumentsOf(options, profile), {
    // A profile of its own in every respect: the home directory may not even be writable.
    env: { ...process.env, HOME: profile, XDG_CONFIG_HOME: profile, XDG_CACHE_HOME: profile },
    stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"],
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const close = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const call = devTools(child);
    const { targetId } = await call("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await call("Target.attachToTarget", { targetId, flatten: true });
    const page: Call = (method, parameters) => call(method, parameters, String(sessionId));
    await page("Page.enable", {});
    return { ...pageOf(page), close };
  } catch (error) {
    await close();
    throw error;
  }
}

function argumentsOf({ acceptedKeys, proxy }: BrowserOptions, profile: string): readonly string[] {
  return [
    "--headless=new",
    "--remote-debugging-pipe",
    `--user-data-dir=${profile}`,
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--window-size=900,700",
    "--disable-dev-shm-usage",
    // Its own sandbox needs what a container or an outer sandbox has already taken; it sees no page but ours.
    "--no-sandbox",
    `--ignore-certificate-errors-spki-list=${acceptedKeys.join(",")}`,
    ...(proxy === undefined ? [] : [`--proxy-server=${proxy}`]),
  ];
}

type Answer = Readonly<Record<string, unknown>>;
type Call = (method: string, parameters: Answer, sessionId?: string) => Promise<Answer>;

/** Commands as JSON that a zero byte ends, on file descriptor 3; answers in the same form on 4. */
function devTools(child: ChildProcess): Call {
  const [, , errors, commands, answers] = child.stdio as unknown as readonly [
    unknown,
    unknown,
    Readable,
    Writable,
    Readable,
  ];
  const waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>();
  let complaint = "";
  let text = "";
  const fail = (reason: string): void => {
    for (const { reject } of waiting.values()) reject(new Error(`${reason} ${complaint.slice(-1000)}`));
    waiting.clear();
  };
  errors.on("data", (part: Buffer) => {
    complaint += part.toString();
  });
  answers.on("data", (part: Buffer) => {
    const messages = (text + part.toString()).split("\0");
    text = messages.pop() ?? "";
    for (const message of messages) {
      const { id, result, error } = JSON.parse(message) as {
        readonly id?: number;
        readonly result?: Answer;
        readonly error?: { readonly message: string };
      };
      const caller = waiting.get(id ?? 0);
      waiting.delete(id ?? 0);
      if (error === undefined) caller?.resolve(result ?? {});
      else caller?.reject(new Error(error.message));
    }
  });
  commands.on("error", () => fail("Chromium does not listen."));
  child.once("error", (error) => fail(`Chromium cannot be started: ${error.message}`));
  child.once("exit", () => fail("Chromium ended."));
  let last = 0;
  return (method, params, sessionId) =>
    new Promise((resolve, reject) => {
      last += 1;
      const timer = setTimeout(() => reject(new Error(`${method} took too long.`)), patienceMilliseconds);
      waiting.set(last, {
        resolve(answer) {
          clearTimeout(timer);
          resolve(answer);
        },
        reject(error) {
          clearTimeout(timer);
          reject(error);
        },
      });
      commands.write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
    });
}

function pageOf(call: Call): Omit<Browser, "close"> {
  /** The value of an expression in the page; `undefined` while the page is being replaced. */
  const evaluate = async (expression: string): Promise<unknown> => {
    try {
      const { result } = await call("Runtime.evaluate", { expression, returnByValue: true });
      return (result as { readonly value?: unknown } | undefined)?.value;
    } catch (error) {
      if (/context|navigat|target/i.test((error as Error).message)) return undefined;
      throw error;
    }
  };
  const until = async <T>(what: string, look: () => Promise<T | undefined>): Promise<T> => {
    const end = Date.now() + patienceMilliseconds;
    while (Date.now() < end) {
      const seen = await look();
      if (seen !== undefined) return seen;
      await delay(50);
    }
    const shown = await evaluate("document.location.href + ' ' + document.body?.innerText");
    throw new Error(`${what} did not appear; shown is: ${String(shown).slice(0, 500)}`);
  };
  const centre = (selector: string): Promise<{ readonly x: number; readonly y: number }> =>
    until(selector, async () => {
      const found = await evaluate(`(() => {
        const box = document.querySelector(${JSON.stringify(selector)})?.getBoundingClientRect();
        return box && document.readyState === "complete" ? [box.x + box.width / 2, box.y + box.height / 2] : null;
      })()`);
      return Array.isArray(found) ? { x: Number(found[0]), y: Number(found[1]) } : undefined;
    });
  const press = async (selector: string, clickCount = 1): Promise<void> => {
    const place = await centre(selector);
    for (let count = 1; count <= clickCount; count++) {
      const mouse = { ...place, button: "left", clickCount: count };
      await call("Input.dispatchMouseEvent", { ...mouse, type: "mousePressed" });
      await call("Input.dispatchMouseEvent", { ...mouse, type: "mouseReleased" });
    }
  };
  return {
    async open(url) {
      const { errorText } = await call("Page.navigate", { url });
      if (errorText !== undefined) throw new Error(`${url} did not open: ${String(errorText)}`);
      await until("the page", async () =>
        (await evaluate("document.readyState")) === "complete" ? true : undefined,
      );
    },
    async type(selector, text) {
      // Three clicks mark what the field holds.
      await press(selector, 3);
      await call("Input.insertText", { text });
    },
    press: (selector) => press(selector),
    see: (text) =>
      until(`'${text}'`, async () => {
        const shown = String((await evaluate("document.body?.innerText")) ?? "");
        return shown.includes(text) ? shown : undefined;
      }),
    async picture() {
      const { data } = await call("Page.captureScreenshot", { format: "png" });
      return Buffer.from(String(data), "base64");
    },
  };
}

/**
 * Fetches linked templates for the control plane. Who may deploy makes this server send requests, so it sends them only
 * to this machine's loopback addresses, and only while it listens there itself, and to hosts that were named when it
 * was started; it follows no redirect, sends no credential, and tells nothing of an answer but a template.
 */
import type { IncomingMessage } from "node:http";
import { rootCertificates } from "node:tls";
import type { Download } from "../arm/operation.ts";

export interface DownloadRules {
  /** Lower-case `host` or `host:port` that may be asked besides loopback. */
  readonly hosts: readonly string[];
  /** True when whoever can reach this server can reach this machine's loopback anyway. */
  readonly loopback: boolean;
  /** Our own authority: templates may lie in a storage account of this server. */
  readonly caPem: string;
}

/** The service's own limit on a template. */
const bytesMax = 4 * 1024 * 1024;
const millisecondsMax = 10_000;

/** Never throws: what goes wrong is said in a few words. */
export function templateDownloads(rules: DownloadRules): Download {
  return async (address) => {
    const refused = refusalOf(address, rules);
    if (refused !== undefined) return { refused };
    try {
      return await get(address, rules.caPem);
    } catch (error) {
      return { refused: reasonOf(error) };
    }
  };
}

function refusalOf(address: URL, { hosts, loopback }: DownloadRules): string | undefined {
  if (address.protocol !== "http:" && address.protocol !== "https:") return "only http and https are fetched";
  if (address.username !== "" || address.password !== "") return "the address has a user name or password";
  if (hosts.includes(address.hostname) || hosts.includes(address.host)) return undefined;
  if (loopback && isLoopback(address.hostname)) return undefined;
  return `the host '${address.host.slice(0, 200)}' is not allowed; 'celestite start --template-host ${address.hostname.slice(0, 200)}' allows it`;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

async function get(
  address: URL,
  caPem: string,
): Promise<{ readonly text: string } | { readonly refused: string }> {
  const secure = address.protocol === "https:";
  const { request } = secure ? await import("node:https") : await import("node:http");
  const options = {
    signal: AbortSignal.timeout(millisecondsMax),
    headers: { accept: "application/json" },
    ...(secure ? { ca: [...rootCertificates, caPem] } : {}),
  };
  return new Promise((resolve, reject) => {
    const sent = request(address, options, (response) => {
      read(response).then(resolve, reject);
    });
    sent.on("error", reject);
    sent.end();
  });
}

async function read(
  response: IncomingMessage,
): Promise<{ readonly text: string } | { readonly refused: string }> {
  const status = response.statusCode ?? 0;
  if (status !== 200) {
    response.destroy();
    const redirected = status >= 300 && status < 400;
    return { refused: redirected ? "redirects are not followed" : `the host answered HTTP ${status}` };
  }
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > bytesMax) {
      response.destroy();
      return { refused: "it is longer than 4 MB" };
    }
    chunks.push(chunk);
  }
  try {
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks)) };
  } catch {
    return { refused: "it is not UTF-8" };
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "the request failed";
  if (error.name === "AbortError" || error.name === "TimeoutError") return "the host did not answer in time";
  const { code } = error as NodeJS.ErrnoException;
  return `the request failed${code === undefined ? "" : ` with ${code}`}`;
}

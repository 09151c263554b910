/**
 * Network rules of an account: which client addresses its data plane answers. They are judged before any credential,
 * because a caller from the wrong place must learn nothing about it.
 */

export type PublicNetworkAccess = "Enabled" | "Disabled" | "SecuredByPerimeter";

export interface NetworkRules {
  readonly publicNetworkAccess: PublicNetworkAccess;
  /** IPv4 addresses or ranges (`10.0.0.0/8`). */
  readonly ipRules: readonly string[];
  /** True when only virtual networks (and the addresses in `ipRules`) may come in. */
  readonly virtualNetworkFilter: boolean;
}

/** True when the rules let this address in. Without any rule everyone may come. */
export function networkAllows(rules: NetworkRules, address: string): boolean {
  if (rules.publicNetworkAccess !== "Enabled") return false;
  if (rules.ipRules.length === 0) return !rules.virtualNetworkFilter;
  const own = addressNumber(plainAddress(address));
  if (own === undefined) return false;
  return rules.ipRules.some((rule) => {
    const range = parseRange(rule);
    return range !== undefined && own >= range.first && own <= range.last;
  });
}

/** An address as rules name it: IPv4 where it is one in IPv6 clothing, and the loopback of either family as 127.0.0.1. */
export function plainAddress(address: string): string {
  if (address === "::1") return "127.0.0.1";
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
}

/** True for an IPv4 address or range that a rule may hold. */
export function isIpRule(rule: string): boolean {
  return parseRange(rule) !== undefined;
}

function parseRange(rule: string): { readonly first: number; readonly last: number } | undefined {
  const match = /^([\d.]+)(?:\/(\d{1,2}))?$/.exec(rule.trim());
  const start = addressNumber(match?.[1] ?? "");
  const bits = match?.[2] === undefined ? 32 : Number(match[2]);
  if (start === undefined || bits > 32) return undefined;
  const size = 2 ** (32 - bits);
  const first = Math.floor(start / size) * size;
  return { first, last: first + size - 1 };
}

function addressNumber(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255))
    return undefined;
  return parts.reduce((number, part) => number * 256 + Number(part), 0);
}

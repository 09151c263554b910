/**
 * The names a server certificate is for, in one spelling. Apart because requested names, names in a certificate
 * and names that a client sends must be compared with each other.
 */
import { isIP, SocketAddress } from "node:net";
import { domainToASCII } from "node:url";

/** A DNS name in lower-case ASCII, perhaps with `*` for its first label, or an IP address in its shortest form. */
export interface ServerName {
  readonly type: "dns" | "ip";
  readonly value: string;
}

/** Hosts that every certificate of ours is good for. */
const LOOPBACK: readonly string[] = ["localhost", "127.0.0.1", "::1"];

const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** `name` as a certificate carries it; an IPv6 address may stand in brackets. Throws `RangeError` if it is no host. */
export function serverName(name: string): ServerName {
  const address = name.replace(/^\[(.*)\]$/, "$1");
  const version = isIP(address);
  if (version === 4) return { type: "ip", value: address };
  // A zone (`fe80::1%eth0`) means something on one machine only.
  if (version === 6 && !address.includes("%")) {
    return { type: "ip", value: new SocketAddress({ address, family: "ipv6" }).address };
  }
  const wildcard = name.startsWith("*.") ? "*." : "";
  const rest = domainToASCII(name.slice(wildcard.length).replace(/\.$/, ""));
  const labels = rest.split(".");
  const valid = rest.length <= 253 && labels.every((label) => LABEL.test(label));
  if (!valid || (wildcard !== "" && labels.length < 2)) {
    throw new RangeError(`${JSON.stringify(name)} is not a host name that a certificate can carry`);
  }
  return { type: "dns", value: wildcard + rest };
}

/** `names` and the loopback names, each once, in one spelling. Throws as `serverName`. */
export function namesToCover(names: readonly string[]): readonly ServerName[] {
  const byValue = new Map([...LOOPBACK, ...names].map((name) => [serverName(name).value, serverName(name)]));
  return [...byValue.values()];
}

/** Whether a certificate for `names` is good for the DNS name or address `wanted` (RFC 6125: `*` is one label). */
export function covers(names: readonly ServerName[], wanted: ServerName): boolean {
  const parent = wanted.value.indexOf(".");
  const wildcard = wanted.type === "dns" && parent > 0 ? `*${wanted.value.slice(parent)}` : undefined;
  return names.some(({ value }) => value === wanted.value || value === wildcard);
}

/** The names in a certificate, from Node's text of its subjectAltName (`DNS:a, IP Address:b`). */
export function namesIn(subjectAltName: string | undefined): readonly ServerName[] {
  const items = subjectAltName?.split(", ") ?? [];
  return items.map((item) => serverName(item.replace(/^(DNS|IP Address):/, "")));
}

/** The 4 or 16 bytes of an IP address as `serverName` spells it. */
export function addressBytes(address: string): Uint8Array {
  if (isIP(address) === 4) return Uint8Array.from(address.split(".").map(Number));
  const groups = (text: string): number[] =>
    text === ""
      ? []
      : text
          .split(":")
          .flatMap((group) => (group.includes(".") ? dottedGroups(group) : [Number.parseInt(group, 16)]));
  const [head = "", tail] = address.split("::");
  const [first, last] = [groups(head), groups(tail ?? "")];
  const zeros = new Array<number>(tail === undefined ? 0 : 8 - first.length - last.length).fill(0);
  return Uint8Array.from([...first, ...zeros, ...last].flatMap((group) => [group >> 8, group & 0xff]));
}

function dottedGroups(address: string): number[] {
  const [a = 0, b = 0, c = 0, d = 0] = address.split(".").map(Number);
  return [a * 256 + b, c * 256 + d];
}

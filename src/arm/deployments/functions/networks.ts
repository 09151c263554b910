/** Template functions over IP networks in CIDR notation, for both address families. */
import type { Json } from "../../json.ts";
import { type FunctionTable, integer, refuse, text } from "./arguments.ts";

interface Network {
  /** The first address as a number. */
  readonly first: bigint;
  readonly prefix: number;
  /** 32 or 128. */
  readonly bits: number;
}

function parseNetwork(name: string, source: string): Network {
  const [address = "", prefixText = ""] = source.split("/");
  const v6 = address.includes(":");
  const bits = v6 ? 128 : 32;
  const value = v6 ? parseV6(address) : parseV4(address);
  const prefix = /^\d{1,3}$/.test(prefixText) ? Number(prefixText) : -1;
  if (value === undefined || prefix < 0 || prefix > bits) throw refuse(name, "the value is not a CIDR range");
  const host = BigInt(bits - prefix);
  return { first: (value >> host) << host, prefix, bits };
}

function parseV4(address: string): bigint | undefined {
  const parts = address.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256))
    return undefined;
  return parts.reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
}

function parseV6(address: string): bigint | undefined {
  const halves = address.split("::");
  if (halves.length > 2) return undefined;
  const groups = halves.map((half) => (half === "" ? [] : half.split(":")));
  const head = groups[0] ?? [];
  const tail = groups[1] ?? [];
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const all = [...head, ...Array<string>(missing).fill("0"), ...tail];
  if (!all.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return all.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

function print(value: bigint, bits: number): string {
  if (bits === 32) {
    return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join(".");
  }
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((value >> BigInt(112 - index * 16)) & 0xffffn).toString(16),
  );
  return compress(groups);
}

/** RFC 5952: the longest run of at least two zero groups becomes `::`. */
function compress(groups: readonly string[]): string {
  let start = 0;
  let length = 0;
  for (let i = 0; i < groups.length; i++) {
    let run = 0;
    while (groups[i + run] === "0") run++;
    if (run > length) [start, length] = [i, run];
  }
  if (length < 2) return groups.join(":");
  return `${groups.slice(0, start).join(":")}::${groups.slice(start + length).join(":")}`;
}

function sizeOf(network: Network): bigint {
  return 1n << BigInt(network.bits - network.prefix);
}

function parseCidr(values: readonly Json[], name: string): Json {
  const network = parseNetwork(name, text(name, values, 0));
  const { first, prefix, bits } = network;
  const last = first + sizeOf(network) - 1n;
  const shown = { network: print(first, bits), netmask: mask(prefix, bits) };
  const short = bits - prefix < 2;
  const usable = {
    firstUsable: print(short ? first : first + 1n, bits),
    lastUsable: print(bits === 32 && !short ? last - 1n : last, bits),
  };
  return bits === 32
    ? { ...shown, broadcast: print(last, bits), ...usable, cidr: prefix }
    : { ...shown, ...usable, cidr: prefix };
}

function mask(prefix: number, bits: number): string {
  const all = (1n << BigInt(bits)) - 1n;
  return print((all >> BigInt(bits - prefix)) << BigInt(bits - prefix), bits);
}

function cidrSubnet(values: readonly Json[], name: string): string {
  const network = parseNetwork(name, text(name, values, 0));
  const prefix = integer(name, values, 1);
  const index = integer(name, values, 2);
  if (prefix < network.prefix || prefix > network.bits) throw refuse(name, "the new prefix does not fit");
  const count = 1n << BigInt(prefix - network.prefix);
  if (index < 0 || BigInt(index) >= count) throw refuse(name, "the subnet index is out of range");
  const size = 1n << BigInt(network.bits - prefix);
  return `${print(network.first + BigInt(index) * size, network.bits)}/${prefix}`;
}

function cidrHost(values: readonly Json[], name: string): string {
  const network = parseNetwork(name, text(name, values, 0));
  const index = integer(name, values, 1);
  const host = BigInt(index) + 1n;
  if (index < 0 || host >= sizeOf(network)) throw refuse(name, "the host index is out of range");
  return print(network.first + host, network.bits);
}

export const networkFunctions: FunctionTable = {
  parsecidr: { min: 1, max: 1, run: (values, _, name) => parseCidr(values, name) },
  cidrsubnet: { min: 3, max: 3, run: (values, _, name) => cidrSubnet(values, name) },
  cidrhost: { min: 2, max: 2, run: (values, _, name) => cidrHost(values, name) },
};

/**
 * The public names that this machine answers for, and the service behind each. Apart from the doors, which differ in
 * how a connection reaches us but not in whose name it may be made.
 */
import type { Service } from "../http/service.ts";

export interface NameTable {
  /** True for a name that is ours, even if nothing stands behind it at the moment. */
  owns(host: string): boolean;
  /** The service of a name; `undefined` for a name that is not ours and for one without anything behind it. */
  serviceFor(host: string): Promise<Service | undefined>;
  /** All names that have a service now, for a hosts file. */
  names(): readonly string[];
  /** Names, and suffixes that start with a dot, for clients that must tell ours from others by themselves. */
  readonly patterns: readonly string[];
}

/** A family of names, one label and a suffix, e.g. `*.documents.azure.com`. */
export interface NameFamily {
  /** With its leading dot. */
  readonly suffix: string;
  serviceFor(label: string): Promise<Service | undefined>;
  labels(): readonly string[];
}

/** A table of single names and families. */
export function createNameTable(
  exact: Readonly<Record<string, Service>>,
  families: readonly NameFamily[],
): NameTable {
  const familyOf = (host: string): { readonly family: NameFamily; readonly label: string } | undefined => {
    const dot = host.indexOf(".");
    const family = families.find(({ suffix }) => host.slice(dot) === suffix);
    return family === undefined || dot <= 0 ? undefined : { family, label: host.slice(0, dot) };
  };
  return {
    owns: (host) => Object.hasOwn(exact, canonical(host)) || familyOf(canonical(host)) !== undefined,
    async serviceFor(host) {
      const name = canonical(host);
      if (Object.hasOwn(exact, name)) return exact[name];
      const found = familyOf(name);
      return found?.family.serviceFor(found.label);
    },
    names: () => [
      ...Object.keys(exact),
      ...families.flatMap(({ suffix, labels }) => labels().map((label) => label + suffix)),
    ],
    patterns: [...Object.keys(exact), ...families.map(({ suffix }) => suffix)],
  };
}

/** Lower case, without a final dot. */
function canonical(host: string): string {
  return host.toLowerCase().replace(/\.$/, "");
}

/** Name and port of an authority such as `a.example.com:443` or `[::1]:80`; `undefined` when it is none. */
export function splitAuthority(
  text: string,
  portDefault: number,
): { host: string; port: number } | undefined {
  const [, bracketed, plain, port] =
    /^(?:\[([0-9a-f:.]+)\]|([^:[\]/@\s]+))(?::(\d{1,5}))?$/i.exec(text) ?? [];
  const host = bracketed ?? plain;
  const number = port === undefined ? portDefault : Number(port);
  return host === undefined || number < 1 || number > 65_535 ? undefined : { host, port: number };
}

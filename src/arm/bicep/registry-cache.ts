/**
 * Modules from registries that the reference compiler or `az` has restored to this machine: the directory in which
 * each is kept. Nothing is ever downloaded here.
 */

/** What `br/public:` stands for. */
const publicRegistry = { registry: "mcr.microsoft.com", prefix: "bicep/" } as const;

const referencePattern = /^br(?:\/([\w-]+))?:([\w.$/:-]+?)(?::([\w][\w.-]{0,127})|@(sha256:[\da-f]{64}))$/;

/**
 * The file with the template of `br:registry/path:tag` or `br/public:path:tag` below the cache directory. Undefined for
 * what is no such reference, for other aliases, and for tags with capital letters, which are kept under other names.
 */
export function cachedModulePath(reference: string, cache: string): string | undefined {
  const [, alias, address = "", tag, digest] = referencePattern.exec(reference) ?? [];
  if ((alias !== undefined && alias !== "public") || (tag === undefined && digest === undefined))
    return undefined;
  if (tag !== undefined && tag !== tag.toLowerCase()) return undefined;
  const slash = address.indexOf("/");
  const parts =
    alias === undefined
      ? { registry: address.slice(0, slash), repository: address.slice(slash + 1) }
      : { registry: publicRegistry.registry, repository: `${publicRegistry.prefix}${address}` };
  if (parts.registry === "" || parts.repository === "" || (alias === undefined && slash < 0))
    return undefined;
  if (/(^|\/)\.{0,2}(\/|$)/.test(`${parts.registry}/${parts.repository}`)) return undefined;
  const registry = parts.registry.toLowerCase().replaceAll(":", "$");
  const version = tag === undefined ? (digest ?? "").replace(":", "#") : `${tag}$`;
  return `${cache}/br/${registry}/${parts.repository.replaceAll("/", "$")}/${version}/main.json`;
}

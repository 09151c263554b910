/**
 * Azure resource ids: parsing, comparing and containment. Ids are compared without regard to letter case, and the
 * caller's casing is kept for display (ARM common API details, "resource ids are case-insensitive").
 */

export interface ResourceId {
  readonly subscriptionId?: string;
  readonly resourceGroup?: string;
  /** The provider namespace of the innermost resource, e.g. `Microsoft.DocumentDB`; absent for groups and above. */
  readonly namespace?: string;
  /** Type and name pairs below the namespace, outermost first. */
  readonly segments: readonly { readonly type: string; readonly name: string }[];
  /** For an extension resource: the id it extends. */
  readonly parentScope?: string;
}

/** Parses an id such as `/subscriptions/s/resourceGroups/g/providers/NS/type/name`; `undefined` if it is not one. */
export function parseResourceId(id: string): ResourceId | undefined {
  if (!id.startsWith("/")) return undefined;
  const parts = id.replace(/\/+$/, "").split("/").slice(1);
  if (parts.some((part) => part === "")) return undefined;
  let subscriptionId: string | undefined;
  let resourceGroup: string | undefined;
  let at = 0;
  if (parts[at]?.toLowerCase() === "subscriptions" && parts[at + 1] !== undefined) {
    subscriptionId = parts[at + 1];
    at += 2;
    if (parts[at]?.toLowerCase() === "resourcegroups" && parts[at + 1] !== undefined) {
      resourceGroup = parts[at + 1];
      at += 2;
    }
  }
  let namespace: string | undefined;
  let parentScope: string | undefined;
  let segments: { type: string; name: string }[] = [];
  while (at < parts.length) {
    if (parts[at]?.toLowerCase() === "providers") {
      if (parts[at + 1] === undefined) return undefined;
      if (namespace !== undefined) parentScope = `/${parts.slice(0, at).join("/")}`;
      namespace = parts[at + 1];
      segments = [];
      at += 2;
      continue;
    }
    const type = parts[at];
    const name = parts[at + 1];
    if (namespace === undefined || type === undefined || name === undefined) return undefined;
    segments.push({ type, name });
    at += 2;
  }
  if (namespace !== undefined && segments.length === 0) return undefined;
  return {
    segments,
    ...(subscriptionId === undefined ? {} : { subscriptionId }),
    ...(resourceGroup === undefined ? {} : { resourceGroup }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(parentScope === undefined ? {} : { parentScope }),
  };
}

/** The form under which two spellings of one id are equal: lower case, no trailing slash, `/` for the root. */
export function normalizeResourceId(id: string): string {
  const trimmed = id.replace(/\/+$/, "").toLowerCase();
  return trimmed === "" ? "/" : trimmed;
}

export function sameResourceId(a: string, b: string): boolean {
  return normalizeResourceId(a) === normalizeResourceId(b);
}

/** True when `scope` is `target` or one of its ancestors; whole segments are compared, so `/a/b` does not cover `/a/bc`. */
export function scopeCovers(scope: string, target: string): boolean {
  const outer = normalizeResourceId(scope);
  const inner = normalizeResourceId(target);
  return outer === "/" || inner === outer || inner.startsWith(`${outer}/`);
}

export const managementGroupType = "Microsoft.Management/managementGroups";

export function managementGroupId(name: string): string {
  return `/providers/${managementGroupType}/${name}`;
}

/** The name of the management group that `id` is, or is below of. */
export function managementGroupNameOf(id: string): string | undefined {
  return /^\/providers\/Microsoft\.Management\/managementGroups\/([^/]+)/i.exec(id)?.[1];
}

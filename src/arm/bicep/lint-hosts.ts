/**
 * The linter's rule about host names that belong to one cloud: they lead out of the cloud at hand. The hosts can be
 * chosen in `bicepconfig.json`, as for the reference linter.
 */
import { isArray, type JsonObject, member } from "../json.ts";
import type { Say } from "./lint-rules.ts";
import type { Model } from "./model.ts";
import { walk } from "./walk.ts";

/** The reference linter's hosts, and those of the services that are here. */
const disallowedDefault: readonly string[] = [
  "azuredatalakeanalytics.net",
  "azuredatalakestore.net",
  "batch.core.windows.net",
  "core.windows.net",
  "database.windows.net",
  "datalake.azure.net",
  "documents.azure.com",
  "gallery.azure.com",
  "graph.windows.net",
  "login.microsoftonline.com",
  "login.windows.net",
  "management.azure.com",
  "management.core.windows.net",
  "region.asazure.windows.net",
  "servicebus.windows.net",
  "vault.azure.net",
];
const excludedDefault: readonly string[] = ["schema.management.azure.com"];

interface Found {
  readonly start: number;
  readonly end: number;
}

export function hardcodedUrls(model: Model, say: Say, settings: JsonObject | undefined): void {
  const { text } = model.reporter.source;
  const disallowed = hostsOf(settings, "disallowedHosts", disallowedDefault);
  const excluded = hostsOf(settings, "excludedHosts", excludedDefault);
  walk(model.program, (node) => {
    if (node.kind === "decorator" || node.kind === "metadata") return false;
    if (node.kind !== "string") return true;
    for (const segment of node.segments) {
      const kept = findHosts(segment, excluded);
      for (const found of withoutOverlaps(findHosts(segment, disallowed))) {
        if (kept.some((each) => overlap(each, found))) continue;
        const host = segment.slice(found.start, found.end);
        const at = text.indexOf(host, node.start);
        const span = at < 0 || at >= node.end ? node : { start: at, end: at + host.length };
        say(span, `The host "${host}" belongs to one cloud; environment() knows that of the cloud at hand.`);
      }
    }
    return true;
  });
}

function hostsOf(
  settings: JsonObject | undefined,
  name: string,
  otherwise: readonly string[],
): readonly string[] {
  const value = member(settings, name);
  if (!isArray(value)) return otherwise;
  return value.filter((host): host is string => typeof host === "string" && host !== "");
}

/** Every place where one of the hosts stands by itself or as the end of a longer name. */
function findHosts(text: string, hosts: readonly string[]): readonly Found[] {
  const lower = text.toLowerCase();
  return hosts.flatMap((host) => {
    const found: Found[] = [];
    for (let at = lower.indexOf(host.toLowerCase()); at >= 0; ) {
      const end = at + host.length;
      if (!/[\p{L}\p{N}]/u.test(`${lower[at - 1] ?? ""}${lower[end] ?? ""}`)) found.push({ start: at, end });
      at = lower.indexOf(host.toLowerCase(), end);
    }
    return found;
  });
}

/** Of hosts inside each other the one that begins first, and of those the longest. */
function withoutOverlaps(found: readonly Found[]): readonly Found[] {
  const kept: Found[] = [];
  for (const each of [...found].sort((a, b) => a.start - b.start || b.end - a.end)) {
    const last = kept.at(-1);
    if (last === undefined || !overlap(last, each)) kept.push(each);
  }
  return kept;
}

function overlap(a: Found, b: Found): boolean {
  return a.start < b.end && b.start < a.end;
}

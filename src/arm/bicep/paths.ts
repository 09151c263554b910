/** Paths of files relative to one another, with `/` between their parts. Nothing here touches a file system. */
import type { Code } from "./diagnostics.ts";

function partsOf(path: string): string[] {
  return path.split("/");
}

/** The directory of a file, without a trailing slash; empty for a file without one. */
export function directoryOf(path: string): string {
  return partsOf(path).slice(0, -1).join("/");
}

/** Takes `.` and `..` out of a path. */
export function normalizePath(path: string): string {
  const rooted = path.startsWith("/");
  const kept: string[] = [];
  for (const part of partsOf(path)) {
    if (part === "" || part === ".") continue;
    if (part === ".." && kept.length > 0 && kept.at(-1) !== "..") kept.pop();
    else if (part !== ".." || !rooted) kept.push(part);
  }
  return `${rooted ? "/" : ""}${kept.join("/")}`;
}

/** Where `relative`, written in the file `from`, leads. */
export function resolvePath(from: string, relative: string): string {
  const directory = directoryOf(from);
  const rooted = from.startsWith("/") && directory === "";
  return normalizePath(directory === "" && !rooted ? relative : `${directory}/${relative}`);
}

/** How the file `to` is written in the file `from`. */
export function relativePath(from: string, to: string): string {
  const base = partsOf(directoryOf(normalizePath(from))).filter((part) => part !== "");
  const target = partsOf(normalizePath(to)).filter((part) => part !== "");
  let shared = 0;
  while (shared < base.length && shared < target.length - 1 && base[shared] === target[shared]) shared++;
  return [...base.slice(shared).map(() => ".."), ...target.slice(shared)].join("/");
}

function hasControlCharacter(text: string): boolean {
  return [...text].some((character) => character < " ");
}

/** What is wrong with a path as such. */
export function pathProblem(path: string): Code | undefined {
  if (path === "") return "BCP050";
  if (path.startsWith("/") || /^[A-Za-z]:[\\/]/.test(path)) return "BCP051";
  if (path.includes("\\")) return "BCP098";
  if (hasControlCharacter(path)) return "BCP111";
  if (/["*:<>?|&]/.test(path)) return "BCP085";
  return /[ .]$/.test(path) ? "BCP086" : undefined;
}

/** The scheme of a reference to something that is no file, such as `br:registry/module:tag`. */
export function referenceScheme(path: string): string | undefined {
  return /^([A-Za-z]+)(?:\/[\w-]*)?:/.exec(path)?.[1];
}

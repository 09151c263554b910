/**
 * Rules about the code itself: the arrows between rooms, the length of functions and files, words that must not
 * appear, and that the version is one. The table of arrows is the truth; ARCHITECTURE.md explains it.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { version } from "../src/version.ts";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const source = join(root, "src");

/** What a folder (the longest match wins) may import besides itself, `azure` and `clock.ts`; `node:` modules apart. */
const arrows: Readonly<
  Record<string, { readonly imports: readonly string[]; readonly node: readonly string[] | "any" }>
> = {
  azure: { imports: [], node: [] },
  "clock.ts": { imports: [], node: ["node:crypto"] },
  "version.ts": { imports: [], node: [] },
  authz: { imports: [], node: ["node:crypto"] },
  storage: { imports: [], node: "any" },
  "storage/port.ts": { imports: [], node: [] },
  "storage/keys.ts": { imports: ["storage/port.ts"], node: [] },
  observability: { imports: [], node: [] },
  "observability/sinks.ts": { imports: ["observability"], node: ["node:fs/promises", "node:path"] },
  "observability/resource-logs.ts": {
    imports: ["observability"],
    node: ["node:fs/promises", "node:path"],
  },
  x509: { imports: [], node: ["node:crypto"] },
  tls: { imports: ["x509"], node: "any" },
  http: { imports: ["observability"], node: "any" },
  "front-door": { imports: ["http"], node: "any" },
  operator: { imports: ["http", "observability"], node: ["node:crypto"] },
  identity: {
    imports: ["x509", "authz", "storage/port.ts", "storage/keys.ts", "http", "observability"],
    node: ["node:crypto", "node:util", "node:buffer"],
  },
  cosmos: {
    imports: ["authz", "storage/port.ts", "storage/keys.ts", "http", "observability"],
    node: ["node:crypto"],
  },
  // Scripts of users run in a thread of their own, so that no loop of theirs stops the server.
  "cosmos/scripts": {
    imports: ["cosmos", "authz", "storage/port.ts", "storage/keys.ts"],
    node: ["node:crypto", "node:worker_threads", "node:url", "node:path", "node:buffer", "node:os"],
  },
  "cosmos/query": { imports: [], node: [] },
  arm: {
    imports: [
      "authz",
      "storage/port.ts",
      "storage/keys.ts",
      "http",
      "observability",
      "identity/control.ts",
      "cosmos/control.ts",
    ],
    node: ["node:crypto", "node:util", "node:buffer"],
  },
  "arm/deployments": {
    imports: ["arm", "authz", "storage/port.ts", "http"],
    node: ["node:crypto", "node:util", "node:buffer"],
  },
  composition: { imports: ["*"], node: "any" },
  cli: { imports: ["*"], node: "any" },
  "celestite.ts": { imports: ["*"], node: "any" },
  "config.ts": { imports: [], node: "any" },
  "library.ts": { imports: ["*"], node: "any" },
  "main.ts": { imports: ["cli"], node: "any" },
};

const functionLinesMax = 70;

/** Words that have one home, and where it is. */
const bannedWords: readonly {
  readonly pattern: RegExp;
  readonly why: string;
  readonly except: readonly string[];
}[] = [
  { pattern: /\bprocess\.env\b/, why: "config.ts reads the environment", except: ["config.ts"] },
  { pattern: /\bDate\.now\(\)|\bnew Date\(\)/, why: "time comes from clock.ts", except: ["clock.ts"] },
  {
    pattern: /\bMath\.random\b|\brandomBytes\b|\brandomUUID\b/,
    why: "randomness comes from clock.ts",
    // The two sandbox files only name what scripts may and may not call.
    except: ["clock.ts", "cosmos/scripts/sandbox-base.ts", "cosmos/scripts/server-api.ts"],
  },
  {
    pattern: /\bTODO\b|\bFIXME\b|\bXXX\b|\bHACK\b/,
    why: "open work belongs into the issue tracker",
    except: [],
  },
  {
    pattern: /\bconsole\.(log|error|warn)\b/,
    why: "output goes through the terminal or the records",
    except: ["cosmos/scripts/server-api.ts"],
  },
  { pattern: /@ts-(ignore|expect-error|nocheck)|biome-ignore/, why: "no silenced checks", except: [] },
];

const files = readdirSync(source, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
  .map((entry) => relative(source, join(entry.parentPath, entry.name)))
  .sort();

function ruleOf(file: string): string {
  const matching = Object.keys(arrows).filter((room) => file === room || file.startsWith(`${room}/`));
  return matching.sort((a, b) => b.length - a.length)[0] ?? "";
}

function importsOf(file: string): readonly string[] {
  const text = readFileSync(join(source, file), "utf8");
  return [...text.matchAll(/(?:from\s+|import\s*\(\s*|import\s+)"([^"]+)"/g)].map((match) => match[1] ?? "");
}

function mayImport(file: string, target: string): boolean {
  const rule = ruleOf(file);
  const own = rule.endsWith(".ts") ? rule : `${rule}/`;
  if (target === rule || target.startsWith(own)) return true;
  if (target === "clock.ts" || target.startsWith("azure/")) return true;
  return (arrows[rule]?.imports ?? []).some(
    (allowed) => allowed === "*" || target === allowed || target.startsWith(`${allowed}/`),
  );
}

describe("arrows between rooms", () => {
  for (const file of files) {
    test(file, () => {
      const rule = ruleOf(file);
      assert.notEqual(rule, "", `${file} is in no room of the table in test/tidy.test.ts`);
      for (const specifier of importsOf(file)) {
        if (specifier.startsWith("node:")) {
          const allowed = arrows[rule]?.node ?? [];
          assert.ok(allowed === "any" || allowed.includes(specifier), `${file} may not import ${specifier}`);
        } else if (specifier.startsWith(".")) {
          const target = relative(source, resolve(source, dirname(file), specifier));
          assert.ok(mayImport(file, target), `${file} may not import ${target}`);
        }
      }
    });
  }
});

test("no function is longer than it can be read at once", () => {
  const long = files.flatMap((file) => longFunctions(file, readFileSync(join(source, file), "utf8")));
  assert.deepEqual(long, []);
});

/** Functions and methods by their formatted shape: an opening line that ends in `{`, closed at the same indent. */
function longFunctions(file: string, text: string): string[] {
  const lines = text.split("\n");
  const opening =
    /^(\s*)(?:export )?(?:default )?(?:async )?(?:function\b|(?:const \w+(?::[^=]+)? = )?(?:async )?\([^)]*\)[^{]*=> \{|(?:async )?\w+\([^)]*\)(?:: [^{]+)? \{)/;
  return lines.flatMap((line, at) => {
    const indent = opening.exec(line)?.[1];
    if (indent === undefined || /^\s*(if|for|while|switch|return|test|describe)\b/.test(line)) return [];
    const end = lines.findIndex((other, index) => index > at && new RegExp(`^${indent}\\}`).test(other));
    const length = end < 0 ? 0 : end - at + 1;
    return length > functionLinesMax ? [`${file}:${at + 1} has ${length} lines`] : [];
  });
}

test("words with one home stay there", () => {
  const found = files.flatMap((file) => {
    const text = readFileSync(join(source, file), "utf8");
    return bannedWords
      .filter((word) => !word.except.includes(file) && word.pattern.test(text))
      .map((word) => `${file}: ${word.why}`);
  });
  assert.deepEqual(found, []);
});

test("every file opens with what it owns", () => {
  const silent = files.filter((file) => !/^(#!.*\n)?\/\*\*/.test(readFileSync(join(source, file), "utf8")));
  assert.deepEqual(silent, []);
});

test("no folder is called utils, helpers, common or shared, and no file is a barrel", () => {
  const bad = files.filter((file) => /(^|\/)(utils?|helpers?|common|shared)(\/|\.ts$)/.test(file));
  assert.deepEqual(bad, []);
});

test("the version is the package's", () => {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  assert.equal(version, manifest.version);
});

test("the lock file names no download addresses", () => {
  assert.doesNotMatch(readFileSync(join(root, "package-lock.json"), "utf8"), /"resolved"/);
});

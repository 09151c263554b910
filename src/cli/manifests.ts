/** Kubernetes objects in files, YAML with several documents or JSON, as plain values. */
import { readFile } from "node:fs/promises";
import type { LoadedJson } from "../arm/bicep/loaded-json.ts";
import { parseYaml, YamlError } from "../arm/bicep/yaml.ts";
import { CommandError } from "./command.ts";

/** The objects in `files`, in their order. CommandError names the file that cannot be read. */
export async function readManifests(files: readonly string[]): Promise<readonly unknown[]> {
  const found: unknown[] = [];
  for (const file of files) {
    const text = await readFile(file, "utf8").catch((error: Error) => {
      throw new CommandError(`The file ${file} cannot be read: ${error.message}.`);
    });
    found.push(...documents(file, text));
  }
  return found;
}

function documents(file: string, text: string): readonly unknown[] {
  try {
    if (/^\s*[{[]/.test(text)) return [JSON.parse(text)];
    return text
      .split(/^---(?:[ \t].*)?$/m)
      .map((document) => plain(parseYaml(document)))
      .filter((value) => value !== null);
  } catch (error) {
    if (!(error instanceof YamlError) && !(error instanceof SyntaxError)) throw error;
    throw new CommandError(`The file ${file} is no readable YAML or JSON: ${error.message}.`);
  }
}

/** As `JSON.parse` would give it. */
function plain(value: LoadedJson): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([name, part]) => [name, plain(part)]));
  if (Array.isArray(value)) return value.map(plain);
  return typeof value === "bigint" ? Number(value) : value;
}

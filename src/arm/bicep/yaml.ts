/** YAML files that become part of a template. */
import { type LoadedJson, parseLoadedJson } from "./loaded-json.ts";

export class YamlError extends Error {
  override readonly name = "YamlError";
}

export function parseYaml(text: string): LoadedJson {
  return parseLoadedJson(text);
}

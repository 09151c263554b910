/**
 * The corpus of language cases: files of documents, query, parameters, and either the expected rows or the expected
 * refusal. They are run in process and over HTTP. `query-cases.json` came with the specification, the others are ours.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { VectorEmbedding } from "../../../src/cosmos/query/functions/signature.ts";
import type { Value } from "../../../src/cosmos/query/values.ts";

export interface Case {
  readonly file: string;
  readonly name: string;
  /** The name of a case of the same file whose documents and policy this one has, too. */
  readonly setting?: string;
  readonly docs?: readonly Readonly<Record<string, Value>>[];
  readonly indexingPolicy?: object;
  readonly containerOptions?: {
    readonly vectorEmbeddingPolicy?: { readonly vectorEmbeddings: readonly VectorEmbedding[] };
  };
  readonly query: string;
  readonly parameters?: readonly { readonly name: string; readonly value?: Value }[];
  readonly expected?: readonly Value[];
  /** The rows come in this order. */
  readonly ordered?: boolean;
  readonly unorderedArrays?: boolean;
  /** The query is refused with 400. */
  readonly error?: boolean;
  readonly code?: string | number;
  /** Part of the refusal. */
  readonly message?: string;
  readonly location?: readonly [number, number];
  /** Only a server knows: it is about system properties, or about the indexing policy. */
  readonly server?: boolean;
}

const folder = join(dirname(fileURLToPath(import.meta.url)), "../../../../test/cosmos/query/cases");

export const caseFiles: readonly string[] = readdirSync(folder).filter((name) => name.endsWith(".json"));

/** The text of all files. */
export function caseTexts(): string {
  return caseFiles.map((file) => readFileSync(join(folder, file), "utf8")).join("\n");
}

/** All cases, with their settings filled in. */
export function readCases(): readonly Case[] {
  return caseFiles.flatMap((file) => {
    const cases = JSON.parse(readFileSync(join(folder, file), "utf8")) as readonly Omit<Case, "file">[];
    return cases.map((example): Case => {
      if (example.setting === undefined) return { file, ...example };
      const other = cases.find(({ name }) => name === example.setting);
      if (other === undefined) throw new Error(`${file} has no case '${example.setting}'`);
      const { docs = [], indexingPolicy = {}, containerOptions = {} } = other;
      return { file, docs, indexingPolicy, containerOptions, ...example };
    });
  });
}

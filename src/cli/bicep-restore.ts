/**
 * `celestite bicep restore`: brings the modules of registries that a file names into the cache where the compiler finds
 * them, `~/.bicep`, in the layout of the reference tool. The one part of the compiler that uses the network, and only
 * when it is called.
 */
import { createHash } from "node:crypto";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, relative } from "node:path";
import { compileFile, compileParametersFile, compilerPath, isParametersFile } from "./bicep-files.ts";
import { CommandError, type Terminal, UsageError } from "./command.ts";

/** A module as a registry knows it. */
interface RegistryModule {
  readonly registry: string;
  readonly repository: string;
  /** A tag, or `sha256:..`. */
  readonly version: string;
  /** Where the compiler looks for its template. */
  readonly file: string;
}

/** Larger than any module that the service would take as a template. */
const bytesMax = 16 * 1024 * 1024;
const millisecondsMax = 30_000;
/** Modules that are fetched at the same time. */
const parallelMax = 4;

export async function restore(args: readonly string[], terminal: Terminal): Promise<number> {
  const files = args.filter((arg) => arg !== "--no-restore");
  const option = files.find((arg) => arg.startsWith("-") && arg !== "--force");
  if (option !== undefined) throw new UsageError(`'${option}' is not an option of restore.`);
  const [file, extra] = files.filter((arg) => arg !== "--force");
  if (file === undefined || extra !== undefined) throw new UsageError("Name one file.");
  const modules = await modulesOf(file, args.includes("--force"));
  const waiting = [...modules];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      await bring(next);
      terminal.error(`Restored br:${next.registry}/${next.repository}:${next.version}\n`);
    }
  };
  await Promise.all(Array.from({ length: parallelMax }, worker));
  if (modules.length === 0) terminal.error("Every module is there.\n");
  return 0;
}

/** The modules that a compilation looks for in the cache and does not find, or all of them when `force` is set. */
async function modulesOf(file: string, force: boolean): Promise<readonly RegistryModule[]> {
  const cache = compilerPath(join(homedir(), ".bicep"));
  const looked = new Set<string>();
  const look = (path: string): void => void (path.startsWith(`${cache}/br/`) && looked.add(path));
  const { diagnostics } = isParametersFile(file)
    ? await compileParametersFile(file, undefined, look)
    : await compileFile(file, look);
  const lacking = diagnostics.some(({ code }) => code === "CEL004");
  if (!lacking && !force) return [];
  const { existsSync } = await import("node:fs");
  return [...looked].filter((path) => force || !existsSync(path)).map((path) => moduleAt(path, cache));
}

/** What the place in the cache stands for; see `registry-cache.ts`. */
function moduleAt(file: string, cache: string): RegistryModule {
  const [registry = "", repository = "", version = ""] = relative(join(cache, "br"), file)
    .replaceAll("\\", "/")
    .split("/");
  return {
    registry: registry.replaceAll("$", ":"),
    repository: repository.replaceAll("$", "/"),
    version: version.startsWith("sha256#") ? version.replace("#", ":") : version.replace(/\$$/, ""),
    file,
  };
}

interface Manifest {
  readonly layers?: readonly { readonly mediaType?: unknown; readonly digest?: unknown }[];
}

const layerType = /^application\/vnd\.ms\.bicep\.module\.layer\.v\d+\+json$/;

/** Fetches one module (OCI distribution specification: its manifest, then the layer with the template). */
async function bring(module: RegistryModule): Promise<void> {
  const text = await fetchPart(module, `manifests/${module.version}`);
  const layer = parse<Manifest>(module, text).layers?.find(({ mediaType }) =>
    layerType.test(String(mediaType)),
  );
  const digest = layer?.digest;
  if (typeof digest !== "string") throw failed(module, "it is no Bicep module");
  const template = await fetchPart(module, `blobs/${digest}`);
  const actual = `sha256:${createHash("sha256").update(template).digest("hex")}`;
  if (digest !== actual) throw failed(module, "its content does not have the digest that its manifest names");
  parse(module, template);
  const folder = dirname(module.file);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "manifest"), text);
  // The template last, and whole: the compiler takes a module for restored when it is there.
  await writeFile(`${module.file}.new`, template);
  await rename(`${module.file}.new`, module.file);
}

async function fetchPart(module: RegistryModule, part: string): Promise<string> {
  const { registry, repository } = module;
  // Registries on this machine are spoken to without TLS, as other OCI tools do.
  const scheme = /^(localhost|127\.0\.0\.1)(:\d+)?$/.test(registry) ? "http" : "https";
  let response: Response;
  try {
    response = await fetch(`${scheme}://${registry}/v2/${repository}/${part}`, {
      headers: { accept: "application/vnd.oci.image.manifest.v1+json, application/octet-stream, */*" },
      signal: AbortSignal.timeout(millisecondsMax),
    });
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw failed(module, cause instanceof Error ? cause.message : String(cause));
  }
  if (response.status === 401 || response.status === 403) {
    throw failed(module, "the registry wants a sign-in, which only the reference tool can do");
  }
  if (response.status !== 200) throw failed(module, `the registry answered HTTP ${response.status}`);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > bytesMax) throw failed(module, "it is longer than 16 MB");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parse<T>(module: RegistryModule, text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch {
    throw failed(module, "the registry's answer is not JSON");
  }
}

function failed({ registry, repository, version }: RegistryModule, why: string): CommandError {
  return new CommandError(`br:${registry}/${repository}:${version} cannot be restored: ${why}.`);
}

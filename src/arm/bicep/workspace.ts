/**
 * Reads files and the files they refer to, each once, and understands them from the inside out. A file that leads
 * back to itself is a cycle and is refused.
 */
import { isObject, type Json } from "../json.ts";
import { bindFile } from "./binder.ts";
import { checkModel } from "./check.ts";
import { createReporter, hasErrors, report } from "./diagnostics.ts";
import { expressionType } from "./expression-types.ts";
import { lintModel } from "./lint.ts";
import {
  createMemory,
  type FileAccess,
  type Loaded,
  type Model,
  type TargetScope,
  type Workspace,
} from "./model.ts";
import { type FileKind, parseFile } from "./parser.ts";
import { normalizePath, pathProblem, referenceScheme, resolvePath } from "./paths.ts";
import { cachedModulePath } from "./registry-cache.ts";
import { createSource, type Span } from "./source.ts";
import type * as syntax from "./syntax.ts";
import { heightWithin, literalText } from "./walk.ts";

/** Trees higher than this are refused: every pass walks them recursively. */
const treeHeightMax = 700;
/** Members and items that one compilation may put out, with those of its modules. */
const outputMax = 2_000_000;

export function createWorkspace(access: FileAccess): Workspace {
  const workspace: Workspace = {
    access,
    models: new Map(),
    loading: [],
    load: (path) => load(workspace, path),
    budget: { left: outputMax },
  };
  return workspace;
}

function load(workspace: Workspace, requested: string): Loaded {
  const path = normalizePath(requested);
  const known = workspace.models.get(path);
  if (known !== undefined) return { kind: "bicep", model: known };
  const open = workspace.loading.indexOf(path);
  if (open >= 0) return { kind: "cycle", paths: workspace.loading.slice(open) };
  const text = workspace.access.readFile(path);
  if (text === undefined) return { kind: "missing" };
  if (/\.(json|jsonc|arm)$/i.test(path)) return loadTemplate(path, text);
  workspace.loading.push(path);
  try {
    const model = createModel(workspace, path, text);
    workspace.models.set(path, model);
    return { kind: "bicep", model };
  } finally {
    workspace.loading.pop();
  }
}

function loadTemplate(path: string, text: string): Loaded {
  try {
    const template = JSON.parse(text.replace(/^\uFEFF/, "")) as Json;
    if (isObject(template)) return { kind: "json", path, template };
    return { kind: "invalid", reason: "it is not an object" };
  } catch (error) {
    return { kind: "invalid", reason: error instanceof Error ? error.message : "it is not JSON" };
  }
}

function createModel(workspace: Workspace, path: string, text: string): Model {
  const reporter = createReporter(createSource(path, text));
  const kind: FileKind = path.endsWith(".bicepparam") ? "bicepparam" : "bicep";
  let parsed = parseFile(reporter, kind);
  if (!heightWithin(parsed.program, treeHeightMax)) {
    report(reporter, "CEL002", { start: 0, end: 0 });
    parsed = { ...parsed, program: { ...parsed.program, statements: [] } };
  }
  const { program } = parsed;
  const syntaxErrors: readonly Span[] = reporter.found.filter(({ level }) => level === "Error");
  const references: Model["references"] = new Map();
  const model: Model = {
    ...{ workspace, path, kind, reporter, parsed, program, references, syntaxErrors },
    binding: bindFile(reporter, program, kind),
    targetScope: targetScopeOf(program),
    typeOf: (node) => expressionType(model, node),
    memory: createMemory(),
  };
  try {
    for (const statement of program.statements) refer(model, statement);
    checkModel(model);
    lintModel(model);
  } catch (error) {
    // Chains of names can be longer than what is left of the stack.
    if (!(error instanceof RangeError)) throw error;
    report(reporter, "CEL002", { start: 0, end: 0 });
  }
  return model;
}

const targetScopes: readonly string[] = ["resourceGroup", "subscription", "managementGroup", "tenant"];

function targetScopeOf(program: syntax.Program): TargetScope {
  for (const statement of program.statements) {
    if (statement.kind !== "targetScope") continue;
    const value = literalText(statement.value);
    if (value !== undefined && targetScopes.includes(value)) return value as TargetScope;
  }
  return "resourceGroup";
}

/** Loads what a statement refers to, or says why it cannot be. */
function refer(model: Model, statement: syntax.Statement | syntax.Skipped): void {
  if (
    statement.kind !== "module" &&
    statement.kind !== "import" &&
    statement.kind !== "using" &&
    statement.kind !== "extends"
  ) {
    return;
  }
  const { path } = statement;
  if (path?.kind !== "string") return;
  const text = literalText(path);
  if (text === undefined) {
    report(model.reporter, "BCP092", path);
    return;
  }
  const scheme = referenceScheme(text);
  if (scheme !== undefined) {
    const cached = loadCached(model, text);
    if (cached !== undefined) keep(model, statement, path, text, cached);
    else if (scheme !== "br" && scheme !== "ts") report(model.reporter, "BCP189", path, scheme);
    else
      report(
        model.reporter,
        "CEL004",
        path,
        "modules from registries that are not in the local cache ('celestite bicep restore' brings them)",
      );
    return;
  }
  const problem = pathProblem(text);
  if (problem !== undefined) {
    report(model.reporter, problem, path);
    return;
  }
  keep(model, statement, path, text, model.workspace.load(resolvePath(model.path, text)));
}

/** A module of a registry that was restored to this machine before. */
function loadCached(model: Model, reference: string): Loaded | undefined {
  const { moduleCache } = model.workspace.access;
  const file = moduleCache === undefined ? undefined : cachedModulePath(reference, moduleCache);
  const loaded = file === undefined ? undefined : model.workspace.load(file);
  return loaded?.kind === "missing" ? undefined : loaded;
}

function keep(
  model: Model,
  statement: syntax.Statement,
  path: syntax.StringLiteral,
  text: string,
  loaded: Loaded,
): void {
  const { reporter } = model;
  switch (loaded.kind) {
    case "missing":
      report(reporter, "BCP091", path, text);
      return;
    case "invalid":
      report(reporter, "BCP188", path, loaded.reason);
      return;
    case "cycle":
      if (loaded.paths.length > 1) report(reporter, "BCP095", path, loaded.paths.join(" -> "));
      else report(reporter, model.kind === "bicepparam" ? "BCP278" : "BCP094", path);
      return;
    case "json":
      if (statement.kind === "import") {
        report(reporter, "CEL004", path, "imports from JSON templates");
        return;
      }
      break;
    case "bicep":
      if (hasErrors(loaded.model.reporter.found)) report(reporter, "BCP104", path);
  }
  (model.references as Map<syntax.Node, typeof loaded>).set(statement, loaded);
}

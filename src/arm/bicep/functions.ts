/**
 * The functions of the `sys` and `az` namespaces: what they take and return, and where they may be used. Signatures
 * are text, `string, int? -> bool`; `+` marks a parameter that repeats once or more, `*` any number of times.
 */
import {
  anyType,
  arrayOf,
  arrayType,
  boolType,
  intType,
  neverType,
  objectType,
  secureStringType,
  stringType,
  type Type,
  unionOf,
} from "./types.ts";

export interface Overload {
  readonly parameters: readonly Type[];
  readonly minimum: number;
  /** Infinity when the last parameter repeats. */
  readonly maximum: number;
  readonly returns: Type;
}

export type FunctionFlag =
  /** Only in default values of parameters. */
  | "default-values"
  /** Known only to the running deployment: variables that hold it are put in place of their uses. */
  | "runtime"
  /** The compiler itself computes it and keeps it in a variable of its own. */
  | "loaded-always"
  /** The same, unless it is the whole value of a variable. */
  | "loaded"
  /** Only in parameter files. */
  | "params"
  /** Only in templates. */
  | "template";

export interface FunctionDefinition {
  readonly name: string;
  readonly namespace: "sys" | "az";
  readonly overloads: readonly Overload[];
  readonly flags: readonly FunctionFlag[];
}

const sysSignatures: Readonly<Record<string, readonly string[]>> = {
  any: ["any -> any"],
  array: ["any -> array"],
  base64: ["string -> string"],
  base64ToJson: ["string -> any"],
  base64ToString: ["string -> string"],
  bool: ["any -> bool"],
  buildUri: ["object -> string"],
  cidrHost: ["string, int -> string"],
  cidrSubnet: ["string, int, int -> string"],
  concat: ["array+ -> array", "string|int|bool+ -> string"],
  contains: ["object, string -> bool", "array, any -> bool", "string, string -> bool"],
  dataUri: ["any -> string"],
  dataUriToString: ["string -> string"],
  dateTimeAdd: ["string, string, string? -> string"],
  dateTimeFromEpoch: ["int? -> string"],
  dateTimeToEpoch: ["string? -> int"],
  distinct: ["array -> array"],
  empty: ["null|object|array|string -> bool"],
  endsWith: ["string, string -> bool"],
  fail: ["string -> never"],
  filter: ["array, lambda:1-2:bool -> array"],
  first: ["array -> any", "string -> string"],
  flatten: ["array -> array"],
  format: ["string, any* -> string"],
  groupBy: ["array, lambda:1-2:string -> object", "array, lambda:1-2:string, lambda:1-2:any -> object"],
  guid: ["string+ -> string"],
  indexOf: ["string, string -> int", "array, any -> int"],
  int: ["string|int -> int"],
  intersection: ["object, object+ -> object", "array, array+ -> array"],
  items: ["object -> array"],
  join: ["array, string -> string"],
  json: ["string -> any"],
  last: ["array -> any", "string -> string"],
  lastIndexOf: ["string, string -> int", "array, any -> int"],
  length: ["string|object -> int", "array -> int"],
  like: ["string, string -> bool"],
  loadDirectoryFileInfo: ["string, string? -> array"],
  loadFileAsBase64: ["string -> string"],
  loadJsonContent: ["string, string?, string? -> any"],
  loadTextContent: ["string, string? -> string"],
  loadYamlContent: ["string, string?, string? -> any"],
  map: ["array, lambda:1-2:any -> array"],
  mapValues: ["object, lambda:1-1:any -> object"],
  max: ["int+ -> int", "array -> int"],
  min: ["int+ -> int", "array -> int"],
  nameof: ["any -> string"],
  newGuid: [" -> string"],
  objectKeys: ["object -> string[]"],
  padLeft: ["string|int, int, string? -> string"],
  parseCidr: ["string -> object"],
  parseUri: ["string -> object"],
  range: ["int, int -> int[]"],
  reduce: ["array, any, lambda:2-3:any -> any"],
  replace: ["string, string, string -> string"],
  shallowMerge: ["array -> object"],
  skip: ["array, int -> array", "string, int -> string"],
  sort: ["array, lambda:2-2:bool -> array"],
  split: ["string, string|array -> string[]"],
  startsWith: ["string, string -> bool"],
  string: ["any -> string"],
  substring: ["string, int, int? -> string"],
  take: ["array, int -> array", "string, int -> string"],
  toLower: ["string -> string"],
  toObject: ["array, lambda:1-1:string -> object", "array, lambda:1-1:string, lambda:1-1:any -> object"],
  toUpper: ["string -> string"],
  trim: ["string -> string"],
  union: ["object, object+ -> object", "array, array+ -> array"],
  uniqueString: ["string+ -> string"],
  uri: ["string, string -> string"],
  uriComponent: ["string -> string"],
  uriComponentToString: ["string -> string"],
  utcNow: ["string? -> string"],
  externalInput: ["string, any? -> any"],
  readEnvironmentVariable: ["string, string? -> string"],
};

const azSignatures: Readonly<Record<string, readonly string[]>> = {
  deployer: [" -> object"],
  deployment: [" -> object"],
  environment: [" -> object"],
  extensionResourceId: ["string, string, string+ -> string"],
  getSecret: ["string, string, string, string, string? -> secure"],
  managementGroup: [" -> object", "string -> object"],
  managementGroupResourceId: ["string, string+ -> string"],
  pickZones: ["string, string, string, int?, int? -> array"],
  providers: ["string -> object", "string, string -> object"],
  reference: ["string, string?, string? -> object"],
  resourceGroup: [" -> object", "string -> object", "string, string -> object"],
  resourceId: ["string, string+ -> string"],
  roleDefinitions: ["string -> object"],
  subscription: [" -> object", "string -> object"],
  subscriptionResourceId: ["string, string+ -> string"],
  tenant: [" -> object"],
  tenantResourceId: ["string, string+ -> string"],
  toLogicalZone: ["string, string, string -> string"],
  toLogicalZones: ["string, string, array -> string[]"],
  toPhysicalZone: ["string, string, string -> string"],
  toPhysicalZones: ["string, string, array -> string[]"],
};

/** `listKeys` and all its kin. */
const listSignatures: readonly string[] = ["string, string, object? -> any"];

const flags: Readonly<Record<string, readonly FunctionFlag[]>> = {
  utcNow: ["default-values"],
  newGuid: ["default-values"],
  reference: ["runtime", "template"],
  toLogicalZone: ["runtime", "template"],
  toLogicalZones: ["runtime", "template"],
  toPhysicalZone: ["runtime", "template"],
  toPhysicalZones: ["runtime", "template"],
  loadJsonContent: ["loaded-always"],
  loadYamlContent: ["loaded-always"],
  loadDirectoryFileInfo: ["loaded-always"],
  loadTextContent: ["loaded"],
  loadFileAsBase64: ["loaded"],
  readEnvironmentVariable: ["loaded-always", "params"],
  externalInput: ["params"],
  getSecret: ["params"],
};

const typesByName: Readonly<Record<string, Type>> = {
  any: anyType,
  array: arrayType,
  "string[]": arrayOf(stringType),
  "int[]": arrayOf(intType),
  bool: boolType,
  int: intType,
  never: neverType,
  null: { kind: "null" },
  object: objectType,
  secure: secureStringType,
  string: stringType,
};

/** `lambda:1-2:bool` takes one or two parameters and returns a bool. */
function parseLambda(text: string): Type {
  const [, counts = "", returns = ""] = text.split(":");
  const [minimum = 0, parameters = 0] = counts.split("-").map(Number);
  return { kind: "lambda", parameters, minimum, returns: parseTypeName(returns) };
}

function parseTypeName(text: string): Type {
  if (text.startsWith("lambda:")) return parseLambda(text);
  return unionOf(text.split("|").map((name) => typesByName[name] ?? anyType));
}

function parseSignature(text: string): Overload {
  const [before = "", after = ""] = text.split("->").map((part) => part.trim());
  const parts = before === "" ? [] : before.split(",").map((part) => part.trim());
  const minimum = parts.filter((part) => !part.endsWith("?") && !part.endsWith("*")).length;
  const repeats = /[+*]$/.test(parts.at(-1) ?? "");
  return {
    parameters: parts.map((part) => parseTypeName(part.replace(/[?+*]$/, ""))),
    minimum,
    maximum: repeats ? Number.POSITIVE_INFINITY : parts.length,
    returns: parseTypeName(after),
  };
}

export function findFunction(namespace: "sys" | "az", name: string): FunctionDefinition | undefined {
  const table = namespace === "sys" ? sysSignatures : azSignatures;
  const known = Object.hasOwn(table, name) ? table[name] : undefined;
  const lists = namespace === "az" && /^list[A-Za-z]*$/.test(name);
  const signatures = known ?? (lists ? listSignatures : undefined);
  if (signatures === undefined) return undefined;
  return {
    name,
    namespace,
    overloads: signatures.map(parseSignature),
    flags: flagsOf(namespace, name, known),
  };
}

function flagsOf(
  namespace: "sys" | "az",
  name: string,
  known: readonly string[] | undefined,
): readonly FunctionFlag[] {
  if (known === undefined) return ["runtime", "template"];
  return flags[name] ?? (namespace === "az" ? ["template"] : []);
}

export function functionNames(namespace: "sys" | "az"): readonly string[] {
  return Object.keys(namespace === "sys" ? sysSignatures : azSignatures);
}

/** Functions of templates that the language replaces; their names are refused with a hint. */
export const replacedByOperator: Readonly<Record<string, string>> = {
  add: "+",
  sub: "-",
  mul: "*",
  div: "/",
  mod: "%",
  less: "<",
  lessOrEquals: "<=",
  greater: ">",
  greaterOrEquals: ">=",
  equals: "==",
  not: "!",
  and: "&&",
  or: "||",
  coalesce: "??",
};

/** Functions of templates that the language has other words for, and the code of the complaint. */
export const replacedFunctions: Readonly<
  Record<string, "BCP060" | "BCP061" | "BCP100" | "BCP101" | "BCP102">
> = {
  variables: "BCP060",
  parameters: "BCP061",
  if: "BCP100",
  createArray: "BCP101",
  createObject: "BCP102",
};

/** The names of types that are always there. */
export const ambientTypes: readonly string[] = ["any", "array", "bool", "int", "object", "string"];

/** Parameterized types, which take a resource type as their argument. */
export const parameterizedTypes: readonly string[] = ["resourceInput", "resourceOutput"];

export type DecoratorTarget =
  | ("param" | "var" | "resource" | "module" | "output" | "type" | "func" | "metadata" | "extension")
  | "any";

export interface DecoratorDefinition {
  readonly name: string;
  readonly targets: readonly DecoratorTarget[];
  readonly minimum: number;
  readonly maximum: number;
  /** The type of the first argument. */
  readonly argument?: Type;
  /** The arguments must be known when compiling. */
  readonly constant?: boolean;
  /** What the target's type must fit. */
  readonly attachable?: Type;
}

const typed: readonly DecoratorTarget[] = ["param", "output", "type"];

const decorators: readonly DecoratorDefinition[] = [
  { name: "description", targets: ["any"], minimum: 1, maximum: 1, argument: stringType, constant: true },
  {
    name: "secure",
    targets: typed,
    minimum: 0,
    maximum: 0,
    attachable: unionOf([stringType, objectType]),
  },
  { name: "allowed", targets: ["param"], minimum: 1, maximum: 1, argument: arrayType, constant: true },
  {
    name: "minValue",
    targets: typed,
    minimum: 1,
    maximum: 1,
    argument: intType,
    constant: true,
    attachable: intType,
  },
  {
    name: "maxValue",
    targets: typed,
    minimum: 1,
    maximum: 1,
    argument: intType,
    constant: true,
    attachable: intType,
  },
  {
    name: "minLength",
    targets: typed,
    minimum: 1,
    maximum: 1,
    argument: intType,
    constant: true,
    attachable: unionOf([stringType, arrayType]),
  },
  {
    name: "maxLength",
    targets: typed,
    minimum: 1,
    maximum: 1,
    argument: intType,
    constant: true,
    attachable: unionOf([stringType, arrayType]),
  },
  { name: "metadata", targets: typed, minimum: 1, maximum: 1, argument: objectType, constant: true },
  { name: "batchSize", targets: ["resource", "module"], minimum: 1, maximum: 1, argument: intType },
  {
    name: "retryOn",
    targets: ["resource"],
    minimum: 1,
    maximum: 2,
    argument: arrayOf(stringType),
    constant: true,
  },
  { name: "onlyIfNotExists", targets: ["resource"], minimum: 0, maximum: 0 },
  { name: "nullIfNotFound", targets: ["resource"], minimum: 0, maximum: 0 },
  { name: "sealed", targets: typed, minimum: 0, maximum: 0, attachable: objectType },
  {
    name: "discriminator",
    targets: typed,
    minimum: 1,
    maximum: 1,
    argument: stringType,
    constant: true,
    attachable: objectType,
  },
  { name: "export", targets: ["type", "var", "func"], minimum: 0, maximum: 0 },
];

export function findDecorator(name: string): DecoratorDefinition | undefined {
  return decorators.find((decorator) => decorator.name === name);
}

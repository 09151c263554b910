/**
 * The value model of the query language: JSON plus a real `undefined`, its equality, its orders and its canonical
 * keys. Kept apart because every other file of this room must mean the same thing by "equal" and "less than".
 *
 * Rows are plain parsed JSON. A value is never coerced and JavaScript truthiness is never used.
 */

export type Value = undefined | null | boolean | number | string | readonly Value[] | ValueObject;

export interface ValueObject {
  readonly [name: string]: Value;
}

/** Deepest nesting of a value from outside (a parameter, text given to StringToObject); the service's item limit. */
export const VALUE_DEPTH_MAX = 128;

/** Rank of the types in ORDER BY and in MIN/MAX over mixed types. */
const TYPE_RANK = {
  undefined: 0,
  null: 1,
  boolean: 2,
  number: 3,
  string: 4,
  array: 5,
  object: 6,
} as const;

type TypeName = keyof typeof TYPE_RANK;

/** The language's name for the type of `value`. */
function typeName(value: Value): TypeName {
  if (value === null) return "null";
  const type = typeof value;
  if (type !== "object") return type as TypeName;
  return Array.isArray(value) ? "array" : "object";
}

/** True for a JSON object: neither null nor an array. */
export function isObject(value: Value): value is ValueObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** True for an array; narrows to the readonly form that `Array.isArray` loses. */
export function isArray(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

/**
 * The own property `name` of an object, else `undefined`. Names such as `constructor` are ordinary property names
 * in the language, so inherited members must not show.
 */
export function property(value: Value, name: string): Value {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return Object.hasOwn(value, name) ? (value as ValueObject)[name] : undefined;
}

/** Sets an own property, also when the name is `__proto__`; an undefined value is left out. */
export function setProperty(target: Record<string, Value>, name: string, value: Value): void {
  if (value === undefined) return;
  if (name === "__proto__") {
    Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
  } else target[name] = value;
}

/** `container[key]`: an integer index of an array or a name of an object; anything else is undefined. */
export function element(container: Value, key: Value): Value {
  if (typeof key === "string") return property(container, key);
  if (typeof key === "number" && isArray(container)) return container[key];
  return undefined;
}

/** Deep equality of two defined values: objects ignore property order, numbers compare by value. */
export function sameValue(left: Value, right: Value): boolean {
  if (left === right) return true;
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false;
  if (isArray(left)) {
    if (!isArray(right) || left.length !== right.length) return false;
    for (let i = 0; i < left.length; i++) if (!sameValue(left[i], right[i])) return false;
    return true;
  }
  if (isArray(right)) return false;
  const names = Object.keys(left);
  if (names.length !== Object.keys(right).length) return false;
  for (const name of names) {
    if (!Object.hasOwn(right, name)) return false;
    if (!sameValue((left as ValueObject)[name], (right as ValueObject)[name])) return false;
  }
  return true;
}

/** The `=` operator: undefined when a side is undefined, false across types, else deep equality. */
export function equals(left: Value, right: Value): boolean | undefined {
  return left === undefined || right === undefined ? undefined : sameValue(left, right);
}

/**
 * Negative, zero or positive for two values of one orderable type (null, boolean, number, string); undefined for
 * every other pair, which makes `<` and its kin undefined. NaN orders with nothing: the result is NaN.
 */
export function compareSameType(left: Value, right: Value): number | undefined {
  if (typeof left === "number" && typeof right === "number") return left - right || compareRaw(left, right);
  if (typeof left === "string" && typeof right === "string") return left < right ? -1 : left > right ? 1 : 0;
  if (typeof left === "boolean" && typeof right === "boolean") return Number(left) - Number(right);
  if (left === null && right === null) return 0;
  return undefined;
}

/** Infinity minus Infinity is NaN, and denormal differences vanish: fall back to the comparison itself. */
function compareRaw(left: number, right: number): number {
  if (left === right) return 0;
  return left < right ? -1 : left > right ? 1 : Number.NaN;
}

/**
 * Total order of ORDER BY: undefined < null < boolean < number < string < array < object. Arrays and objects order
 * among themselves by their canonical text, which is stable and, as in the service, without meaning.
 */
export function compareOrder(left: Value, right: Value): number {
  if (typeof left === "number" && typeof right === "number") {
    return left < right
      ? -1
      : left > right
        ? 1
        : left === right
          ? 0
          : Number(!Number.isNaN(left)) - Number(!Number.isNaN(right));
  }
  if (typeof left === "string" && typeof right === "string") return left < right ? -1 : left > right ? 1 : 0;
  const rank = TYPE_RANK[typeName(left)] - TYPE_RANK[typeName(right)];
  if (rank !== 0) return rank;
  if (typeof left === "boolean") return Number(left) - Number(right);
  if (typeof left !== "object" || left === null) return 0;
  const a = canonicalKey(left);
  const b = canonicalKey(right);
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * A text equal for two values exactly when they are deeply equal; the key of GROUP BY, DISTINCT and the set
 * functions. Every part is self-delimiting, so concatenated keys stay unambiguous.
 */
export function canonicalKey(value: Value): string {
  switch (typeof value) {
    case "undefined":
      return "u";
    case "boolean":
      return value ? "t" : "f";
    case "number":
      return `${value === 0 ? 0 : value};`;
    case "string":
      return `${value.length}"${value}`;
    default:
      break;
  }
  if (value === null) return "n";
  if (isArray(value)) {
    let text = "[";
    for (const item of value) text += canonicalKey(item);
    return `${text}]`;
  }
  let text = "{";
  for (const name of Object.keys(value).sort())
    text += `${name.length}"${name}${canonicalKey((value as ValueObject)[name])}`;
  return `${text}}`;
}

/** True when `value` nests arrays and objects at most `limit` levels deep; does not recurse. */
export function withinDepth(value: unknown, limit: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    const next: unknown[] = [];
    for (const item of level) {
      if (typeof item !== "object" || item === null) continue;
      if (depth >= limit) return false;
      for (const child of Array.isArray(item) ? item : Object.values(item)) {
        if (typeof child === "object" && child !== null) next.push(child);
      }
    }
    level = next;
  }
  return true;
}

/**
 * What stands in the way of writing `value` as JSON: a number that is not finite, or a text longer than about
 * `lengthMax` characters.
 */
export function unserialisable(value: Value, lengthMax: number): "non-finite" | "too-large" | undefined {
  const open: Value[] = [value];
  let length = 0;
  for (let item = open.pop(); item !== undefined; item = open.pop()) {
    length += typeof item === "string" ? item.length + 3 : 2;
    if (length > lengthMax) return "too-large";
    if (typeof item === "number") {
      if (!Number.isFinite(item)) return "non-finite";
    } else if (isArray(item)) {
      for (const child of item) if (child !== undefined) open.push(child);
    } else if (typeof item === "object" && item !== null) {
      for (const [name, child] of Object.entries(item)) {
        length += name.length + 3;
        if (child !== undefined) open.push(child as Value);
      }
    }
  }
  return undefined;
}

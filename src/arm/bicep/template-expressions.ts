/** The expression language of templates, as a tree and as text with the escaping its reader undoes. */

export interface TemplateCall {
  readonly kind: "call";
  readonly name: string;
  readonly arguments: readonly TemplateExpression[];
  /** `.name` and `[index]` after the call. */
  readonly accessors: readonly TemplateExpression[];
}

export interface TemplateLiteral {
  readonly kind: "literal";
  readonly value: string | number;
}

export type TemplateExpression = TemplateCall | TemplateLiteral;

export function call(name: string, ...values: readonly TemplateExpression[]): TemplateCall {
  return { kind: "call", name, arguments: values, accessors: [] };
}

export function literal(value: string | number): TemplateLiteral {
  return { kind: "literal", value };
}

/** `expression.a.b`, or `expression[..]` for what is no name. */
export function access(base: TemplateCall, ...accessors: readonly TemplateExpression[]): TemplateCall {
  return { ...base, accessors: [...base.accessors, ...accessors] };
}

/** Only calls have accessors and stand where a value is no text; literals are wrapped. */
export function asCall(expression: TemplateExpression): TemplateCall {
  if (expression.kind === "call") return expression;
  return call(typeof expression.value === "string" ? "string" : "int", expression);
}

const namePattern = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** An expression without the brackets around it. */
export function printExpression(expression: TemplateExpression): string {
  if (expression.kind === "literal") {
    return typeof expression.value === "string"
      ? `'${expression.value.replaceAll("'", "''")}'`
      : String(expression.value);
  }
  const values = expression.arguments.map(printExpression).join(", ");
  const accessors = expression.accessors.map((accessor) =>
    accessor.kind === "literal" && typeof accessor.value === "string" && namePattern.test(accessor.value)
      ? `.${accessor.value}`
      : `[${printExpression(accessor)}]`,
  );
  return `${expression.name}(${values})${accessors.join("")}`;
}

/** Plain text as it stands in a template: what looks like an expression gets a second bracket. */
export function escapeText(text: string): string {
  return text.startsWith("[") && text.endsWith("]") ? `[${text}` : text;
}

/** An expression as the value, or member name, of a template. */
export function printValue(expression: TemplateExpression): string {
  if (expression.kind === "literal" && typeof expression.value === "string")
    return escapeText(expression.value);
  return `[${printExpression(expression)}]`;
}

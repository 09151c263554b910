/**
 * The syntax tree: plain tagged data without behaviour. What could not be parsed is a `skipped` node, so that every
 * later pass sees a whole tree; passes that cannot go on with errors are not reached.
 */
import type { Span } from "./source.ts";

export interface Skipped extends Span {
  readonly kind: "skipped";
}

export interface Identifier extends Span {
  readonly kind: "identifier";
  /** Empty where the name is missing. */
  readonly name: string;
}

export interface StringLiteral extends Span {
  readonly kind: "string";
  /** One more than `expressions`. */
  readonly segments: readonly string[];
  readonly expressions: readonly Expression[];
}

export interface IntegerLiteral extends Span {
  readonly kind: "integer";
  readonly value: bigint;
}

export interface BooleanLiteral extends Span {
  readonly kind: "boolean";
  readonly value: boolean;
}

export interface NullLiteral extends Span {
  readonly kind: "null";
}

export interface ObjectProperty extends Span {
  readonly kind: "property";
  readonly key: Identifier | StringLiteral | Skipped;
  readonly value: Expression;
}

export interface Spread extends Span {
  readonly kind: "spread";
  readonly expression: Expression;
}

export interface ObjectLiteral extends Span {
  readonly kind: "object";
  readonly items: readonly (ObjectProperty | Spread | ResourceDeclaration | MissingDeclaration | Skipped)[];
}

export interface ArrayLiteral extends Span {
  readonly kind: "array";
  readonly items: readonly (Expression | Spread)[];
}

export type UnaryOperator = "!" | "-" | "+";
export type BinaryOperator =
  | "*"
  | "/"
  | "%"
  | "+"
  | "-"
  | "<"
  | "<="
  | ">"
  | ">="
  | "=="
  | "!="
  | "=~"
  | "!~"
  | "&&"
  | "||"
  | "??";

export interface Unary extends Span {
  readonly kind: "unary";
  readonly operator: UnaryOperator;
  readonly operand: Expression;
}

export interface Binary extends Span {
  readonly kind: "binary";
  readonly operator: BinaryOperator;
  readonly left: Expression;
  readonly right: Expression;
}

export interface Ternary extends Span {
  readonly kind: "ternary";
  readonly condition: Expression;
  readonly whenTrue: Expression;
  readonly whenFalse: Expression;
}

export interface VariableAccess extends Span {
  readonly kind: "variable";
  readonly name: Identifier;
}

export interface FunctionCall extends Span {
  readonly kind: "call";
  readonly name: Identifier;
  readonly arguments: readonly Expression[];
}

export interface MethodCall extends Span {
  readonly kind: "method-call";
  readonly base: Expression;
  readonly name: Identifier;
  readonly arguments: readonly Expression[];
}

export interface PropertyAccess extends Span {
  readonly kind: "member";
  readonly base: Expression;
  readonly safe: boolean;
  readonly name: Identifier;
}

export interface IndexAccess extends Span {
  readonly kind: "index";
  readonly base: Expression;
  readonly safe: boolean;
  readonly fromEnd: boolean;
  readonly index: Expression;
}

/** `resource::child` */
export interface ResourceAccess extends Span {
  readonly kind: "nested-resource";
  readonly base: Expression;
  readonly name: Identifier;
}

export interface NonNullAssertion extends Span {
  readonly kind: "non-null";
  readonly base: Expression;
}

export interface Parenthesized extends Span {
  readonly kind: "parenthesized";
  readonly inner: Expression;
}

/** A name that a loop, lambda or function introduces. */
export interface LocalVariable extends Span {
  readonly kind: "local";
  readonly name: Identifier;
  /** Only of the parameters of user-defined functions. */
  readonly type: TypeSyntax | undefined;
}

export interface Lambda extends Span {
  readonly kind: "lambda";
  readonly parameters: readonly LocalVariable[];
  readonly body: Expression;
}

/** The value of a `func` declaration. */
export interface TypedLambda extends Span {
  readonly kind: "typed-lambda";
  readonly parameters: readonly LocalVariable[];
  readonly returns: TypeSyntax;
  readonly body: Expression;
}

export interface ForExpression extends Span {
  readonly kind: "for";
  /** Where the word itself stands. */
  readonly keyword: Span;
  readonly item: LocalVariable | undefined;
  readonly index: LocalVariable | undefined;
  readonly expression: Expression;
  readonly body: Expression;
}

export interface IfCondition extends Span {
  readonly kind: "if";
  readonly condition: Expression;
  readonly body: Expression;
}

export type Expression =
  | StringLiteral
  | IntegerLiteral
  | BooleanLiteral
  | NullLiteral
  | ObjectLiteral
  | ArrayLiteral
  | Unary
  | Binary
  | Ternary
  | VariableAccess
  | FunctionCall
  | MethodCall
  | PropertyAccess
  | IndexAccess
  | ResourceAccess
  | NonNullAssertion
  | Parenthesized
  | Lambda
  | ForExpression
  | IfCondition
  | Skipped;

export interface TypeVariable extends Span {
  readonly kind: "type-variable";
  readonly name: Identifier;
}

export interface TypeLiteral extends Span {
  readonly kind: "type-literal";
  readonly literal: StringLiteral | IntegerLiteral | BooleanLiteral | NullLiteral;
}

export interface TypeUnary extends Span {
  readonly kind: "type-unary";
  readonly operator: UnaryOperator;
  readonly operand: TypeSyntax;
}

export interface TypeProperty extends Span {
  readonly kind: "type-property";
  readonly decorators: readonly Decorator[];
  /** Undefined for `*`, which stands for all properties not named. */
  readonly key: Identifier | StringLiteral | Skipped | undefined;
  readonly value: TypeSyntax;
}

export interface ObjectType extends Span {
  readonly kind: "type-object";
  readonly properties: readonly TypeProperty[];
}

export interface TupleItem extends Span {
  readonly kind: "type-tuple-item";
  readonly decorators: readonly Decorator[];
  readonly value: TypeSyntax;
}

export interface TupleType extends Span {
  readonly kind: "type-tuple";
  readonly items: readonly TupleItem[];
}

export interface ArrayType extends Span {
  readonly kind: "type-array";
  readonly item: TypeSyntax;
}

export interface NullableType extends Span {
  readonly kind: "type-nullable";
  readonly base: TypeSyntax;
}

export interface NonNullableType extends Span {
  readonly kind: "type-non-nullable";
  readonly base: TypeSyntax;
}

export interface UnionType extends Span {
  readonly kind: "type-union";
  readonly members: readonly TypeSyntax[];
}

export interface ParenthesizedType extends Span {
  readonly kind: "type-parenthesized";
  readonly inner: TypeSyntax;
}

export interface TypeMember extends Span {
  readonly kind: "type-member";
  readonly base: TypeSyntax;
  readonly name: Identifier;
}

export interface TypeIndex extends Span {
  readonly kind: "type-index";
  readonly base: TypeSyntax;
  readonly index: Expression;
}

/** `type[*]` */
export interface TypeItems extends Span {
  readonly kind: "type-items";
  readonly base: TypeSyntax;
}

/** `type.*` */
export interface TypeAdditional extends Span {
  readonly kind: "type-additional";
  readonly base: TypeSyntax;
}

/** `resourceInput<'...'>`, possibly qualified with a namespace. */
export interface ParameterizedType extends Span {
  readonly kind: "type-call";
  readonly base: TypeSyntax | undefined;
  readonly name: Identifier;
  readonly arguments: readonly TypeSyntax[];
}

/** `resource 'type@version'` as the type of a parameter or output. */
export interface ResourceTypeSyntax extends Span {
  readonly kind: "type-resource";
  readonly type: StringLiteral | Skipped | undefined;
}

export type TypeSyntax =
  | TypeVariable
  | TypeLiteral
  | TypeUnary
  | ObjectType
  | TupleType
  | ArrayType
  | NullableType
  | NonNullableType
  | UnionType
  | ParenthesizedType
  | TypeMember
  | TypeIndex
  | TypeItems
  | TypeAdditional
  | ParameterizedType
  | ResourceTypeSyntax
  | Skipped;

export interface Decorator extends Span {
  readonly kind: "decorator";
  readonly expression: Expression;
}

interface Declaration extends Span {
  readonly decorators: readonly Decorator[];
  readonly keyword: Span;
}

export interface TargetScope extends Declaration {
  readonly kind: "targetScope";
  readonly value: Expression;
}

export interface MetadataDeclaration extends Declaration {
  readonly kind: "metadata";
  readonly name: Identifier;
  readonly value: Expression;
}

export interface ParameterDeclaration extends Declaration {
  readonly kind: "param";
  readonly name: Identifier;
  readonly type: TypeSyntax;
  readonly defaultValue: Expression | undefined;
}

export interface TypeDeclaration extends Declaration {
  readonly kind: "type";
  readonly name: Identifier;
  readonly value: TypeSyntax;
}

export interface VariableDeclaration extends Declaration {
  readonly kind: "var";
  readonly name: Identifier;
  readonly type: TypeSyntax | undefined;
  readonly value: Expression;
}

export interface FunctionDeclaration extends Declaration {
  readonly kind: "func";
  readonly name: Identifier;
  readonly lambda: TypedLambda | Skipped;
}

export interface ResourceDeclaration extends Declaration {
  readonly kind: "resource";
  readonly name: Identifier;
  readonly type: StringLiteral | Skipped;
  readonly existing: boolean;
  /** An object, condition or loop. */
  readonly value: Expression;
}

export interface ModuleDeclaration extends Declaration {
  readonly kind: "module";
  readonly name: Identifier;
  readonly path: StringLiteral | Skipped;
  readonly value: Expression;
}

export interface OutputDeclaration extends Declaration {
  readonly kind: "output";
  readonly name: Identifier;
  readonly type: TypeSyntax;
  readonly value: Expression;
}

export interface TestDeclaration extends Declaration {
  readonly kind: "test";
  readonly name: Identifier;
  readonly path: StringLiteral | Skipped;
  readonly value: Expression;
}

export interface AssertDeclaration extends Declaration {
  readonly kind: "assert";
  readonly name: Identifier;
  readonly value: Expression;
}

export interface ImportItem extends Span {
  readonly kind: "import-item";
  /** What it is called where it is exported. */
  readonly original: string;
  /** What it is called here. */
  readonly name: Identifier;
}

export interface ImportDeclaration extends Declaration {
  readonly kind: "import";
  /** Items by name, or everything under one name. */
  readonly items: readonly ImportItem[];
  readonly wildcard: Identifier | undefined;
  readonly path: StringLiteral | Skipped;
}

export interface ExtensionDeclaration extends Declaration {
  readonly kind: "extension";
  readonly specification: Identifier | StringLiteral | Skipped;
  readonly config: Expression | undefined;
  readonly alias: Identifier | undefined;
}

/** Decorators that nothing follows. */
export interface MissingDeclaration extends Span {
  readonly kind: "missing";
  readonly decorators: readonly Decorator[];
}

export interface UsingDeclaration extends Declaration {
  readonly kind: "using";
  /** Undefined for `using none`. */
  readonly path: StringLiteral | Skipped | undefined;
  readonly config: Expression | undefined;
}

export interface ExtendsDeclaration extends Declaration {
  readonly kind: "extends";
  readonly path: StringLiteral | Skipped;
}

export interface ParameterAssignment extends Declaration {
  readonly kind: "param-assignment";
  readonly name: Identifier;
  readonly value: Expression;
}

export interface ExtensionConfigAssignment extends Declaration {
  readonly kind: "extension-config";
  readonly name: Identifier;
  readonly value: Expression;
}

export type Statement =
  | TargetScope
  | MetadataDeclaration
  | ParameterDeclaration
  | TypeDeclaration
  | VariableDeclaration
  | FunctionDeclaration
  | ResourceDeclaration
  | ModuleDeclaration
  | OutputDeclaration
  | TestDeclaration
  | AssertDeclaration
  | ImportDeclaration
  | ExtensionDeclaration
  | MissingDeclaration
  | UsingDeclaration
  | ExtendsDeclaration
  | ParameterAssignment
  | ExtensionConfigAssignment;

export interface Program extends Span {
  readonly kind: "program";
  readonly statements: readonly (Statement | Skipped)[];
}

export type Node =
  | Program
  | Statement
  | Expression
  | TypeSyntax
  | Identifier
  | ObjectProperty
  | Spread
  | TypedLambda
  | LocalVariable
  | TypeProperty
  | TupleItem
  | Decorator
  | ImportItem;

/**
 * The binary bodies of the .NET SDK's transactional batch and bulk, in both directions: operations as rows in, results
 * as rows out. Apart from `batch-body.ts`, which reads the JSON form that the other SDKs send. The directions of the
 * client are here too, so that tests speak the same schemas.
 */
import { type Row, readRow, type Schema, type Value, writeRow } from "./hybrid-row.ts";
import { MalformedBody } from "./malformed-body.ts";
import { HYBRID_ROW_VERSION, readRecords, writeRecords } from "./record-io.ts";

/** The numbers of the operation types that a batch may have. */
const OPERATION_TYPES = { Create: 0, Patch: 1, Read: 2, Delete: 4, Replace: 5, Upsert: 20 } as const;

export type BatchOperationType = keyof typeof OPERATION_TYPES;

export interface BatchOperation {
  readonly operationType: BatchOperationType;
  readonly id?: string;
  /** A JSON array as text, like the header. */
  readonly partitionKey?: string;
  /** JSON in UTF-8: the item or, for a patch, its operations. */
  readonly resourceBody?: Uint8Array;
  readonly ifMatch?: string;
  readonly ifNoneMatch?: string;
  readonly minimalReturn?: boolean;
  readonly indexingDirective?: string;
  readonly timeToLiveInSeconds?: number;
  readonly effectivePartitionKey?: Uint8Array;
  readonly binaryId?: Uint8Array;
}

export interface BatchResult {
  readonly statusCode: number;
  readonly subStatusCode?: number;
  readonly eTag?: string;
  /** JSON in UTF-8. */
  readonly resourceBody?: Uint8Array;
  /** Request units. */
  readonly requestCharge: number;
  readonly retryAfterMilliseconds?: number;
}

/** Number of the resource type "document". */
const DOCUMENT = 2;

const operationSchema: Schema = {
  id: 2145473648,
  fields: [
    { path: "operationType", storage: "fixed", type: "int32" },
    { path: "resourceType", storage: "fixed", type: "int32" },
    { path: "partitionKey", storage: "variable", type: "utf8" },
    { path: "effectivePartitionKey", storage: "variable", type: "binary" },
    { path: "id", storage: "variable", type: "utf8" },
    { path: "binaryId", storage: "variable", type: "binary" },
    { path: "resourceBody", storage: "variable", type: "binary" },
    { path: "indexingDirective", storage: "sparse", type: "utf8" },
    { path: "ifMatch", storage: "sparse", type: "utf8" },
    { path: "ifNoneMatch", storage: "sparse", type: "utf8" },
    { path: "timeToLiveInSeconds", storage: "sparse", type: "int32" },
    { path: "minimalReturnPreference", storage: "sparse", type: "bool" },
  ],
};

const resultSchema: Schema = {
  id: 2145473649,
  fields: [
    { path: "statusCode", storage: "fixed", type: "int32" },
    { path: "subStatusCode", storage: "fixed", type: "int32" },
    { path: "eTag", storage: "variable", type: "utf8" },
    { path: "resourceBody", storage: "variable", type: "binary" },
    { path: "retryAfterMilliseconds", storage: "sparse", type: "uint32" },
    { path: "requestCharge", storage: "sparse", type: "float64" },
  ],
};

/** Fields whose row and object have the same name and value. */
const SAME_IN_OPERATION = [
  "id",
  "partitionKey",
  "resourceBody",
  "ifMatch",
  "ifNoneMatch",
  "indexingDirective",
  "timeToLiveInSeconds",
  "effectivePartitionKey",
  "binaryId",
] as const;
const SAME_IN_RESULT = [
  "eTag",
  "resourceBody",
  "requestCharge",
  "retryAfterMilliseconds",
  "subStatusCode",
] as const;

/** Whether a batch body is in this form; JSON never begins so. */
export function isBatchOfRows(body: Uint8Array): boolean {
  return body[0] === HYBRID_ROW_VERSION;
}

/** The operations of a request. Throws `MalformedBody`. */
export function decodeBatchRequest(body: Uint8Array): BatchOperation[] {
  return readRecords(body).map((record) => {
    const row = readRow(operationSchema, record);
    const number = row.get("operationType");
    const type = Object.entries(OPERATION_TYPES).find(([, one]) => one === number)?.[0];
    if (type === undefined) throw new MalformedBody(`a batch cannot have an operation of type ${number}`);
    const resource = row.get("resourceType");
    if (resource !== DOCUMENT)
      throw new MalformedBody(`a batch cannot be about resources of type ${resource}`);
    return {
      operationType: type,
      ...pick(row, SAME_IN_OPERATION),
      ...(row.get("minimalReturnPreference") === true ? { minimalReturn: true } : {}),
    } as BatchOperation;
  });
}

/** The body of a response. */
export function encodeBatchResponse(results: readonly BatchResult[]): Uint8Array {
  return writeRecords(
    results.map((result) => {
      const row = new Map<string, Value>([
        ["statusCode", result.statusCode],
        ["subStatusCode", 0],
      ]);
      copy(result, SAME_IN_RESULT, row);
      return writeRow(resultSchema, row);
    }),
  );
}

/** The body of a request, as a client makes it. */
export function encodeBatchRequest(operations: readonly BatchOperation[]): Uint8Array {
  return writeRecords(
    operations.map((operation) => {
      const row = new Map<string, Value>([
        ["operationType", OPERATION_TYPES[operation.operationType]],
        ["resourceType", DOCUMENT],
      ]);
      copy(operation, SAME_IN_OPERATION, row);
      if (operation.minimalReturn === true) row.set("minimalReturnPreference", true);
      return writeRow(operationSchema, row);
    }),
  );
}

/** The results of a response, as a client reads them. Throws `MalformedBody`. */
export function decodeBatchResponse(body: Uint8Array): BatchResult[] {
  return readRecords(body).map((record) => {
    const row = readRow(resultSchema, record);
    const statusCode = row.get("statusCode");
    if (typeof statusCode !== "number") throw new MalformedBody("a result has no status");
    return { statusCode, requestCharge: 0, ...pick(row, SAME_IN_RESULT) };
  });
}

function pick(row: Row, paths: readonly string[]): Readonly<Record<string, Value>> {
  return Object.fromEntries(
    paths.flatMap((path) => {
      const value = row.get(path);
      return value === undefined ? [] : [[path, value] as const];
    }),
  );
}

function copy<K extends string>(
  from: { readonly [P in K]?: Value | undefined },
  paths: readonly K[],
  row: Map<string, Value>,
): void {
  for (const path of paths) {
    const value = from[path];
    if (value !== undefined) row.set(path, value);
  }
}

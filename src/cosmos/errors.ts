/**
 * The closed set of data-plane errors and the one place that renders them. `message` is public text; status,
 * substatus and code are what SDK retry policies branch on.
 */
import type { Diagnosis } from "../authz/diagnosis.ts";
import type { Reply } from "../http/service.ts";

/** Appended to every message as the service does; SDKs and tools show it. */
const sdkSuffix = "Microsoft.Azure.Documents.Common/2.14.0";

export class CosmosError extends Error {
  override readonly name = "CosmosError";
  readonly status: number;
  readonly substatus: number;
  /** The `code` of the body: the status name without spaces. */
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Further members of the body, e.g. `additionalErrorInfo`. */
  readonly extra: Readonly<Record<string, unknown>>;
  /** What is known beyond the public text; for diagnostics, never sent. */
  readonly diagnosis: Diagnosis | undefined;

  constructor(
    status: number,
    code: string,
    message: string,
    options: {
      readonly substatus?: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly extra?: Readonly<Record<string, unknown>>;
      readonly diagnosis?: Diagnosis;
    } = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.substatus = options.substatus ?? 0;
    this.headers = options.headers ?? {};
    this.extra = options.extra ?? {};
    this.diagnosis = options.diagnosis;
  }
}

/** A message in the form of the storage back end: a JSON list of texts behind `Message: `. */
function listed(text: string): string {
  return `Message: ${JSON.stringify({ Errors: [text] })}`;
}

/** What the service says of a body or a policy of the wrong shape. */
export function invalidInput(): CosmosError {
  return badRequest("One of the specified inputs is invalid");
}

export function badRequest(message: string, substatus = 0): CosmosError {
  return new CosmosError(400, "BadRequest", listed(message), { substatus });
}

/** A partition key with more or fewer values than the container's key has paths. */
export function partitionKeyMismatch(): CosmosError {
  return badRequest(
    "Partition key provided either doesn't correspond to definition in the collection or doesn't match partition key field values specified in the document.",
    1001,
  );
}

/** A request for one partition key that names none, or only its first values. */
export function fewerComponents(): CosmosError {
  return badRequest(
    "The partition key supplied in x-ms-partitionkey header has fewer components than defined in the the collection.",
    1001,
  );
}

/** A container's unique keys are those it was created with; leaving them out of its replacement is a change as well. */
export function uniqueKeysFixed(): CosmosError {
  const text =
    "The unique index cannot be modified. To change the unique index, remove the collection and re-create a new one.";
  return forbidden(listed(text));
}

/** A name or item id that is too long; `end` is the first length that is. The name is shown as far as it could be one. */
export function invalidName(name: string, end: number): CosmosError {
  return badRequest(
    `The input name '${name.slice(0, 2048)}' is invalid. Ensure to provide a unique non-empty string less than '${end}' characters.`,
  );
}

/** A query error: `message` is already in its final form. */
export function badQuery(message: string, substatus = 0): CosmosError {
  return new CosmosError(400, "BadRequest", message, { substatus });
}

export function unauthorized(message: string, substatus = 0, diagnosis?: Diagnosis): CosmosError {
  return new CosmosError(401, "Unauthorized", message, {
    substatus,
    ...(diagnosis === undefined ? {} : { diagnosis }),
  });
}

export function forbidden(message: string, substatus = 0, diagnosis?: Diagnosis): CosmosError {
  return new CosmosError(403, "Forbidden", message, {
    substatus,
    ...(diagnosis === undefined ? {} : { diagnosis }),
  });
}

/** The resource itself is absent. */
export function notFound(): CosmosError {
  return new CosmosError(
    404,
    "NotFound",
    listed("Resource Not Found. Learn more: https://aka.ms/cosmosdb-tsg-not-found"),
  );
}

/** The database or container that should own the resource is absent. */
export function ownerNotFound(): CosmosError {
  return new CosmosError(404, "NotFound", listed("Owner resource does not exist"), { substatus: 1003 });
}

/** The caller's session token is ahead of what this replica has. */
export function sessionNotAvailable(): CosmosError {
  return new CosmosError(
    404,
    "NotFound",
    listed("The read session is not available for the input session token."),
    {
      substatus: 1002,
    },
  );
}

export function conflict(
  message = "Entity with the specified id already exists in the system.",
  substatus = 0,
): CosmosError {
  return new CosmosError(409, "Conflict", listed(message), { substatus });
}

/** The range that the client addresses was split: it must ask for the ranges again. */
export function rangeGone(): CosmosError {
  return new CosmosError(
    410,
    "Gone",
    listed("The requested resource is no longer available at the server."),
    {
      substatus: 1002,
    },
  );
}

export function preconditionFailed(substatus = 0): CosmosError {
  return new CosmosError(
    412,
    "PreconditionFailed",
    listed("Operation cannot be performed because one of the specified precondition is not met."),
    { substatus },
  );
}

export function tooLarge(): CosmosError {
  return new CosmosError(413, "RequestEntityTooLarge", listed("Request size is too large"));
}

/** What a batch reads and writes together must fit into one response. */
export function responseTooLarge(): CosmosError {
  return new CosmosError(413, "RequestEntityTooLarge", listed("Response size is too large"), {
    substatus: 3402,
  });
}

export function methodNotAllowed(method: string): CosmosError {
  return new CosmosError(
    405,
    "MethodNotAllowed",
    `The requested verb ${method} is not supported on this resource.`,
  );
}

/** The provisioned throughput is used up; clients wait as long as they are told and try again. */
export function tooManyRequests(waitMilliseconds: number): CosmosError {
  return new CosmosError(
    429,
    "TooManyRequests",
    listed(
      "Request rate is large. More Request Units may be needed, so no changes were made. Please retry this request later. Learn more: http://aka.ms/cosmosdb-error-429",
    ),
    { substatus: 3200, headers: { "x-ms-retry-after-ms": String(waitMilliseconds) } },
  );
}

export function serviceUnavailable(message: string): CosmosError {
  return new CosmosError(503, "ServiceUnavailable", message);
}

/** An operation of the service that this server does not have (yet); it says so instead of pretending. */
export function notImplemented(operation: string): CosmosError {
  return new CosmosError(
    501,
    "NotImplemented",
    `The operation '${operation}' is not implemented by this server.`,
  );
}

/** Renders an error in the service's form; every message ends with the activity id. */
export function renderError(error: CosmosError, activityId: string): Reply {
  const message = `${error.message}\r\nActivityId: ${activityId}, ${sdkSuffix}`;
  return {
    status: error.status,
    headers: {
      "content-type": "application/json",
      "x-ms-substatus": String(error.substatus),
      ...error.headers,
    },
    body: JSON.stringify({ code: error.code, message, ...error.extra }),
  };
}

/**
 * The operations that all child resources share (create, upsert, read, replace, delete, list, query), made from the
 * description of a family. What is particular to a family - where it lives, what a valid resource is - stays in the
 * family's own file.
 */
import {
  type ChildPlace,
  type ChildRecord,
  type ChildWrite,
  deleteChild,
  findChild,
  listChildren,
  putChild,
  renderChild,
} from "../engine/child-resources.ts";
import { metadataCharge } from "../engine/request-charge.ts";
import { badRequest, notFound } from "../errors.ts";
import { ifMatch } from "../wire/headers.ts";
import { feed } from "./feed.ts";
import {
  changeMetadata,
  type JsonObject,
  jsonBody,
  leafId,
  type Operation,
  type OperationContext,
  type OperationResult,
} from "./operation.ts";
import { listQuery } from "./query-items.ts";

export interface ChildFamily {
  /** Name of the array in feeds. */
  readonly feedName: string;
  /** Finds the owner; 404/1003 without one. */
  readonly place: (context: OperationContext) => Promise<ChildPlace>;
  /** Checks what a client sent and returns the properties to keep; 400 for what is not allowed. */
  readonly properties: (context: OperationContext, resource: JsonObject) => Promise<JsonObject> | JsonObject;
  /** Rules between a new or changed resource and its siblings. */
  readonly checkSiblings?: (properties: JsonObject, siblings: readonly ChildRecord[]) => void;
  /** Id or rid in the address; of the last segment unless the family says otherwise. */
  readonly idOf?: (context: OperationContext) => string;
  /** What clients see; the stored properties and the system's unless the family says otherwise. */
  readonly render?: (context: OperationContext, place: ChildPlace, record: ChildRecord) => JsonObject;
  /** Runs before a resource is deleted, in the same transaction. */
  readonly beforeDelete?: (
    context: OperationContext,
    record: ChildRecord,
    transaction: Parameters<typeof deleteChild>[0],
  ) => Promise<void>;
}

export interface ChildOperations {
  readonly create: Operation;
  readonly upsert: Operation;
  readonly read: Operation;
  readonly replace: Operation;
  readonly remove: Operation;
  readonly list: Operation;
  readonly query: Operation;
}

export function childOperations(family: ChildFamily): ChildOperations {
  const idOf = family.idOf ?? leafId;
  const shown = (context: OperationContext, place: ChildPlace, record: ChildRecord): JsonObject =>
    family.render?.(context, place, record) ?? renderChild(place, record);
  const all = async (context: OperationContext): Promise<{ rid: string; resources: JsonObject[] }> => {
    const place = await family.place(context);
    const records = await listChildren(context.engine.store, place);
    return { rid: place.ownerRid, resources: records.map((record) => shown(context, place, record)) };
  };
  const write =
    (mode: ChildWrite["mode"]): Operation =>
    (context) =>
      writeChild(family, context, mode, shown);
  return {
    create: write("create"),
    upsert: write("upsert"),
    replace: write("replace"),
    async read(context) {
      const place = await family.place(context);
      const record = await findChild(context.engine.store, place, idOf(context));
      if (record === undefined) throw notFound();
      const common = { etag: record.etag, charge: metadataCharge };
      if (context.headers["if-none-match"] === record.etag) return { status: 304, ...common };
      return { status: 200, body: shown(context, place, record), ...common };
    },
    async remove(context) {
      const place = await family.place(context);
      await changeMetadata(context, async (transaction) => {
        const match = ifMatch(context.headers).ifMatch;
        const record = await deleteChild(transaction, place, idOf(context), match);
        await family.beforeDelete?.(context, record, transaction);
      });
      return { status: 204, charge: metadataCharge };
    },
    async list(context) {
      const { rid, resources } = await all(context);
      return feed(context, family.feedName, rid, resources);
    },
    async query(context) {
      const { rid, resources } = await all(context);
      return listQuery(context, family.feedName, rid, resources);
    },
  };
}

async function writeChild(
  family: ChildFamily,
  context: OperationContext,
  mode: ChildWrite["mode"],
  shown: (context: OperationContext, place: ChildPlace, record: ChildRecord) => JsonObject,
): Promise<OperationResult> {
  const resource = jsonBody(context);
  const place = await family.place(context);
  const properties = await family.properties(context, resource);
  const { record, created } = await changeMetadata(context, (transaction) =>
    putChild(context.engine, transaction, place, {
      mode,
      id: resource["id"],
      properties,
      ...(mode === "create" ? {} : ifMatch(context.headers)),
      ...(mode === "replace" ? { target: (family.idOf ?? leafId)(context) } : {}),
      check: (siblings) => family.checkSiblings?.(properties, siblings),
    }),
  );
  return {
    status: created ? 201 : 200,
    body: shown(context, place, record),
    etag: record.etag,
    charge: metadataCharge,
  };
}

/** A resource's own properties: all but the id and what the system sets. */
export function ownProperties(resource: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(resource).filter(
      ([name, value]) => name !== "id" && !name.startsWith("_") && value !== null,
    ),
  );
}

/** A mandatory string of a resource; 400 in the service's words without it. */
export function requiredText(resource: JsonObject, name: string): string {
  const value = resource[name];
  if (typeof value !== "string" || value === "") {
    throw badRequest(
      `The input content is invalid because the required properties - '${name}; ' - are missing`,
    );
  }
  return value;
}

/** The allowed value that equals a mandatory text but for case; 400 when there is none. */
export function oneOf(resource: JsonObject, name: string, allowed: readonly string[]): string {
  const text = requiredText(resource, name);
  const found = allowed.find((candidate) => candidate.toLowerCase() === text.toLowerCase());
  if (found === undefined) {
    throw badRequest(
      `The value '${text.slice(0, 40)}' specified for the property '${name}' is invalid. Allowed values: ${allowed.join(", ")}.`,
    );
  }
  return found;
}

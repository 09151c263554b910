/** Containers: create, read, list, replace and delete, and their physical ranges. */
import { putContainer, deleteContainer as removeContainer } from "../engine/containers.ts";
import { renderContainer } from "../engine/records.ts";
import { metadataCharge } from "../engine/request-charge.ts";
import { childRid } from "../engine/resource-ids.ts";
import { badRequest, notFound } from "../errors.ts";
import { ifMatch } from "../wire/headers.ts";
import { feed } from "./feed.ts";
import { throughputOf } from "./offers.ts";
import { changeMetadata, jsonBody, type Operation, requireContainer, requireDatabase } from "./operation.ts";

export const createContainer: Operation = async (context) => {
  const { name } = context.account.record.account;
  const database = requireDatabase(context).record.id;
  const resource = jsonBody(context);
  const { record } = await changeMetadata(context, (transaction) =>
    putContainer(context.engine, transaction, name, database, resource, {
      mustBeNew: true,
      ...throughputOf(context),
    }),
  );
  return { status: 201, body: renderContainer(record), etag: record.etag, charge: metadataCharge };
};

export const readContainer: Operation = async (context) => {
  if (context.container === undefined) throw notFound();
  const record = context.container;
  const headers = {
    "x-ms-documentdb-collection-index-transformation-progress": "100",
    "x-ms-resource-quota":
      "documentSize=10240;documentsSize=10485760;documentsCount=-1;collectionSize=10485760;",
    "x-ms-resource-usage": "documentSize=0;documentsSize=0;documentsCount=0;collectionSize=0;",
  };
  return { status: 200, body: renderContainer(record), etag: record.etag, charge: metadataCharge, headers };
};

export const listContainers: Operation = async (context) => {
  const database = requireDatabase(context);
  return feed(
    context,
    "DocumentCollections",
    database.record.rid,
    [...database.containers.values()].map(renderContainer),
  );
};

export const replaceContainer: Operation = async (context) => {
  if (context.container === undefined) throw notFound();
  const { id, database } = context.container;
  const { name } = context.account.record.account;
  const resource = jsonBody(context);
  if (resource["id"] !== id) throw badRequest("The id of a container cannot be changed.");
  const { record } = await changeMetadata(context, (transaction) =>
    putContainer(context.engine, transaction, name, database, resource, {
      mustBeNew: false,
      ...ifMatch(context.headers),
    }),
  );
  return { status: 200, body: renderContainer(record), etag: record.etag, charge: metadataCharge };
};

export const deleteContainer: Operation = async (context) => {
  if (context.container === undefined) throw notFound();
  const { id, database } = context.container;
  const { name } = context.account.record.account;
  const removed = await changeMetadata(context, (transaction) =>
    removeContainer(context.engine, transaction, name, database, id),
  );
  if (!removed) throw notFound();
  return { status: 204, charge: metadataCharge };
};

/** The physical ranges; as a change feed (`A-IM`) it answers 304 to the etag it gave out, which ends clients' loops. */
export const listPartitionKeyRanges: Operation = async (context) => {
  const container = requireContainer(context);
  const incremental = context.headers["a-im"] !== undefined;
  if (incremental && context.headers["if-none-match"] === container.etag) {
    return { status: 304, etag: container.etag, charge: metadataCharge };
  }
  const ranges = container.ranges.map((range, at) => {
    const rid = childRid(container.rid, "pkRange", at + 1);
    return {
      _rid: rid,
      id: range.id,
      _etag: container.etag,
      minInclusive: range.min,
      maxExclusive: range.max,
      ridPrefix: at,
      _self: `dbs/${container.databaseRid}/colls/${container.rid}/pkranges/${rid}/`,
      throughputFraction: 1 / container.ranges.length,
      status: "online",
      parents: range.parents,
      _ts: container.ts,
    };
  });
  const result = feed(context, "PartitionKeyRanges", container.rid, ranges);
  return { ...result, etag: container.etag };
};

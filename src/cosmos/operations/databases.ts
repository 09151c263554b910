/** Databases: create, read, list and delete. */

import { putDatabase, deleteDatabase as removeDatabase } from "../engine/containers.ts";
import { renderDatabase } from "../engine/records.ts";
import { metadataCharge } from "../engine/request-charge.ts";
import { notFound } from "../errors.ts";
import { feed } from "./feed.ts";
import { throughputOf } from "./offers.ts";
import { changeMetadata, jsonBody, type Operation } from "./operation.ts";

export const createDatabase: Operation = async (context) => {
  const { name } = context.account.record.account;
  const resource = jsonBody(context);
  const { record } = await changeMetadata(context, (transaction) =>
    putDatabase(context.engine, transaction, name, resource, { mustBeNew: true, ...throughputOf(context) }),
  );
  return { status: 201, body: renderDatabase(record), etag: record.etag, charge: metadataCharge };
};

export const readDatabase: Operation = async (context) => {
  if (context.database === undefined) throw notFound();
  const { record } = context.database;
  return { status: 200, body: renderDatabase(record), etag: record.etag, charge: metadataCharge };
};

export const listDatabases: Operation = async (context) =>
  feed(
    context,
    "Databases",
    "",
    [...context.account.databases.values()].map((database) => renderDatabase(database.record)),
  );

export const deleteDatabase: Operation = async (context) => {
  const database = context.database?.record.id;
  if (database === undefined) throw notFound();
  const { name } = context.account.record.account;
  const removed = await changeMetadata(context, (transaction) =>
    removeDatabase(context.engine, transaction, name, database),
  );
  if (!removed) throw notFound();
  return { status: 204, charge: metadataCharge };
};

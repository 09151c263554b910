/**
 * The data plane's gateway owns the phases of every request: address, credential, decision, handler, rendering and
 * the diagnostic record. An operation cannot skip one, because it is only ever called from here.
 */
import type { Clock, Entropy } from "../clock.ts";
import { uuid } from "../clock.ts";
import type { Reply, Request, Service } from "../http/service.ts";
import type { DiagnosticRecord } from "../observability/diagnostic-records.ts";
import { type Reader, StoreUnavailable } from "../storage/port.ts";
import { auditHeader, auditLetsPass, diagnosticRecord, type Progress } from "./diagnostics.ts";
import type { AccountView, DatabaseView } from "./engine/catalog.ts";
import { idOf, readItemNumber } from "./engine/documents.ts";
import type { Engine } from "./engine/engine.ts";
import type { Partition } from "./engine/partitions.ts";
import type { ContainerRecord } from "./engine/records.ts";
import { itemNumber } from "./engine/resource-ids.ts";
import { sessionToken } from "./engine/sessions.ts";
import {
  CosmosError,
  methodNotAllowed,
  notImplemented,
  renderError,
  serviceUnavailable,
  tooLarge,
} from "./errors.ts";
import type { OperationContext, OperationResult } from "./operations/operation.ts";
import { checkDemands } from "./operations/request-demands.ts";
import { chargeOfFailure, withinThroughput } from "./operations/throughput-limit.ts";
import { type Address, parseAddress } from "./wire/address.ts";
import { type Access, type AccessParts, type AccessRequest, decideAccess } from "./wire/authorize.ts";
import { renderDenial } from "./wire/authorize-denials.ts";
import { tokenMinter } from "./wire/authorize-resource-token.ts";
import { type BatchPart, parseBatch } from "./wire/batch-body.ts";
import { serviceVersions } from "./wire/headers.ts";
import { findOperation, type OperationRow } from "./wire/operations.ts";

export interface GatewayParts extends AccessParts {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly record: (entry: DiagnosticRecord) => void;
}

/** The service behind the endpoint of one account. */
export function accountService(shared: Omit<GatewayParts, "latest">, account: string): Service {
  const parts: GatewayParts = { ...shared, latest: new Map() };
  return async (request) => {
    const started = parts.clock.now();
    const activityId = activityIdOf(request, parts.entropy);
    const progress: Progress = {};
    let result: OperationResult | undefined;
    let reply: Reply;
    let failure: CosmosError | undefined;
    try {
      result = await perform(parts, account, request, progress);
      reply = render(result, activityId, progress);
    } catch (error) {
      failure = asCosmosError(error);
      const rendered = renderError(failure, activityId);
      const audit = progress.audited === undefined ? {} : auditHeader(progress.audited);
      const charge = progress.container === undefined ? 0 : chargeOfFailure(progress.row, failure);
      reply = {
        ...rendered,
        headers: { ...commonHeaders(activityId, charge), ...rendered.headers, ...audit },
      };
    }
    const ended = parts.clock.now();
    const outcome = { request, progress, started, ended, activityId, account, reply, failure, result };
    parts.record(diagnosticRecord(outcome));
    return reply;
  };
}

/** A store that cannot write (a full disk) is the server's state, which clients retry; anything else is a fault. */
function asCosmosError(error: unknown): CosmosError {
  if (error instanceof CosmosError) return error;
  if (error instanceof StoreUnavailable) return serviceUnavailable(error.message);
  throw error;
}

async function perform(
  parts: GatewayParts,
  account: string,
  request: Request,
  progress: Progress,
): Promise<OperationResult> {
  if (request.bodyTooLarge === true) throw tooLarge();
  let address = parseAddress(request.target);
  progress.address = address;
  const view = parts.engine.catalog.find(account);
  if (view === undefined) throw accountGone(account);
  progress.account = view;
  const row = findOperation(request.method, address, request.headers);
  if (row === undefined) throw methodNotAllowed(request.method);
  progress.row = row;
  const resources = resolve(view, address);
  progress.database = resources.database;
  progress.container = resources.container;
  if (resources.container !== undefined && address.container !== resources.container.id) {
    address = await namedItem(parts.engine.store, resources.container, address);
    progress.address = address;
  }
  const accessRequest = accessRequestOf(view, row, address, request, resources);
  const access = await decideAccess(parts, accessRequest);
  progress.access = access;
  if (!access.decision.allowed) {
    const denial = renderDenial(accessRequest, access);
    if (!auditLetsPass(view, access)) throw denial;
    progress.audited = denial;
  }
  if (row.handler === undefined) throw notImplemented(row.name);
  const context: OperationContext = {
    engine: parts.engine,
    account: view,
    database: resources.database,
    container: resources.container,
    address,
    headers: request.headers,
    body: request.body,
    origin: request.origin,
    batch: accessRequest.batch,
    mintToken: minting(parts, view, resources, access),
  };
  checkDemands(context);
  return view.record.account.enforcesThroughput === true
    ? withinThroughput(context, row, row.handler)
    : row.handler(context);
}

/** Only a key may read permissions, and their tokens are made with that key. */
function minting(
  { clock }: GatewayParts,
  account: AccountView,
  { database }: Resources,
  { decision: { credential } }: Access,
): OperationContext["mintToken"] {
  if (credential.kind !== "accountKey" || database === undefined) return undefined;
  const { key } = credential;
  return (grant, seconds) => tokenMinter({ clock, account, database, key })(grant, seconds);
}

interface Resources {
  readonly database: DatabaseView | undefined;
  readonly container: ContainerRecord | undefined;
}

const nothingFound: Resources = { database: undefined, container: undefined };

/** Finds database and container by name, else by rid; decision and handler both use what is found here. */
function resolve(view: AccountView, address: Address): Resources {
  if (address.database === undefined) return nothingFound;
  const database =
    view.databases.get(address.database) ??
    [...view.databases.values()].find((candidate) => candidate.record.rid === address.database);
  if (database === undefined) return nothingFound;
  if (address.container === undefined) return { database, container: undefined };
  const container =
    database.containers.get(address.container) ??
    [...database.containers.values()].find((candidate) => candidate.rid === address.container);
  return { database, container };
}

/**
 * The address with the id of the item that its rid stands for: rights are given by id. A rid that no item has keeps its
 * number, so that no item of that name is found in its place.
 */
async function namedItem(store: Reader, container: ContainerRecord, address: Address): Promise<Address> {
  if (address.kind !== "item" || address.id === undefined) return address;
  const number = itemNumber(container.rid, address.id);
  if (number === undefined) return address;
  const item = await readItemNumber(store, container, number);
  return { ...address, itemNumber: number, id: item === undefined ? address.id : idOf(item) };
}

function accessRequestOf(
  account: AccountView,
  row: OperationRow,
  address: Address,
  request: Request,
  resources: Resources,
): AccessRequest {
  const database = resources.database?.record.id ?? address.database;
  const container = resources.container?.id ?? address.container;
  let parts: readonly BatchPart[] | undefined;
  return {
    batch() {
      parts ??= parseBatch(request.body);
      return parts;
    },
    account,
    row,
    address,
    headers: request.headers,
    method: request.method,
    target: request.target,
    remoteAddress: request.remoteAddress,
    byRid: database !== address.database || container !== address.container,
    database,
    container,
    containerRid: resources.container?.rid,
  };
}

function accountGone(account: string): CosmosError {
  return new CosmosError(403, "Forbidden", `Database Account ${account} does not exist`, {
    substatus: 1008,
    extra: { writableLocations: [], readableLocations: [] },
  });
}

function render(result: OperationResult, activityId: string, progress: Progress): Reply {
  // One object, filled in place: copying headers from spread to spread was the largest single cost of a point read.
  const headers = commonHeaders(activityId, result.charge);
  if (result.headers !== undefined) Object.assign(headers, result.headers);
  if (result.etag !== undefined) headers["etag"] = result.etag;
  if (result.partition !== undefined) addPartitionHeaders(headers, result, result.partition);
  if (result.sessionToken !== undefined) headers["x-ms-session-token"] = result.sessionToken;
  if (progress.audited !== undefined) Object.assign(headers, auditHeader(progress.audited));
  addOwnerHeaders(headers, progress);
  if (result.body === undefined) return { status: result.status, headers };
  headers["content-type"] = "application/json";
  const isFinal = typeof result.body === "string" || result.body instanceof Uint8Array;
  return { status: result.status, headers, body: isFinal ? result.body : JSON.stringify(result.body) };
}

type MutableHeaders = Record<string, string>;

/** Path and rid of what owns the addressed resource: the container of items, the database of containers. */
function addOwnerHeaders(headers: MutableHeaders, { row, database, container }: Progress): void {
  if (row === undefined || database === undefined) {
    if (row?.address === "account") headers["x-ms-number-of-read-regions"] = "0";
    return;
  }
  if (row.address === "database") return;
  const isInside = container !== undefined && row.address !== "container";
  const path = isInside ? `dbs/${container.database}/colls/${container.id}` : `dbs/${database.record.id}`;
  headers["x-ms-alt-content-path"] = plainPath.test(path) ? path : encodeURI(path);
  headers["x-ms-content-path"] = isInside ? container.rid : database.record.rid;
}

/** A path that needs no encoding to stand in a header. */
const plainPath = /^[\w./-]*$/;

function addPartitionHeaders(headers: MutableHeaders, result: OperationResult, partition: Partition): void {
  const committed = Math.max(partition.committedLsn, result.lsn ?? 0);
  const lsn = String(committed);
  headers["x-ms-session-token"] = sessionToken(partition, committed);
  headers["x-ms-documentdb-partitionkeyrangeid"] = partition.range.id;
  headers["lsn"] = lsn;
  headers["x-ms-cosmos-llsn"] = lsn;
  headers["x-ms-global-committed-lsn"] = lsn;
  if (result.itemLsn === undefined) return;
  const own = String(result.itemLsn);
  headers["x-ms-item-lsn"] = own;
  headers["x-ms-cosmos-item-llsn"] = own;
}

function commonHeaders(activityId: string, charge: number): MutableHeaders {
  return {
    "x-ms-gatewayversion": serviceVersions.gateway,
    "x-ms-serviceversion": serviceVersions.service,
    "x-ms-schemaversion": serviceVersions.schema,
    "x-ms-request-charge": String(charge),
    "x-ms-activity-id": activityId,
  };
}

/** The caller's activity id when it is a GUID, else a new one. */
function activityIdOf(request: Request, entropy: Entropy): string {
  const given = request.headers["x-ms-activity-id"];
  if (given !== undefined && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(given)) return given;
  return uuid(entropy);
}

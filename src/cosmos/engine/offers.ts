/**
 * Offers: the provisioned throughput of a database or container. They come and go with what they are for; serverless
 * accounts have none. A container's throughput also decides how many physical ranges it has.
 */
import type { Bytes, Reader, Transaction } from "../../storage/port.ts";
import type { CosmosResource } from "../control.ts";
import { badRequest, notFound, preconditionFailed } from "../errors.ts";
import { type EngineParts, requireAccount } from "./accounts.ts";
import { readAll } from "./catalog.ts";
import {
  type ContentKind,
  contentKey,
  contentRange,
  decodeRecord,
  encodeRecord,
  metadataEtag,
  seconds,
} from "./records.ts";

/** RU/s: a fixed number, or the maximum of autoscale. */
export interface Throughput {
  readonly kind: "manual" | "autoscale";
  readonly value: number;
  /** Of autoscale: by how many per cent the service may raise the maximum by itself. Kept and returned only. */
  readonly incrementPercent?: number;
}

export interface OfferRecord {
  /** Also the `_rid`, as in the service. */
  readonly id: string;
  /** `_self` and `_rid` of what it is for. */
  readonly resource: string;
  readonly offerResourceId: string;
  readonly throughput: Throughput;
  /** The most it ever was, in RU/s: a hundredth of it stays the least. Absent when that is what it is now. */
  readonly highest?: number;
  readonly etag: string;
  readonly ts: number;
}

const kind: ContentKind = "offer";
const throughputMin = 400;
const throughputMax = 1_000_000;
const manualStep = 100;
const autoscaleStep = 1000;
/** Autoscale starts from a tenth of its maximum. */
const autoscaleFloor = 10;
/** The service gives a container one physical range per started 10 000 RU/s. */
const throughputPerRange = 10_000;

/** Checks a number of RU/s; 400 in the service's words. `floor` is the least that the resource may have by now. */
export function checkedThroughput(kindOf: Throughput["kind"], value: number, floor = 0): Throughput {
  const [least, step] = kindOf === "manual" ? [throughputMin, manualStep] : [autoscaleStep, autoscaleStep];
  const min = Math.max(least, floor);
  if (kindOf === "autoscale" && Number.isInteger(value) && value < min)
    throw badRequest(`Requested throughput ${value} is less than required minimum throughput ${min}.`);
  if (!Number.isInteger(value) || value < min || value > throughputMax || value % step !== 0) {
    throw badRequest(
      `The offer should have valid throughput values between ${min} and ${throughputMax} inclusive in increments of ${step}.`,
    );
  }
  return { kind: kindOf, value };
}

/** Autoscale as clients write it in a header or an offer: `{maxThroughput, autoUpgradePolicy?}`; 400 for what it cannot be. */
export function autoscaleThroughput(settings: unknown): Throughput {
  const { maxThroughput, autoUpgradePolicy } = membersOf(settings);
  const checked = checkedThroughput("autoscale", Number(maxThroughput));
  const { incrementPercent } = membersOf(membersOf(autoUpgradePolicy).throughputPolicy);
  if (incrementPercent === undefined || incrementPercent === null) return checked;
  if (!Number.isInteger(incrementPercent) || Number(incrementPercent) < 0)
    throw badRequest(
      "The incrementPercent of an autoUpgradePolicy must be a whole number that is not negative.",
    );
  return { ...checked, incrementPercent: Number(incrementPercent) };
}

function membersOf(value: unknown): {
  readonly maxThroughput?: unknown;
  readonly autoUpgradePolicy?: unknown;
  readonly throughputPolicy?: unknown;
  readonly incrementPercent?: unknown;
} {
  return typeof value === "object" && value !== null ? value : {};
}

/** The least throughput that a resource may be given: a hundredth of the most it ever had (for autoscale, a tenth). */
export function throughputMinOf({ throughput: { kind: how, value }, highest = value }: OfferRecord): number {
  if (how === "manual") return Math.max(throughputMin, Math.ceil(highest / 100 / manualStep) * manualStep);
  return Math.max(autoscaleStep, Math.ceil(highest / autoscaleFloor / autoscaleStep) * autoscaleStep);
}

/** The physical ranges that a throughput needs. */
export function rangesOf(throughput: Throughput): number {
  return Math.ceil(throughput.value / throughputPerRange);
}

/** Creates the offer of a new resource in its transaction; 400 in a serverless account. */
export async function createOffer(
  parts: EngineParts,
  transaction: Transaction,
  account: string,
  resource: { readonly self: string; readonly rid: string },
  throughput: Throughput,
): Promise<void> {
  const owner = await requireAccount(transaction, account);
  if (owner.account.serverless) {
    throw badRequest(
      "Setting offer throughput or autopilot on container is not supported for serverless accounts.",
    );
  }
  const id = await freeId(parts, transaction, account);
  const record: OfferRecord = {
    id,
    resource: resource.self,
    offerResourceId: resource.rid,
    throughput,
    etag: metadataEtag(parts.entropy, parts.clock),
    ts: seconds(parts.clock),
  };
  transaction.put(contentKey(account, kind, id), encodeRecord(record));
  transaction.afterCommit(() => parts.throughput.forget(account));
}

async function freeId(parts: EngineParts, reader: Reader, account: string): Promise<string> {
  for (;;) {
    // Three bytes are four characters of base64; `+` and `/` are kept out because ids stand in URLs.
    const id = Buffer.from(parts.entropy.bytes(3)).toString("base64");
    if (/^[A-Za-z0-9]{4}$/.test(id) && (await reader.get(contentKey(account, kind, id))) === undefined)
      return id;
  }
}

/** Removes the offers of resources that are deleted. */
export async function deleteOffersOf(
  transaction: Transaction,
  account: string,
  rids: ReadonlySet<string>,
): Promise<void> {
  for (const offer of await listOffers(transaction, account)) {
    if (rids.has(offer.offerResourceId)) transaction.delete(contentKey(account, kind, offer.id));
  }
}

export function listOffers(reader: Reader, account: string): Promise<OfferRecord[]> {
  return readAll<OfferRecord>(reader, contentRange(account, kind));
}

export async function readOffer(
  reader: Reader,
  account: string,
  id: string,
): Promise<OfferRecord | undefined> {
  const bytes = await reader.get(offerKey(account, id));
  return bytes === undefined ? undefined : decodeRecord<OfferRecord>(bytes);
}

/** Changes the throughput of an offer; the way it is set (manual or autoscale) follows the body. */
export async function replaceOffer(
  parts: EngineParts,
  transaction: Transaction,
  account: string,
  id: string,
  body: Readonly<Record<string, unknown>>,
  ifMatch: string | undefined,
): Promise<OfferRecord> {
  const old = await readOffer(transaction, account, id);
  if (old === undefined) throw notFound();
  if (ifMatch !== undefined && ifMatch !== "*" && ifMatch !== old.etag) throw preconditionFailed();
  const throughput = throughputOf(body["content"]);
  const floor = throughputMinOf({ ...old, throughput: { ...old.throughput, kind: throughput.kind } });
  const record: OfferRecord = {
    ...old,
    throughput: { ...throughput, ...checkedThroughput(throughput.kind, throughput.value, floor) },
    highest: Math.max(old.highest ?? 0, old.throughput.value, throughput.value),
    etag: metadataEtag(parts.entropy, parts.clock),
    ts: seconds(parts.clock),
  };
  transaction.put(offerKey(account, id), encodeRecord(record));
  transaction.afterCommit(() => parts.throughput.forget(account));
  return record;
}

function throughputOf(content: unknown): Throughput {
  const given = (typeof content === "object" && content !== null ? content : {}) as {
    readonly offerThroughput?: unknown;
    readonly offerAutopilotSettings?: { readonly maxThroughput?: unknown } | null;
  };
  const autoscale = given.offerAutopilotSettings;
  if (autoscale?.maxThroughput !== undefined) return autoscaleThroughput(autoscale);
  return checkedThroughput("manual", Number(given.offerThroughput));
}

export function renderOffer(record: OfferRecord): CosmosResource {
  const { kind: how, value, incrementPercent } = record.throughput;
  const upgrade =
    incrementPercent === undefined ? {} : { autoUpgradePolicy: { throughputPolicy: { incrementPercent } } };
  const content =
    how === "manual"
      ? { offerThroughput: value, offerIsRUPerMinuteThroughputEnabled: false }
      : {
          offerThroughput: value / autoscaleFloor,
          offerIsRUPerMinuteThroughputEnabled: false,
          offerAutopilotSettings: { maxThroughput: value, ...upgrade },
        };
  return {
    id: record.id,
    _rid: record.id,
    _self: `offers/${record.id}/`,
    _etag: record.etag,
    _ts: record.ts,
    resource: record.resource,
    offerResourceId: record.offerResourceId,
    offerType: "Invalid",
    offerVersion: "V2",
    content,
  };
}

function offerKey(account: string, id: string): Bytes {
  return contentKey(account, kind, id);
}

/** Offers: listing, finding by query (as the SDKs do), reading, and changing throughput, which may split ranges. */
import { currentContainer } from "../engine/commit.ts";
import {
  listOffers as allOffers,
  replaceOffer as changeOffer,
  readOffer as findOffer,
  rangesOf,
  renderOffer,
  type Throughput,
} from "../engine/offers.ts";
import type { ContainerRecord } from "../engine/records.ts";
import { metadataCharge } from "../engine/request-charge.ts";
import { splitRange } from "../engine/split.ts";
import { notFound } from "../errors.ts";
import { ifMatch, requestedThroughput } from "../wire/headers.ts";
import { feed } from "./feed.ts";
import {
  accountNameOf,
  changeMetadata,
  jsonBody,
  leafId,
  type Operation,
  type OperationContext,
} from "./operation.ts";
import { listQuery } from "./query-items.ts";

/** What a create's headers ask for, in the form that the engine takes. */
export function throughputOf(context: OperationContext): { readonly throughput?: Throughput } {
  const throughput = requestedThroughput(context.headers);
  return throughput === undefined ? {} : { throughput };
}

export const listOffers: Operation = async (context) => {
  const offers = await allOffers(context.engine.store, accountNameOf(context));
  return feed(context, "Offers", "", offers.map(renderOffer));
};

export const queryOffers: Operation = async (context) => {
  const offers = await allOffers(context.engine.store, accountNameOf(context));
  return listQuery(context, "Offers", "", offers.map(renderOffer));
};

export const readOffer: Operation = async (context) => {
  const offer = await findOffer(context.engine.store, accountNameOf(context), leafId(context));
  if (offer === undefined) throw notFound();
  const headers = { "x-ms-offer-replace-pending": "false", "x-ms-cosmos-min-throughput": "400" };
  return { status: 200, body: renderOffer(offer), etag: offer.etag, charge: metadataCharge, headers };
};

export const replaceOffer: Operation = async (context) => {
  const body = jsonBody(context);
  const account = accountNameOf(context);
  const match = ifMatch(context.headers).ifMatch;
  const offer = await changeMetadata(context, (transaction) =>
    changeOffer(context.engine, transaction, account, leafId(context), body, match),
  );
  await splitFor(context, offer.offerResourceId, rangesOf(offer.throughput));
  return { status: 200, body: renderOffer(offer), etag: offer.etag, charge: metadataCharge };
};

/** Splits the container's widest ranges until it has as many as its throughput needs; ranges are never merged. */
async function splitFor(context: OperationContext, rid: string, wanted: number): Promise<void> {
  const databases = [...context.account.databases.values()];
  let container: ContainerRecord | undefined = databases
    .flatMap((database) => [...database.containers.values()])
    .find((candidate) => candidate.rid === rid);
  while (container !== undefined && container.ranges.length < wanted) {
    const shallowest = [...container.ranges].sort((a, b) => a.parents.length - b.parents.length)[0];
    if (shallowest === undefined) return;
    await splitRange(context.engine, accountNameOf(context), container, shallowest.id);
    container = currentContainer(context.engine, accountNameOf(context), container);
  }
}

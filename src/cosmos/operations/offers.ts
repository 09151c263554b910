/** Offers: listing, finding by query (as the SDKs do), reading, and changing throughput, which may split ranges. */
import {
  listOffers as allOffers,
  replaceOffer as changeOffer,
  readOffer as findOffer,
  rangesOf,
  renderOffer,
  type Throughput,
  throughputMinOf,
} from "../engine/offers.ts";
import { metadataCharge } from "../engine/request-charge.ts";
import { splitToRanges } from "../engine/split.ts";
import { badRequest, notFound } from "../errors.ts";
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
  const pending = context.engine.offersInReplacement.has(replacementOf(context));
  const headers = {
    "x-ms-offer-replace-pending": String(pending),
    "x-ms-cosmos-min-throughput": String(throughputMinOf(offer)),
  };
  return { status: 200, body: renderOffer(offer), etag: offer.etag, charge: metadataCharge, headers };
};

export const replaceOffer: Operation = async (context) => {
  const body = jsonBody(context);
  const account = accountNameOf(context);
  const match = ifMatch(context.headers).ifMatch;
  const { offersInReplacement } = context.engine;
  const replacement = replacementOf(context);
  if (offersInReplacement.has(replacement)) {
    throw badRequest("Another offer replace operation is in progress for this resource.", 3205);
  }
  offersInReplacement.add(replacement);
  try {
    const offer = await changeMetadata(context, (transaction) =>
      changeOffer(context.engine, transaction, account, leafId(context), body, match),
    );
    await splitToRanges(context.engine, account, offer.offerResourceId, rangesOf(offer.throughput));
    return { status: 200, body: renderOffer(offer), etag: offer.etag, charge: metadataCharge };
  } finally {
    offersInReplacement.delete(replacement);
  }
};

function replacementOf(context: OperationContext): string {
  return `${accountNameOf(context)}/${leafId(context)}`;
}

/**
 * The control plane's part of throughput: what a database or container is given, and the splits that follow from it.
 * Apart from `control.ts` because offers are found by `_rid`, not by name, and splits happen after the commit.
 */
import type { Reader, Transaction } from "../storage/port.ts";
import type { CosmosResource } from "./control.ts";
import type { Engine } from "./engine/engine.ts";
import {
  checkedThroughput,
  createOffer,
  listOffers,
  type OfferRecord,
  rangesOf,
  renderOffer,
  replaceOffer,
  type Throughput,
  throughputMinOf,
} from "./engine/offers.ts";
import { splitToRanges } from "./engine/split.ts";

export type { Throughput };

export interface ThroughputSettings {
  readonly throughput: Throughput;
  /** The least RU/s it may be given. */
  readonly minimum: number;
  readonly rid: string;
  readonly etag: string;
  /** Seconds since the epoch of the last change. */
  readonly ts: number;
}

export interface ThroughputControl {
  /** `undefined` when the database or container shares somebody else's throughput or is serverless. */
  getThroughput(reader: Reader, account: string, of: CosmosResource): Promise<ThroughputSettings | undefined>;
  /** Gives a database or container its own throughput, or changes it. Refuses what the data plane refuses. */
  putThroughput(
    transaction: Transaction,
    account: string,
    of: CosmosResource,
    throughput: Throughput,
  ): Promise<ThroughputSettings>;
  /** Splits the ranges of a container as its throughput needs; after the transaction that changed it. */
  splitForThroughput(account: string, of: CosmosResource, throughput: Throughput): Promise<void>;
}

export function throughputControl(engine: Engine): ThroughputControl {
  return {
    async getThroughput(reader, account, of) {
      const offer = await offerOf(reader, account, of);
      return offer === undefined ? undefined : settingsOf(offer);
    },
    async putThroughput(transaction, account, of, throughput) {
      const present = await offerOf(transaction, account, of);
      if (present !== undefined) {
        const { content } = renderOffer({ ...present, throughput });
        return settingsOf(
          await replaceOffer(engine, transaction, account, present.id, { content }, undefined),
        );
      }
      const checked = checkedThroughput(throughput.kind, throughput.value);
      const resource = { self: String(of["_self"]), rid: String(of["_rid"]) };
      await createOffer(engine, transaction, account, resource, checked);
      const made = await offerOf(transaction, account, of);
      if (made === undefined) throw new Error("the offer that was just made is not there");
      return settingsOf(made);
    },
    splitForThroughput: (account, of, throughput) =>
      splitToRanges(engine, account, String(of["_rid"]), rangesOf(throughput)),
  };
}

async function offerOf(
  reader: Reader,
  account: string,
  of: CosmosResource,
): Promise<OfferRecord | undefined> {
  const offers = await listOffers(reader, account);
  return offers.find((offer) => offer.offerResourceId === of["_rid"]);
}

function settingsOf(offer: OfferRecord): ThroughputSettings {
  const { throughput, id, etag, ts } = offer;
  return { throughput, minimum: throughputMinOf(offer), rid: id, etag, ts };
}

/**
 * What the server and its script threads say to each other. Scripts run in threads of their own, so that neither an
 * endless loop nor a greedy one can hold up requests; everything that crosses is plain data, and documents cross as
 * JSON text.
 */
import type { PartitionKeyDefinition } from "../engine/effective-partition-key.ts";
import type { FedItem, ItemFeed } from "../index/item-feed.ts";
import type { QueryShape } from "../index/shape.ts";
import type { Page, PageStart } from "../operations/query-page.ts";
import type { QueryPlan } from "../query/plan.ts";
import type { PrepareOptions, QueryParameter } from "../query/prepare.ts";

export interface ScriptLimits {
  /** Milliseconds that a request's scripts may take together, host calls included (service limit). */
  readonly runMilliseconds: number;
  /** From here on calls to the collection are answered with "not accepted", so that a script can come to an end. */
  readonly acceptMilliseconds: number;
  /** After this many milliseconds over the limit a thread that does not stop by itself is ended. */
  readonly graceMilliseconds: number;
  /** Memory that the scripts of one thread may have. */
  readonly memoryBytes: number;
  readonly threads: number;
  /** Requests that may wait for a thread; the next one is told to come back. */
  readonly waitingMax: number;
}

export interface ScriptText {
  readonly id: string;
  /** A JavaScript expression that is a function. */
  readonly body: string;
}

/** The container as queries in a thread must know it, and what is random and current for one request. */
export interface QuerySettings
  extends Pick<PrepareOptions, "computedProperties" | "geospatial" | "vectorEmbeddings"> {
  /** Milliseconds since the epoch at which the request began. */
  readonly now: number;
  /** 32 random bits. */
  readonly seed: number;
  /** User-defined functions that its queries may call. */
  readonly functions: readonly ScriptText[];
}

/** Runs a stored procedure or a trigger. */
export interface ScriptJob {
  readonly kind: "script";
  readonly script: ScriptText;
  readonly role: "procedure" | "preTrigger" | "postTrigger";
  /** JSON array of arguments; empty for triggers. */
  readonly arguments: string;
  /** What `getContext().getRequest()` shows: the body as JSON and the headers. */
  readonly request: {
    readonly body?: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly operationType?: string;
  };
  /** JSON of the response so far: what a post-trigger sees. */
  readonly response?: string;
  readonly collection: {
    /** By rids, as in `_self`. */
    readonly selfLink: string;
    /** By names, without trailing slash. */
    readonly altLink: string;
  };
  readonly logging: boolean;
  readonly settings: QuerySettings;
}

/** A query, and the container as it must know it. */
export interface QueryInThread {
  readonly text: string;
  readonly parameters: readonly QueryParameter[];
  readonly settings: QuerySettings;
  /** Changes whenever one of the functions does; compiled functions are kept under it. */
  readonly functionsVersion: string;
}

/** Computes one page of a query that calls user-defined functions or takes long. */
export interface QueryJob extends QueryInThread {
  readonly kind: "query";
  readonly pageSize: number;
  readonly continuation?: string;
}

/** Makes the plan of a query that takes long to read. */
export interface PlanJob extends QueryInThread {
  readonly kind: "plan";
  /** Before the message of a refusal. */
  readonly prefix: string;
  readonly partitionKey: PartitionKeyDefinition;
  readonly singlePartitionKey: boolean;
  readonly supportedFeatures?: readonly string[];
}

export type Job = ScriptJob | QueryJob | PlanJob;

/** What a document is called by: its id, or its `_rid`. */
export interface DocumentTarget {
  readonly by: "id" | "rid";
  readonly value: string;
}

/** Something that only the server can do for a running job. */
export type HostCall =
  | { readonly operation: "create"; readonly body: string }
  | { readonly operation: "upsert"; readonly body: string; readonly ifMatch?: string }
  | {
      readonly operation: "replace";
      readonly target: DocumentTarget;
      readonly body: string;
      readonly ifMatch?: string;
    }
  | { readonly operation: "delete"; readonly target: DocumentTarget; readonly ifMatch?: string }
  | { readonly operation: "read"; readonly target: DocumentTarget; readonly ifNoneMatch?: string }
  /** Opens the items of a query's page, as `OpenFeed` does; it replaces the feed that was open. */
  | {
      readonly operation: "open";
      readonly start: PageStart;
      readonly lastTry: boolean;
      readonly shape: QueryShape;
    }
  /** The next items of the open feed. */
  | { readonly operation: "next" };

export type HostReply =
  | { readonly kind: "document"; readonly statusCode: number; readonly body?: string }
  | ({ readonly kind: "opened" } & Pick<ItemFeed, "sorted" | "byRange" | "cost">)
  | { readonly kind: "items"; readonly items: readonly FedItem[]; readonly cost: ItemFeed["cost"] }
  /** The order in which the feed was to give items is no more. */
  | { readonly kind: "orderChanged" }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/** A CosmosError as plain data. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly substatus: number;
}

export interface ScriptResult {
  /** JSON of the response body, or of a pre-trigger's request body; absent when the script set none. */
  readonly body?: string;
}

export type Outcome =
  | { readonly ok: true; readonly kind: "ran"; readonly result: ScriptResult; readonly log: string }
  | { readonly ok: true; readonly kind: "page"; readonly page: Page }
  | { readonly ok: true; readonly kind: "plan"; readonly plan: QueryPlan }
  | { readonly ok: false; readonly refusal: Refusal; readonly log: string };

export type ToThread =
  | {
      readonly kind: "run";
      readonly job: Job;
      readonly limits: ScriptLimits;
      /** Milliseconds already used up by earlier scripts of the same request. */
      readonly used: number;
    }
  | { readonly kind: "reply"; readonly reply: HostReply };

/** What a thread is started with. */
export interface ThreadData {
  readonly memoryBytes: number;
}

export type FromThread =
  | { readonly kind: "ready" }
  | { readonly kind: "call"; readonly call: HostCall }
  /** `retire` asks for the thread's end, because its memory has grown and never shrinks. */
  | { readonly kind: "done"; readonly outcome: Outcome; readonly retire: boolean };

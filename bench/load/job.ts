/**
 * What the load generator is told and what it tells back. Requests are bytes made in advance with places for a
 * number: the generator writes the number of an item there and nothing else, so that it costs little beside the server.
 */
import type { LatencyCounts } from "./histogram.ts";

/** Digits of an item's number wherever it is written. */
export const numberDigits = 10;

export interface RequestTemplate {
  /** The whole request, base64. */
  readonly bytes: string;
  /** Where the digits of the number begin. */
  readonly offsets: readonly number[];
}

/** Numbers to send: each once, upwards from `first`; or any of the `count` from `first`, again and again. */
export type Numbers =
  | { readonly kind: "upwards"; readonly first: number; readonly end?: number }
  | { readonly kind: "anyOf"; readonly first: number; readonly count: number };

export interface Target {
  readonly port: number;
  /** PEM of the authority that signed the server's certificate; absent: its certificate is not checked. */
  readonly ca?: string;
}

export interface Job {
  readonly target: Target;
  readonly connections: number;
  /** Runs this long before it counts. */
  readonly rampSeconds: number;
  /** Counts for this long, or until the numbers end. */
  readonly seconds: number;
  /**
   * Requests a second that fall due at even distances, whichever connection is free; their latency counts from when they
   * were due. Absent: each connection sends as soon as it has its reply.
   */
  readonly rate?: number;
  readonly request: RequestTemplate;
  readonly numbers: Numbers;
  readonly expectedStatus: number;
  /** A reply with a shorter body fails the job. */
  readonly bodyBytesMin: number;
}

export interface JobResult {
  /** Replies within the counted time. */
  readonly requests: number;
  /** The counted time. */
  readonly seconds: number;
  readonly latencies: LatencyCounts;
  /** All replies, also those before the counted time and after it. */
  readonly answered: number;
  /** From the first request to the last reply. */
  readonly elapsedSeconds: number;
  /** Processor time of the generator meanwhile, in seconds. */
  readonly generatorCpuSeconds: number;
  /** The first number that was not sent, when they go upwards. */
  readonly nextNumber: number;
}

export type GeneratorAnswer =
  /** All connections stand; requests follow. */
  | { readonly kind: "connected" }
  | { readonly kind: "done"; readonly result: JobResult }
  | { readonly kind: "failed"; readonly message: string };

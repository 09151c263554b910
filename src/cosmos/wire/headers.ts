/** Request headers of the data plane as typed values, and the response headers that every reply carries. */
import type { Request } from "../../http/service.ts";
import { autoscaleThroughput, checkedThroughput, type Throughput } from "../engine/offers.ts";
import { badRequest } from "../errors.ts";

export type RequestHeaders = Request["headers"];

/** Page size when the client leaves it to the server, and the most it can ask for. */
const pageSizeDefault = 100;
const pageSizeMax = 1000;
/** The service reads sizes as 32-bit integers. */
const int32Max = 2_147_483_647;

/** Booleans come as `true`, `True` or `TRUE`, depending on the SDK. */
export function flag(headers: RequestHeaders, name: string): boolean {
  return headers[name]?.toLowerCase() === "true";
}

/** `x-ms-max-item-count`: a positive number, or -1 (the service takes 0 as well) for the server's choice. */
export function pageSize(headers: RequestHeaders): number {
  const text = headers["x-ms-max-item-count"];
  if (text === undefined || text === "") return pageSizeDefault;
  const size = Number(text);
  if (!Number.isInteger(size) || size < -1 || size > int32Max) {
    throw badRequest(
      `The input PageSize ${text.slice(0, 40)} is invalid. Ensure to pass a valid page size which must be a positive integer or -1 for a dynamic page size.`,
    );
  }
  return size < 1 ? pageSizeDefault : Math.min(size, pageSizeMax);
}

/** `If-Match`, when it demands something. */
export function ifMatch(headers: RequestHeaders): { readonly ifMatch?: string } {
  const value = headers["if-match"];
  return value === undefined || value === "" ? {} : { ifMatch: value };
}

/** True when the client wants writes answered without a body (`Prefer: return=minimal`). */
export function minimalResponse(headers: RequestHeaders): boolean {
  const override = headers["x-ms-cosmos-populate-content-response-on-write"];
  if (override !== undefined) return override.toLowerCase() === "false";
  return headers["prefer"]?.toLowerCase().includes("return=minimal") === true;
}

/** Throughput that a create asks for: manual, or the maximum of autoscale; 400 for what cannot be provisioned. */
export function requestedThroughput(headers: RequestHeaders): Throughput | undefined {
  const manual = headers["x-ms-offer-throughput"];
  const autoscale = headers["x-ms-cosmos-offer-autopilot-settings"];
  if (manual !== undefined && autoscale !== undefined) {
    throw badRequest("Manual throughput and autoscale settings cannot be given together.");
  }
  if (manual !== undefined) return checkedThroughput("manual", Number(manual));
  if (autoscale === undefined) return undefined;
  let settings: unknown;
  try {
    settings = JSON.parse(autoscale);
  } catch {
    throw badRequest("The autoscale settings are not valid JSON.");
  }
  return autoscaleThroughput(settings);
}

/** Versions that clients log and never branch on. */
export const serviceVersions: {
  readonly gateway: string;
  readonly service: string;
  readonly schema: string;
} = {
  gateway: "version=2.14.0",
  service: "version=2.14.0.0",
  schema: "1.18",
};

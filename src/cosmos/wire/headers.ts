/** Request headers of the data plane as typed values, and the response headers that every reply carries. */
import type { Request } from "../../http/service.ts";
import { badRequest } from "../errors.ts";

export type RequestHeaders = Request["headers"];

/** Page size when the client leaves it to the server, and the most it can ask for. */
const pageSizeDefault = 100;
const pageSizeMax = 1000;

/** Booleans come as `true`, `True` or `TRUE`, depending on the SDK. */
export function flag(headers: RequestHeaders, name: string): boolean {
  return headers[name]?.toLowerCase() === "true";
}

/** `x-ms-max-item-count`: a positive number, or -1 for the server's choice. */
export function pageSize(headers: RequestHeaders): number {
  const text = headers["x-ms-max-item-count"];
  if (text === undefined || text === "") return pageSizeDefault;
  const size = Number(text);
  if (!Number.isInteger(size) || size < -1 || size === 0) {
    throw badRequest(
      `The value '${text.slice(0, 40)}' specified for the header 'x-ms-max-item-count' is invalid.`,
    );
  }
  return size === -1 ? pageSizeDefault : Math.min(size, pageSizeMax);
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

const throughputMin = 400;
const throughputMax = 1_000_000;
const autoscaleStep = 1000;

/** RU/s that a create asks for: manual, or the maximum of autoscale; 400 for what cannot be provisioned. */
export function requestedThroughput(headers: RequestHeaders): number | undefined {
  const manual = headers["x-ms-offer-throughput"];
  const autoscale = headers["x-ms-cosmos-offer-autopilot-settings"];
  if (manual !== undefined && autoscale !== undefined) {
    throw badRequest("Manual throughput and autoscale settings cannot be given together.");
  }
  if (manual !== undefined) return checkedThroughput(Number(manual), throughputMin, 100);
  if (autoscale === undefined) return undefined;
  let max: unknown;
  try {
    max = (JSON.parse(autoscale) as { maxThroughput?: unknown }).maxThroughput;
  } catch {
    throw badRequest("The autoscale settings are not valid JSON.");
  }
  return checkedThroughput(Number(max), autoscaleStep, autoscaleStep);
}

function checkedThroughput(value: number, min: number, step: number): number {
  if (!Number.isInteger(value) || value < min || value > throughputMax || value % step !== 0) {
    throw badRequest(
      `The offer should have valid throughput values between ${min} and ${throughputMax} inclusive in increments of ${step}.`,
    );
  }
  return value;
}

/** Constants that clients log and never branch on. */
export const serviceHeaders: Readonly<Record<string, string>> = {
  "x-ms-gatewayversion": "version=2.14.0",
  "x-ms-serviceversion": "version=2.14.0.0",
  "x-ms-schemaversion": "1.18",
};

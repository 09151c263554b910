/** Checks of the parts that every address has: the api-version and the subscription id. */
import { isApiVersion } from "../azure/api-versions.ts";
import { ArmError } from "../azure/arm-error.ts";
import { clip, invalidApiVersion, missingApiVersion } from "./errors.ts";

/** Throws ArmError 400 when the api-version is missing or malformed. */
export function checkApiVersion(apiVersion: string): void {
  if (apiVersion === "") throw missingApiVersion();
  if (!isApiVersion(apiVersion)) throw invalidApiVersion(apiVersion);
}

/** Throws ArmError 400 when a subscription id is no GUID. */
export function checkSubscriptionId(id: string): void {
  if (/^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(id)) return;
  throw new ArmError(
    400,
    "InvalidSubscriptionId",
    `The provided subscription identifier '${clip(id)}' is malformed or invalid.`,
  );
}

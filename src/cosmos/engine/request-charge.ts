/**
 * Request units: a deterministic stand-in for the service's charges, by operation and size. Point reads cost one unit
 * per started kilobyte; writes follow the published figures for small items.
 */

const readUnit = 1;
const createUnit = 5.8;
/** A replace or delete also removes the old version's index entries. */
const changeFactor = 1.5;
const queryBase = 2.3;
const perScannedItem = 0.05;

const kilobytes = (bytes: number): number => Math.max(1, Math.ceil(bytes / 1024));

/** Two decimals, as in the response header. */
const rounded = (units: number): number => Math.round(units * 100) / 100;

export function readCharge(bytes: number): number {
  return rounded(readUnit * kilobytes(bytes));
}

export function createCharge(bytes: number): number {
  return rounded(createUnit * kilobytes(bytes));
}

export function changeCharge(bytes: number): number {
  return rounded(createUnit * changeFactor * kilobytes(bytes));
}

/** A query over `scanned` items that returned `bytes` of results. */
export function queryCharge(scanned: number, bytes: number): number {
  return rounded(queryBase + perScannedItem * scanned + readUnit * (kilobytes(bytes) - 1));
}

export const metadataCharge = 2;

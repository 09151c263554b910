/**
 * How large the tests are that repeat one thing many times: a part of it in every run, so that the suite stays quick,
 * and all of it with `npm run test:full`. Apart from them, so that one variable says it for all.
 */
const isFull = process.env["CELESTITE_TEST_SIZE"] === "full";

/** The `skip` of a test that runs at full size only: others show the same, sooner. */
export const fullSizeOnly: string | false = isFull ? false : "at full size";

/** `full` in a run at full size, else `usual`. */
export function sized(usual: number, full: number): number {
  return isFull ? full : usual;
}

/**
 * The thread that writes to LMDB. Committing waits for the disk, and this way only this thread waits, not the one
 * that answers requests. It applies each batch in one transaction, flushed before it answers, and touches the
 * directory's claim, which must go on however busy the other thread is.
 */
import { parentPort, workerData } from "node:worker_threads";
import { TOUCH_INTERVAL, touchClaim } from "./claim.ts";
import { applyBatches, openDatabase } from "./lmdb-database.ts";
import type { WriterAnswer, WriterData, WriterRequest } from "./lmdb-writer.ts";

function main(): void {
  const port = parentPort;
  if (port === null) throw new Error("this module runs only as a worker thread");
  const { directory, claim } = workerData as WriterData;
  const database = openDatabase(directory);
  const answer = (message: WriterAnswer): void => port.postMessage(message);
  const heartbeat = setInterval(() => {
    // A claim that someone removed, or a disk that fails, is no reason to stop serving.
    touchClaim(claim).catch(() => {});
  }, TOUCH_INTERVAL);
  const write = (batch: ArrayBuffer, last: number): void => {
    try {
      applyBatches(database, [batch], last);
      answer({ kind: "committed" });
    } catch (error) {
      const { message, code } = error as Error & { code?: string | number };
      answer({ kind: "failed", message, code });
    }
  };
  const shutDown = async (): Promise<void> => {
    clearInterval(heartbeat);
    await database.close();
    answer({ kind: "closed" });
    port.close();
  };
  port.on("message", (request: WriterRequest) => {
    if (request.kind === "commit") write(request.batch, request.last);
    else void shutDown();
  });
}

main();

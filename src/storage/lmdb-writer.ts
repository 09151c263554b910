/**
 * The hand-over to the thread that writes to LMDB: starts it, sends one batch at a time, turns its answers into
 * promises. Apart from the thread's own file because the two run in different threads.
 */
import { extname } from "node:path";
import { Worker } from "node:worker_threads";

export interface WriterData {
  readonly directory: string;
  /** File of the directory's lock, to be touched while the thread lives. */
  readonly claim: string;
}

export type WriterRequest =
  | { readonly kind: "commit"; readonly batch: ArrayBuffer; readonly last: number }
  | { readonly kind: "close" };

export type WriterAnswer =
  | { readonly kind: "committed" }
  | { readonly kind: "failed"; readonly message: string; readonly code: string | number | undefined }
  | { readonly kind: "closed" };

export interface Writer {
  /**
   * Commits `batch` in one durable transaction, and that the records of the log up to number `last` are in the database;
   * one call at a time. Rejects with the driver's error (its number in `code`), and then nothing is written.
   */
  commit(batch: ArrayBuffer, last: number): Promise<void>;
  /** Ends the thread. */
  close(): Promise<void>;
}

/** Starts the thread; if it cannot work, `commit` rejects. */
export function startWriter(data: WriterData): Writer {
  const file = new URL(`./lmdb-thread${extname(import.meta.url)}`, import.meta.url);
  // Without the flags of this process: some (`--input-type`) are refused for a thread.
  const worker = new Worker(file, { workerData: data, execArgv: [] });
  // Only a commit under way keeps the process from ending.
  worker.unref();
  let ended: Error | undefined;
  let waiting: { resolve(): void; reject(error: Error): void } | undefined;
  const settle = (error?: Error): void => {
    const caller = waiting;
    waiting = undefined;
    worker.unref();
    if (error === undefined) caller?.resolve();
    else caller?.reject(error);
  };
  worker.on("message", (answer: WriterAnswer) => {
    if (answer.kind === "failed") settle(Object.assign(new Error(answer.message), { code: answer.code }));
    else settle();
  });
  worker.on("error", (error) => {
    ended = error instanceof Error ? error : new Error(String(error));
    settle(ended);
  });
  worker.on("exit", () => {
    ended ??= new Error("the writing thread has ended");
    settle(ended);
  });
  const ask = (request: WriterRequest, moved: ArrayBuffer[]): Promise<void> =>
    new Promise((resolve, reject) => {
      if (ended !== undefined) return reject(ended);
      waiting = { resolve, reject };
      worker.ref();
      worker.postMessage(request, moved);
    });
  return {
    commit: (batch, last) => ask({ kind: "commit", batch, last }, [batch]),
    async close() {
      if (ended === undefined) await ask({ kind: "close" }, []);
    },
  };
}

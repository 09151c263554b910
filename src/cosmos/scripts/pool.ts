/**
 * The threads that scripts run in: few, started when the first script comes, one job at a time each. A thread that
 * outlives a job's time is ended from outside, which works whatever the script is doing, and the next job gets a new one.
 */
import { Worker } from "node:worker_threads";
import { CosmosError } from "../errors.ts";
import { scriptCrashed, scriptTimedOut } from "./failures.ts";
import type {
  FromThread,
  HostCall,
  HostReply,
  Job,
  Outcome,
  ScriptLimits,
  ThreadData,
  ToThread,
} from "./protocol.ts";

/** Performs what a job asks of the server. */
export type Serve = (call: HostCall) => Promise<HostReply>;

/** A thread that one request has for itself; its jobs share the request's time. */
export interface ScriptThread {
  /** Runs one job; a script's failure is in the outcome. Rejects with what `serve` rejected with. */
  run(job: Job, serve: Serve): Promise<Outcome>;
}

export interface ScriptPool {
  /** Waits for a free thread and gives it to `work`; 429/3084 when too many wait already. */
  use<T>(work: (thread: ScriptThread) => Promise<T>): Promise<T>;
  /** Ends all threads; jobs under way fail. */
  close(): Promise<void>;
}

/** Time as the service has published it; the rest is ours. */
export const scriptLimits: ScriptLimits = {
  runMilliseconds: 5000,
  acceptMilliseconds: 4000,
  graceMilliseconds: 250,
  memoryBytes: 64 * 1024 * 1024,
  threads: 2,
  waitingMax: 200,
};

/**
 * Native stack of a thread. QuickJS bounds the recursion of scripts itself; this must be so large that its own limit is
 * always reached first, because running out of native stack would leave it in an undefined state.
 */
const stackMegabytes = 64;
/** Heap for documents and queries around the script, apart from the script's own. */
const heapMegabytes = 256;

/** A running thread; `ended` once it is gone. */
interface Thread {
  readonly worker: Worker;
  ended: boolean;
}

/** Opens the pool; nothing is started before its first use. */
export function openScripts(limits: ScriptLimits = scriptLimits): ScriptPool {
  const threads = new Set<Thread>();
  const idle: Thread[] = [];
  const waiting: (() => void)[] = [];
  let places = limits.threads;
  let closed = false;
  const takePlace = async (): Promise<void> => {
    if (places > 0) places--;
    else if (waiting.length < limits.waitingMax) await new Promise<void>((resume) => waiting.push(resume));
    else throw tooManyScripts();
  };
  const leavePlace = (): void => {
    const next = waiting.shift();
    if (next === undefined) places++;
    else next();
  };
  const takeThread = async (): Promise<Thread> => {
    for (let thread = idle.pop(); thread !== undefined; thread = idle.pop()) if (!thread.ended) return thread;
    return startThread(threads, limits);
  };
  return {
    async use(work) {
      await takePlace();
      try {
        if (closed) throw new Error("the script threads are closed");
        const thread = await takeThread();
        try {
          return await work(threadOf(thread, limits));
        } finally {
          if (!thread.ended) idle.push(thread);
        }
      } finally {
        leavePlace();
      }
    },
    async close() {
      closed = true;
      await Promise.all([...threads].map(({ worker }) => worker.terminate()));
    },
  };
}

function threadOf(thread: Thread, limits: ScriptLimits): ScriptThread {
  let used = 0;
  return {
    async run(job, serve) {
      const started = performance.now();
      const outcome = await runOn(thread, { kind: "run", job, limits, used }, serve);
      used += performance.now() - started;
      return outcome;
    },
  };
}

/** Starts a thread and waits until it is ready, so that loading the engine is on no script's account. */
async function startThread(threads: Set<Thread>, limits: ScriptLimits): Promise<Thread> {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
  const worker = new Worker(new URL(`./script-thread${extension}`, import.meta.url), {
    workerData: { memoryBytes: limits.memoryBytes } satisfies ThreadData,
    // Without the flags of this process (some are refused for a thread), its environment and its output.
    execArgv: [],
    env: {},
    stdout: true,
    stderr: true,
    resourceLimits: { stackSizeMb: stackMegabytes, maxOldGenerationSizeMb: heapMegabytes },
  });
  const thread: Thread = { worker, ended: false };
  threads.add(thread);
  worker.once("exit", () => {
    thread.ended = true;
    threads.delete(thread);
  });
  // Whatever ends a thread shows as its exit; without a listener it would end the process.
  worker.on("error", () => {});
  await new Promise<void>((resolve, reject) => {
    worker.once("message", () => resolve());
    worker.once("exit", () => reject(new Error("a script thread did not start")));
  });
  worker.unref();
  return thread;
}

/** Runs one job on a thread, which keeps the process alive only meanwhile. */
async function runOn(
  thread: Thread,
  message: Extract<ToThread, { kind: "run" }>,
  serve: Serve,
): Promise<Outcome> {
  const { worker } = thread;
  const { limits, used } = message;
  let serving: Promise<void> = Promise.resolve();
  let resolve: (outcome: Outcome) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const ended = new Promise<Outcome>((one, other) => {
    resolve = one;
    reject = other;
  });
  const stop = (): void => {
    thread.ended = true;
    void worker.terminate();
  };
  const onMessage = (answer: FromThread): void => {
    if (answer.kind === "done") {
      if (answer.retire) stop();
      resolve(answer.outcome);
    } else if (answer.kind === "call") {
      serving = serve(answer.call).then(
        (reply) => worker.postMessage({ kind: "reply", reply } satisfies ToThread),
        (error: unknown) => {
          stop();
          reject(error);
        },
      );
    }
  };
  const began = performance.now();
  const onExit = (): void => {
    // A thread that gave up after the script's time was over would have been ended for that a moment later.
    const late = performance.now() - began + used >= limits.runMilliseconds;
    resolve({ ok: false, refusal: late ? scriptTimedOut() : scriptCrashed(), log: "" });
  };
  const timer = setTimeout(
    () => {
      stop();
      resolve({ ok: false, refusal: scriptTimedOut(), log: "" });
    },
    Math.max(0, limits.runMilliseconds - used) + limits.graceMilliseconds,
  );
  worker.on("message", onMessage);
  worker.once("exit", onExit);
  worker.ref();
  worker.postMessage(message);
  try {
    return await ended;
  } finally {
    clearTimeout(timer);
    worker.off("message", onMessage);
    worker.off("exit", onExit);
    worker.unref();
    // A call under way must not outlive the transaction that it works in.
    await serving;
  }
}

/** The service's answer when too many scripts run at once; clients wait and try again. */
function tooManyScripts(): CosmosError {
  const message = 'Message: {"Errors":["Request rate is large. Too many scripts are running at once."]}';
  return new CosmosError(429, "TooManyRequests", message, {
    substatus: 3084,
    headers: { "x-ms-retry-after-ms": "100" },
  });
}

/**
 * A script thread: takes one job at a time from the server, runs it, and answers. It ends itself when its engine is in
 * an undefined state; the server then starts another one.
 */
import { constants, setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { CosmosError } from "../errors.ts";
import { refusalOf } from "./failures.ts";
import { type FunctionRoom, openFunctions } from "./functions.ts";
import type {
  FromThread,
  HostReply,
  Job,
  Outcome,
  PlanJob,
  QueryJob,
  ScriptLimits,
  ThreadData,
  ToThread,
} from "./protocol.ts";
import { runScript } from "./run-script.ts";
import { loadEngine, type SandboxEngine } from "./sandbox.ts";
import { type Ask, planInThread, runThreadQuery, surroundingsOf } from "./thread-feed.ts";

/** Containers whose compiled functions are kept. */
const roomsMax = 4;

async function main(): Promise<void> {
  const port = parentPort;
  if (port === null) throw new Error("this module runs only as a worker thread");
  const send = (message: FromThread): void => port.postMessage(message);
  // On Linux this is the priority of the calling thread alone; elsewhere it would be that of the whole server.
  if (process.platform === "linux") setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  const { memoryBytes } = workerData as ThreadData;
  const engine = await loadEngine(memoryBytes);
  const rooms = new Map<string, FunctionRoom>();
  let answered: (reply: HostReply) => void = () => {};
  const ask: Ask = (call) =>
    new Promise((resolve) => {
      answered = resolve;
      send({ kind: "call", call });
    });
  port.on("message", (message: ToThread) => {
    if (message.kind === "reply") {
      answered(message.reply);
      return;
    }
    const { job, limits, used } = message;
    runJob(engine, rooms, job, limits, performance.now() - used, ask).then(
      (outcome) =>
        send({ kind: "done", outcome, retire: engine.leaks || engine.memoryBytes() > memoryBytes / 2 }),
      () => process.exit(1),
    );
  });
  send({ kind: "ready" });
}

/** Runs one job; rejects only when the thread cannot go on. */
async function runJob(
  engine: SandboxEngine,
  rooms: Map<string, FunctionRoom>,
  job: Job,
  limits: ScriptLimits,
  started: number,
  ask: Ask,
): Promise<Outcome> {
  switch (job.kind) {
    case "script":
      return runScript(engine, job, limits, started, ask);
    case "query":
    case "plan":
      return runQuery(engine, rooms, job, limits, started, ask);
  }
}

async function runQuery(
  engine: SandboxEngine,
  rooms: Map<string, FunctionRoom>,
  job: QueryJob | PlanJob,
  limits: ScriptLimits,
  started: number,
  ask: Ask,
): Promise<Outcome> {
  const { now: _, seed: __, functions, ...container } = job.settings;
  const around = surroundingsOf(job.settings);
  const room = roomOf(engine, rooms, job);
  const deadline = started + limits.runMilliseconds;
  const isLate = (): boolean => performance.now() >= started + limits.acceptMilliseconds;
  Object.assign(room.state, { deadline, ...around });
  try {
    const options = { ...around, ...container, udf: room.find };
    if (job.kind === "plan") return { ok: true, kind: "plan", plan: planInThread(job, options) };
    const page = await runThreadQuery(job, options, ask, isLate);
    return { ok: true, kind: "page", page };
  } catch (error) {
    if (!(error instanceof CosmosError)) throw error;
    // A function that failed may have left its sandbox full or half-changed.
    rooms.delete(job.functionsVersion);
    room.dispose();
    return { ok: false, refusal: refusalOf(error), log: "" };
  }
}

/** The functions of the query's container: those that are kept, or new ones. */
function roomOf(
  engine: SandboxEngine,
  rooms: Map<string, FunctionRoom>,
  { functionsVersion, settings }: QueryJob | PlanJob,
): FunctionRoom {
  const known = rooms.get(functionsVersion);
  const room = known ?? openFunctions(engine, settings.functions);
  rooms.delete(functionsVersion);
  rooms.set(functionsVersion, room);
  const [oldest] = rooms.keys();
  if (rooms.size > roomsMax && oldest !== undefined) {
    rooms.get(oldest)?.dispose();
    rooms.delete(oldest);
  }
  return room;
}

await main();

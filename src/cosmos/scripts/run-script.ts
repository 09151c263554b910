/**
 * Runs a stored procedure or trigger in a script thread: the script's function, then one call to the collection after
 * the other with its callback, until none is left. The server performs the calls inside the partition's transaction.
 */
import { CosmosError } from "../errors.ts";
import type { Row } from "../operations/query-page.ts";
import { queryParameters } from "../operations/query-text.ts";
import type { PrepareOptions } from "../query/prepare.ts";
import { refusalOf, scriptResultTooLarge, scriptThrew, scriptTimedOut, type Thrown } from "./failures.ts";
import { openFunctions } from "./functions.ts";
import type { HostCall, HostReply, Outcome, Refusal, ScriptJob, ScriptLimits } from "./protocol.ts";
import { openSandbox, type Sandbox, type SandboxEngine, type SandboxValue, thrownFrom } from "./sandbox.ts";
import { compileScript } from "./script-source.ts";
import { type ApiSettings, serverApiSource } from "./server-api.ts";
import { type Ask, runThreadQuery, surroundingsOf } from "./thread-feed.ts";

/** Characters of the log in its header, as encoded: HTTP clients take about 16 KB of headers. */
const logLengthMax = 8 * 1024;
/** Characters of JSON in a response (service limit, 4 MB). */
const resultLengthMax = 4 * 1024 * 1024;

/** A call that a script has made and the server has not answered. */
interface Queued {
  readonly id: number;
  readonly call: ScriptCall;
}

/** What scripts send: host calls, except that queries run in the thread. */
type ScriptCall =
  | Exclude<HostCall, { operation: "open" | "next" }>
  | {
      readonly operation: "query";
      readonly query: unknown;
      readonly pageSize?: unknown;
      readonly continuation?: unknown;
    };

/** Whatever a script does to the API in its sandbox, nothing else gets out. */
const scriptCalls: ReadonlySet<ScriptCall["operation"]> = new Set([
  "create",
  "upsert",
  "replace",
  "delete",
  "read",
  "query",
]);

interface Running {
  readonly sandbox: Sandbox;
  readonly api: SandboxValue;
  readonly queue: Queued[];
  log: string;
  aborted: Thrown | undefined;
}

/** Thrown to leave a run with what the client is told. */
class ScriptFailed extends Error {
  override readonly name = "ScriptFailed";
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

export async function runScript(
  engine: SandboxEngine,
  job: ScriptJob,
  limits: ScriptLimits,
  started: number,
  ask: Ask,
): Promise<Outcome> {
  const around = surroundingsOf(job.settings);
  const state = { deadline: started + limits.runMilliseconds, ...around };
  const sandbox = openSandbox(engine, state);
  const running = startApi(sandbox, job, started + limits.acceptMilliseconds);
  const query = queryRunner(engine, job, limits, started, around, ask);
  try {
    await runToEnd(running, job, query, ask);
    const body = resultOf(running, job.role === "preTrigger" ? "requestBody" : "responseBody");
    return { ok: true, kind: "ran", result: body === "" ? {} : { body }, log: running.log };
  } catch (error) {
    if (!(error instanceof ScriptFailed)) throw error;
    return { ok: false, refusal: error.refusal, log: running.log };
  } finally {
    running.api.dispose();
    sandbox.dispose();
  }
}

/** Brings the API into the sandbox; `acceptUntil` is when it stops taking calls. */
function startApi(sandbox: Sandbox, job: ScriptJob, acceptUntil: number): Running {
  const queue: Queued[] = [];
  const settings: ApiSettings = {
    role: job.role,
    ...job.collection,
    headers: job.request.headers,
    ...(job.request.operationType === undefined ? {} : { operationType: job.request.operationType }),
    ...(job.request.body === undefined ? {} : { request: JSON.parse(job.request.body) as unknown }),
    ...(job.response === undefined ? {} : { response: JSON.parse(job.response) as unknown }),
    logging: job.logging,
    logLengthMax,
  };
  const running: { -readonly [K in keyof Running]?: Running[K] } = { sandbox, queue, log: "" };
  const { textOf, numberOf } = sandbox;
  const text = (handle: SandboxValue | undefined): string => (handle === undefined ? "" : textOf(handle));
  running.api = sandbox.install(
    serverApiSource(),
    {
      call(id, json) {
        if (performance.now() >= acceptUntil || id === undefined) return false;
        const call = JSON.parse(text(json)) as ScriptCall;
        if (!scriptCalls.has(call.operation)) return false;
        queue.push({ id: numberOf(id), call });
        return true;
      },
      log(line) {
        running.log += text(line);
        return undefined;
      },
      abort(thrown) {
        running.aborted = thrownFrom(text(thrown));
        sandbox.state.deadline = 0;
        return undefined;
      },
    },
    sandbox.fromValue(JSON.stringify(settings)),
  );
  return running as Running;
}

async function runToEnd(running: Running, job: ScriptJob, query: RunQuery, ask: Ask): Promise<void> {
  const { sandbox, queue } = running;
  const main = compileScript(sandbox, job.script);
  if (!main.ok) throw new ScriptFailed(sandbox.expired() ? scriptTimedOut() : main.refusal);
  const given = JSON.parse(job.arguments) as readonly unknown[];
  const args = given.map((value) => sandbox.fromValue(value));
  const result = sandbox.call(main.value, ...args);
  for (const handle of [main.value, ...args]) handle.dispose();
  check(running, "executing Javascript", result);
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const reply = await perform(next.call, query, ask);
    const id = sandbox.fromValue(next.id);
    const text = sandbox.fromValue(JSON.stringify(reply));
    const settled = sandbox.callMethod(running.api, "settle", id, text);
    for (const handle of [id, text]) handle.dispose();
    check(running, "executing function", settled);
  }
}

/** Lets promises go on after a piece of script has run; ends the run when it failed or its time is over. */
function check(running: Running, phase: Parameters<typeof scriptThrew>[0], result: Settled): void {
  const { sandbox } = running;
  if (result.ok) {
    result.value.dispose();
    sandbox.drain();
  }
  if (running.aborted !== undefined) throw new ScriptFailed(scriptThrew(phase, running.aborted));
  if (sandbox.expired()) throw new ScriptFailed(scriptTimedOut());
  if (!result.ok) throw new ScriptFailed(scriptThrew(phase, result.thrown));
}

type Settled = ReturnType<Sandbox["call"]>;

/** What the API inside the sandbox is told of a call. */
interface ApiReply {
  readonly error?: { readonly number: number; readonly body: string };
  readonly resource?: unknown;
  readonly options: Readonly<Record<string, unknown>>;
}

type RunQuery = (call: Extract<ScriptCall, { operation: "query" }>) => Promise<ApiReply>;

async function perform(call: ScriptCall, query: RunQuery, ask: Ask): Promise<ApiReply> {
  return call.operation === "query" ? query(call) : replyOf(await ask(call));
}

function replyOf(reply: HostReply): ApiReply {
  if (reply.kind === "refused") return errorReply(reply.refusal);
  if (reply.kind !== "document") throw new Error(`a call of a script cannot be answered with ${reply.kind}`);
  const { statusCode, body } = reply;
  const options = { statusCode, ...(statusCode === 304 ? { notModified: true } : {}) };
  return body === undefined ? { options } : { resource: JSON.parse(body) as unknown, options };
}

function errorReply({ status, message }: Refusal): ApiReply {
  return { error: { number: status, body: message.replace(/^Message: /, "") }, options: {} };
}

/** Runs the queries of a script; user-defined functions get a sandbox of their own when a query calls one. */
function queryRunner(
  engine: SandboxEngine,
  job: ScriptJob,
  limits: ScriptLimits,
  started: number,
  around: ReturnType<typeof surroundingsOf>,
  ask: Ask,
): RunQuery {
  const { functions, computedProperties, geospatial, vectorEmbeddings } = job.settings;
  return async ({ query, pageSize, continuation }) => {
    const room = openFunctions(engine, functions);
    Object.assign(room.state, { deadline: started + limits.runMilliseconds, ...around });
    const options: PrepareOptions = {
      ...around,
      udf: room.find,
      ...(computedProperties === undefined ? {} : { computedProperties }),
      ...(geospatial === undefined ? {} : { geospatial }),
      ...(vectorEmbeddings === undefined ? {} : { vectorEmbeddings }),
    };
    try {
      const spec = querySpec(query);
      const size = Number(pageSize);
      const page = await runThreadQuery(
        {
          ...spec,
          pageSize: Number.isInteger(size) && size > 0 ? size : 100,
          ...(continuation ? { continuation: String(continuation) } : {}),
        },
        options,
        ask,
        () => performance.now() >= started + limits.acceptMilliseconds,
      );
      const resource = page.rows.map((row) => JSON.parse(textOfRow(row)) as unknown);
      const { continuation: next } = page;
      return { resource, options: next === undefined ? {} : { continuation: next } };
    } catch (error) {
      if (error instanceof CosmosError) return errorReply(refusalOf(error));
      throw error;
    } finally {
      room.dispose();
    }
  };
}

function textOfRow(row: Row): string {
  return typeof row === "string" ? row : Buffer.from(row.buffer, row.byteOffset, row.length).toString("utf8");
}

function querySpec(query: unknown): Pick<Parameters<typeof runThreadQuery>[0], "text" | "parameters"> {
  const { query: text, parameters } = (query ?? {}) as { query?: unknown; parameters?: unknown };
  return { text: typeof text === "string" ? text : "", parameters: queryParameters(parameters) };
}

function resultOf(running: Running, name: "requestBody" | "responseBody"): string {
  const { sandbox, api } = running;
  const result = sandbox.callMethod(api, name);
  if (!result.ok) {
    if (sandbox.expired()) throw new ScriptFailed(scriptTimedOut());
    throw new ScriptFailed(scriptThrew("executing Javascript", result.thrown));
  }
  const text = sandbox.textOf(result.value);
  result.value.dispose();
  if (text.length > resultLengthMax) throw new ScriptFailed(scriptResultTooLarge());
  return text;
}

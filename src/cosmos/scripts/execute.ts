/**
 * Running scripts for requests: executing a stored procedure, and running the triggers around a write. Each execution is
 * one transaction, and a script that fails leaves nothing behind.
 */
import { type ChildRecord, listChildren } from "../engine/child-resources.ts";
import { type Committed, commitTo } from "../engine/commit.ts";
import type { Engine } from "../engine/engine.ts";
import type { Commit } from "../engine/item-writes.ts";
import type { LogicalPartition } from "../engine/partition-key.ts";
import type { ContainerRecord } from "../engine/records.ts";
import { containerOptions } from "../operations/query-text.ts";
import { scriptPlace } from "../operations/script-place.ts";
import type { RequestHeaders } from "../wire/headers.ts";
import { asError } from "./failures.ts";
import { type PartitionHost, partitionHost } from "./partition-host.ts";
import type { ScriptThread } from "./pool.ts";
import type { QuerySettings, ScriptJob, ScriptText } from "./protocol.ts";

/** Where scripts run: the container, and the logical partition that they see. */
export interface ScriptSite {
  readonly engine: Engine;
  readonly account: string;
  readonly container: ContainerRecord;
  readonly logical: LogicalPartition;
}

/** What distinguishes one run of a script from another. */
export interface ScriptRun extends Pick<ScriptJob, "role" | "arguments" | "logging"> {
  readonly request: Omit<ScriptJob["request"], "headers"> & { readonly headers: RequestHeaders };
  readonly response?: string;
}

export interface ScriptRan {
  /** JSON of what the script set: the response's body, or in a pre-trigger the request's. */
  readonly body?: string;
  readonly log: string;
}

/** Inside one commit: runs scripts, and counts what they cost. */
export interface ScriptSession {
  run(script: ChildRecord, run: ScriptRun): Promise<ScriptRan>;
  charge(): number;
}

/**
 * Runs `work` in one transaction of the partition, with a thread to run scripts in. The thread is taken first, so that
 * waiting for one never holds up other writers of the partition.
 */
export async function commitWithScripts<T>(
  site: ScriptSite,
  work: (commit: Commit, session: ScriptSession) => Promise<T>,
): Promise<Committed<T>> {
  const { engine, account, container, logical } = site;
  const settings = await querySettings(engine, account, container);
  return engine.scripts.use((thread) =>
    commitTo(engine, account, container, logical, (commit) => {
      const host = partitionHost(commit, logical);
      return work(commit, scriptSession(thread, host, commit, settings));
    }),
  );
}

function scriptSession(
  thread: ScriptThread,
  host: PartitionHost,
  { container }: Commit,
  settings: QuerySettings,
): ScriptSession {
  const { database, databaseRid, id, rid } = container;
  const collection = {
    selfLink: `dbs/${databaseRid}/colls/${rid}/`,
    altLink: `dbs/${database}/colls/${id}`,
  };
  return {
    charge: () => host.charge(),
    async run(script, run) {
      const request = { ...run.request, headers: visibleHeaders(run.request.headers) };
      const job: ScriptJob = {
        kind: "script",
        script: textOf(script),
        ...run,
        request,
        collection,
        settings,
      };
      const outcome = await thread.run(job, host.serve);
      if (!outcome.ok) throw asError(outcome.refusal, outcome.log);
      if (outcome.kind !== "ran") throw new Error(`a script's outcome cannot be ${outcome.kind}`);
      return { ...outcome.result, log: outcome.log };
    },
  };
}

/** The headers that a script may read: all but the caller's credential. */
function visibleHeaders(headers: RequestHeaders): Record<string, string> {
  const visible: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && name !== "authorization") visible[name] = value;
  }
  return visible;
}

/** What queries in a thread must know of the container: its options, its functions, and the time and chance. */
export async function querySettings(
  engine: Engine,
  account: string,
  container: ContainerRecord,
  functions?: readonly ChildRecord[],
): Promise<QuerySettings> {
  const place = scriptPlace(account, container, "userDefinedFunction");
  const records = functions ?? (await listChildren(engine.store, place));
  return {
    ...containerOptions(container),
    now: engine.clock.now(),
    seed: Buffer.from(engine.entropy.bytes(4)).readUInt32BE(),
    functions: records.map(textOf),
  };
}

function textOf({ id, properties }: ChildRecord): ScriptText {
  return { id, body: String(properties["body"]) };
}

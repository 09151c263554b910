/** The bench's side of the load generator: one process for all jobs, so that none meets a colder one than another. */
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Processes } from "../processes.ts";
import type { GeneratorAnswer, Job, JobResult } from "./job.ts";

export interface LoadGenerator {
  /** Performs a job; Error when a reply was not the expected one, or none came. One at a time. */
  perform(job: Job): Promise<JobResult>;
}

export function startGenerator(processes: Processes): LoadGenerator {
  const child: ChildProcess = processes.fork(fileURLToPath(new URL("./generator.js", import.meta.url)));
  return {
    perform: (job) =>
      new Promise((resolve, reject) => {
        const ended = (): void => reject(new Error("the load generator ended"));
        child.once("exit", ended);
        child.once("message", (answer: GeneratorAnswer) => {
          child.off("exit", ended);
          if (answer.kind === "done") resolve(answer.result);
          else reject(new Error(answer.message));
        });
        child.send(job);
      }),
  };
}

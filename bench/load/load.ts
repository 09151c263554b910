/** The bench's side of the load generator: one process for all jobs, so that none meets a colder one than another. */
import { fileURLToPath } from "node:url";
import type { Processes } from "../processes.ts";
import type { GeneratorAnswer, Job, JobResult } from "./job.ts";

export interface LoadGenerator {
  /**
   * Performs a job, one at a time; `onConnected` is called when all connections stand and requests begin. Error when
   * a reply was not the expected one, or none came.
   */
  perform(job: Job, onConnected?: () => void): Promise<JobResult>;
}

export function startGenerator(processes: Processes): LoadGenerator {
  const child = processes.fork(fileURLToPath(new URL("./generator.js", import.meta.url)));
  return {
    perform: (job, onConnected) =>
      new Promise((resolve, reject) => {
        const settle = (act: () => void): void => {
          child.off("exit", onExit);
          child.off("message", onMessage);
          act();
        };
        const onExit = (): void => settle(() => reject(new Error("the load generator ended")));
        const onMessage = (answer: GeneratorAnswer): void => {
          if (answer.kind === "connected") onConnected?.();
          else if (answer.kind === "done") settle(() => resolve(answer.result));
          else settle(() => reject(new Error(answer.message)));
        };
        child.on("exit", onExit);
        child.on("message", onMessage);
        child.send(job);
      }),
  };
}

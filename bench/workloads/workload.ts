/** What every workload gets from the command line of the bench, and what it is. */
import type { LoadGenerator } from "../load/load.ts";
import type { Processes } from "../processes.ts";
import type { WorkloadResult } from "../results.ts";
import type { LoadSettings } from "../rounds.ts";

export interface Bench {
  readonly processes: Processes;
  readonly generator: LoadGenerator;
  readonly settings: LoadSettings;
  /** Whether workloads that grow go on to sizes that take minutes. */
  readonly large: boolean;
  /** Whether the peer is installed. */
  readonly withVercel: boolean;
  /** Flags for Celestite's Node: the profiler's. */
  readonly nodeOptions: readonly string[];
}

export interface Workload {
  readonly name: string;
  readonly summary: string;
  run(bench: Bench): Promise<WorkloadResult>;
}

/** Celestite and what it is compared with, started and holding the same items. */
import { requestTemplate, requireOnce } from "../exchange.ts";
import { type Access, create, pointRead } from "../items.ts";
import type { LoadGenerator } from "../load/load.ts";
import type { Processes } from "../processes.ts";
import { startBare } from "./bare.ts";
import { type CelestiteSubject, startCelestite } from "./celestite.ts";
import type { Subject } from "./subject.ts";
import { startVercel } from "./vercel.ts";

export interface LineUp {
  readonly celestite: CelestiteSubject;
  readonly bare: Subject;
  /** As it comes, and with connections kept open; empty when it could not be installed. */
  readonly vercel: readonly Subject[];
}

export interface LineUpOptions {
  readonly processes: Processes;
  readonly generator: LoadGenerator;
  /** Items numbered from 0. */
  readonly items: number;
  readonly withVercel: boolean;
  /** Flags for Celestite's Node. */
  readonly nodeOptions: readonly string[];
}

/** Connections used to write the first items. */
const seedConnections = 32;
/** Writing them may take this long. */
const seedSecondsMax = 60;

export async function startLineUp(options: LineUpOptions): Promise<LineUp> {
  const { processes, generator, items } = options;
  const celestite = await startCelestite(processes, options.nodeOptions);
  const { access } = celestite;
  const created = await requireOnce(access.target, create(access), 201);
  const read = await requireOnce(access.target, pointRead(access), 200);
  await seed(generator, access, 1, items);
  const bare = await startBare(processes, celestite, { GET: read, POST: created });
  const vercel: Subject[] = [];
  if (options.withVercel) {
    for (const habit of ["close", "keep-alive"] as const) {
      const subject = await startVercel(processes, habit, access);
      await seed(generator, subject.access, 0, items);
      vercel.push(subject);
    }
  }
  return { celestite, bare, vercel };
}

/** Ends them all. */
export async function stopLineUp(lineUp: LineUp): Promise<void> {
  await Promise.all([lineUp.celestite, lineUp.bare, ...lineUp.vercel].map((subject) => subject.stop()));
}

/** Creates the items numbered from `first` up to `end`. */
export async function seed(
  generator: LoadGenerator,
  access: Access,
  first: number,
  end: number,
): Promise<void> {
  await generator.perform({
    target: access.target,
    connections: seedConnections,
    rampSeconds: 0,
    seconds: seedSecondsMax,
    request: requestTemplate(create(access), access.target.port),
    numbers: { kind: "upwards", first, end },
    expectedStatus: 201,
    bodyBytesMin: 1,
  });
}

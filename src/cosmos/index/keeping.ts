/**
 * Keeping an index over a restart: writing its segments as a checkpoint when enough has changed, and beginning with the
 * last one instead of reading all items. What came after it is taken in from the logs.
 */

import { numbersPerRange } from "../engine/documents.ts";
import {
  CheckpointDamaged,
  type CheckpointPlace,
  type KeptSegment,
  type Manifest,
  readColumn,
  readDead,
  readManifest,
  readNumbers,
  readVectors,
  removeOthers,
  removeSegments,
  type StoredSegment,
  withDead,
  writeManifest,
  writeSegment,
} from "./checkpoint.ts";
import { countNumbers } from "./column.ts";
import type { Log } from "./following.ts";
import { freeze, type IndexState, newHead, pause, rangeOf } from "./index-state.ts";
import { createPaths } from "./paths.ts";
import { type ColumnHandle, createSegment, type Segment, type VectorHandle } from "./segment.ts";
import { sectionSizes, type VectorShape } from "./vector-codec.ts";

/** Changes after which a checkpoint is written, while changes go on and when they have stopped. */
const changesWhileBusy = 50_000;
const changesWhenIdleDefault = 1_000;

/**
 * Begins with the last checkpoint, if there is one of the present policy that is whole and fits the logs; else the
 * index is made anew.
 */
export async function restoreIndex(
  state: IndexState,
  place: CheckpointPlace,
  logs: () => Promise<readonly Log[]>,
): Promise<void> {
  if (state.stage !== "unknown") return;
  const manifest = state.parts.keeps ? await readManifest(place) : undefined;
  if (state.parts.keeps) {
    await removeOthers(place, new Set(manifest?.segments.map(({ id }) => id)));
  }
  const fits = manifest?.policy === state.parts.policyText && followsFrom(manifest, await logs());
  const segments = manifest !== undefined && fits ? await wholeSegments(state, place, manifest) : undefined;
  state.stage = "empty";
  if (manifest === undefined) return;
  state.nextSegment = manifest.nextSegment;
  state.kept = new Map(manifest.segments.map(({ dead: _, ...stored }) => [stored.id, { stored }]));
  if (segments === undefined) return;
  state.paths = createPaths(state.parts.policy, manifest.paths);
  state.head = newHead(state.parts.policy, state.paths);
  state.segments = segments;
  state.applied = new Map(manifest.applied);
  state.frozen = new Map(manifest.applied);
  for (const { numbers } of segments) noteGreatest(state, numbers);
  state.stage = "live";
}

/** False when the manifest knows more than the logs: they are not the ones it was made from. */
function followsFrom({ applied }: Manifest, logs: readonly Log[]): boolean {
  const ends = new Map(logs.map(({ range, endLsn }) => [range, endLsn]));
  return applied.every(([range, lsn]) => lsn <= (ends.get(range) ?? -1));
}

/** The segments of the manifest; undefined when one of them is damaged. */
async function wholeSegments(
  state: IndexState,
  place: CheckpointPlace,
  manifest: Manifest,
): Promise<Segment[] | undefined> {
  try {
    return await readSegments(state, place, manifest);
  } catch (error) {
    if (error instanceof CheckpointDamaged) return undefined;
    throw error;
  }
}

/** Runs `work` on the index; when it meets a damaged column, the index is begun anew and `work` was in vain. */
export async function unlessDamaged(state: IndexState, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof CheckpointDamaged)) throw error;
    state.stage = "empty";
    state.segments = [];
    state.applied = new Map();
  }
}

async function readSegments(
  state: IndexState,
  place: CheckpointPlace,
  manifest: Manifest,
): Promise<Segment[]> {
  const segments: Segment[] = [];
  for (const stored of manifest.segments) segments.push(await readSegment(state, place, stored));
  return segments;
}

async function readSegment(
  state: IndexState,
  place: CheckpointPlace,
  stored: StoredSegment,
): Promise<Segment> {
  const { id, columns, dead } = stored;
  const handles = new Map<number, ColumnHandle>();
  for (const column of columns) {
    handles.set(
      column.slot,
      state.parts.cache.stored(() => readColumn(place, id, column)),
    );
  }
  const vectors = new Map<number, VectorHandle>();
  for (const own of stored.vectors ?? []) {
    vectors.set(
      own.place,
      state.parts.cache.stored(() => readVectors(place, id, own), undefined, bytesOfShape(own.shape)),
    );
  }
  const segment = createSegment(id, await readNumbers(place, stored), handles, vectors);
  segment.dead = await readDead(place, stored);
  segment.deadCount = dead?.count ?? 0;
  return segment;
}

function bytesOfShape(shape: VectorShape): number {
  return sectionSizes(shape).reduce((sum, size) => sum + size, 0);
}

function noteGreatest({ greatest }: IndexState, numbers: Float64Array): void {
  // They ascend, so the last one of each range is the one below the first that the next range could have.
  for (let at = numbers.length - 1; at >= 0; ) {
    const number = numbers[at] as number;
    const range = rangeOf(number);
    if (number > (greatest.get(range) ?? -1)) greatest.set(range, number);
    at = countNumbers(numbers, range * numbersPerRange, false) - 1;
  }
}

/** Writes a checkpoint when it is due; `changesBefore` is how many changes there were at the last look. */
export async function keepIndex(
  state: IndexState,
  place: CheckpointPlace,
  changesBefore: number,
): Promise<void> {
  if (!state.parts.keeps || state.stage !== "live" || state.stopped) return;
  const idle = state.changes === changesBefore;
  const { changesWhenIdle = changesWhenIdleDefault } = state.parts;
  if (state.changes < (idle ? changesWhenIdle : changesWhileBusy)) return;
  if (idle) await freeze(state);
  await writeCheckpoint(state, place);
}

async function writeCheckpoint(state: IndexState, place: CheckpointPlace): Promise<void> {
  const { changes, paths, frozen, kept } = state;
  const segments = [...state.segments];
  const nextSegment = state.nextSegment;
  const written = new Map<number, KeptSegment>();
  for (const segment of segments) {
    if (state.stopped) return;
    const found = kept.get(segment.id) ?? (await keepSegment(state, place, segment));
    if (found === undefined) return;
    written.set(segment.id, found);
  }
  const dead = new Map(segments.flatMap(({ id, dead: bits }) => (bits === undefined ? [] : [[id, bits]])));
  const stored = segments.map((segment) => {
    segment.deadShared = true;
    return withDead(written.get(segment.id) as KeptSegment, segment);
  });
  const manifest = {
    policy: state.parts.policyText,
    paths: paths.state(),
    applied: [...frozen],
    segments: stored,
    nextSegment,
  };
  if (!(await writeManifest(place, manifest, dead))) return;
  state.kept = written;
  state.changes -= changes;
  await removeSegments(
    place,
    [...kept.keys()].filter((id) => !written.has(id)),
  );
}

/** Writes a segment, and lets its columns go when memory is short. */
async function keepSegment(
  state: IndexState,
  place: CheckpointPlace,
  segment: Segment,
): Promise<KeptSegment | undefined> {
  const dimensions = state.parts.policy.vectors.map((index) => index.dimensions);
  const kept = await writeSegment(place, segment, pause, dimensions);
  for (const column of kept?.stored.columns ?? []) {
    const { slot } = column;
    const read = (): ReturnType<typeof readColumn> => readColumn(place, segment.id, column);
    segment.columns.set(slot, state.parts.cache.stored(read, segment.columns.get(slot)?.resident()));
  }
  for (const own of kept?.stored.vectors ?? []) {
    const read = (): ReturnType<typeof readVectors> => readVectors(place, segment.id, own);
    const resident = segment.vectors.get(own.place)?.resident();
    segment.vectors.set(own.place, state.parts.cache.stored(read, resident, bytesOfShape(own.shape)));
  }
  return kept;
}

/**
 * Keeping an index over a restart: writing its segments as a checkpoint when enough has changed, and beginning with the
 * last one instead of reading all items. What came after it is taken in from the logs.
 */
import {
  type CheckpointPlace,
  type KeptSegment,
  type Manifest,
  readColumn,
  readDead,
  readManifest,
  readNumbers,
  removeSegments,
  removeUnfinished,
  type StoredSegment,
  writeManifest,
  writeSegment,
} from "./checkpoint.ts";
import { createHead } from "./head.ts";
import { freeze, type IndexState, pause, rangeOf } from "./index-state.ts";
import { createPaths } from "./paths.ts";
import { type ColumnHandle, createSegment, type Segment } from "./segment.ts";

/** Changes after which a checkpoint is written, while changes go on and when they have stopped. */
const changesWhileBusy = 50_000;
const changesWhenIdle = 1_000;

/** Begins with the last checkpoint, if there is one of the present policy. */
export async function restoreIndex(state: IndexState, place: CheckpointPlace): Promise<void> {
  if (state.stage !== "unknown") return;
  const manifest = state.parts.keeps ? await readManifest(place) : undefined;
  // Left by a checkpoint that was interrupted; their numbers will be given out again.
  if (state.parts.keeps) await removeUnfinished(place, manifest?.nextSegment ?? 1);
  const segments = manifest === undefined ? [] : await readSegments(state, place, manifest);
  state.stage = "empty";
  if (manifest === undefined) return;
  state.nextSegment = manifest.nextSegment;
  state.kept = new Map(manifest.segments.map((stored) => [stored.id, { stored }]));
  if (manifest.policy !== state.parts.policyText) return;
  state.paths = createPaths(state.parts.policy, manifest.paths);
  state.head = createHead(state.paths.slots);
  state.segments = segments;
  state.applied = new Map(manifest.applied);
  state.frozen = new Map(manifest.applied);
  for (const { numbers } of segments) noteGreatest(state, numbers);
  state.stage = "live";
}

async function readSegments(
  state: IndexState,
  place: CheckpointPlace,
  manifest: Manifest,
): Promise<Segment[]> {
  if (manifest.policy !== state.parts.policyText) return [];
  const segments: Segment[] = [];
  for (const stored of manifest.segments) segments.push(await readSegment(state, place, stored));
  return segments;
}

async function readSegment(
  state: IndexState,
  place: CheckpointPlace,
  stored: StoredSegment,
): Promise<Segment> {
  const { id, columns, deadCount } = stored;
  const handles = new Map<number, ColumnHandle>();
  for (const [slot, shape] of columns) {
    handles.set(
      slot,
      state.parts.cache.stored(() => readColumn(place, id, slot, shape)),
    );
  }
  const segment = createSegment(id, await readNumbers(place, stored), handles);
  segment.dead = await readDead(place, stored);
  segment.deadCount = deadCount;
  return segment;
}

function noteGreatest({ greatest }: IndexState, numbers: Float64Array): void {
  for (const number of numbers) {
    const range = rangeOf(number);
    if (number > (greatest.get(range) ?? -1)) greatest.set(range, number);
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
    return { ...(written.get(segment.id) as KeptSegment).stored, deadCount: segment.deadCount };
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
  const stored = await writeSegment(place, segment, pause);
  if (stored === undefined) return undefined;
  for (const [slot, shape] of stored.columns) {
    const read = (): ReturnType<typeof readColumn> => readColumn(place, segment.id, slot, shape);
    segment.columns.set(slot, state.parts.cache.stored(read, segment.columns.get(slot)?.resident()));
  }
  return { stored };
}

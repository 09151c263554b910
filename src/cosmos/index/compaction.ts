/**
 * Keeping segments few: those of about one size are merged into one of the next, so each document is merged as often as
 * the number of items has digits. Queries go on meanwhile with the segments that were there.
 */
import { hasBit } from "./bits.ts";
import { type IndexState, pause } from "./index-state.ts";
import { mergeSegments } from "./merge.ts";
import { documentOf, isDead, markDead, type Segment } from "./segment.ts";

/** Segments of about one size that are merged into one. */
const mergeWidth = 8;
/** More segments than this are merged before anything is added to them. */
export const segmentsMax = 64;

/** Segments with more bytes of vectors stay as they are: a merge needs all of them in memory, and as much again. */
const vectorBytesMax = 192 * 1024 * 1024;

/** Merges segments until they are few. */
export function compact(state: IndexState): Promise<void> {
  // Two merges at once could take the same segments.
  state.compacting ??= mergeUntilFew(state).finally(() => {
    state.compacting = undefined;
  });
  return state.compacting;
}

async function mergeUntilFew(state: IndexState): Promise<void> {
  while (!state.stopped) {
    const inputs = selectMerge(state);
    if (inputs.length === 0) return;
    await replaceByOne(state, inputs);
  }
}

/** Segments worth merging: several of about one size, or one that is mostly dead. */
function selectMerge({ segments, headRows }: IndexState): readonly Segment[] {
  const tiers = new Map<number, Segment[]>();
  for (const segment of segments) {
    const living = segment.numbers.length - segment.deadCount;
    if (living * 2 < segment.numbers.length) return [segment];
    const tier = Math.max(0, Math.round(Math.log(living / headRows) / Math.log(mergeWidth)));
    const same = tiers.get(tier) ?? [];
    same.push(segment);
    tiers.set(tier, same);
  }
  return [...tiers.values()].find((same) => same.length >= mergeWidth && fitsMemory(same)) ?? [];
}

function fitsMemory(segments: readonly Segment[]): boolean {
  const handles = segments.flatMap(({ vectors }) => [...vectors.values()]);
  const sizes = handles.map((handle) => handle.size ?? handle.resident()?.bytes() ?? 0);
  return sizes.reduce((sum, size) => sum + size, 0) <= vectorBytesMax;
}

async function replaceByOne(state: IndexState, inputs: readonly Segment[]): Promise<void> {
  const before = inputs.map(({ dead }) => dead?.slice());
  const { kernel, policy } = state.parts;
  const vectors = { kernel, indexes: policy.vectors };
  const merged = await mergeSegments(state.nextSegment++, inputs, pause, vectors);
  // The index was begun anew meanwhile.
  if (!inputs.every((input) => state.segments.includes(input))) return;
  for (const [i, input] of inputs.entries()) {
    const known = before[i];
    for (let document = 0; document < input.numbers.length; document++) {
      if (!isDead(input, document) || (known !== undefined && hasBit(known, document))) continue;
      // It died while the merge ran.
      const place = documentOf(merged, input.numbers[document] as number);
      if (place >= 0) markDead(merged, place);
    }
  }
  const replaced = new Set(inputs);
  state.segments = state.segments.filter((segment) => !replaced.has(segment));
  if (merged.numbers.length > 0) state.segments.push(merged);
}

/** Sorting very many things without holding up everybody else: a merge sort that pauses between its steps. */

/** Things that are sorted or merged between two pauses. */
const stepSize = 8_192;

/** `things` in order; equal ones stay in theirs. */
export async function sortInTurns<T>(
  things: readonly T[],
  compare: (a: T, b: T) => number,
): Promise<readonly T[]> {
  let runs: T[][] = [];
  for (let at = 0; at < things.length; at += stepSize) {
    runs.push(things.slice(at, at + stepSize).sort(compare));
    await turn();
  }
  while (runs.length > 1) {
    const merged: T[][] = [];
    for (let at = 0; at < runs.length; at += 2) {
      const [left = [], right = []] = [runs[at], runs[at + 1]];
      merged.push(right.length === 0 ? left : await mergeRuns(left, right, compare));
    }
    runs = merged;
  }
  return runs[0] ?? [];
}

async function mergeRuns<T>(
  left: readonly T[],
  right: readonly T[],
  compare: (a: T, b: T) => number,
): Promise<T[]> {
  const merged: T[] = [];
  let [i, j] = [0, 0];
  while (i < left.length && j < right.length) {
    const [a, b] = [left[i] as T, right[j] as T];
    if (compare(a, b) <= 0) {
      merged.push(a);
      i++;
    } else {
      merged.push(b);
      j++;
    }
    if (merged.length % stepSize === 0) await turn();
  }
  for (; i < left.length; i++) merged.push(left[i] as T);
  for (; j < right.length; j++) merged.push(right[j] as T);
  return merged;
}

function turn(): Promise<void> {
  return new Promise((resume) => setImmediate(resume));
}

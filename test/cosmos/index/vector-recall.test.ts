/**
 * What approximate vector indexes find of what is nearest, on data with and without neighbourhoods; that packing keeps its
 * promise about how wrong it can be; and the loops in WebAssembly beside those in JavaScript.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PlannedPart } from "../../../src/cosmos/index/access-plan.ts";
import { allBits, countBits, setBit } from "../../../src/cosmos/index/bits.ts";
import { nearCandidates } from "../../../src/cosmos/index/nearest-candidates.ts";
import type { VectorIndex } from "../../../src/cosmos/index/policy.ts";
import { createSegment, heldColumn, viewSegment } from "../../../src/cosmos/index/segment.ts";
import { decodeVectors, encodeVectors } from "../../../src/cosmos/index/vector-codec.ts";
import {
  allocateRows,
  createVectorColumn,
  packable,
  putFloats,
  queryVector,
  type VectorColumn,
} from "../../../src/cosmos/index/vector-column.ts";
import { createVectorKernel } from "../../../src/cosmos/index/vector-kernel.ts";
import { mergeVectors } from "../../../src/cosmos/index/vector-merge.ts";
import { boundOf, nearness, scanRows } from "../../../src/cosmos/index/vector-scan.ts";
import { type Metric, vectorDistance } from "../../../src/cosmos/query/functions/vector.ts";

const dimensions = 20;
const rows = 9_000;
const kernel = createVectorKernel();

function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Normally distributed numbers. */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

type Draw = () => number[];

function drawRandom(random: () => number): Draw {
  return () => Array.from({ length: dimensions }, () => normal(random));
}

function drawClustered(random: () => number): Draw {
  const around = drawRandom(random);
  const centres = Array.from({ length: 60 }, around);
  return () => (centres[Math.floor(random() * 60)] ?? []).map((x) => x + 0.3 * normal(random));
}

function index(type: VectorIndex["type"], metric: Metric): VectorIndex {
  return { path: ["v"], type, dimensions, metric };
}

function packed(vectors: readonly number[][]): VectorColumn {
  const store = allocateRows("floats", dimensions, vectors.length);
  for (const [row, vector] of vectors.entries()) putFloats(store, row, vector);
  return createVectorColumn(store, Int32Array.from(vectors.keys()), new Uint32Array());
}

async function columnOf(own: VectorIndex, vectors: readonly number[][]): Promise<VectorColumn> {
  const halves = [packed(vectors.slice(0, 4_000)), packed(vectors.slice(4_000))];
  const sources = {
    input: Uint8Array.from(vectors, (_, i) => Number(i >= 4_000)),
    document: Uint32Array.from(vectors, (_, i) => (i < 4_000 ? i : i - 4_000)),
  };
  let pauses = 0;
  const column = await mergeVectors(kernel, own, halves, sources, async () => void pauses++);
  assert.ok(own.type !== "diskANN" || pauses > 3, "the work is done in slices");
  return column;
}

function partOf(column: VectorColumn, keep: (document: number) => boolean = () => true): PlannedPart {
  const numbers = Float64Array.from({ length: rows }, (_, i) => i);
  const segment = createSegment(1, numbers, new Map(), new Map([[0, heldColumn(column)]]));
  const view = viewSegment(segment, { slots: [], vectors: [0] });
  assert.ok(view !== undefined);
  const bits = allBits(rows).fill(0);
  for (let document = 0; document < rows; document++) if (keep(document)) setBit(bits, document);
  return { view, bits, count: countBits(bits) };
}

function nearest(vectors: readonly number[][], query: readonly number[], metric: Metric): number[] {
  const near = vectors.map((vector) => nearness(metric, Number(vectorDistance(vector, query, metric))));
  return [...near.keys()].sort((a, b) => (near[b] ?? 0) - (near[a] ?? 0));
}

const draws = { random: drawRandom, clustered: drawClustered } as const;

for (const [name, make] of Object.entries(draws)) {
  for (const metric of ["cosine", "dotproduct", "euclidean"] as const) {
    test(`${metric} on ${name} data: the ten nearest are among the candidates`, async () => {
      const draw = make(seeded(11));
      const vectors = Array.from({ length: rows }, draw);
      const own = index("diskANN", metric);
      const column = await columnOf(own, vectors);
      const lists = column.lists?.centres.norms.length ?? 0;
      assert.ok(lists > 50, "a large column has lists");
      let found = 0;
      let compared = 0;
      // Some are unlike all data.
      const foreign = drawRandom(seeded(77));
      const queries = Array.from({ length: 20 }, (_, i) => (i % 4 === 0 ? foreign() : draw()));
      for (const query of queries) {
        const search = {
          ...{ kernel, parts: [partOf(column)], place: 0, metric, indexMetric: metric },
          ...{ query: queryVector(query), newestFirst: true, pause: async () => {} },
        };
        const answer = await nearCandidates(search, 100, false);
        const numbers = new Set(answer.candidates.map(({ number }) => number));
        compared += answer.compared;
        found += nearest(vectors, query, metric)
          .slice(0, 10)
          .filter((row) => numbers.has(row)).length;
      }
      const recall = found / (10 * queries.length);
      assert.ok(recall >= 0.95, `recall is ${recall}`);
      if (name === "clustered") {
        assert.ok(
          compared < (rows * queries.length) / 2,
          `${compared / queries.length} vectors were compared`,
        );
      }
    });
  }
}

test("what fails a filter is left out, and what passes is found", async () => {
  const draw = drawClustered(seeded(3));
  const vectors = Array.from({ length: rows }, draw);
  const column = await columnOf(index("diskANN", "cosine"), vectors);
  const metric: Metric = "cosine";
  for (const keep of [(i: number) => i % 97 === 0, (i: number) => i % 20 !== 0]) {
    const query = draw();
    const search = {
      ...{ kernel, parts: [partOf(column, keep)], place: 0, metric, indexMetric: metric },
      ...{ query: queryVector(query), newestFirst: true, pause: async () => {} },
    };
    const { candidates } = await nearCandidates(search, 60, false);
    assert.ok(candidates.every(({ number }) => keep(number)));
    const numbers = new Set(candidates.map(({ number }) => number));
    const wanted = nearest(vectors, query, "cosine").filter(keep).slice(0, 10);
    assert.ok(wanted.filter((row) => numbers.has(row)).length >= 9);
  }
});

for (const type of ["flat", "quantizedFlat"] as const) {
  for (const metric of ["cosine", "dotproduct", "euclidean"] as const) {
    test(`${type} ${metric}: no item is nearer than its packed vector says it can be`, async () => {
      const random = seeded(21);
      const draw = drawRandom(random);
      const vectors = Array.from({ length: 4_500 }, () => {
        const scale = 10 ** Math.floor(random() * 12 - 6);
        return draw().map((x, i) => (i % 7 === 0 && random() < 0.3 ? x * 40 : x) * scale);
      });
      vectors[7] = vectors[0]?.map(() => 0) ?? [];
      const column = await columnOf(index(type, metric), vectors);
      for (const query of [draw(), draw().map((x) => x * 1e5), vectors[12] ?? []]) {
        const own = queryVector(query);
        const bound = boundOf(metric, column, own);
        const exact = vectors.map((vector) =>
          nearness(metric, Number(vectorDistance(vector, query, metric))),
        );
        let loose = 0;
        const take = (row: number, product: number): void => {
          const document = column.documents[row] ?? -1;
          const best = bound(row, product);
          assert.ok(best >= (exact[document] ?? 0), `row ${row}: ${best} and ${exact[document]}`);
          const spread =
            metric === "cosine" ? 1 : own.norm * (column.norms[row] ?? 0) + (metric === "euclidean" ? 1 : 0);
          loose = Math.max(
            loose,
            metric === "euclidean" ? 0 : (best - (exact[document] ?? 0)) / (spread || 1),
          );
        };
        const pace = { left: 1e9, pause: async () => {} };
        await scanRows(kernel, column, own, [0, column.rows], () => true, take, pace);
        assert.ok(loose < (type === "flat" ? 1e-5 : 0.1), `the promise is worth something: ${loose}`);
      }
    });
  }
}

test("the loops in WebAssembly and in JavaScript agree", () => {
  const plain = createVectorKernel(false);
  const random = seeded(2);
  for (const stride of [32, 96, 2_048]) {
    const query = Float32Array.from({ length: stride / 4 }, () => Math.fround(random() - 0.5));
    const words = Int16Array.from({ length: stride }, () => Math.round(random() * 4_094 - 2_047));
    const count = 37;
    const content = Uint8Array.from({ length: stride * count }, () => Math.floor(random() * 256));
    const floats = Float32Array.from({ length: (stride * count) / 4 }, () => Math.fround(random() - 0.5));
    const both = [kernel, plain].map((own) => {
      own.block.set(content);
      const whole = own.byteProducts(words, count, stride).slice();
      own.block.set(new Uint8Array(floats.buffer));
      return { whole, sums: own.floatProducts(query, count, stride).slice() };
    });
    assert.deepEqual(both[0]?.whole, both[1]?.whole);
    for (const [i, sum] of (both[0]?.sums ?? []).entries()) {
      assert.ok(Math.abs(sum - (both[1]?.sums[i] ?? 0)) < 1e-4, `${stride}: ${sum}`);
    }
  }
});

test("what cannot be packed is told apart from what is no vector", () => {
  const full = (value: unknown): unknown[] => [value, ...new Array<number>(dimensions - 1).fill(0)];
  const cases: readonly (readonly [unknown, "odd" | "packed" | "none"])[] = [
    [full(1), "packed"],
    [full(0), "packed"],
    [full(-0), "packed"],
    [full(1e300), "odd"],
    [full(Number.POSITIVE_INFINITY), "odd"],
    [full(1e-200), "odd"],
    [full(5e-324), "odd"],
    [full("1"), "none"],
    [full(null), "none"],
    [[1], "none"],
    ["text", "none"],
    [undefined, "none"],
  ];
  for (const [value, expected] of cases) {
    const found = packable(value as never, dimensions);
    const kind = found === undefined ? "none" : found === "odd" ? "odd" : "packed";
    assert.equal(kind, expected, JSON.stringify(value));
  }
});

test("a column is read back from a checkpoint as it was written", async () => {
  const vectors = Array.from({ length: rows }, drawClustered(seeded(4)));
  for (const type of ["flat", "diskANN"] as const) {
    const column = await columnOf(index(type, "euclidean"), vectors);
    const { shape, sections } = encodeVectors(column, dimensions);
    const copies = sections.map((section) => section.slice());
    const { bytes: _, lists, ...rest } = decodeVectors(JSON.parse(JSON.stringify(shape)), copies);
    const { bytes: __, lists: ownLists, ...own } = column;
    assert.deepEqual(rest, own);
    assert.deepEqual(lists?.starts, ownLists?.starts);
    assert.deepEqual(lists?.centres, ownLists?.centres);
    assert.deepEqual(lists?.probes, ownLists?.probes);
  }
});

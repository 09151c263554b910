/**
 * The inner loop of vector search: products of one vector with a block of packed ones, as a few instructions of
 * WebAssembly on 128-bit lanes, six to ten times as fast as the same loop in JavaScript, which stands in where lanes are
 * missing. Callers copy rows into the block, ask for their products, and read them before they let anybody else work.
 */

/** The part of the standard's interface that is used here; the program is checked without a browser's types. */
declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: object };
};

/** Bytes of one query, products of a block, and rows of a block, one after the other in memory. */
const queryBytes = 16_384;
const productsBytes = 131_072;
const blockBytes = 524_288;
const productsAt = queryBytes;
const blockAt = productsAt + productsBytes;
const pageBytes = 65_536;

export interface VectorKernel {
  /** Where rows are put, each `stride` bytes after the one before. */
  readonly block: Uint8Array;
  /** Rows of `stride` bytes that a block holds. */
  rowsMax(stride: number): number;
  /** Of 32-bit floats; `stride` is a multiple of 32 and what rows and query have beyond their dimensions is zero. */
  floatProducts(query: Float32Array, rows: number, stride: number): Float32Array;
  /** Of signed bytes with a query of 12 bits; `stride` is a multiple of 16 and at most 4,096. */
  byteProducts(query: Int16Array, rows: number, stride: number): Int32Array;
}

type Products = (query: number, rows: number, count: number, stride: number, products: number) => void;

interface Loops {
  readonly memory: ArrayBuffer;
  readonly floats: Products;
  readonly bytes: Products;
}

/** `lanes` false takes the loops in JavaScript. */
export function createVectorKernel(lanes: boolean = WebAssembly.validate(moduleBytes())): VectorKernel {
  const { memory, floats, bytes } = lanes ? laneLoops() : plainLoops();
  return {
    block: new Uint8Array(memory, blockAt, blockBytes),
    rowsMax: (stride) => Math.floor(blockBytes / stride),
    floatProducts(query, rows, stride) {
      new Float32Array(memory, 0, stride / 4).set(query);
      floats(0, blockAt, rows, stride, productsAt);
      return new Float32Array(memory, productsAt, rows);
    },
    byteProducts(query, rows, stride) {
      new Int16Array(memory, 0, stride).set(query);
      bytes(0, blockAt, rows, stride, productsAt);
      return new Int32Array(memory, productsAt, rows);
    },
  };
}

function laneLoops(): Loops {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes()));
  const { memory, floats, bytes } = instance.exports as {
    readonly memory: { readonly buffer: ArrayBuffer };
    readonly floats: Products;
    readonly bytes: Products;
  };
  return { memory: memory.buffer, floats, bytes };
}

function plainLoops(): Loops {
  const memory = new ArrayBuffer(blockAt + blockBytes);
  const floatsOf = new Float32Array(memory);
  const wordsOf = new Int16Array(memory);
  const bytesOf = new Int8Array(memory);
  const integersOf = new Int32Array(memory);
  return {
    memory,
    floats(query, rows, count, stride, products) {
      const size = stride / 4;
      for (let row = 0; row < count; row++) {
        const from = rows / 4 + row * size;
        let sum = 0;
        for (let i = 0; i < size; i++)
          sum += (floatsOf[query / 4 + i] as number) * (floatsOf[from + i] as number);
        floatsOf[products / 4 + row] = sum;
      }
    },
    bytes(query, rows, count, stride, products) {
      for (let row = 0; row < count; row++) {
        const from = rows + row * stride;
        let sum = 0;
        for (let i = 0; i < stride; i++)
          sum += (wordsOf[query / 2 + i] as number) * (bytesOf[from + i] as number);
        integersOf[products / 4 + row] = sum;
      }
    },
  };
}

/** Instructions of WebAssembly by their names in its text format. */
const op = {
  block: [0x02, 0x40],
  loop: [0x03, 0x40],
  end: [0x0b],
  br: [0x0c],
  brIf: [0x0d],
  get: [0x20],
  set: [0x21],
  tee: [0x22],
  i32Store: [0x36, 0x02, 0x00],
  f32Store: [0x38, 0x02, 0x00],
  i32Const: [0x41],
  i32Eqz: [0x45],
  i32LtU: [0x49],
  i32Add: [0x6a],
  i32Sub: [0x6b],
  f32Add: [0x92],
  v128Load: [0xfd, 0x00, 0x04],
  v128Zero: [0xfd, 0x0c, ...new Array<number>(16).fill(0)],
  i32x4Lane: [0xfd, 0x1b],
  f32x4Lane: [0xfd, 0x1f],
  i16x8ExtendLow: [0xfd, 0x87, 0x01],
  i16x8ExtendHigh: [0xfd, 0x88, 0x01],
  i32x4Add: [0xfd, 0xae, 0x01],
  i32x4Dot: [0xfd, 0xba, 0x01],
  f32x4Add: [0xfd, 0xe4, 0x01],
  f32x4Mul: [0xfd, 0xe6, 0x01],
} as const;

const i32 = 0x7f;
const v128 = 0x7b;

/** Locals of both functions: their parameters, then their own. */
const local = { query: 0, rows: 1, count: 2, stride: 3, products: 4, at: 5, end: 6, a: 7, b: 8 } as const;

type Code = readonly number[];

/** Unsigned LEB128. */
function size(value: number): Code {
  return value < 128 ? [value] : [(value & 127) | 128, ...size(value >>> 7)];
}

function vector(items: readonly Code[]): Code {
  return [...size(items.length), ...items.flat()];
}

function section(id: number, items: readonly Code[]): Code {
  const content = vector(items);
  return [id, ...size(content.length), ...content];
}

function name(text: string): Code {
  return vector([...text].map((character) => [character.charCodeAt(0)]));
}

/** `local += step`, for a step below 64. */
function advance(index: number, step: number): Code {
  return [...op.get, index, ...op.i32Const, step, ...op.i32Add, ...op.set, index];
}

/**
 * For each row, from the first: clears the sums `a` and `b`, runs `step` until the row ends, and stores what `result`
 * leaves on the stack. `step` moves `rows` and `at`, the place in the query.
 */
function rowLoop(step: Code, result: Code): Code {
  const code = [
    ...[...op.block, ...op.loop],
    ...[...op.get, local.count, ...op.i32Eqz, ...op.brIf, 1],
    ...[...op.get, local.query, ...op.set, local.at],
    ...[...op.get, local.rows, ...op.get, local.stride, ...op.i32Add, ...op.set, local.end],
    ...[...op.v128Zero, ...op.set, local.a, ...op.v128Zero, ...op.set, local.b],
    ...[...op.loop, ...step],
    ...[...op.get, local.rows, ...op.get, local.end, ...op.i32LtU, ...op.brIf, 0, ...op.end],
    ...[...op.get, local.products, ...result],
    ...advance(local.products, 4),
    ...[...op.get, local.count, ...op.i32Const, 1, ...op.i32Sub, ...op.set, local.count],
    ...[...op.br, 0, ...op.end, ...op.end, ...op.end],
  ];
  const locals = vector([
    [2, i32],
    [2, v128],
  ]);
  return [...size(locals.length + code.length), ...locals, ...code];
}

function load(index: number, offset: number): Code {
  return [...op.get, index, ...op.v128Load, offset];
}

/** Eight floats of the row times eight of the query, in two sums so that one does not wait for the other. */
function floatLoop(): Code {
  const add = (sum: number, offset: number): Code => [
    ...[...op.get, sum, ...load(local.rows, offset), ...load(local.at, offset)],
    ...[...op.f32x4Mul, ...op.f32x4Add, ...op.set, sum],
  ];
  const lanes = [0, 1, 2, 3].flatMap((lane) => [
    ...[...op.get, local.a, ...op.f32x4Lane, lane],
    ...(lane === 0 ? [] : op.f32Add),
  ]);
  const sum = [...op.get, local.a, ...op.get, local.b, ...op.f32x4Add, ...op.set, local.a];
  const step = [
    ...add(local.a, 0),
    ...add(local.b, 16),
    ...advance(local.rows, 32),
    ...advance(local.at, 32),
  ];
  // The place to store at is on the stack already, which setting a local does not touch.
  return rowLoop(step, [...sum, ...lanes, ...op.f32Store]);
}

/** Sixteen bytes of the row, widened, times sixteen words of the query. */
function byteLoop(): Code {
  const add = (sum: number, extend: Code, offset: number): Code => [
    ...[...op.get, sum, ...load(local.rows, 0), ...extend, ...load(local.at, offset)],
    ...[...op.i32x4Dot, ...op.i32x4Add, ...op.set, sum],
  ];
  const lanes = [0, 1, 2, 3].flatMap((lane) => [
    ...[...op.get, local.a, ...op.i32x4Lane, lane],
    ...(lane === 0 ? [] : op.i32Add),
  ]);
  const sum = [...op.get, local.a, ...op.get, local.b, ...op.i32x4Add, ...op.set, local.a];
  const step = [
    ...[...add(local.a, op.i16x8ExtendLow, 0), ...add(local.b, op.i16x8ExtendHigh, 16)],
    ...[...advance(local.rows, 16), ...advance(local.at, 32)],
  ];
  return rowLoop(step, [...sum, ...lanes, ...op.i32Store]);
}

/** The module: one memory and the two loops, which take five whole numbers each. */
function moduleBytes(): Uint8Array<ArrayBuffer> {
  const type = [0x60, ...vector(new Array<Code>(5).fill([i32])), ...vector([])];
  const pages = Math.ceil((blockAt + blockBytes) / pageBytes);
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, [type]),
    ...section(3, [[0], [0]]),
    ...section(5, [[0x01, ...size(pages), ...size(pages)]]),
    ...section(7, [
      [...name("memory"), 0x02, 0],
      [...name("floats"), 0x00, 0],
      [...name("bytes"), 0x00, 1],
    ]),
    ...section(10, [floatLoop(), byteLoop()]),
  ]);
}

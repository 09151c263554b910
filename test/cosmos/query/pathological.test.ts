/**
 * Queries made to hurt, over HTTP: each ends within its time slice, with rows or with a clear refusal, and point reads
 * go on meanwhile. The limit on their latency is generous, because it must hold on a machine that others use too.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Container, ErrorResponse, SqlQuerySpec } from "@azure/cosmos";
import { scriptLimits } from "../../../src/cosmos/scripts/pool.ts";
import { openMemory } from "../../../src/storage/memory.ts";
import { fullSizeOnly, sized } from "../../full-size.ts";
import { patientLimits } from "../fixture.ts";
import { openSdkFixture, type SdkFixture } from "../sdk-fixture.ts";

const items = 60;
const hundred = Array.from({ length: 100 }, (_, i) => i);

/** Only what hangs takes longer, whatever else the machine does. */
const queryMillisecondsMax = 180_000;
/** What a refusal says that time made. */
const timedOut = "maximum alloted";
const readMillisecondsP99Max = 1_500;

interface Pathological {
  readonly name: string;
  readonly query: SqlQuerySpec | string;
  /** What must come of it: an expected first row, a part of the refusal's message, or with both one of them. */
  readonly row?: unknown;
  readonly refusal?: RegExp;
  /** Waits for a limit as another one does; run at full size. */
  readonly alike?: true;
}

function joins(count: number): string {
  return Array.from({ length: count }, (_, i) => ` JOIN a${i} IN c.t`).join("");
}

const queries: readonly Pathological[] = [
  {
    name: "a join of ten",
    query: `SELECT VALUE COUNT(1) FROM c${joins(10)}`,
    refusal: /joined rows|maximum alloted/,
  },
  {
    name: "a join of three",
    query: `SELECT TOP 1 VALUE 1 FROM c${joins(3)} WHERE a0 + a1 + a2 = 297`,
    row: 1,
  },
  {
    name: "nested subqueries",
    query:
      "SELECT VALUE ARRAY_LENGTH(ARRAY(SELECT VALUE ARRAY(SELECT VALUE ARRAY(SELECT VALUE a + b + d FROM d IN c.t) FROM b IN c.t) FROM a IN c.t)) FROM c WHERE c.id = 'i1'",
    row: 100,
  },
  {
    name: "a pattern that backtracks",
    query: "SELECT VALUE RegexMatch(c.s, '^(x+x+)+y$') FROM c",
    row: false,
  },
  {
    name: "a pattern with back references",
    alike: true,
    query: "SELECT VALUE RegexMatch(CONCAT(c.s, c.s, c.s), '^(x*)*\\\\1b$') FROM c",
    refusal: /too many steps|maximum alloted/,
  },
  {
    name: "a constant that backtracks",
    alike: true,
    query: "SELECT VALUE RegexMatch(CONCAT(REPLICATE('a', 5000), 'bd'), '(?<=(a+)+b)c') FROM c",
    refusal: /too many steps|maximum alloted/,
  },
  {
    name: "deep nesting",
    query: `SELECT VALUE ${"(".repeat(100_000)}1${")".repeat(100_000)}`,
    refusal: /nesting/,
  },
  {
    name: "a long chain",
    query: `SELECT VALUE 1${"+1".repeat(100_000)} FROM c`,
    refusal: /expression height/,
  },
  {
    name: "a tenth of a megabyte of members",
    query: `SELECT VALUE c.id FROM c WHERE c.id IN (${Array.from({ length: 10_000 }, (_, i) => `'i${i}'`).join()})`,
    row: "i0",
  },
  {
    name: "half a megabyte of members",
    alike: true,
    query: `SELECT VALUE c.id FROM c WHERE c.id IN (${Array.from({ length: 50_000 }, (_, i) => `'i${i}'`).join()})`,
    row: "i0",
    refusal: /maximum alloted/,
  },
  {
    name: "a tenth of a megabyte of conjuncts",
    query: `SELECT VALUE c.id FROM c WHERE true${" AND c.n >= 0".repeat(8_000)}`,
    row: "i0",
    refusal: /maximum alloted/,
  },
  {
    name: "a tenth of a megabyte of alternatives",
    alike: true,
    query: `SELECT VALUE c.id FROM c WHERE false${" OR c.n = 7".repeat(8_000)}`,
    row: "i7",
    refusal: /maximum alloted/,
  },
  { name: "too long a text", query: `SELECT VALUE '${"x".repeat(600_000)}'`, refusal: /text length/ },
  {
    name: "a half-million of members in a parameter",
    alike: true,
    query: {
      query: "SELECT VALUE c.id FROM c WHERE ARRAY_CONTAINS(@all, c.n)",
      parameters: [{ name: "@all", value: Array.from({ length: 500_000 }, (_, i) => i) }],
    },
    row: "i0",
  },
  {
    name: "a value that doubles",
    query:
      `SELECT VALUE ${Array.from({ length: 60 }, (_, i) => `(LET x${i + 1} = [x${i}, x${i}] IN `).join("")}x60${")".repeat(60)}`.replace(
        "[x0, x0]",
        "[1, 1]",
      ),
    refusal: /too large/,
  },
];

describe("queries made to hurt", () => {
  let fixture: SdkFixture;
  let container: Container;
  const latencies: number[] = [];
  // Read anew by every query: as in service for what time may end, beyond any load for all else.
  const limits = { ...patientLimits };

  before(async () => {
    fixture = await openSdkFixture(openMemory(), 1, {}, {}, limits);
    const { database } = await fixture.client.databases.create({ id: "d" });
    ({ container } = await database.containers.create({ id: "c", partitionKey: { paths: ["/id"] } }));
    for (let n = 0; n < items; n++) {
      await container.items.create({ id: `i${n}`, n, t: hundred, s: "x".repeat(3_000) });
    }
  });

  after(() => fixture.close());

  for (const example of queries) {
    const skip = example.alike === true ? fullSizeOnly : false;
    test(example.name, { skip }, async () => {
      Object.assign(limits, example.refusal?.test(timedOut) === true ? scriptLimits : patientLimits);
      const started = performance.now();
      const asking = firstRow(container, example.query);
      const reading = readWhile(container, asking, latencies);
      const outcome = await asking;
      const elapsed = performance.now() - started;
      await reading;
      assert.ok(elapsed < queryMillisecondsMax, `it took ${elapsed.toFixed(0)} ms`);
      if (example.row !== undefined && (outcome.row !== undefined || example.refusal === undefined)) {
        assert.deepEqual(outcome.row, example.row, outcome.message);
        return;
      }
      assert.match(outcome.message ?? "it was served", example.refusal ?? /never/);
      assert.ok([400, 408].includes(outcome.status ?? 200), `status ${outcome.status}`);
      assert.doesNotMatch(outcome.message ?? "", /\n\s+at /);
    });
  }

  test("point reads went on", () => {
    assert.ok(latencies.length > sized(40, 100), `only ${latencies.length} reads were made`);
    const p99 = latencies.toSorted((a, b) => a - b)[Math.floor(latencies.length * 0.99)] ?? 0;
    assert.ok(p99 < readMillisecondsP99Max, `p99 ${p99.toFixed(0)} ms`);
  });
});

describe("over several ranges", () => {
  let fixture: SdkFixture;
  let container: Container;

  before(async () => {
    fixture = await openSdkFixture(openMemory(), 3);
    const { database } = await fixture.client.databases.create({ id: "d" });
    ({ container } = await database.containers.create({ id: "c", partitionKey: { paths: ["/id"] } }));
    for (let n = 0; n < 20; n++) await container.items.create({ id: `i${n}`, n, t: hundred });
  });

  after(() => fixture.close());

  const members = Array.from({ length: 4_000 }, (_, i) => `'i${i}'`).join();

  test("a long text is planned and merged", async () => {
    const query = `SELECT VALUE c.n FROM c WHERE c.id IN (${members}) ORDER BY c.n DESC`;
    const { resources } = await container.items.query(query).fetchAll();
    assert.deepEqual(
      resources,
      Array.from({ length: 20 }, (_, i) => 19 - i),
    );
  });

  test("a long text that aggregates is planned and merged", async () => {
    const query = `SELECT VALUE SUM(c.n) FROM c WHERE c.id IN (${members})`;
    assert.deepEqual((await container.items.query(query).fetchAll()).resources, [190]);
  });

  test("a faulty long text is refused as any other", async () => {
    const outcome = await firstRow(container, `SELECT VALUE c.n FORM c WHERE c.id IN (${members})`);
    assert.equal(outcome.status, 400);
    assert.match(outcome.message ?? "", /SC1001/);
  });

  test("a query that overruns its time is merged, too", async () => {
    const query = `SELECT c.id, (SELECT VALUE COUNT(1) FROM a IN c.t JOIN b IN c.t JOIN d IN c.t) AS many FROM c WHERE c.n < 3 ORDER BY c.n`;
    const { resources } = await container.items.query(query).fetchAll();
    assert.deepEqual(
      resources,
      [0, 1, 2].map((n) => ({ id: `i${n}`, many: 1_000_000 })),
    );
  });
});

interface Outcome {
  readonly row?: unknown;
  readonly status?: number;
  readonly message?: string;
}

async function firstRow(container: Container, query: SqlQuerySpec | string): Promise<Outcome> {
  try {
    const { resources } = await container.items.query<unknown>(query).fetchNext();
    return { row: resources?.[0] };
  } catch (error) {
    const { code, message } = error as ErrorResponse;
    return { status: Number(code), message: String(message) };
  }
}

/** Reads items one after another until `busy` is settled. */
async function readWhile(container: Container, busy: Promise<unknown>, latencies: number[]): Promise<void> {
  let ended = false;
  const stop = (): void => {
    ended = true;
  };
  busy.then(stop, stop);
  for (let n = 0; !ended; n++) {
    const started = performance.now();
    const id = `i${n % items}`;
    const { statusCode } = await container.item(id, id).read();
    assert.equal(statusCode, 200);
    latencies.push(performance.now() - started);
    await new Promise((resume) => setTimeout(resume, 10));
  }
}

/** The spatial index: seeded random shapes and filters give what a scan gives, and points far away are not loaded. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { QueryParameter } from "../../../src/cosmos/query/prepare.ts";
import type { Value } from "../../../src/cosmos/query/values.ts";
import { sized } from "../../full-size.ts";
import { createRandom, type Random } from "../query/generator.ts";
import { type IndexFixture, openIndexFixture } from "./fixture.ts";

const items = 240;
const queriesPerKind = sized(20, 200);

const settings = {
  indexingPolicy: {
    includedPaths: [{ path: "/*" }],
    spatialIndexes: [
      { path: "/at/*", types: ["Point", "Polygon"] },
      { path: "/stops/[]/*", types: ["Point"] },
    ],
  },
};

type Place = readonly [number, number];

/** Anywhere, with a liking for the poles, the antimeridian, and one town. */
function place(random: Random): Place {
  const fraction = random.below(1_000_000) / 1_000_000;
  const other = random.below(1_000_000) / 1_000_000;
  switch (random.below(5)) {
    case 0:
      return [10 + fraction, 50 + other];
    case 1:
      return [fraction < 0.5 ? 180 - fraction : -180 + fraction - 0.5, 160 * other - 80];
    case 2:
      return [360 * fraction - 180, (other < 0.5 ? 1 : -1) * (90 - other)];
    default:
      return [360 * fraction - 180, 180 * other - 90];
  }
}

function point(random: Random): Value {
  return { type: "Point", coordinates: place(random) };
}

function square(random: Random, size: number): Value {
  const [x, y] = place(random);
  const [west, south] = [Math.min(x, 179 - size), Math.max(-89, Math.min(y, 89 - size))];
  const [east, north] = [west + size, south + size];
  const ring = [
    [west, south],
    [east, south],
    [east, north],
    [west, north],
    [west, south],
  ];
  return { type: "Polygon", coordinates: [random.chance(0.8) ? ring : ring.toReversed()] };
}

function shape(random: Random): Value {
  switch (random.below(12)) {
    case 0:
      return square(random, 0.5 + random.below(8));
    case 1:
      return { type: "LineString", coordinates: [place(random), place(random)] };
    case 2:
      return { type: "Point", coordinates: [1] };
    case 3:
      return { type: "Point", coordinates: ["1", 2] };
    case 4:
      return random.pick([null, 3, "Point", {}, { type: "Point" }, { type: "Star", coordinates: [1, 2] }]);
    default:
      return point(random);
  }
}

function filter(random: Random): { readonly filter: string; readonly to: Value } {
  const reach = random.pick([0, 1_000, 50_000, 400_000, 3_000_000]);
  const to = random.chance(0.8) ? point(random) : square(random, 1 + random.below(12));
  switch (random.below(6)) {
    case 0:
      return { filter: "ST_WITHIN(c.at, @to)", to: square(random, 1 + random.below(20)) };
    case 1:
      return { filter: "ST_INTERSECTS(@to, c.at)", to: square(random, 1 + random.below(20)) };
    case 2:
      return { filter: `${reach} >= ST_DISTANCE(@to, c.at)`, to };
    case 3:
      return { filter: `EXISTS(SELECT VALUE s FROM s IN c.stops WHERE ST_DISTANCE(s, @to) < ${reach})`, to };
    default:
      return { filter: `ST_DISTANCE(c.at, @to) < ${reach}`, to };
  }
}

async function filled(random: Random, more: object = {}): Promise<IndexFixture> {
  const fixture = await openIndexFixture({ settings: { ...settings, ...more } });
  for (let n = 0; n < items; n++) {
    const at = random.chance(0.9) ? { at: shape(random) } : {};
    const stops = Array.from({ length: random.below(3) }, () => shape(random));
    await fixture.put({ id: `i${n}`, pk: "p", ...at, stops });
  }
  return fixture;
}

/** All rows and the items loaded for them: on a busy machine a page ends before its rows do. */
async function allPages(
  fixture: IndexFixture,
  query: string,
  parameters: readonly QueryParameter[],
): Promise<{ readonly rows: Value[]; readonly loaded: number }> {
  const rows: Value[] = [];
  let loaded = 0;
  let continuation: string | undefined;
  do {
    const page = await fixture.page(query, { parameters, pageSize: 1000, continuation });
    rows.push(...page.rows);
    loaded += page.loaded;
    continuation = page.continuation;
  } while (continuation !== undefined);
  return { rows, loaded };
}

describe("spatial filters", () => {
  test("on the earth", async () => {
    const random = createRandom(5);
    const fixture = await filled(random);
    let matched = 0;
    let loads = 0;
    for (let i = 0; i < queriesPerKind; i++) {
      const { filter: text, to } = filter(random);
      const query = `SELECT VALUE c.id FROM c WHERE ${text}`;
      const parameters = [{ name: "@to", value: to }];
      const { rows, loaded } = await allPages(fixture, query, parameters);
      assert.deepEqual(rows, await fixture.scanned(query, { parameters }), `${query} ${JSON.stringify(to)}`);
      matched += rows.length;
      loads += loaded;
    }
    assert.ok(matched > 50, `only ${matched} items were found`);
    assert.ok(loads < queriesPerKind * items * 0.8, `${loads} items were loaded`);
  });

  test("points near by are found without loading those far away", async () => {
    const fixture = await openIndexFixture({ settings });
    for (let n = 0; n < 200; n++) {
      await fixture.put({ id: `i${n}`, pk: "p", at: { type: "Point", coordinates: [n / 10, 45] } });
    }
    const query =
      "SELECT VALUE c.id FROM c WHERE ST_DISTANCE(c.at, {'type': 'Point', 'coordinates': [10, 45]}) < 20000";
    const { rows, loaded } = await fixture.page(query);
    assert.deepEqual(rows, ["i98", "i99", "i100", "i101", "i102"]);
    assert.ok(loaded <= 7, `${loaded} items were loaded`);
    const plain = await openIndexFixture();
    for (let n = 0; n < 20; n++) {
      await plain.put({ id: `i${n}`, pk: "p", at: { type: "Point", coordinates: [n / 10, 45] } });
    }
    assert.equal((await plain.page(query)).loaded, 20, "without a spatial index all items are read");
  });
});

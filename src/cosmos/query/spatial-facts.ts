/**
 * What a spatial filter says of coordinates: a point that passes it lies within a box. The box may be too large, never
 * too small; where that is hard to tell (near the poles, at the antimeridian, for shapes that span much of the earth)
 * it says less or nothing.
 */
import type { Condition, Path } from "./facts.ts";
import { readShape, type Shape } from "./functions/geojson.ts";
import { LATITUDE, LONGITUDE } from "./item-paths.ts";
import type { Value } from "./values.ts";

const DEGREES = 180 / Math.PI;
/** A degree of latitude is longer than this everywhere, in metres; and no radius of curvature is smaller. */
const METRES_PER_DEGREE = 110_570;
const RADIUS_MIN = 6_335_000;
/** Edges are arcs of great circles: within these bounds they leave the box of their ends by less than the margin. */
const SPAN_MAX = 10;
const LATITUDE_MAX = 75;
const ARC_MARGIN = 0.25;
const ROUNDING = 1e-6;

interface Box {
  readonly west: number;
  readonly east: number;
  readonly south: number;
  readonly north: number;
}

/** Conditions on the coordinates of points at `path` that are at most `distance` away from the constant `shape`. */
export function withinDistance(
  path: Path,
  shape: Value,
  distance: number,
  geography: boolean,
): readonly Condition[] | undefined {
  const reading = readShape(shape, geography);
  if (!("shape" in reading) || !(distance >= 0)) return undefined;
  const box = boxOf(reading.shape, geography);
  if (box === undefined) return undefined;
  return geography ? onEarth(path, box, distance) : inPlane(path, box, distance);
}

function inPlane(path: Path, { west, east, south, north }: Box, distance: number): readonly Condition[] {
  const reach = distance * (1 + ROUNDING) + ROUNDING;
  return [
    between(path, LONGITUDE, west - reach, east + reach),
    between(path, LATITUDE, south - reach, north + reach),
  ];
}

function onEarth(path: Path, box: Box, metres: number): readonly Condition[] | undefined {
  const arc = metres / RADIUS_MIN;
  if (arc >= Math.PI / 2) return undefined;
  const reach = metres / METRES_PER_DEGREE + ROUNDING;
  const south = box.south - reach;
  const north = box.north + reach;
  const latitude = between(path, LATITUDE, south, north);
  const cosine = Math.cos(Math.max(Math.abs(box.south), Math.abs(box.north)) / DEGREES);
  // A circle around a pole has every longitude.
  if (Math.max(Math.abs(south), Math.abs(north)) >= 90 || Math.sin(arc) >= cosine) return [latitude];
  const turn = Math.asin(Math.sin(arc) / cosine) * DEGREES * 1.01 + ROUNDING;
  const west = box.west - turn;
  const east = box.east + turn;
  if (west < -180 || east > 180) return [latitude];
  return [between(path, LONGITUDE, west, east), latitude];
}

function between(path: Path, step: number, low: number, high: number): Condition {
  return { path: [...path, step], test: "near", values: [low, high] };
}

function boxOf({ points, lines, polygons }: Shape, geography: boolean): Box | undefined {
  const positions = [...points, ...lines.flat(), ...polygons.flat(2)];
  const xs = positions.map(([x]) => x);
  const ys = positions.map(([, y]) => y);
  const box = {
    west: Math.min(...xs),
    east: Math.max(...xs),
    south: Math.min(...ys),
    north: Math.max(...ys),
  };
  if (!geography || lines.length + polygons.length === 0) return box;
  const reach = Math.max(Math.abs(box.south), Math.abs(box.north));
  if (box.east - box.west > SPAN_MAX || box.north - box.south > SPAN_MAX || reach > LATITUDE_MAX)
    return undefined;
  return {
    west: box.west - ARC_MARGIN,
    east: box.east + ARC_MARGIN,
    south: box.south - ARC_MARGIN,
    north: box.north + ARC_MARGIN,
  };
}

/**
 * GeoJSON values of the language (Point, MultiPoint, LineString, MultiLineString, Polygon, MultiPolygon) checked and
 * brought to one form. Coordinates are [longitude, latitude] or, in the plane, [x, y].
 */
import { isArray, isObject, property, type Value } from "../values.ts";

export type Position = readonly [number, number];
export type Ring = readonly Position[];

/** A geometry as its points, lines and polygons; a polygon is its outer ring followed by its holes. */
export interface Shape {
  readonly points: readonly Position[];
  readonly lines: readonly Ring[];
  readonly polygons: readonly (readonly Ring[])[];
}

export type Reading = { readonly shape: Shape } | { readonly reason: string };

const RING_POINTS_MIN = 4;

/** Reads `value`; `geography` limits coordinates to degrees of latitude and longitude. */
export function readShape(value: Value, geography: boolean): Reading {
  const type = property(value, "type");
  const coordinates = property(value, "coordinates");
  if (!isObject(value) || typeof type !== "string") return { reason: "The input is not a GeoJSON object." };
  const empty: Shape = { points: [], lines: [], polygons: [] };
  try {
    switch (type) {
      case "Point":
        return { shape: { ...empty, points: [position(coordinates, geography)] } };
      case "MultiPoint":
        return { shape: { ...empty, points: list(coordinates).map((item) => position(item, geography)) } };
      case "LineString":
        return { shape: { ...empty, lines: [line(coordinates, geography)] } };
      case "MultiLineString":
        return { shape: { ...empty, lines: list(coordinates).map((item) => line(item, geography)) } };
      case "Polygon":
        return { shape: { ...empty, polygons: [polygon(coordinates, geography)] } };
      case "MultiPolygon":
        return { shape: { ...empty, polygons: list(coordinates).map((item) => polygon(item, geography)) } };
      default:
        return { reason: `The type '${type}' is not a supported GeoJSON type.` };
    }
  } catch (error) {
    if (!(error instanceof Flaw)) throw error;
    return { reason: error.message };
  }
}

/** What is wrong with a geometry; never leaves this file. */
class Flaw extends Error {}

function list(value: Value): readonly Value[] {
  if (!isArray(value) || value.length === 0)
    throw new Flaw("The coordinates are not an array of the expected depth.");
  return value;
}

function position(value: Value, geography: boolean): Position {
  const [x, y] = list(value);
  if (typeof x !== "number" || typeof y !== "number" || list(value).length > 4) {
    throw new Flaw("A position must be an array of two to four numbers.");
  }
  if (geography && Math.abs(y) > 90) throw new Flaw("Latitude values must be between -90 and 90 degrees.");
  if (geography && Math.abs(x) > 180)
    throw new Flaw("Longitude values must be between -180 and 180 degrees.");
  return [x, y];
}

function line(value: Value, geography: boolean): Ring {
  const positions = list(value).map((item) => position(item, geography));
  if (positions.length < 2) throw new Flaw("A LineString must have at least two positions.");
  return positions;
}

function polygon(value: Value, geography: boolean): readonly Ring[] {
  return list(value).map((item, index) => {
    const ring = list(item).map((corner) => position(corner, geography));
    const first = ring[0];
    const last = ring.at(-1);
    if (first?.[0] !== last?.[0] || first?.[1] !== last?.[1]) {
      throw new Flaw(
        "The Polygon input is not valid because the start and end points of the ring number " +
          `${index + 1} are not the same. Each ring of a polygon must have the same start and end points.`,
      );
    }
    if (ring.length < RING_POINTS_MIN)
      throw new Flaw("Each ring of a polygon must have at least four positions.");
    return ring;
  });
}

/**
 * Spatial functions. A container measures on the earth (Geography, the default) or in the plane (Geometry).
 */
import type { Value } from "../values.ts";
import { type Position, type Ring, readShape, type Shape } from "./geojson.ts";
import { type BuiltIn, contextual, type Implementation } from "./signature.ts";
import { earth, edges, plane, type Surface } from "./surface.ts";

type OnShapes = (surface: Surface, a: Shape, b: Shape) => Value;

function surfaceOf(geography: boolean): Surface {
  return geography ? earth : plane;
}

/** A function of two geometries; undefined when an argument is none. */
function ofTwo(name: string, compute: OnShapes): BuiltIn {
  return contextual(name, [2, 2], true, ({ geospatial }): Implementation => {
    const geography = geospatial === "Geography";
    return (left, right) => {
      const a = readShape(left, geography);
      const b = readShape(right, geography);
      return "shape" in a && "shape" in b ? compute(surfaceOf(geography), a.shape, b.shape) : undefined;
    };
  });
}

/** Every edge of lines and rings. */
function allEdges(shape: Shape): [Position, Position][] {
  return [...shape.lines, ...shape.polygons.flat()].flatMap(edges);
}

/** One point of every part: enough to tell inside from outside when no edges meet. */
function corners(shape: Shape): Position[] {
  const rings = [...shape.lines, ...shape.polygons.map((rings) => rings[0] ?? [])];
  return [...shape.points, ...rings.flatMap((ring) => ring.slice(0, 1))];
}

function insidePolygon(surface: Surface, point: Position, [outer, ...holes]: readonly Ring[]): boolean {
  return (
    outer !== undefined && surface.inside(point, outer) && !holes.some((hole) => surface.inside(point, hole))
  );
}

function covers(surface: Surface, shape: Shape, point: Position): boolean {
  return shape.polygons.some((polygon) => insidePolygon(surface, point, polygon));
}

/** Distance below which a point counts as lying on an edge: a micrometre. */
const TOUCH = 1e-6;

function touches(surface: Surface, point: Position, shape: Shape): boolean {
  if (shape.points.some((other) => surface.distance(point, other) <= TOUCH)) return true;
  return allEdges(shape).some(([a, b]) => surface.distanceToEdge(point, a, b) <= TOUCH);
}

function intersects(surface: Surface, a: Shape, b: Shape): boolean {
  const second = allEdges(b);
  if (allEdges(a).some(([p, q]) => second.some(([r, s]) => surface.edgesMeet(p, q, r, s)))) return true;
  if (corners(a).some((point) => covers(surface, b, point))) return true;
  if (corners(b).some((point) => covers(surface, a, point))) return true;
  return (
    a.points.some((point) => touches(surface, point, b)) ||
    b.points.some((point) => touches(surface, point, a))
  );
}

/** Every part of `a` lies in the interior of the polygons of `b`, and no hole of theirs lies in `a`. */
function within(surface: Surface, a: Shape, b: Shape): Value {
  if (b.polygons.length === 0) return false;
  const vertices = [...a.points, ...a.lines.flat(), ...a.polygons.flat(2)];
  if (!vertices.every((point) => covers(surface, b, point))) return false;
  const border = allEdges(b);
  if (allEdges(a).some(([p, q]) => border.some(([r, s]) => surface.edgesMeet(p, q, r, s)))) return false;
  return !b.polygons.some(([, ...holes]) =>
    holes.some(([first]) => first !== undefined && covers(surface, a, first)),
  );
}

function distance(surface: Surface, a: Shape, b: Shape): Value {
  if (intersects(surface, a, b)) return 0;
  let best = Number.POSITIVE_INFINITY;
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const points = [...one.points, ...one.lines.flat(), ...one.polygons.flat(2)];
    for (const point of points) {
      for (const target of other.points) best = Math.min(best, surface.distance(point, target));
      for (const [p, q] of allEdges(other)) best = Math.min(best, surface.distanceToEdge(point, p, q));
    }
  }
  return best;
}

function area(surface: Surface, shape: Shape): Value {
  if (shape.polygons.length === 0) return 0;
  let total = 0;
  for (const [outer = [], ...holes] of shape.polygons) {
    total += surface.area(outer) - holes.reduce((sum, hole) => sum + surface.area(hole), 0);
  }
  return total;
}

export const spatialFunctions: readonly BuiltIn[] = [
  contextual("ST_AREA", [1, 1], true, ({ geospatial }) => {
    const geography = geospatial === "Geography";
    return (value) => {
      const reading = readShape(value, geography);
      return "shape" in reading ? area(surfaceOf(geography), reading.shape) : undefined;
    };
  }),
  ofTwo("ST_DISTANCE", distance),
  ofTwo("ST_INTERSECTS", intersects),
  contextual("ST_ISVALID", [1, 1], true, ({ geospatial }) => {
    return (value) =>
      value === undefined ? undefined : "shape" in readShape(value, geospatial === "Geography");
  }),
  contextual("ST_ISVALIDDETAILED", [1, 1], true, ({ geospatial }) => {
    return (value) => {
      if (value === undefined) return undefined;
      const reading = readShape(value, geospatial === "Geography");
      return "shape" in reading ? { valid: true } : { valid: false, reason: reading.reason };
    };
  }),
  ofTwo("ST_WITHIN", within),
];

/**
 * The two surfaces that coordinates can lie on: the plane, and the earth (great-circle edges, distances on the
 * WGS-84 ellipsoid in metres). What both can do is all that the spatial functions need.
 */
import type { Position, Ring } from "./geojson.ts";

export interface Surface {
  distance(a: Position, b: Position): number;
  /** Shortest distance from a point to the edge between two others. */
  distanceToEdge(point: Position, a: Position, b: Position): number;
  edgesMeet(a: Position, b: Position, c: Position, d: Position): boolean;
  /** Strictly inside the smaller side of a closed ring, whatever its direction. */
  inside(point: Position, ring: Ring): boolean;
  /** Area of the smaller side of a ring, never negative. */
  area(ring: Ring): number;
}

/** Pairs of neighbours along a line or ring. */
export function edges(ring: Ring): [Position, Position][] {
  return ring.slice(1).map((end, i) => [ring[i] ?? end, end]);
}

export const plane: Surface = {
  distance: ([ax, ay], [bx, by]) => Math.hypot(ax - bx, ay - by),
  distanceToEdge([px, py], [ax, ay], [bx, by]) {
    const length = (bx - ax) ** 2 + (by - ay) ** 2;
    const t = length === 0 ? 0 : ((px - ax) * (bx - ax) + (py - ay) * (by - ay)) / length;
    const along = Math.min(1, Math.max(0, t));
    return Math.hypot(px - ax - along * (bx - ax), py - ay - along * (by - ay));
  },
  edgesMeet(a, b, c, d) {
    const first = Math.sign(turn(a, b, c));
    const second = Math.sign(turn(a, b, d));
    const third = Math.sign(turn(c, d, a));
    const fourth = Math.sign(turn(c, d, b));
    if (first !== second && third !== fourth) return true;
    return (
      (first === 0 && within(a, b, c)) ||
      (second === 0 && within(a, b, d)) ||
      (third === 0 && within(c, d, a)) ||
      (fourth === 0 && within(c, d, b))
    );
  },
  inside([px, py], ring) {
    let inside = false;
    for (const [[ax, ay], [bx, by]] of edges(ring)) {
      if (ay > py !== by > py && px < ((bx - ax) * (py - ay)) / (by - ay) + ax) inside = !inside;
    }
    return inside;
  },
  area: (ring) => Math.abs(edges(ring).reduce((sum, [[ax, ay], [bx, by]]) => sum + ax * by - bx * ay, 0)) / 2,
};

/** Twice the signed area of the triangle: positive when c lies left of a to b. */
function turn([ax, ay]: Position, [bx, by]: Position, [cx, cy]: Position): number {
  return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
}

/** Is c, known to be on the line through a and b, between them. */
function within([ax, ay]: Position, [bx, by]: Position, [cx, cy]: Position): boolean {
  return Math.min(ax, bx) <= cx && cx <= Math.max(ax, bx) && Math.min(ay, by) <= cy && cy <= Math.max(ay, by);
}

type Vector = readonly [number, number, number];

const EQUATOR = 6_378_137;
const FLATTENING = 1 / 298.257223563;
const POLE = EQUATOR * (1 - FLATTENING);
const ECCENTRICITY = Math.sqrt(FLATTENING * (2 - FLATTENING));
const RADIANS = Math.PI / 180;

export const earth: Surface = {
  distance: geodesicLength,
  distanceToEdge(point, a, b) {
    const u = toVector(a);
    const v = toVector(b);
    const steps = 32;
    const at = (t: number): number => geodesicLength(point, toPosition(interpolate(u, v, t)));
    let best = 0;
    for (let i = 1; i <= steps; i++) if (at(i / steps) < at(best / steps)) best = i;
    return minimum(at, Math.max(0, best - 1) / steps, Math.min(steps, best + 1) / steps);
  },
  edgesMeet(a, b, c, d) {
    const [u, v, w, x] = [toVector(a), toVector(b), toVector(c), toVector(d)];
    const first = cross(u, v);
    const second = cross(w, x);
    const axis = cross(first, second);
    const size = Math.sqrt(dot(axis, axis));
    if (size < 1e-15) return onArc(u, v, w) || onArc(u, v, x) || onArc(w, x, u) || onArc(w, x, v);
    const point = scale(axis, 1 / size);
    return [point, scale(point, -1)].some((meeting) => onArc(u, v, meeting) && onArc(w, x, meeting));
  },
  inside(point, ring) {
    const p = toVector(point);
    const vectors = ring.map(toVector);
    let angle = 0;
    for (const [a, b] of vectorEdges(vectors)) {
      angle += Math.atan2(dot(p, cross(a, b)), dot(a, b) - dot(p, a) * dot(p, b));
    }
    const centre = vectors
      .slice(1)
      .reduce((sum, v) => [sum[0] + v[0], sum[1] + v[1], sum[2] + v[2]], [0, 0, 0]);
    return Math.abs(angle) > Math.PI && dot(p, centre) > 0;
  },
  area(ring) {
    let sum = 0;
    for (const [a, b] of edges(ring)) {
      const [first, second] = [Math.tan(authalicLatitude(a[1]) / 2), Math.tan(authalicLatitude(b[1]) / 2)];
      let width = (b[0] - a[0]) * RADIANS;
      if (width > Math.PI) width -= 2 * Math.PI;
      if (width < -Math.PI) width += 2 * Math.PI;
      sum += 2 * Math.atan2(Math.tan(width / 2) * (first + second), 1 + first * second);
    }
    const whole = 4 * Math.PI * AUTHALIC_RADIUS ** 2;
    const area = Math.abs(sum) * AUTHALIC_RADIUS ** 2;
    return Math.min(area, whole - area);
  },
};

function toVector([longitude, latitude]: Position): Vector {
  const [x, y] = [longitude * RADIANS, latitude * RADIANS];
  return [Math.cos(y) * Math.cos(x), Math.cos(y) * Math.sin(x), Math.sin(y)];
}

function toPosition([x, y, z]: Vector): Position {
  return [Math.atan2(y, x) / RADIANS, Math.atan2(z, Math.hypot(x, y)) / RADIANS];
}

function dot(a: Vector, b: Vector): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

function cross(a: Vector, b: Vector): Vector {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

function scale([x, y, z]: Vector, by: number): Vector {
  return [x * by, y * by, z * by];
}

function vectorEdges(vectors: readonly Vector[]): [Vector, Vector][] {
  return vectors.slice(1).map((end, i) => [vectors[i] ?? end, end]);
}

/** Is `point` on the shorter arc from `a` to `b`: on its circle and between its ends. */
function onArc(a: Vector, b: Vector, point: Vector): boolean {
  const normal = cross(a, b);
  const slack = 1e-12;
  if (Math.abs(dot(normal, point)) > slack) return false;
  return (
    dot(cross(a, point), normal) >= -slack &&
    dot(cross(point, b), normal) >= -slack &&
    dot(point, a) + dot(point, b) > 0
  );
}

function interpolate(a: Vector, b: Vector, t: number): Vector {
  const angle = Math.atan2(Math.sqrt(dot(cross(a, b), cross(a, b))), dot(a, b));
  if (angle < 1e-15) return a;
  const [first, second] = [
    Math.sin((1 - t) * angle) / Math.sin(angle),
    Math.sin(t * angle) / Math.sin(angle),
  ];
  return [a[0] * first + b[0] * second, a[1] * first + b[1] * second, a[2] * first + b[2] * second];
}

/** Smallest value of `f` between two bounds with one valley, by golden section. */
function minimum(f: (t: number) => number, from: number, to: number): number {
  const ratio = (Math.sqrt(5) - 1) / 2;
  let [low, high] = [from, to];
  for (let i = 0; i < 40; i++) {
    const left = high - ratio * (high - low);
    const right = low + ratio * (high - low);
    if (f(left) < f(right)) high = right;
    else low = left;
  }
  return Math.min(f(low), f(high), f(from), f(to));
}

/** Metres between two points on the WGS-84 ellipsoid: Vincenty's inverse formula, T. Vincenty, 1975. */
function geodesicLength(a: Position, b: Position): number {
  const width = (b[0] - a[0]) * RADIANS;
  const u1 = Math.atan((1 - FLATTENING) * Math.tan(a[1] * RADIANS));
  const u2 = Math.atan((1 - FLATTENING) * Math.tan(b[1] * RADIANS));
  const [sin1, cos1, sin2, cos2] = [Math.sin(u1), Math.cos(u1), Math.sin(u2), Math.cos(u2)];
  let lambda = width;
  for (let i = 0; i < 100; i++) {
    const sinL = Math.sin(lambda);
    const cosL = Math.cos(lambda);
    const sinS = Math.hypot(cos2 * sinL, cos1 * sin2 - sin1 * cos2 * cosL);
    if (sinS === 0) return 0;
    const cosS = sin1 * sin2 + cos1 * cos2 * cosL;
    const sigma = Math.atan2(sinS, cosS);
    const sinA = (cos1 * cos2 * sinL) / sinS;
    const cosA2 = 1 - sinA * sinA;
    const middle = cosA2 === 0 ? 0 : cosS - (2 * sin1 * sin2) / cosA2;
    const c = (FLATTENING / 16) * cosA2 * (4 + FLATTENING * (4 - 3 * cosA2));
    const before = lambda;
    const inner = middle + c * cosS * (2 * middle * middle - 1);
    lambda = width + (1 - c) * FLATTENING * sinA * (sigma + c * sinS * inner);
    if (Math.abs(lambda - before) < 1e-12) return ellipticLength(cosA2, sigma, sinS, cosS, middle);
  }
  return sphericLength(a, b);
}

function ellipticLength(cosA2: number, sigma: number, sinS: number, cosS: number, middle: number): number {
  const u = (cosA2 * (EQUATOR ** 2 - POLE ** 2)) / POLE ** 2;
  const a = 1 + (u / 16384) * (4096 + u * (-768 + u * (320 - 175 * u)));
  const b = (u / 1024) * (256 + u * (-128 + u * (74 - 47 * u)));
  const last = (b / 6) * middle * (4 * sinS * sinS - 3) * (4 * middle * middle - 3);
  const delta = b * sinS * (middle + (b / 4) * (cosS * (2 * middle * middle - 1) - last));
  return POLE * a * (sigma - delta);
}

/** Vincenty does not converge for nearly antipodal points; the mean sphere is within 0.6 %. */
function sphericLength(a: Position, b: Position): number {
  const [u, v] = [toVector(a), toVector(b)];
  const n = cross(u, v);
  return ((2 * EQUATOR + POLE) / 3) * Math.atan2(Math.sqrt(dot(n, n)), dot(u, v));
}

/** The function q of the authalic latitude: areas on the ellipsoid become areas on a sphere. */
function authalic(latitude: number): number {
  const s = Math.sin(latitude);
  const e = ECCENTRICITY;
  return (1 - e * e) * (s / (1 - e * e * s * s) - Math.log((1 - e * s) / (1 + e * s)) / (2 * e));
}

const AUTHALIC_POLE = authalic(Math.PI / 2);
const AUTHALIC_RADIUS = EQUATOR * Math.sqrt(AUTHALIC_POLE / 2);

function authalicLatitude(degrees: number): number {
  return Math.asin(Math.max(-1, Math.min(1, authalic(degrees * RADIANS) / AUTHALIC_POLE)));
}

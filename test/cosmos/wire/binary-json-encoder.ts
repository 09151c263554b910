/**
 * Writes JSON values in the binary form, each in one of the ways in which it can be written, as `choose` decides. For
 * tests only: the server sends text.
 */

/** A whole number from 0 to `below` - 1. */
export type Choose = (below: number) => number;

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

const SYSTEM_STRINGS = new Map([
  ["$s", 0x20],
  ["_attachments", 0x23],
  ["_etag", 0x24],
  ["_rid", 0x25],
  ["_self", 0x26],
  ["_ts", 0x27],
  ["id", 0x2c],
  ["Point", 0x38],
  ["type", 0x3b],
  ["_id", 0x3f],
]);

const GUID = /^"?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"?$/i;

/** `value` behind the first byte of the format. */
export function encodeBinaryJson(value: Json, choose: Choose): Uint8Array {
  const out: number[] = [0x80];
  // Where each string was first written as itself: references count from the start of the body.
  const places = new Map<string, number>();
  writeValue(value, out, places, choose);
  return Uint8Array.from(out);
}

function writeValue(value: Json, out: number[], places: Map<string, number>, choose: Choose): void {
  if (value === null) out.push(0xd0);
  else if (typeof value === "boolean") out.push(value ? 0xd2 : 0xd1);
  else if (typeof value === "number") out.push(...oneOf(numberForms(value), choose));
  else if (typeof value === "string") writeString(value, out, places, choose);
  else if (isList(value)) {
    const numbers = uniformForms(value);
    if (numbers.length > 0 && choose(2) === 0) out.push(...oneOf(numbers, choose));
    else
      writeFramed(0xe0, value.length, out, places, choose, (i) =>
        writeValue(value[i] ?? null, out, places, choose),
      );
  } else {
    const members = Object.entries(value);
    writeFramed(0xe8, members.length, out, places, choose, (i) => {
      const [name = "", member = null] = members[i] ?? [];
      writeString(name, out, places, choose);
      writeValue(member, out, places, choose);
    });
  }
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

/** An array (from E0) or object (from E8): empty, single, or with its length, in as many bytes as were reserved. */
function writeFramed(
  base: number,
  count: number,
  out: number[],
  places: Map<string, number>,
  choose: Choose,
  item: (i: number) => void,
): void {
  if (count === 0 && choose(2) === 0) {
    out.push(base);
    return;
  }
  if (count === 1 && choose(2) === 0) {
    out.push(base + 1);
    item(0);
    return;
  }
  // The length is known only afterwards, and references need the final places: a width is tried, and may be too small.
  const counted = choose(2) === 0;
  for (const width of [oneOf([[1], [2], [4]], choose)[0] ?? 4, 4]) {
    const start = out.length;
    const marker = base + (counted ? 5 : 2) + (width === 4 ? 2 : width - 1);
    out.push(marker, ...little(0, width), ...(counted ? little(count, width) : []));
    const contents = out.length;
    for (let i = 0; i < count; i++) item(i);
    const length = out.length - contents;
    if (length < 2 ** (8 * width) && count < 2 ** (8 * width)) {
      out.splice(start + 1, width, ...little(length, width));
      return;
    }
    out.length = start;
    for (const [text, place] of places) if (place >= start) places.delete(text);
  }
}

function writeString(text: string, out: number[], places: Map<string, number>, choose: Choose): void {
  const place = places.get(text);
  if (place !== undefined && choose(2) === 0) {
    out.push(...oneOf(referenceForms(place), choose));
    return;
  }
  if (place === undefined) places.set(text, out.length);
  for (const byte of oneOf(stringForms(text), choose)) out.push(byte);
}

function referenceForms(place: number): number[][] {
  const forms = [[0xc6, ...little(place, 4)]];
  if (place < 1 << 24) forms.push([0xc5, ...little(place, 3)]);
  if (place < 1 << 16) forms.push([0xc4, ...little(place, 2)]);
  if (place < 1 << 8) forms.push([0xc3, place]);
  return forms;
}

function stringForms(text: string): number[][] {
  const bytes = [...Buffer.from(text)];
  const forms = [[0xc2, ...little(bytes.length, 4), ...bytes]];
  if (bytes.length < 1 << 16) forms.push([0xc1, ...little(bytes.length, 2), ...bytes]);
  if (bytes.length < 1 << 8) forms.push([0xc0, bytes.length, ...bytes]);
  if (bytes.length < 64) forms.push([0x80 + bytes.length, ...bytes]);
  const system = SYSTEM_STRINGS.get(text);
  if (system !== undefined) forms.push([system]);
  forms.push(...guidForms(text), ...halvesForms(text), ...packedForms(text), ...base64Forms(text));
  return forms;
}

function guidForms(text: string): number[][] {
  if (!GUID.test(text)) return [];
  const quoted = text.startsWith('"') && text.endsWith('"') && text.length === 38;
  const bytes = [...Buffer.from(text.replaceAll(/["-]/g, ""), "hex")].map(
    (byte) => ((byte & 15) << 4) | (byte >> 4),
  );
  if (quoted) return text === text.toLowerCase() ? [[0x77, ...bytes]] : [];
  if (text.length !== 36) return [];
  const forms: number[][] = [];
  if (text === text.toLowerCase()) forms.push([0x75, ...bytes]);
  if (text === text.toUpperCase()) forms.push([0x76, ...bytes]);
  return forms;
}

function halvesForms(text: string): number[][] {
  const alphabets = ["0123456789abcdef", "0123456789ABCDEF", " 0123456789:-.TZ"];
  return alphabets.flatMap((alphabet, i) => {
    const halves = [...text].map((character) => alphabet.indexOf(character));
    if (text.length > 255 || halves.includes(-1)) return [];
    const bytes: number[] = [];
    for (let k = 0; k < halves.length; k += 2) bytes.push((halves[k] ?? 0) | ((halves[k + 1] ?? 0) << 4));
    return [[0x78 + i, text.length, ...bytes]];
  });
}

function packedForms(text: string): number[][] {
  const codes = [...Buffer.from(text)];
  if (codes.some((code) => code > 0x7f)) return [];
  const base = codes.length === 0 ? 0 : Math.min(...codes);
  const span = Math.max(0, ...codes) - base;
  const forms: number[][] = [];
  for (const bits of [4, 5, 6]) {
    if (span < 1 << bits && codes.length < 256)
      forms.push([
        0x7b + bits - 4,
        codes.length,
        base,
        ...pack(
          codes.map((code) => code - base),
          bits,
        ),
      ]);
  }
  if (codes.length < 256) forms.push([0x7e, codes.length, ...pack(codes, 7)]);
  forms.push([0x7f, ...little(codes.length, 2), ...pack(codes, 7)]);
  return codes.length < 1 << 16 ? forms : [];
}

function pack(values: readonly number[], bits: number): number[] {
  let all = 0n;
  for (const [i, value] of values.entries()) all |= BigInt(value) << BigInt(i * bits);
  return Array.from({ length: Math.ceil((values.length * bits) / 8) }, (_, i) =>
    Number((all >> BigInt(i * 8)) & 0xffn),
  );
}

function base64Forms(text: string): number[][] {
  return ([false, true] as const).flatMap((url) => {
    const bytes = Buffer.from(text, url ? "base64url" : "base64");
    const padded = bytes.toString("base64");
    const standard = url ? padded.replaceAll("+", "-").replaceAll("/", "_") : padded;
    const padding = standard.length - standard.replaceAll("=", "").length;
    const written = [padding, padding === 0 ? -1 : padding ^ 0xff].find((one) =>
      one < 0 ? false : (one > 2 ? standard.slice(0, standard.length - padding) : standard) === text,
    );
    const groups = standard.length / 4;
    if (written === undefined || groups >= 1 << 16 || text === "") return [];
    const long = [url ? 0x74 : 0x72, ...little(groups, 2), written, ...bytes];
    return groups < 256 ? [long, [url ? 0x73 : 0x71, groups, written, ...bytes]] : [long];
  });
}

function numberForms(value: number): number[][] {
  const forms = [
    [0xcc, ...double(value)],
    [0xce, ...double(value)],
  ];
  if (Math.fround(value) === value) forms.push([0xcd, ...float(value)]);
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) return forms;
  forms.push([0xcb, ...big(value)], [0xdb, ...big(value)]);
  if (value >= 0) forms.push([0xc7, ...big(value)]);
  if (value >= 0 && value < 32) forms.push([value]);
  if (value >= 0 && value < 256) forms.push([0xc8, value], [0xd7, value]);
  if (value >= 0 && value < 2 ** 32) forms.push([0xdc, ...little(value, 4)]);
  if (value >= -128 && value < 128) forms.push([0xd8, value & 0xff]);
  if (value >= -32768 && value < 32768) forms.push([0xc9, ...little(value, 2)], [0xd9, ...little(value, 2)]);
  if (value >= -(2 ** 31) && value < 2 ** 31)
    forms.push([0xca, ...little(value, 4)], [0xda, ...little(value, 4)]);
  return forms;
}

/** Ways to write a list as numbers, or as equally long lists of numbers, of one type. */
function uniformForms(list: readonly Json[]): number[][] {
  if (list.every((item) => typeof item === "number")) {
    return itemForms(list).flatMap(([marker, bytes]) => {
      const forms = [[0xf1, marker, ...little(list.length, 2), ...bytes]];
      if (list.length < 256) forms.push([0xf0, marker, list.length, ...bytes]);
      return forms;
    });
  }
  const lists = list.filter(isList);
  const length = lists[0]?.length ?? 0;
  if (lists.length < list.length || lists.some((one) => one.length !== length)) return [];
  const all = lists.flat();
  if (!all.every((item) => typeof item === "number")) return [];
  return itemForms(all).flatMap(([marker, bytes]) => {
    const forms = [[0xf3, 0xf1, marker, ...little(length, 2), ...little(list.length, 2), ...bytes]];
    if (length < 256 && list.length < 256) forms.push([0xf2, 0xf0, marker, length, list.length, ...bytes]);
    return forms;
  });
}

/** The types that hold all of `numbers`, with the numbers in them. */
function itemForms(numbers: readonly number[]): (readonly [number, number[]])[] {
  const markers = [0xcd, 0xce, 0xd7, 0xd8, 0xd9, 0xda, 0xdb, 0xdc];
  return markers.flatMap((marker) => {
    const items = numbers.map((value) =>
      numberForms(value).find((form) => form[0] === marker && form.length > 1),
    );
    return items.includes(undefined)
      ? []
      : [[marker, items.flatMap((form) => form?.slice(1) ?? [])] as const];
  });
}

function little(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 0xffn));
}

function big(value: number): number[] {
  return little(value, 8);
}

function double(value: number): number[] {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return [...bytes];
}

function float(value: number): number[] {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return [...bytes];
}

function oneOf(forms: readonly number[][], choose: Choose): readonly number[] {
  return forms[choose(forms.length)] ?? [];
}

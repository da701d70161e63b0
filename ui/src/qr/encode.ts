// A QR code (ISO/IEC 18004) for an address: bytes, error correction M, the smallest of versions 1 to 10
// (213 bytes). Small on purpose: an address needs no more. Where next: QrDialog.tsx (how it is shown).

/** Per version from 1: codewords of correction in each block, then blocks and their data codewords. */
const BLOCKS: readonly (readonly [
  correction: number,
  ...groups: (readonly [count: number, data: number])[],
])[] = [
  [10, [1, 16]],
  [16, [1, 28]],
  [26, [1, 44]],
  [18, [2, 32]],
  [24, [2, 43]],
  [16, [4, 27]],
  [18, [4, 31]],
  [22, [2, 38], [2, 39]],
  [22, [3, 36], [2, 37]],
  [26, [4, 43], [1, 44]],
];
/** Middles of the alignment patterns, by version. */
const ALIGN: readonly (readonly number[])[] = [
  [],
  [6, 18],
  [6, 22],
  [6, 26],
  [6, 30],
  [6, 34],
  [6, 22, 38],
  [6, 24, 42],
  [6, 26, 46],
  [6, 28, 50],
];
const LEVEL_M = 0;

const EXP = new Uint8Array(512);
const LOG = new Uint8Array(256);
for (let i = 0, value = 1; i < 255; i += 1) {
  EXP[i] = value;
  EXP[i + 255] = value;
  LOG[value] = i;
  value <<= 1;
  if (value & 0x100) value ^= 0x11d;
}
const times = (a: number, b: number): number =>
  a === 0 || b === 0 ? 0 : (EXP[(LOG[a] ?? 0) + (LOG[b] ?? 0)] ?? 0);

/** The remainder of `data` over the generator of `count` codewords. */
function correction(data: readonly number[], count: number): number[] {
  let generator = [1];
  for (let i = 0; i < count; i += 1) {
    const next = new Array<number>(generator.length + 1).fill(0);
    generator.forEach((factor, at) => {
      next[at] = (next[at] ?? 0) ^ factor;
      next[at + 1] = (next[at + 1] ?? 0) ^ times(factor, EXP[i] ?? 0);
    });
    generator = next;
  }
  const rest = [...data, ...new Array<number>(count).fill(0)];
  for (let i = 0; i < data.length; i += 1) {
    const lead = rest[i] ?? 0;
    if (lead === 0) continue;
    generator.forEach((factor, at) => {
      rest[i + at] = (rest[i + at] ?? 0) ^ times(factor, lead);
    });
  }
  return rest.slice(data.length);
}

const dataWords = (version: number): number =>
  (BLOCKS[version - 1] ?? [0]).slice(1).reduce<number>((sum, it) => {
    const [count, data] = it as readonly [number, number];
    return sum + count * data;
  }, 0);

/** Data and correction codewords in the order they are drawn. */
function codewords(bytes: Uint8Array, version: number): number[] {
  const bits: number[] = [];
  const push = (value: number, length: number) => {
    for (let i = length - 1; i >= 0; i -= 1) bits.push((value >>> i) & 1);
  };
  push(4, 4);
  push(bytes.length, version < 10 ? 8 : 16);
  for (const byte of bytes) push(byte, 8);
  const room = dataWords(version) * 8;
  push(0, Math.min(4, room - bits.length));
  push(0, (8 - (bits.length % 8)) % 8);
  for (let pad = 0xec; bits.length < room; pad ^= 0xec ^ 0x11) push(pad, 8);
  const words: number[] = [];
  for (let i = 0; i < bits.length; i += 8) {
    words.push(bits.slice(i, i + 8).reduce((value, bit) => (value << 1) | bit, 0));
  }
  const [count = 0, ...groups] = BLOCKS[version - 1] ?? [0];
  const data: number[][] = [];
  let from = 0;
  for (const [many, size] of groups) {
    for (let i = 0; i < many; i += 1) {
      data.push(words.slice(from, from + size));
      from += size;
    }
  }
  const checks = data.map((block) => correction(block, count));
  const out: number[] = [];
  const longest = Math.max(...data.map((it) => it.length));
  for (let i = 0; i < longest; i += 1)
    for (const block of data) if (i < block.length) out.push(block[i] ?? 0);
  for (let i = 0; i < count; i += 1) for (const block of checks) out.push(block[i] ?? 0);
  return out;
}

/** A value with its remainder: format and version information. */
function guarded(value: number, length: number, generator: number): number {
  let rest = value << length;
  const top = 31 - Math.clz32(generator);
  for (let bit = 31 - Math.clz32(rest || 1); bit >= top; bit -= 1) {
    if ((rest >>> bit) & 1) rest ^= generator << (bit - top);
  }
  return (value << length) | rest;
}

const MASKS: readonly ((row: number, column: number) => boolean)[] = [
  (r, c) => (r + c) % 2 === 0,
  (r) => r % 2 === 0,
  (_r, c) => c % 3 === 0,
  (r, c) => (r + c) % 3 === 0,
  (r, c) => (Math.floor(r / 2) + Math.floor(c / 3)) % 2 === 0,
  (r, c) => ((r * c) % 2) + ((r * c) % 3) === 0,
  (r, c) => (((r * c) % 2) + ((r * c) % 3)) % 2 === 0,
  (r, c) => (((r + c) % 2) + ((r * c) % 3)) % 2 === 0,
];

type Grid = (boolean | null)[][];

function frame(version: number): Grid {
  const size = version * 4 + 17;
  const grid: Grid = Array.from({ length: size }, () => new Array<boolean | null>(size).fill(null));
  const put = (row: number, column: number, dark: boolean) => {
    if (row >= 0 && column >= 0 && row < size && column < size)
      (grid[row] as (boolean | null)[])[column] = dark;
  };
  const square = (row: number, column: number, reach: number, dark: (far: number) => boolean) => {
    for (let r = -reach; r <= reach; r += 1)
      for (let c = -reach; c <= reach; c += 1)
        put(row + r, column + c, dark(Math.max(Math.abs(r), Math.abs(c))));
  };
  for (let i = 0; i < size; i += 1) {
    put(6, i, i % 2 === 0);
    put(i, 6, i % 2 === 0);
  }
  const finder = (far: number) => far !== 2 && far !== 4;
  square(3, 3, 4, finder);
  square(3, size - 4, 4, finder);
  square(size - 4, 3, 4, finder);
  const middles = ALIGN[version - 1] ?? [];
  const last = middles.at(-1);
  for (const row of middles)
    for (const column of middles) {
      const corner = (row === 6 && (column === 6 || column === last)) || (row === last && column === 6);
      if (!corner) square(row, column, 2, (far) => far !== 1);
    }
  if (version >= 7) {
    const bits = guarded(version, 12, 0x1f25);
    for (let i = 0; i < 18; i += 1) {
      const dark = ((bits >>> i) & 1) === 1;
      put(Math.floor(i / 3), size - 11 + (i % 3), dark);
      put(size - 11 + (i % 3), Math.floor(i / 3), dark);
    }
  }
  return grid;
}

/** Where the format information goes, bit by bit, in both of its copies. */
function formatPlaces(size: number): [row: number, column: number][][] {
  return Array.from({ length: 15 }, (_, i) => {
    const one: [number, number] = i < 6 ? [i, 8] : i < 8 ? [i + 1, 8] : i === 8 ? [8, 7] : [8, 14 - i];
    const other: [number, number] = i < 8 ? [8, size - 1 - i] : [size - 15 + i, 8];
    return [one, other];
  });
}

/** How hard a pattern is to read (the standard's four rules). */
function penalty(grid: boolean[][]): number {
  const size = grid.length;
  let sum = 0;
  const lines = [...grid, ...grid.map((_, at) => grid.map((row) => row[at] ?? false))];
  for (const line of lines) {
    let run = 1;
    for (let i = 1; i <= size; i += 1) {
      if (i < size && line[i] === line[i - 1]) run += 1;
      else {
        if (run >= 5) sum += run - 2;
        run = 1;
      }
    }
    const text = line.map((dark) => (dark ? "1" : "0")).join("");
    for (const pattern of ["10111010000", "00001011101"]) {
      for (let at = text.indexOf(pattern); at >= 0; at = text.indexOf(pattern, at + 1)) sum += 40;
    }
  }
  let dark = 0;
  for (let r = 0; r < size; r += 1)
    for (let c = 0; c < size; c += 1) {
      const it = grid[r]?.[c];
      if (it) dark += 1;
      if (
        r + 1 < size &&
        c + 1 < size &&
        it === grid[r + 1]?.[c] &&
        it === grid[r]?.[c + 1] &&
        it === grid[r + 1]?.[c + 1]
      )
        sum += 3;
    }
  return sum + Math.floor(Math.abs((dark * 100) / (size * size) - 50) / 5) * 10;
}

/** The code of a text: rows of dark (`true`) and light; null if it is too long. */
export function encode(text: string): boolean[][] | null {
  const bytes = new TextEncoder().encode(text);
  const fits = (version: number) => bytes.length + (version < 10 ? 2 : 3) <= dataWords(version);
  const version = BLOCKS.findIndex((_, at) => fits(at + 1)) + 1;
  if (version === 0) return null;
  const base = frame(version);
  const size = base.length;
  const places = formatPlaces(size);
  for (const both of places)
    for (const [row, column] of both) (base[row] as (boolean | null)[])[column] = false;
  (base[size - 8] as (boolean | null)[])[8] = true;
  const free = base.map((row) => row.map((it) => it === null));
  const words = codewords(bytes, version);
  let bit = 0;
  for (let right = size - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5;
    const up = ((right + 1) & 2) === 0;
    for (let i = 0; i < size; i += 1) {
      const row = up ? size - 1 - i : i;
      for (const column of [right, right - 1]) {
        if (!free[row]?.[column]) continue;
        const word = words[bit >>> 3] ?? 0;
        (base[row] as (boolean | null)[])[column] = ((word >>> (7 - (bit & 7))) & 1) === 1;
        bit += 1;
      }
    }
  }
  let best: boolean[][] | null = null;
  let least = Number.POSITIVE_INFINITY;
  MASKS.forEach((mask, number) => {
    const grid = base.map((row, r) => row.map((it, c) => (free[r]?.[c] && mask(r, c) ? !it : it === true)));
    const format = guarded((LEVEL_M << 3) | number, 10, 0x537) ^ 0x5412;
    places.forEach((both, i) => {
      for (const [row, column] of both) (grid[row] as boolean[])[column] = ((format >>> i) & 1) === 1;
    });
    const hard = penalty(grid);
    if (hard < least) [best, least] = [grid, hard];
  });
  return best;
}

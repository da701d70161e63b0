// Pictures kept small: a PNG of at most so many colours, each pixel the nearest of those that occur most.
// Where next: pictures.mjs, which compares with a tolerance far above what this changes.
import { crc32, deflateSync } from "node:zlib";

const COLOURS = 96;
const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

function chunk(kind, data) {
  const body = Buffer.concat([Buffer.from(kind, "latin1"), data]);
  const whole = Buffer.alloc(body.length + 8);
  whole.writeUInt32BE(data.length, 0);
  body.copy(whole, 4);
  whole.writeUInt32BE(crc32(body), body.length + 4);
  return whole;
}

/** The colours that occur most, but none twice in all but name: the rare ones need a near neighbour. */
function palette(counts) {
  const chosen = [];
  const often = [...counts].sort((a, b) => b[1] - a[1]).map(([colour]) => colour);
  for (const apart of [300, 100, 30, 0])
    for (const colour of often) {
      if (chosen.length >= COLOURS) return chosen;
      if (chosen.every((it) => distance(it, colour) > apart)) chosen.push(colour);
    }
  return chosen;
}

function distance(a, b) {
  const [r, g, bl] = [(a >> 16) - (b >> 16), ((a >> 8) & 255) - ((b >> 8) & 255), (a & 255) - (b & 255)];
  return 2 * r * r + 4 * g * g + bl * bl;
}

/** `data` is RGBA, as pngjs has it; transparency is not kept. */
export function small({ width, height, data }) {
  const at = (n) => (data[n * 4] << 16) | (data[n * 4 + 1] << 8) | data[n * 4 + 2];
  const counts = new Map();
  for (let n = 0; n < width * height; n += 1) counts.set(at(n), (counts.get(at(n)) ?? 0) + 1);
  const colours = palette(counts);
  const nearest = new Map();
  for (const colour of counts.keys()) {
    let best = 0;
    for (let n = 1; n < colours.length; n += 1)
      if (distance(colours[n], colour) < distance(colours[best], colour)) best = n;
    nearest.set(colour, best);
  }
  const lines = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1) lines[y * (width + 1) + 1 + x] = nearest.get(at(y * width + x));
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 3, 0, 0, 0], 8);
  const table = Buffer.from(colours.flatMap((it) => [it >> 16, (it >> 8) & 255, it & 255]));
  return Buffer.concat([
    SIGNATURE,
    chunk("IHDR", head),
    chunk("PLTE", table),
    chunk("IDAT", deflateSync(lines, { level: 9, memLevel: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

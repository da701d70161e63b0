// Checks dist/ against the budgets of the first load and of the whole. Ends with 1 when one is passed.
// First load: what index.html names plus everything the canvas imports statically.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";

const kB = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
const assets = join("dist", "assets");
const files = readdirSync(assets).filter((name) => !name.endsWith(".br"));
const html = readFileSync("dist/index.html", "utf8");
const read = (name) => readFileSync(join(assets, name));

/** Follows static imports from a file, so that a chunk split in two is still counted whole. */
function closure(names) {
  const seen = new Set();
  const todo = [...names];
  while (todo.length > 0) {
    const name = todo.pop();
    if (seen.has(name) || !files.includes(name)) continue;
    seen.add(name);
    if (!name.endsWith(".js")) continue;
    for (const [, path] of read(name)
      .toString()
      .matchAll(/(?:from|import)\s*"\.\/([^"]+\.js)"/g))
      todo.push(path);
  }
  return [...seen];
}

const entry = [...html.matchAll(/(?:src|href)="\/assets\/([^"]+)"/g)].map((m) => m[1]);
const canvas = files.filter((name) => /^CanvasPage-/.test(name));
const styles = files.filter((name) => name.endsWith(".css") && read(name).includes("react-flow"));
const first = closure([...entry, ...canvas, ...styles]);
const sum = (names) => names.reduce((total, name) => total + gzipSync(read(name), { level: 9 }).length, 0);
const js = sum(first.filter((name) => name.endsWith(".js")));
const css = sum(first.filter((name) => name.endsWith(".css")));
const all = files.reduce((total, name) => total + brotliCompressSync(read(name)).length, 0);

const sizeOf = (end) =>
  files.filter((it) => it.endsWith(end)).reduce((sum, it) => sum + statSync(join(assets, it)).size, 0);

for (const name of [...files].sort()) {
  const size = statSync(join(assets, name)).size;
  const mark = first.includes(name) ? "first" : "     ";
  console.log(
    `${mark}  ${basename(name).padEnd(44)} ${kB(size).padStart(10)}  gz ${kB(gzipSync(read(name)).length)}`,
  );
}
const budgets = [
  ["first load, JS gzip", js, 200_000],
  ["first load, CSS gzip", css, 10_000],
  ["font", sizeOf(".woff2"), 50_000],
  ["all assets, brotli", all, 1_000_000],
];
let over = false;
for (const [what, bytes, limit] of budgets) {
  over ||= bytes > limit;
  console.log(`${bytes > limit ? "OVER" : "ok  "}  ${what}: ${kB(bytes)} of ${kB(limit)}`);
}
process.exit(over ? 1 : 0);

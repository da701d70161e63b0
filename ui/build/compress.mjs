// Writes a brotli copy beside every file of dist/ that gets smaller by it; the binary serves those.
// Same input, same bytes: quality and window are fixed. Where next: vite.config.ts.
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";

function walk(dir) {
  return readdirSync(dir)
    .sort()
    .flatMap((name) => {
      const path = join(dir, name);
      return statSync(path).isDirectory() ? walk(path) : [path];
    });
}

for (const path of walk("dist")) {
  if (path.endsWith(".br") || path.endsWith(".woff2")) continue;
  const raw = readFileSync(path);
  const small = brotliCompressSync(raw, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 11,
      [constants.BROTLI_PARAM_LGWIN]: 22,
      [constants.BROTLI_PARAM_SIZE_HINT]: raw.length,
    },
  });
  if (small.length < raw.length) writeFileSync(`${path}.br`, small);
}

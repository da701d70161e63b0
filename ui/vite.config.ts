/// <reference types="vitest/config" />
// How the UI is served while it is written, tested and built. The build is reproducible: names are
// hashes of content, nothing holds a time or a path. Where next: build/compress.mjs, src/main.tsx.
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** Styles of the canvas library for parts that are not used: they would be a tenth of the CSS budget. */
const lean: Plugin = {
  name: "lean-flow-css",
  enforce: "pre",
  transform(code, id) {
    if (!id.includes("@xyflow/react/dist/base.css")) return null;
    const rules = code.replace(/\/\*[\s\S]*?\*\//g, "").match(/[^{}]+\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}/g) ?? [];
    return rules.filter((it) => !/^[^{]*(controls|minimap|resize|attribution|__panel)/.test(it)).join("");
  },
};

const server = process.env.SHELF_URL ?? "http://127.0.0.1:7499";

export default defineConfig({
  plugins: [lean, react()],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 700,
  },
  worker: { format: "es" },
  server: { port: 7498, proxy: { "/v1": { target: server, ws: true } } },
  test: {
    environment: "happy-dom",
    include: ["src/**/*.test.{ts,tsx}"],
    restoreMocks: true,
  },
});

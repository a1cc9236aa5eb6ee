import { defineConfig } from "vitest/config";

export default defineConfig({
  cacheDir: new URL("../node_modules/.vite-e2e", import.meta.url).pathname,
  test: {
    root: new URL(".", import.meta.url).pathname,
    include: ["**/*.e2e.ts"],
    fileParallelism: false,
    // A page takes axe seconds on a busy machine.
    testTimeout: 300_000,
    hookTimeout: 60_000,
  },
});

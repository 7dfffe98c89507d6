import { defineConfig } from "vitest/config";

// Tests that need real servers; `eval "$(scripts/servers.sh)"` gets those that are not on PATH. One file after the
// other: each starts servers of its own and measures what they do.
export default defineConfig({
  test: {
    include: ["**/*.int.test.ts"],
    exclude: ["**/node_modules/**"],
    pool: "forks",
    fileParallelism: false,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});

import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/*.int.test.ts", "e2e/**"],
    // Node's own TypeScript support runs the code in production; forks keep the tests as near to that as can be.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 10_000,
    // Compiled code is kept for the processes that tests start, as cli/ferry does it: a third of their start's time.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL("node_modules/.cache/ferry-tests", import.meta.url)) },
  },
});

import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/*.int.test.ts", "e2e/**"],
    // Node's own TypeScript support runs the code in production; forks keep the tests as near to that as can be.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 10_000,
  },
});

import { defineConfig, mergeConfig } from "vitest/config";
import config from "./vitest.config.ts";

// What concerns header fields, again without the caches that speed them up.
export default mergeConfig(
  config,
  defineConfig({
    test: {
      dir: "sidecar",
      setupFiles: ["sidecar/http2/testing/without-caches.ts"],
    },
  }),
);

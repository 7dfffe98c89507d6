// The proxy suite over two workers: what a proxy does, it does as several processes too. Each case starts two, half a
// second for compiling them.

import { proxySuite } from "./proxy.suite.ts";
import { startFerryWorkers } from "./testing/proxy-under-test.ts";

proxySuite("Ferry with two workers", {
  start: startFerryWorkers,
  differs: {
    "1,000 calls at once on one connection are each answered with their own message":
      "one connection is one worker's, which has half of ferry_max_calls: 512",
  },
});

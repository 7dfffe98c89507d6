// Set up before each test file of vitest.uncached.config.ts: header fields are decoded and encoded anew every time, so
// that what holds with the caches of hpack/ is seen to hold without.

import { literals } from "../hpack/decoder.ts";
import { keptOctets } from "../hpack/encoder.ts";

literals.isOn = false;
keptOctets.isOn = false;

// What a data plane asks of V8. A call passes many small functions, one layer after another, and V8 stops inlining
// them after 920 bytes of bytecode in all; with room for four times as much a call at 8x32 takes 6 to 12 % less
// processor time (docs/performance.md). Called first by every process that carries calls. The flags count for what V8
// optimises from then on.

import { setFlagsFromString } from "node:v8";

export function tuneEngine(): void {
  setFlagsFromString("--max-inlined-bytecode-size=1500");
  setFlagsFromString("--max-inlined-bytecode-size-cumulative=4000");
}

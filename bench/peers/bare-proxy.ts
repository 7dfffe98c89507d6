// Our data plane without a layer: what the frames, headers and connections cost by themselves. Profile `bare` of the
// proxy benchmark starts it as a process: `node bare-proxy.ts <port of the backend>` says `{port}` when it listens.

import { systemClock } from "../../common/clock.ts";
import { randomHex } from "../../common/random.ts";
import { sendRequest } from "../../sidecar/send-request.ts";
import { serveCalls } from "../../sidecar/serve-calls.ts";
import { plaintextDialer } from "../../sidecar/transport/dial.ts";
import { listenHttp2 } from "../../sidecar/transport/listen.ts";
import { Pool } from "../../sidecar/transport/pool.ts";

const clock = systemClock;
const port = Number(process.argv[2]);
const pool = new Pool({ clock, dial: plaintextDialer(clock, {}) });
const calls = serveCalls(
  (call) =>
    sendRequest(pool, call, {
      ...{ host: "127.0.0.1", port, connectTimeoutMs: 5_000, fields: call.fields, clock },
      body: call.endsWithHead ? undefined : call.body,
    }),
  { nowMs: () => clock.nowMs(), randomHex, sampleNew: () => false },
);
const listening = await listenHttp2({
  ...{ host: "127.0.0.1", port: 0, clock },
  onRequest: (stream) => calls.serve(stream),
});
console.log(JSON.stringify({ port: listening.port }));
process.once("SIGTERM", () => process.exit(0));

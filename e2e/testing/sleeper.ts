// A service whose one method sleeps for as long as its request says (milliseconds, as text) and tells on stdout when
// its caller gave up. Has neither health nor reflection. Run by `ferry run`; listens where FERRY_APP says.

import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";

const bytes = (value: Buffer): Buffer => value;
const sleep = {
  path: "/e2e.Sleeper/Sleep",
  requestStream: false,
  responseStream: false,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
};

const server = new Server();
server.addService(
  { sleep },
  {
    sleep(call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>) {
      const startMs = performance.now();
      const timer = setTimeout(() => reply(null, Buffer.from("slept")), Number(call.request.toString()));
      call.on("cancelled", () => {
        clearTimeout(timer);
        const afterMs = performance.now() - startMs;
        process.stdout.write(`${JSON.stringify({ event: "cancelled", afterMs, deadline: call.getDeadline() })}\n`);
      });
    },
  },
);
server.bindAsync(process.env.FERRY_APP ?? "127.0.0.1:0", ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
});
process.once("SIGTERM", () => server.tryShutdown(() => process.exit(0)));

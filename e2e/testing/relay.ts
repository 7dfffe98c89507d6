// A service that calls another: its one method hands the request's bytes on to a method of quote-command, through the
// listener that `ferry run --upstream quote-command` gave it, and writes the trace context on as every traced service
// does. Has neither health nor reflection; listens where FERRY_APP says.

import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
} from "@grpc/grpc-js";

const bytes = (value: Buffer): Buffer => value;
const method = {
  path: "/e2e.Relay/SubmitQuote",
  requestStream: false,
  responseStream: false,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
} as const;

const upstream = new Client(process.env.FERRY_UPSTREAM_QUOTE_COMMAND ?? "", credentials.createInsecure(), {
  "grpc.enable_http_proxy": 0,
});
const server = new Server();
server.addService(
  { relay: method },
  {
    relay(call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>) {
      const metadata = new Metadata();
      for (const traceparent of call.metadata.get("traceparent")) metadata.add("traceparent", traceparent);
      const path = "/quoter.command.v1.QuoteCommandService/SubmitQuote";
      upstream.makeUnaryRequest(path, bytes, bytes, call.request, metadata, (error, value) =>
        reply(error, value ?? null),
      );
    },
  },
);
server.bindAsync(process.env.FERRY_APP ?? "127.0.0.1:0", ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
});
process.once("SIGTERM", () => server.tryShutdown(() => process.exit(0)));

// Answers a request whose header is over the listener's own limits, by the table of failures. For `onTooLarge` of every
// listener: such a request is no call, it meets no layer and goes nowhere.

import { ProxyFailure } from "./failure.ts";
import { failureReply } from "./grpc/failure-reply.ts";
import { ErrorCode } from "./http2/error-code.ts";
import { fieldValue } from "./http2/header-field.ts";
import type { ServerStream } from "./http2/server.ts";
import { isGrpcContentType } from "./received-call.ts";

/** One for all: such requests come in floods. */
const failure = new ProxyFailure(
  "header_too_large",
  "",
  "request header over this sidecar's maxHeaderListBytes or maxFields",
);

export function refuseTooLarge(stream: ServerStream): void {
  const isGrpc = isGrpcContentType(fieldValue(stream.fields, "content-type") ?? "");
  const reply = failureReply(failure, isGrpc, fieldValue(stream.fields, ":method") === "HEAD");
  stream.request.cancel(ErrorCode.NO_ERROR);
  stream.respond(reply.fields, reply.endsWithHead);
  if (!reply.endsWithHead) stream.sendBody(reply.body);
}

// One call through a stack of layers from its first moment to its last, without a listener: the request's header is
// made here, the reply is read to its end.

import type { Clock } from "../../common/clock.ts";
import type { Call, Reply } from "../../sidecar/call.ts";
import { formatGrpcTimeout } from "../../sidecar/grpc/timeout.ts";
import { type BodySource, wholeBody } from "../../sidecar/http2/body.ts";
import { fieldValue, HeaderField, type HeaderFields, noFields } from "../../sidecar/http2/header-field.ts";
import { ReceivedCall } from "../../sidecar/received-call.ts";
import type { Service } from "../../sidecar/stack.ts";
import type { Answer } from "./modelled-reply.ts";

export const path = "/bench.Service/Get";

/** A request to the upstream `authority`. `cause`: the header of the request that it is made for. */
export function requestFields(authority: string, timeoutMs: number, cause: HeaderFields = noFields): HeaderFields {
  return [
    ...constantFields,
    new HeaderField(":authority", authority),
    new HeaderField("grpc-timeout", formatGrpcTimeout(timeoutMs)),
    ...cause.filter(({ name }) => name === "traceparent"),
  ];
}

const constantFields: HeaderFields = [
  new HeaderField(":method", "POST"),
  new HeaderField(":path", path),
  new HeaderField("content-type", "application/grpc"),
];

const requestBody: BodySource = wholeBody(Buffer.from("request"));

let ids = 0;

export function receiveCall(clock: Clock, fields: HeaderFields): ReceivedCall {
  const sources = {
    nowMs: () => clock.nowMs(),
    randomHex: (bytes: number) => (++ids).toString(16).padStart(bytes * 2, "0"),
    sampleNew: () => false,
  };
  return new ReceivedCall({ fields, body: requestBody, endsWithHead: false, peer: undefined }, sources);
}

export async function callToEnd(service: Service<Call>, call: Call): Promise<Answer> {
  return readReply(await service(call));
}

/** Resolves when the reply has ended; one that breaks off counts as a failure with no status. */
export function readReply(reply: Reply): Promise<Answer> {
  const head = reply.fields;
  if (reply.endsWithHead) return Promise.resolve({ head, message: undefined, trailers: undefined });
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const end = (trailers: HeaderFields) =>
      resolve({ head, message: chunks.length === 0 ? undefined : Buffer.concat(chunks), trailers });
    reply.body.attach({
      data: (chunk, isEnd) => {
        chunks.push(Buffer.from(chunk));
        if (isEnd) end([]);
      },
      trailers: end,
      abort: () => end([]),
    });
  });
}

/** The gRPC status of an answer; 2 (UNKNOWN) when it has none. */
export function statusOf({ head, trailers }: Answer): number {
  return Number(fieldValue(trailers ?? [], "grpc-status") ?? fieldValue(head, "grpc-status") ?? 2);
}

// A server that answers reflection from descriptors, behind the interface of a connection pool, made with the generated
// messages: so the tests hold our hand-written ones against them. Remembers who was asked.

import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type { FileDescriptorProto } from "@bufbuild/protobuf/wkt";
import { reflectionIndex } from "../../../common/reflection-index.ts";
import {
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import { MessageSplitter, prefixMessage } from "../../grpc/message-frames.ts";
import type { BodySink, BodySource } from "../../http2/body.ts";
import type { ClientStream, ReplyListener } from "../../http2/client.ts";
import { ErrorCode, StreamError } from "../../http2/error-code.ts";
import { fieldValue, HeaderField, type HeaderFields } from "../../http2/header-field.ts";
import type { RequestSender } from "../../http2/request-sender.ts";

export interface ReflectionScript {
  readonly files: readonly FileDescriptorProto[];
  /** Default: those that the files define. */
  readonly services?: readonly string[];
  /** The only path that is served; others get UNIMPLEMENTED. Default: all. */
  readonly only?: "v1" | "v1alpha" | "none";
  /** `never`: accepts and says nothing. `refuse`: no connection. */
  readonly mood?: "never" | "refuse";
  /** Answers hold one file only, as some servers do; imports must be asked for. */
  readonly isSparse?: boolean;
}

export class ScriptedReflection implements RequestSender {
  script: ReflectionScript;
  readonly asked: string[] = [];
  cancelled = 0;

  constructor(script: ReflectionScript) {
    this.script = script;
  }

  request(
    host: string,
    port: number,
    _connectTimeoutMs: number,
    fields: HeaderFields,
    body: BodySource | undefined,
    listener: ReplyListener,
  ): ClientStream {
    const path = fieldValue(fields, ":path")!;
    this.asked.push(`${host}:${port}${path}`);
    queueMicrotask(() => this.#serve(path, body!, listener));
    return {
      cancel: () => {
        this.cancelled++;
      },
    };
  }

  #serve(path: string, body: BodySource, listener: ReplyListener): void {
    const { mood, only } = this.script;
    if (mood === "never") return;
    if (mood === "refuse") {
      listener.failed(new StreamError(ErrorCode.CONNECT_ERROR, "connection", "connection refused", true));
      return;
    }
    const version = path.includes("v1alpha") ? "v1alpha" : "v1";
    const status = new HeaderField(":status", "200");
    if (only !== undefined && only !== version) {
      listener.head([status, new HeaderField("grpc-status", "12")], true, body);
      listener.ended(undefined, undefined);
      return;
    }
    let replies: BodySink | undefined;
    const early: Buffer[] = [];
    listener.head([status], false, {
      attach(sink) {
        replies = sink;
        for (const chunk of early) sink.data(chunk, false);
      },
      grant() {},
      cancel() {},
    });
    const splitter = new MessageSplitter(1 << 20, (message) => {
      const answer = this.#answer(message);
      if (replies === undefined) early.push(answer);
      else replies.data(answer, false);
    });
    body.attach({ data: (chunk) => void splitter.push(chunk), trailers() {}, abort() {} });
  }

  #answer(message: Buffer): Buffer {
    const request = fromBinary(ServerReflectionRequestSchema, message);
    const response = reflectionIndex(this.script.files, this.script.services).answer(request);
    const { messageResponse } = response;
    if (this.script.isSparse && messageResponse.case === "fileDescriptorResponse") {
      messageResponse.value.fileDescriptorProto.splice(1);
    }
    return prefixMessage(toBinary(ServerReflectionResponseSchema, response));
  }
}

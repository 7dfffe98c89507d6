// A grpc-js client over generated services, for the tests of the kit and of the services: calls as promises with all
// that came back, so that a test can judge headers, trailers and status together.

import type { DescMessage, DescMethod, Message, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import {
  Client,
  type ClientReadableStream,
  type ClientWritableStream,
  credentials,
  Metadata,
  type StatusObject,
} from "@grpc/grpc-js";
import { serviceDefinition } from "../method-definition.ts";

type Method = { input: DescMessage; output: DescMessage } & DescMethod;
/** What a method answers. */
type Out<M extends Method> = MessageShape<M["output"]>;
type In<M extends Method> = MessageInitShape<M["input"]>;

/** All that came back from a call with one answer. */
export interface Reply<O> {
  readonly message: O | undefined;
  readonly code: number;
  readonly details: string;
  readonly headers: Record<string, unknown>;
  readonly trailers: Record<string, unknown>;
  readonly status: StatusObject;
}

export interface CallSettings {
  readonly headers?: Readonly<Record<string, string>>;
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

export interface OpenClientStream<M extends Method> {
  readonly reply: Promise<Reply<Out<M>>>;
  write(request: In<M>): void;
  end(): void;
}

export interface TestClient {
  unary<M extends Method>(method: M, request: In<M>, settings?: CallSettings): Promise<Reply<Out<M>>>;
  clientStream<M extends Method>(method: M, requests: Iterable<In<M>>, settings?: CallSettings): Promise<Reply<Out<M>>>;
  openClientStream<M extends Method>(method: M, settings?: CallSettings): OpenClientStream<M>;
  serverStream<M extends Method>(method: M, request: In<M>, settings?: CallSettings): ClientReadableStream<Out<M>>;
  bidi<M extends Method>(method: M, requests: Iterable<In<M>>): Promise<Out<M>[]>;
  close(): void;
}

/** A client of `127.0.0.1:port`. */
export function testClient(port: number): TestClient {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  return {
    unary: (method, request, settings = {}) =>
      collect((callback) => {
        const { path, requestSerialize, responseDeserialize } = pathOf(method);
        const message = create(method.input, request);
        const { metadata, options } = prepare(settings);
        const call = client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize as (bytes: Buffer) => Message,
          message as Message,
          metadata,
          options,
          callback,
        );
        settings.signal?.addEventListener("abort", () => call.cancel());
        return call;
      }),
    clientStream(method, requests, settings) {
      const call = this.openClientStream(method, settings);
      for (const request of requests) call.write(request);
      call.end();
      return call.reply;
    },
    openClientStream: <M extends Method>(method: M, settings: CallSettings = {}) => {
      const { path, requestSerialize, responseDeserialize } = pathOf(method);
      const { metadata, options } = prepare(settings);
      let writable: ClientWritableStream<Message> | undefined;
      const reply = collect<Out<M>>((callback) => {
        writable = client.makeClientStreamRequest(
          path,
          requestSerialize,
          responseDeserialize as (bytes: Buffer) => Message,
          metadata,
          options,
          callback,
        );
        return writable;
      });
      return {
        reply,
        write: (request: In<M>) => void writable?.write(create(method.input, request)),
        end: () => void writable?.end(),
      };
    },
    serverStream: <M extends Method>(method: M, request: In<M>, settings: CallSettings = {}) => {
      const { path, requestSerialize, responseDeserialize } = pathOf(method);
      const { metadata, options } = prepare(settings);
      const message = create(method.input, request);
      return client.makeServerStreamRequest(
        path,
        requestSerialize,
        responseDeserialize as (bytes: Buffer) => Out<M>,
        message as Message,
        metadata,
        options,
      );
    },
    async bidi<M extends Method>(method: M, requests: Iterable<In<M>>) {
      const { path, requestSerialize, responseDeserialize } = pathOf(method);
      const call = client.makeBidiStreamRequest(
        path,
        requestSerialize,
        responseDeserialize as (bytes: Buffer) => Out<M>,
      );
      for (const request of requests) call.write(create(method.input, request));
      call.end();
      const answers: Out<M>[] = [];
      for await (const answer of call) answers.push(answer as Out<M>);
      return answers;
    },
    close: () => client.close(),
  };
}

function pathOf(method: DescMethod) {
  const definition = serviceDefinition(method.parent)[method.localName];
  if (definition === undefined) throw new Error(`no method ${method.name}`);
  return definition;
}

function prepare({ headers, deadlineMs }: CallSettings) {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers ?? {})) metadata.set(name, value);
  return {
    metadata,
    options:
      deadlineMs === undefined ? {} : { deadline: new Date(performance.timeOrigin + performance.now() + deadlineMs) },
  };
}

type Callback = (error: unknown, message?: Message) => void;
interface StartedCall {
  on(event: "metadata", listener: (metadata: Metadata) => void): unknown;
  on(event: "status", listener: (status: StatusObject) => void): unknown;
}

function collect<O>(start: (callback: Callback) => StartedCall): Promise<Reply<O>> {
  return new Promise((resolve) => {
    let message: Message | undefined;
    let headers: Record<string, unknown> = {};
    const call = start((_error, answer) => {
      message = answer;
    });
    call.on("metadata", (metadata) => {
      headers = metadata.getMap();
    });
    call.on("status", (status) => {
      const trailers = status.metadata.getMap();
      // The callback runs in the same turn as the status, before or after it.
      setImmediate(() =>
        resolve({ message: message as O, code: status.code, details: status.details, headers, trailers, status }),
      );
    });
  });
}

// A call from nobody: tests feed its request messages by hand and read the reply's messages, granting or not. Stands in
// for a listener's stream where only a Service<Call> is tested.

import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { Outcome, Reply } from "../../call.ts";
import { ProxyFailure } from "../../failure.ts";
import type { BodySink, BodySource } from "../../http2/body.ts";
import { HeaderField, type HeaderFields } from "../../http2/header-field.ts";
import { ReceivedCall } from "../../received-call.ts";
import { MessageSplitter, prefixMessage } from "../message-frames.ts";

/** A request body that a test fills; remembers what was granted. */
export class ScriptedBody implements BodySource {
  granted = 0;
  cancelledWith: number | undefined;
  #sink: BodySink | undefined;
  #early: ((sink: BodySink) => void)[] = [];

  attach(sink: BodySink): void {
    this.#sink = sink;
    for (const act of this.#early) act(sink);
  }

  grant(bytes: number): void {
    this.granted += bytes;
  }

  cancel(code: number): void {
    this.cancelledWith = code;
  }

  /** Sends octets as they are. */
  bytes(chunk: Buffer, end = false): this {
    if (this.#sink === undefined) this.#early.push((sink) => sink.data(chunk, end));
    else this.#sink.data(chunk, end);
    return this;
  }

  message<D extends DescMessage>(schema: D, message: MessageShape<D>, end = false): this {
    return this.bytes(prefixMessage(toBinary(schema, message)), end);
  }

  end(): this {
    return this.bytes(Buffer.alloc(0), true);
  }
}

export function localCall(path: string, body: BodySource): ReceivedCall {
  const fields = [
    new HeaderField(":method", "POST"),
    new HeaderField(":path", path),
    new HeaderField("content-type", "application/grpc"),
  ];
  const sources = { nowMs: () => 0, randomHex: (bytes: number) => "1".repeat(bytes * 2), sampleNew: () => false };
  return new ReceivedCall({ fields, body, endsWithHead: false, peer: undefined }, sources);
}

/** Ends a call as a caller does that goes away. */
export function goAway(call: ReceivedCall): void {
  call.cancel(new ProxyFailure("cancelled", "", "caller went away"));
}

/** Reads a reply; `mayGrant` false: a caller that reads nothing. */
export class ReplyReader<D extends DescMessage> implements BodySink {
  readonly fields: HeaderFields;
  readonly messages: MessageShape<D>[] = [];
  ended: HeaderFields | undefined;
  aborted: Error | undefined;
  outcome: Outcome | undefined;
  readonly #body: BodySource;
  readonly #splitter: MessageSplitter;
  readonly #mayGrant: boolean;
  #wake: (() => void)[] = [];

  constructor(reply: Reply, schema: D, mayGrant = true) {
    this.fields = reply.fields;
    this.#body = reply.body;
    this.#mayGrant = mayGrant;
    this.#splitter = new MessageSplitter(1 << 20, (message) => this.messages.push(fromBinary(schema, message)));
    reply.onEnd((outcome) => {
      this.outcome = outcome;
    });
    if (!reply.endsWithHead) reply.body.attach(this);
  }

  /** Resolves when `isThere` holds; checked at every event. */
  async until(isThere: (reader: this) => boolean): Promise<this> {
    while (!isThere(this)) await new Promise<void>((resolve) => this.#wake.push(resolve));
    return this;
  }

  value(name: string): string | undefined {
    return [...(this.ended ?? []), ...this.fields].find((field) => field.name === name)?.value;
  }

  data(chunk: Buffer): void {
    this.#splitter.push(chunk);
    if (this.#mayGrant) this.#body.grant(chunk.length);
    this.#told();
  }

  trailers(fields: HeaderFields): void {
    this.ended = fields;
    this.#told();
  }

  abort(error: Error): void {
    this.aborted = error;
    this.#told();
  }

  #told(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const wake of waiting) wake();
  }
}

import { expect, test } from "vitest";
import type { BodySink, BodySource } from "../http2/body.ts";
import type { StreamError } from "../http2/error-code.ts";
import { ReplayBuffer } from "./replay-buffer.ts";

class ScriptedSource implements BodySource {
  sink: BodySink | undefined;
  granted: number[] = [];
  attach(sink: BodySink): void {
    this.sink = sink;
  }
  grant(bytes: number): void {
    this.granted.push(bytes);
  }
  cancel(): void {}
}

class RecordingSink implements BodySink {
  text = "";
  ended = false;
  error: StreamError | undefined;
  data(chunk: Buffer, end: boolean): void {
    this.text += chunk.toString();
    this.ended ||= end;
  }
  trailers(): void {
    this.ended = true;
  }
  abort(error: StreamError): void {
    this.error = error;
  }
}

function setUp(maxBytes: number) {
  const source = new ScriptedSource();
  const buffer = new ReplayBuffer(source, maxBytes);
  return { source, buffer };
}

test("a second try gets what the first got, then what comes live", () => {
  const { source, buffer } = setUp(100);
  const first = new RecordingSink();
  buffer.open().attach(first);
  source.sink!.data(Buffer.from("one "), false);
  const second = new RecordingSink();
  buffer.open().attach(second);
  source.sink!.data(Buffer.from("two"), true);
  expect(second).toMatchObject({ text: "one two", ended: true });
  expect(first).toMatchObject({ text: "one ", ended: false });
});

test("a body that had ended before the second try ends there too, empty or not", () => {
  for (const text of ["all", ""]) {
    const { source, buffer } = setUp(100);
    buffer.open().attach(new RecordingSink());
    source.sink!.data(Buffer.from(text), true);
    const second = new RecordingSink();
    buffer.open().attach(second);
    expect(second).toMatchObject({ text, ended: true });
  }
});

test("keeps its own copy: the source may reuse the chunk", () => {
  const { source, buffer } = setUp(100);
  buffer.open().attach(new RecordingSink());
  const chunk = Buffer.from("fresh");
  source.sink!.data(chunk, true);
  chunk.fill("x");
  const second = new RecordingSink();
  buffer.open().attach(second);
  expect(second.text).toBe("fresh");
});

test("is no longer whole once more than its bytes came, and the first try still gets everything", () => {
  const { source, buffer } = setUp(4);
  const first = new RecordingSink();
  buffer.open().attach(first);
  source.sink!.data(Buffer.from("1234"), false);
  expect(buffer.isWhole).toBe(true);
  source.sink!.data(Buffer.from("5"), true);
  expect(buffer.isWhole).toBe(false);
  expect(first).toMatchObject({ text: "12345", ended: true });
});

test("grants each byte to the caller once, however often it is sent", () => {
  const { source, buffer } = setUp(100);
  const first = buffer.open();
  first.attach(new RecordingSink());
  source.sink!.data(Buffer.from("123456"), false);
  first.grant(4);
  const second = buffer.open();
  second.attach(new RecordingSink());
  first.grant(2);
  second.grant(3);
  second.grant(3);
  expect(source.granted).toEqual([4, 2]);
});

test("a try that broke off is fed no more", () => {
  const { source, buffer } = setUp(100);
  const first = new RecordingSink();
  const attempt = buffer.open();
  attempt.attach(first);
  attempt.cancel(8);
  source.sink!.data(Buffer.from("late"), true);
  expect(first.text).toBe("");
  const second = new RecordingSink();
  buffer.open().attach(second);
  expect(second).toMatchObject({ text: "late", ended: true });
});

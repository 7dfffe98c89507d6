import { expect, test } from "vitest";
import type { BodySink, BodySource } from "../http2/body.ts";
import { ErrorCode, StreamError } from "../http2/error-code.ts";
import { HedgeRequest } from "./hedge-request.ts";

class Caller implements BodySource {
  sink: BodySink | undefined;
  granted = 0;
  cancelled: ErrorCode | undefined;
  attach(sink: BodySink): void {
    this.sink = sink;
  }
  grant(bytes: number): void {
    this.granted += bytes;
  }
  cancel(code: ErrorCode): void {
    this.cancelled = code;
  }
  send(text: string, end = false): void {
    const chunk = Buffer.from(text);
    this.sink?.data(chunk, end);
    // A chunk is the source's again when the sink returns.
    chunk.fill(0);
  }
}

function reader(body: BodySource): { readonly text: string; readonly hasEnded: boolean } {
  const read = { text: "", hasEnded: false };
  body.attach({
    data: (chunk, end) => {
      read.text += chunk.toString();
      read.hasEnded = end;
    },
    trailers: () => {},
    abort: () => {},
  });
  return read;
}

test("the first reader gets the request as it comes, a second one the whole when it is there", () => {
  const caller = new Caller();
  const request = new HedgeRequest(caller, 100);
  const first = reader(request.openLive());
  caller.send("he");
  expect(first).toEqual({ text: "he", hasEnded: false });
  expect(request.isWhole).toBe(false);
  caller.send("llo");
  caller.send("", true);
  expect(request.isWhole).toBe(true);
  expect(first).toEqual({ text: "hello", hasEnded: true });
  expect(reader(request.openWhole())).toEqual({ text: "hello", hasEnded: true });
});

test("an empty request is whole as well", () => {
  const caller = new Caller();
  const request = new HedgeRequest(caller, 100);
  reader(request.openLive());
  caller.send("", true);
  expect(reader(request.openWhole())).toEqual({ text: "", hasEnded: true });
});

test("a request over the limit, with trailers, or broken off is not kept; the first reader still gets it", () => {
  const ends: ((caller: Caller) => void)[] = [
    (caller) => caller.send("123456", true),
    (caller) => caller.sink?.trailers([]),
    (caller) => caller.sink?.abort(new StreamError(ErrorCode.CANCEL, "peer", "gone")),
  ];
  for (const end of ends) {
    const caller = new Caller();
    const request = new HedgeRequest(caller, 10);
    const first = reader(request.openLive());
    caller.send("12345");
    end(caller);
    expect(request.isWhole).toBe(false);
    expect(first.text.startsWith("12345")).toBe(true);
  }
});

test("the caller gets its credit once for each byte, however many readers send it", () => {
  const caller = new Caller();
  const request = new HedgeRequest(caller, 100);
  const live = request.openLive();
  reader(live);
  caller.send("0123456789", true);
  live.grant(4);
  const whole = request.openWhole();
  reader(whole);
  whole.grant(10);
  live.grant(6);
  expect(caller.granted).toBe(10);
});

test("a first reader that breaks off before the end breaks the request off; after it, the whole stays", () => {
  const early = new Caller();
  const brokenOff = new HedgeRequest(early, 100).openLive();
  reader(brokenOff);
  brokenOff.cancel(ErrorCode.CANCEL);
  expect(early.cancelled).toBe(ErrorCode.CANCEL);

  const caller = new Caller();
  const request = new HedgeRequest(caller, 100);
  const live = request.openLive();
  reader(live);
  caller.send("hello", true);
  live.cancel(ErrorCode.CANCEL);
  expect(caller.cancelled).toBeUndefined();
  expect(reader(request.openWhole()).text).toBe("hello");
});

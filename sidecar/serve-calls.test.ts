import { describe, expect, test } from "vitest";
import { TestingClock } from "../common/testing-clock.ts";
import type { Call } from "./call.ts";
import { emptyBody } from "./http2/body.ts";
import { ErrorCode, StreamError } from "./http2/error-code.ts";
import { HeaderField } from "./http2/header-field.ts";
import type { ServerStream } from "./http2/server.ts";
import { PendingReply } from "./pending-reply.ts";
import { serveCalls } from "./serve-calls.ts";

/** Serves one call that is never answered; the caller resets it after so many milliseconds. */
async function abandonedCall(afterMs: number, header: Record<string, string>) {
  const clock = new TestingClock();
  const started: Call[] = [];
  let abort: (error: StreamError) => void = () => {};
  const sent: string[] = [];
  const all = { ":method": "POST", ":path": "/s/M", ":authority": "s", "content-type": "application/grpc", ...header };
  const stream: ServerStream = {
    fields: Object.entries(all).map(([name, value]) => new HeaderField(name, value)),
    endsWithHead: true,
    request: emptyBody,
    respond: () => sent.push("respond"),
    sendBody: () => sent.push("body"),
    reset: () => sent.push("reset"),
    onAbort: (listener) => {
      abort = listener;
    },
    onClose: () => {},
  };
  const calls = serveCalls(
    (call) => {
      started.push(call);
      const pending = new PendingReply();
      call.onCancel((failure) => pending.failed(failure));
      return pending;
    },
    { nowMs: () => clock.nowMs(), randomHex: () => "0", sampleNew: () => false },
  );
  calls.serve(stream);
  await clock.advance(afterMs);
  abort(new StreamError(ErrorCode.CANCEL, "peer", "cancelled"));
  return { kind: started[0]?.cancelled?.kind, sent };
}

describe("a caller that goes away", () => {
  test("has cancelled, when its deadline is still far off or it named none", async () => {
    expect(await abandonedCall(44, { "grpc-timeout": "50m" })).toMatchObject({ kind: "cancelled" });
    expect(await abandonedCall(44, {})).toMatchObject({ kind: "cancelled" });
    expect(await abandonedCall(44, { "grpc-timeout": "nonsense" })).toMatchObject({ kind: "cancelled" });
  });

  test("within 5 ms of its deadline has waited for it, and the endpoint was too slow", async () => {
    for (const afterMs of [45, 48, 50]) {
      expect(await abandonedCall(afterMs, { "grpc-timeout": "50m" })).toMatchObject({ kind: "deadline_exceeded" });
    }
  });
});

test("a reply that breaks on its way out resets its stream and is reported with the call's id", () => {
  const reset: number[] = [];
  const stream = {
    ...{ id: 1, endsWithHead: true, request: emptyBody, onAbort() {}, onClose() {} },
    fields: [new HeaderField(":path", "/s/M"), new HeaderField("x-request-id", "7")],
    respond: () => {
      throw new Error("defect");
    },
    sendBody() {},
    reset: (code: number) => reset.push(code),
  } as unknown as ServerStream;
  const reported: unknown[] = [];
  const reply = { fields: [], endsWithHead: true, body: emptyBody, onEnd() {} };
  const calls = serveCalls(
    () => PendingReply.withReply(reply),
    { nowMs: () => 0, randomHex: () => "0", sampleNew: () => false },
    { reportDefect: (error, requestId) => reported.push([String(error), requestId]) },
  );
  calls.serve(stream);
  expect(reported).toEqual([["Error: defect", "7"]]);
  expect(reset).toEqual([ErrorCode.INTERNAL_ERROR]);
});

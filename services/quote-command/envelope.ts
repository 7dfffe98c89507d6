// The stored envelope of a command: who asked, for what larger purpose, in which trace, when. Final: every record ever
// written has these fields. Built here from what the call brought along; used by handle-command.ts and record-views.ts.

import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type CommandRecord, CommandRecordSchema } from "../../gen/quoter/events/v1/events_pb.ts";
import { encodeEvent, type QuoterEvent } from "../events/codec.ts";
import type { HandlerContext } from "../kit/handler.ts";

export interface Envelope {
  readonly commandId: string;
  /** From `x-correlation-id`, else the command id. */
  readonly correlationId: string;
  /** The request's `x-request-id`; empty when there was none. */
  readonly causationId: string;
  readonly traceparent: string;
}

type CallFacts = Pick<HandlerContext, "requestId" | "traceparent" | "header">;

/** `givenId`: the command id that the caller chose; empty: one that stands for this request. */
export function envelopeOf(givenId: string, context: CallFacts): Envelope {
  const commandId = givenId === "" ? commandIdOf(context.requestId) : givenId;
  return {
    commandId,
    correlationId: bounded(context.header("x-correlation-id") ?? "") || commandId,
    causationId: bounded(context.header("x-request-id") ?? ""),
    traceparent: context.traceparent,
  };
}

/** A retry inside the mesh keeps its request id, so it is the same command. Ids of another form are hashed. */
function commandIdOf(requestId: string): string {
  if (/^[A-Za-z0-9._:-]{1,120}$/.test(requestId)) return `req-${requestId}`;
  return `req-${createHash("sha256").update(requestId).digest("hex")}`;
}

/** What strangers send is stored for ever: at most 200 characters of it. */
function bounded(header: string): string {
  return header.slice(0, 200);
}

/** The record of one command, events in order; `recordedAtMs` is since 1970. */
export function recordOf(envelope: Envelope, events: readonly QuoterEvent[], recordedAtMs: number): CommandRecord {
  const { commandId, correlationId, causationId, traceparent } = envelope;
  return create(CommandRecordSchema, {
    commandId,
    correlationId,
    causationId,
    traceparent,
    recordedAt: timestampFromMs(recordedAtMs),
    events: events.map((event, place) => encodeEvent(event, `${commandId}:${place}`)),
  });
}

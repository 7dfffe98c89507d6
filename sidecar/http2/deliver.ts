// Gives a stream what came of its message, after checking it against the rules of messages (RFC 9113 section 8): the
// response's header, content against its content-length, trailers. connection.ts calls these for streams that may
// receive, and resets the stream with PROTOCOL_ERROR when they name something that is wrong.
//
// Hot: runs per frame.

import type { HeaderFields } from "./header-field.ts";
import { checkResponse, checkTrailers, facts } from "./message-rules.ts";
import type { Stream } from "./stream.ts";

/** A response's header, informational ones too. Returns what is wrong with it; then the stream got nothing. */
export function deliverResponseHead(stream: Stream, fields: HeaderFields, end: boolean): string | undefined {
  const malformed = checkResponse(fields);
  if (malformed !== undefined) return malformed;
  const { status, contentLength } = facts;
  if (status < 200) {
    if (end) return "informational response with END_STREAM";
    stream.receiveInformational(fields);
    return undefined;
  }
  if (!stream.isHeadRequest && status !== 204 && status !== 304) {
    if (end && contentLength > 0) return "content-length without content";
    stream.expectedBytes = contentLength;
  }
  stream.receiveHead(fields, end);
  return undefined;
}

/** Part of the content: `input[start..stop)`, valid during the call. Returns what is wrong. */
export function deliverData(
  stream: Stream,
  input: Buffer,
  start: number,
  stop: number,
  end: boolean,
): string | undefined {
  if (stream.expectedBytes >= 0) {
    stream.expectedBytes -= stop - start;
    if (stream.expectedBytes < 0 || (end && stream.expectedBytes > 0)) {
      return "content-length differs from the content";
    }
  }
  stream.receiveData(input.subarray(start, stop), end);
  return undefined;
}

/** Header fields behind the header. Returns what is wrong. */
export function deliverTrailers(stream: Stream, fields: HeaderFields, end: boolean): string | undefined {
  const malformed = end ? checkTrailers(fields) : "HEADERS without END_STREAM inside a message";
  if (malformed !== undefined) return malformed;
  if (stream.expectedBytes > 0) return "content-length differs from the content";
  stream.receiveTrailers(fields);
  return undefined;
}

// What a stream is made with, and what it asks of its connection. Used by stream.ts and by connection.ts, which makes
// streams.

import type { Holding } from "./buffered-bytes.ts";
import type { Credit } from "./credit.ts";
import type { ErrorCode } from "./error-code.ts";
import type { HeaderFields } from "./header-field.ts";
import type { ReplyListener } from "./reply-listener.ts";
import type { Sender } from "./sender.ts";
import type { Stream } from "./stream.ts";

/** What a stream asks of its connection. */
export interface StreamHost {
  readonly isServer: boolean;
  readonly sender: Sender;
  readonly credit: Credit;
  /** Where what waits is counted. */
  readonly holding: Holding;
  /** RST_STREAM(code), and forget the stream. */
  resetStream(stream: Stream, code: ErrorCode): void;
  /** Both sides have ended. */
  forgetStream(stream: Stream): void;
}

export interface StreamParams {
  readonly id: number;
  readonly host: StreamHost;
  readonly sendWindow: number;
  readonly receiveWindow: number;
  /** Of a request that we received; empty for one that we send. */
  readonly fields: HeaderFields;
  /** The request ends with its header, whoever sent it. */
  readonly endsWithHead: boolean;
  /** Given exactly when we sent the request. */
  readonly listener: ReplyListener | undefined;
}

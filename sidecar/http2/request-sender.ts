// Where requests go out, as those who send them see it: a pool in the process (transport/pool.ts), a scripted one in
// tests. The address says where; connections are the sender's business.

import type { BodySource } from "./body.ts";
import type { ClientStream, ReplyListener } from "./client.ts";
import type { HeaderFields } from "./header-field.ts";

export interface RequestSender {
  /** `body` undefined: the request ends with its header. The listener is told what happens, from the next turn on. */
  request(
    host: string,
    port: number,
    connectTimeoutMs: number,
    fields: HeaderFields,
    body: BodySource | undefined,
    listener: ReplyListener,
  ): ClientStream;
}

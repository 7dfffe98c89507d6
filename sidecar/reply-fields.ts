// A reply under another header: what the mesh configuration or a layer changes in it on its way back. Body and end stay
// the reply's own.

import type { Reply } from "./call.ts";
import type { HeaderFields } from "./http2/header-field.ts";

/** The same object when the fields are. */
export function withFields(reply: Reply, fields: HeaderFields): Reply {
  if (fields === reply.fields) return reply;
  const { endsWithHead, body } = reply;
  return { fields, endsWithHead, body, onEnd: (listener) => reply.onEnd(listener) };
}

import { expect, test } from "vitest";
import { parseDelivery, parseStatus } from "./delivery.ts";

test.each([
  "$JS.ACK.S.c.1.42.7.1700000000000000000.0",
  "$JS.ACK._.hash.S.c.1.42.7.1700000000000000000.0",
  "$JS.ACK.hub.hash.S.c.1.42.7.1700000000000000000.0.token",
])("%s is stream sequence 42, delivery 7", (reply) => {
  expect(parseDelivery(reply)).toEqual({ streamSequence: 42, consumerSequence: 7, times: 1 });
});

test.each([undefined, "", "_INBOX.x", "$JS.ACK.S.c.1.x.7.1.0", "$JS.ACK.S.c"])("%j is no delivery", (reply) => {
  expect(parseDelivery(reply)).toBeUndefined();
});

test.each([
  [100, "Idle Heartbeat", "", { kind: "heartbeat" }],
  [404, "No Messages", "", { kind: "ended", unsent: undefined }],
  [408, "Request Timeout", "12", { kind: "ended", unsent: 12 }],
  [409, "Message Size Exceeds MaxBytes", "3", { kind: "ended", unsent: 3 }],
  [409, "Batch Completed", "0", { kind: "ended", unsent: 0 }],
  [409, "Consumer Deleted", "", { kind: "lost", reason: "409 consumer deleted" }],
  [409, "Leadership Change", "", { kind: "lost", reason: "409 leadership change" }],
  [503, "", "", { kind: "lost", reason: "the consumer is gone" }],
])("status %d %s", (code, description, pending, status) => {
  expect(parseStatus(code, description, pending)).toEqual(status);
});

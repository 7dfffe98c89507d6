import { expect, test } from "vitest";
import { parsePublishAck } from "./publish-ack.ts";

test("a stored record has a sequence, and may have been there already", () => {
  expect(parsePublishAck('{"stream":"S","seq":7}', 0)).toEqual({ kind: "stored", sequence: 7, isDuplicate: false });
  expect(parsePublishAck('{"stream":"S","seq":7,"duplicate":true}', 0)).toMatchObject({ isDuplicate: true });
});

test.each([10071, 10164])("error %d is a matter of the expected sequence", (code) => {
  const text = JSON.stringify({ error: { code: 400, err_code: code, description: "wrong last sequence: 4" } });
  expect(parsePublishAck(text, 0)).toEqual({ kind: "wrong-sequence" });
});

test("a refusal says why, a full stream also what to do", () => {
  const full = JSON.stringify({ error: { code: 500, err_code: 10077, description: "maximum bytes exceeded" } });
  expect(parsePublishAck(full, 0)).toMatchObject({
    kind: "refused",
    reason: expect.stringContaining("is full; raise"),
  });
  const failed = JSON.stringify({ error: { code: 503, err_code: 10008, description: "JetStream system unavailable" } });
  expect(parsePublishAck(failed, 0)).toMatchObject({ reason: "JetStream system unavailable (10008)" });
  expect(parsePublishAck("", 503)).toMatchObject({ reason: "no stream takes its subject" });
});

test.each(["", "+OK", "{}", "null"])("%j is no acknowledgement", (text) => {
  expect(parsePublishAck(text, 0)).toMatchObject({ kind: "refused" });
});

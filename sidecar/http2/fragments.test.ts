// However the octets of a conversation are cut into reads, what comes of them is the same: compared with the reading of
// all of it at once. fast-check prints the seed that failed.

import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { systemClock } from "../../common/clock.ts";
import { type Random, seededRandom } from "../../common/random.ts";
import { clientPreface, Flag } from "./frames.ts";
import type { HeaderFields } from "./header-field.ts";
import { ServerConnection } from "./server.ts";
import {
  block,
  dataFrame,
  fieldsOf,
  frame,
  ok,
  postRequest,
  settingsAck,
  settingsFrame,
} from "./testing/frame-peer.ts";
import { memorySocket } from "./testing/memory-socket.ts";

const below = (random: Random, count: number) => Math.floor(random() * count);

/** What a client says: requests with content and trailers, interleaved, padded, split, with pointless frames. */
function conversation(random: Random): Buffer {
  const parts: Buffer[] = [clientPreface, settingsFrame([[4, 100_000]]), settingsAck];
  const open: number[] = [];
  let nextId = 1;
  const head = (id: number, fields: HeaderFields, end: boolean) => {
    const whole = block(fields);
    const cut = below(random, whole.length);
    const endFlag = end ? Flag.END_STREAM : 0;
    if (random() < 0.5) parts.push(frame("HEADERS", endFlag | Flag.END_HEADERS, id, whole));
    else {
      parts.push(frame("HEADERS", endFlag, id, whole.subarray(0, cut)));
      parts.push(frame("CONTINUATION", Flag.END_HEADERS, id, whole.subarray(cut)));
    }
  };
  for (let i = 0; i < 120; i++) {
    const choice = below(random, 10);
    const at = below(random, open.length);
    const id = open[at];
    if (choice < 3 || id === undefined) {
      head(nextId, [...postRequest, ...fieldsOf([`x-${i}`, "v".repeat(below(random, 300))])], false);
      open.push(nextId);
      nextId += 2;
    } else if (choice < 7) {
      const content = Buffer.alloc(below(random, 3000), i);
      const padding = below(random, 200);
      const padded = Buffer.concat([Buffer.of(padding), content, Buffer.alloc(padding)]);
      parts.push(choice < 5 ? dataFrame(id, content) : frame("DATA", Flag.PADDED, id, padded));
    } else if (choice === 7) {
      open.splice(at, 1);
      if (random() < 0.5) head(id, fieldsOf(["x-trailer", String(i)]), true);
      else parts.push(dataFrame(id, below(random, 100), true));
    } else if (choice === 8) {
      parts.push(frame("PING", 0, 0, Buffer.alloc(8, i)), frame("PRIORITY", 0, id, Buffer.alloc(5)));
    } else {
      parts.push(Buffer.concat([Buffer.of(0, 0, 2, 0xfa, 0xff, 0, 0, 0, 7), Buffer.from("ab")]));
    }
  }
  return Buffer.concat(parts);
}

interface Outcome {
  readonly requests: readonly string[];
  readonly written: string;
}

/** Reads `octets` in pieces of the sizes that `size` gives. */
async function read(octets: Buffer, size: () => number): Promise<Outcome> {
  const requests: (() => string)[] = [];
  const written: Buffer[] = [];
  const { socket, push, close } = memorySocket((out) => written.push(out));
  const reasons: string[] = [];
  new ServerConnection(socket, {
    clock: systemClock,
    onForcedClose: (reason) => reasons.push(reason),
    onRequest(stream) {
      const hash = createHash("sha1");
      let text = stream.fields.map(({ name, value }) => `${name}: ${value}`).join("\n");
      let bytes = 0;
      requests.push(() => `${text}\n${bytes} ${hash.digest("hex")}`);
      stream.respond(ok, false);
      stream.request.attach({
        data(chunk, end) {
          hash.update(chunk);
          bytes += chunk.length;
          if (end) text += "\nended";
        },
        trailers: (fields) => {
          text += `\ntrailers ${fields.map(({ name, value }) => `${name}: ${value}`)}`;
        },
        abort: (error) => {
          text += `\naborted ${error.message}`;
        },
      });
    },
  });
  for (let at = 0; at < octets.length; ) {
    const piece = octets.subarray(at, at + size());
    at += piece.length;
    push(Buffer.from(piece));
    if (piece.length > 100) await new Promise((resolve) => setImmediate(resolve));
  }
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  const outcome = {
    requests: requests.map((describe) => describe()),
    written: createHash("sha1").update(Buffer.concat(written)).digest("hex"),
  };
  expect(reasons).toEqual([]);
  close();
  return outcome;
}

// Over 200 ms: each conversation of some 100 KB is also read octet by octet.
test("reads of 1 octet to 64 KiB give the same requests, contents and trailers, and the same answers", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), async (seed) => {
      const octets = conversation(seededRandom(seed));
      const whole = await read(octets, () => octets.length);
      expect(whole.requests.length).toBeGreaterThan(10);
      const random = seededRandom(seed + 1);
      const cuts: (() => number)[] = [
        () => 1,
        () => 1 + below(random, 30),
        () => 1 + below(random, 65_536),
        () => (random() < 0.9 ? 1 + below(random, 10) : 1 + below(random, 20_000)),
      ];
      for (const size of cuts) expect(await read(octets, size)).toEqual(whole);
    }),
    { numRuns: 6, endOnFailure: true },
  );
});

import { expect, test } from "vitest";
import type { Reply } from "./call.ts";
import { PendingReply, type ReplyWaiter } from "./pending-reply.ts";

const reply = { endsWithHead: true } as Reply;

function waiter(told: string[], name: string): ReplyWaiter {
  return { replied: () => told.push(`${name} replied`), failed: (error) => told.push(`${name} ${String(error)}`) };
}

test("whoever waits is told in the same turn, in the order in which they asked", () => {
  const told: string[] = [];
  const pending = new PendingReply();
  for (const name of ["gate", "limit", "shed"]) pending.tell(waiter(told, name));
  expect(told).toEqual([]);
  pending.replied(reply);
  expect(told).toEqual(["gate replied", "limit replied", "shed replied"]);
});

test("whoever asks when it is settled is told before `tell` returns", () => {
  const told: string[] = [];
  PendingReply.withReply(reply).tell(waiter(told, "late"));
  PendingReply.withError("refused").tell(waiter(told, "late"));
  expect(told).toEqual(["late replied", "late refused"]);
});

test("what comes second is ignored, of either kind", () => {
  const told: string[] = [];
  const cancelled = new PendingReply();
  cancelled.tell(waiter(told, "call"));
  cancelled.failed("cancelled");
  cancelled.replied(reply);
  cancelled.failed("reset");
  const answered = new PendingReply();
  answered.tell(waiter(told, "call"));
  answered.replied(reply);
  answered.failed("cancelled");
  expect(told).toEqual(["call cancelled", "call replied"]);
});

test("a waiter that breaks on a reply is told of its failure, and the others are told of the reply", () => {
  const told: string[] = [];
  const pending = new PendingReply();
  const broken: ReplyWaiter = {
    replied: () => {
      throw new Error("defect");
    },
    failed: (error) => told.push(String(error)),
  };
  pending.tell(broken);
  pending.tell(waiter(told, "next"));
  pending.replied(reply);
  expect(told).toEqual(["Error: defect", "next replied"]);
});

test("it can be awaited", async () => {
  expect(await PendingReply.withReply(reply)).toBe(reply);
  await expect(PendingReply.withError(new Error("refused"))).rejects.toThrow("refused");
  expect(await PendingReply.from(Promise.resolve(reply))).toBe(reply);
  await expect(PendingReply.from(Promise.reject(new Error("no")))).rejects.toThrow("no");
});

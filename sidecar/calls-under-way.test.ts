import { expect, test } from "vitest";
import { CallsUnderWay, type UnderWay } from "./calls-under-way.ts";
import { ProxyFailure } from "./failure.ts";

class TestCall implements UnderWay {
  before: UnderWay = this;
  after: UnderWay = this;
  cancelled: string | undefined = undefined;

  cancel(failure: ProxyFailure): void {
    this.cancelled = failure.kind;
  }
}

test("counts what was added and not removed, in whatever order it goes", () => {
  const calls = new CallsUnderWay();
  const [a, b, c] = [new TestCall(), new TestCall(), new TestCall()];
  for (const call of [a, b, c]) calls.add(call);
  calls.remove(b);
  calls.remove(b);
  expect(calls.count).toBe(2);
  calls.remove(c);
  calls.remove(a);
  expect(calls.count).toBe(0);
});

test("a call that has ended points to no other", () => {
  const calls = new CallsUnderWay();
  const [a, b] = [new TestCall(), new TestCall()];
  calls.add(a);
  calls.add(b);
  calls.remove(a);
  expect([a.before, a.after]).toEqual([a, a]);
});

test("cancelAll reaches every call, also when calls end by it", () => {
  const calls = new CallsUnderWay();
  const all = [new TestCall(), new TestCall(), new TestCall()];
  for (const call of all) {
    calls.add(call);
    call.cancel = function cancel(this: TestCall, failure) {
      this.cancelled = failure.kind;
      calls.remove(this);
    };
  }
  calls.cancelAll(new ProxyFailure("drain_timeout", "", "over"));
  expect(all.map(({ cancelled }) => cancelled)).toEqual(["drain_timeout", "drain_timeout", "drain_timeout"]);
  expect(calls.count).toBe(0);
});

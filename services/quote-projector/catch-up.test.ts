import { describe, expect, test } from "vitest";
import { catchUp, type HeadSample } from "./catch-up.ts";

const sample = (head: number, atMs: number): HeadSample => ({ head, atMs });

describe("catching up", () => {
  test("a model at the head holds everything now", () => {
    expect(catchUp(undefined, sample(10, 5), 10)).toEqual({
      note: sample(10, 5),
      pending: undefined,
      isCaughtUp: true,
    });
    expect(catchUp(sample(9, 1), sample(10, 5), 12)).toMatchObject({ note: sample(10, 5), isCaughtUp: true });
  });

  test("under steady load a model held everything as of the head that it has passed since", () => {
    const first = catchUp(undefined, sample(100, 1), 50);
    expect(first).toEqual({ note: sample(100, 1), pending: sample(100, 1), isCaughtUp: false });
    const second = catchUp(first.pending, sample(150, 2), 90);
    expect(second).toEqual({ note: sample(150, 2), pending: sample(100, 1), isCaughtUp: false });
    const third = catchUp(second.pending, sample(200, 3), 120);
    expect(third).toEqual({ note: sample(100, 1), pending: sample(200, 3), isCaughtUp: true });
  });

  test("without an answer of the log only what is proved is claimed", () => {
    expect(catchUp(undefined, undefined, 50)).toEqual({ note: sample(50, 0), pending: undefined, isCaughtUp: false });
    expect(catchUp(sample(60, 1), undefined, 50)).toMatchObject({ note: sample(60, 1), isCaughtUp: false });
    expect(catchUp(sample(40, 1), undefined, 50)).toMatchObject({ note: sample(40, 1), isCaughtUp: true });
  });
});

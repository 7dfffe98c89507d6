import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import {
  QuoteLikedSchema,
  QuoteRetractedSchema,
  QuoteSubmittedSchema,
  ViewsRecordedSchema,
} from "../../gen/quoter/events/v1/events_pb.ts";
import type { QuoterEvent } from "../events/codec.ts";
import { decide, firstEventOf, type QuoteCommand } from "./decide.ts";
import { evolve, initialState } from "./evolve.ts";

const quoteId = "qaaaaaaaaaaaaaaaaaaaa";
const submitted = create(QuoteSubmittedSchema, { quoteId, text: "t", author: "a" });
const liked = create(QuoteLikedSchema, { quoteId });
const retracted = create(QuoteRetractedSchema, { quoteId, reason: "r" });
const submit: QuoteCommand = { type: "submit", quoteId, text: "t", author: "a" };
const like: QuoteCommand = { type: "like", quoteId };
const retract: QuoteCommand = { type: "retract", quoteId, reason: "r" };

function given(...events: QuoterEvent[]) {
  const state = events.reduce(evolve, initialState);
  return { when: (command: QuoteCommand) => decide(state, command) };
}

describe("deciding", () => {
  test("a quote that is not there can be submitted", () => {
    expect(given().when(submit)).toEqual({ events: [submitted] });
  });

  test("a quote that is there can be liked, again and again", () => {
    expect(given(submitted).when(like)).toEqual({ events: [liked] });
    expect(given(submitted, liked, liked).when(like)).toEqual({ events: [liked] });
  });

  test("a quote that is there can be retracted once", () => {
    expect(given(submitted, liked).when(retract)).toEqual({ events: [retracted] });
    expect(given(submitted, retracted).when(retract)).toMatchObject({ refused: "failed-precondition" });
  });

  test("a quote that is not there can be neither liked nor retracted", () => {
    expect(given().when(like)).toMatchObject({ refused: "not-found", message: `quote ${quoteId}: no such quote` });
    expect(given().when(retract)).toMatchObject({ refused: "not-found" });
  });

  test("a retracted quote cannot be liked", () => {
    expect(given(submitted, retracted).when(like)).toMatchObject({ refused: "failed-precondition" });
  });

  test("a quote cannot be submitted over another, retracted or not", () => {
    expect(given(submitted).when(submit)).toMatchObject({ refused: "already-exists" });
    expect(given(submitted, retracted).when(submit)).toMatchObject({ refused: "already-exists" });
  });

  test("events of other kinds change nothing", () => {
    const views = create(ViewsRecordedSchema, { producerId: "p", sequence: 1n });
    expect([views, liked].reduce(evolve, initialState)).toBe("absent");
  });

  test("the first event of each command's record is the one that tells a repeat", () => {
    for (const [command, event] of [
      [submit, submitted],
      [like, liked],
      [retract, retracted],
    ] as const) {
      expect(firstEventOf(command)).toBe(event.$typeName);
    }
  });
});

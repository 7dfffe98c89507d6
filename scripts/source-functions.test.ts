import { describe, expect, test } from "vitest";
import { findFunctions } from "./source-functions.ts";
import { tokenise } from "./source-tokens.ts";

const found = (source: string) =>
  findFunctions(tokenise(source)).map(({ name, firstLine, lastLine }) => `${name} ${firstLine}-${lastLine}`);

describe("findFunctions", () => {
  test("finds functions, methods, arrow functions", () => {
    expect(found("function a() {\n}\nclass B {\n #c() {\n }\n}\nconst d = () => {\n};")).toEqual([
      "a 1-2",
      "#c 4-5",
      "(anonymous) 7-8",
    ]);
  });

  test("reads over a return type that has braces, brackets and arrows", () => {
    expect(found("function a<T>(b: T): Promise<{ c: () => void }> {\n}")).toEqual(["a 1-2"]);
    expect(found("function a(): { b: number } | undefined {\n}")).toEqual(["a 1-2"]);
  });

  test("takes no control statement, overload, object or call for a function", () => {
    expect(
      found("if (a) {\n}\nfor (;;) {\n}\nfunction f(a: string): void;\nconst x = g(a) ? h(b) : { c: 1 };"),
    ).toEqual([]);
  });
});

import { describe, expect, test } from "vitest";
import { JsonValues } from "./json-values.ts";

function valuesOf(...pieces: string[]): unknown[] {
  const cutter = new JsonValues();
  const values = pieces.flatMap((piece) => cutter.push(piece));
  cutter.end();
  return values;
}

describe("JSON values in a text", () => {
  test("are found one a line, without lines, spread over lines and inside one array", () => {
    const two = [{ a: 1 }, { b: [{ c: 2 }] }];
    expect(valuesOf('{"a":1}\n{"b":[{"c":2}]}\n')).toEqual(two);
    expect(valuesOf('{"a":1}{"b":[{"c":2}]}')).toEqual(two);
    expect(valuesOf('{\n "a": 1\n}\n{ "b": [ { "c": 2 } ] }')).toEqual(two);
    expect(valuesOf('[{"a":1}, {"b":[{"c":2}]}]')).toEqual(two);
  });

  test("come out as soon as they are whole, wherever the text was cut", () => {
    const cutter = new JsonValues();
    expect(cutter.push('{"a":"x\\')).toEqual([]);
    expect(cutter.push('"}"')).toEqual([]);
    expect(cutter.push('}{"b"')).toEqual([{ a: 'x"}' }]);
    expect(cutter.push(":2}")).toEqual([{ b: 2 }]);
    cutter.end();
  });

  test("that are cut off or surrounded by something else are refused", () => {
    expect(() => valuesOf('{"a":1')).toThrow("ends in the middle");
    expect(() => valuesOf("text: 1")).toThrow('expected a JSON object, found "text: 1"');
    expect(() => valuesOf("{a:1}")).toThrow(SyntaxError);
  });
});

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StatusSchema } from "../gen/google/rpc/status_pb.ts";
import { bytesField, readFields, varintField, type WireValue } from "./protobuf-wire.ts";

function fieldsOf(message: Uint8Array): [number, WireValue][] {
  const fields: [number, WireValue][] = [];
  readFields(message, (fieldNumber, value) => fields.push([fieldNumber, value]));
  return fields;
}

describe("the wire format", () => {
  test("what is written is what the protobuf library reads", () => {
    fc.assert(
      fc.property(fc.nat(0x7fffffff), fc.string({ unit: "grapheme" }), (code, message) => {
        const bytes = Buffer.concat([varintField(1, code), bytesField(2, message)]);
        expect(fromBinary(StatusSchema, bytes)).toMatchObject({ code, message });
      }),
    );
  });

  test("what the library writes is read, repeated fields in order", () => {
    const file = create(FileDescriptorProtoSchema, { name: "a.proto", dependency: ["b.proto", "c.proto"] });
    expect(fieldsOf(toBinary(FileDescriptorProtoSchema, file)).map(([no, value]) => [no, String(value)])).toEqual([
      [1, "a.proto"],
      [3, "b.proto"],
      [3, "c.proto"],
    ]);
  });

  test("fixed32, fixed64 and large varints are read", () => {
    const fixed = Buffer.from([0x0d, 1, 0, 0, 0, 0x11, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(fieldsOf(fixed)).toEqual([
      [1, 1],
      [2, Buffer.from([1, 2, 3, 4, 5, 6, 7, 8])],
    ]);
    expect(fieldsOf(varintField(1, 2 ** 40 + 3))).toEqual([[1, 2 ** 40 + 3]]);
  });

  test("any bytes either are read or are refused with an error, never run on", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          fieldsOf(bytes);
        } catch (error) {
          expect((error as Error).message).toMatch(/^protobuf at byte/);
        }
      }),
    );
    expect(() => fieldsOf(Buffer.from([0x12, 5, 1]))).toThrow("cut off");
    expect(() => fieldsOf(Buffer.from([0x0b]))).toThrow("wire type 3");
  });
});

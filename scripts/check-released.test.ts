import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compareFolders } from "./check-generated.ts";
import { checkReleased } from "./check-released.ts";
import { runTool } from "./run-tool.ts";

const file = (fields: string) => `syntax = "proto3";\npackage a.v1;\nmessage A {${fields}}\n`;
let folder = "";
let proto = "";
let released = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "ferry-released-"));
  proto = join(folder, "proto");
  released = join(folder, "released");
  mkdirSync(join(proto, "a/v1"), { recursive: true });
  mkdirSync(released);
  writeFileSync(join(proto, "a/v1/a.proto"), file("string b = 1;"));
});

afterAll(() => rmSync(folder, { recursive: true }));

describe("checkReleased", () => {
  test("takes an empty or a missing folder for an error", () => {
    expect(checkReleased(proto, released)[0]?.verdict).toBe("error");
    expect(checkReleased(proto, join(folder, "none"))[0]?.verdict).toBe("error");
  });

  // Each step starts buf, which takes some 200 ms.
  test("tells compatible, breaking and unreadable apart", () => {
    expect(runTool("buf", ["build", proto, "-o", join(released, "v1.binpb")]).code).toBe(0);
    expect(checkReleased(proto, released)).toEqual([{ image: "v1.binpb", verdict: "compatible", detail: "" }]);
    writeFileSync(join(proto, "a/v1/a.proto"), file("string b = 1; string c = 2;"));
    expect(checkReleased(proto, released)[0]?.verdict).toBe("compatible");
    writeFileSync(join(proto, "a/v1/a.proto"), file("int32 b = 1;"));
    expect(checkReleased(proto, released)[0]).toMatchObject({ verdict: "breaking" });
    writeFileSync(join(released, "v2.binpb"), "not an image");
    expect(checkReleased(proto, released).map(({ verdict }) => verdict)).toEqual(["breaking", "error"]);
  });
});

describe("compareFolders", () => {
  test("names what is stale, missing and left over", () => {
    const write = (side: string, name: string, text: string) => {
      mkdirSync(join(folder, side, "in"), { recursive: true });
      writeFileSync(join(folder, side, "in", name), text);
    };
    write("actual", "same", "1");
    write("expected", "same", "1");
    write("actual", "changed", "1");
    write("expected", "changed", "2");
    write("actual", "old", "1");
    write("expected", "new", "1");
    const differences = compareFolders(join(folder, "actual"), join(folder, "expected"));
    expect(differences).toEqual(["left over: in/old", "stale: in/changed", "missing: in/new"]);
  });
});

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readDescriptorImage } from "./descriptor-image.ts";
import { imageDescriptors } from "./image-descriptors.ts";

const folder = mkdtempSync(join(tmpdir(), "ferry-image-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("a descriptor image", () => {
  test.each(["quoter.binpb", "quoter.binpb.gz"])("that buf built is read: %s", async (name) => {
    const path = join(folder, name);
    execFileSync("node_modules/.bin/buf", ["build", "proto", "-o", path]);
    const descriptors = imageDescriptors(await readDescriptorImage(path));
    const methods = descriptors.methodsOf([]);
    expect(methods["/quoter.command.v1.QuoteCommandService/RecordViews"]?.kind).toBe("client_streaming");
    expect(methods["/quoter.query.v1.QuoteQueryService/GetQuote"]?.idempotent).toBe(true);
    expect(descriptors.known()[0]?.grpcServices).toEqual([
      "ferry.admin.v1.AdminService",
      "ferry.admin.v1.ReadModelService",
      "quoter.command.v1.QuoteCommandService",
      "quoter.query.v1.QuoteQueryService",
      "quoter.query.v2.QuoteQueryService",
    ]);
  });

  test("that is not there or something else is refused with the file's name", async () => {
    await expect(readDescriptorImage(join(folder, "none.binpb"))).rejects.toThrow(/none\.binpb: cannot read/);
    const odd = join(folder, "odd.binpb");
    writeFileSync(odd, "syntax = proto3");
    await expect(readDescriptorImage(odd)).rejects.toThrow(/odd\.binpb: not a binary buf image/);
    writeFileSync(odd, "");
    await expect(readDescriptorImage(odd)).rejects.toThrow("it holds no file descriptors");
  });
});

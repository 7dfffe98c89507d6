// Reads FERRY_DESCRIPTORS: a buf image or a FileDescriptorSet (`buf build -o x.binpb`, `protoc --descriptor_set_out`).
// An image is a descriptor set with further fields, which are skipped. Read once, at the start.

import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { readFields } from "../../common/protobuf-wire.ts";

/** An image of everything a company has is some MB; more is taken for a mistake. */
const maxImageBytes = 64 << 20;

/** The FileDescriptorProtos in the file, as bytes. Rejects with one sentence that names the file. */
export async function readDescriptorImage(path: string): Promise<readonly Uint8Array[]> {
  const raw = await readFile(path).catch((error: Error) => {
    throw new Error(`${path}: cannot read descriptors: ${error.message}`, { cause: error });
  });
  try {
    const image = raw[0] === 0x1f && raw[1] === 0x8b ? gunzipSync(raw, { maxOutputLength: maxImageBytes }) : raw;
    if (image.length > maxImageBytes) throw new Error(`${image.length} bytes are more than ${maxImageBytes}`);
    const files: Uint8Array[] = [];
    readFields(image, (fieldNumber, value) => {
      if (fieldNumber === 1 && typeof value !== "number") files.push(value);
    });
    if (files.length === 0) throw new Error("it holds no file descriptors");
    return files;
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new Error(`${path}: not a binary buf image or FileDescriptorSet: ${detail}`, { cause: error });
  }
}

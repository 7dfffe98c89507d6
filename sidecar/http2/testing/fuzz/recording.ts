// What a real client and a real server said to each other, octet by octet, kept as two files in corpus/; and octets cut
// into frames and back. record.ts makes the files.

import { readdirSync, readFileSync } from "node:fs";
import { clientPreface } from "../../frames.ts";

export interface Recording {
  readonly name: string;
  /** With the preface. */
  readonly client: Buffer;
  readonly server: Buffer;
}

export const corpusFolder: URL = new URL("corpus/", import.meta.url);

export function readCorpus(): readonly Recording[] {
  const names = readdirSync(corpusFolder).filter((name) => name.endsWith(".client.bin"));
  return names.sort().map((file) => {
    const name = file.slice(0, -".client.bin".length);
    const read = (side: string) => readFileSync(new URL(`${name}.${side}.bin`, corpusFolder));
    return { name, client: read("client"), server: read("server") };
  });
}

/** Whole frames, each with its header of 9 octets; what is left at the end is one more piece. */
export function framesOf(octets: Buffer): Buffer[] {
  const hasPreface = octets.subarray(0, clientPreface.length).equals(clientPreface);
  const frames: Buffer[] = [];
  let at = hasPreface ? clientPreface.length : 0;
  while (at + 9 <= octets.length) {
    const length = 9 + octets.readUIntBE(at, 3);
    frames.push(Buffer.from(octets.subarray(at, at + length)));
    at += length;
  }
  if (at < octets.length) frames.push(Buffer.from(octets.subarray(at)));
  return frames;
}

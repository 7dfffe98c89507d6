// Octets to strings and back, one character for one octet. Node's Buffer has these methods, faster than `toString` with
// an encoding's name by the name's look-up, but its types leave them out. Hot: runs for every literal of a header
// block.

interface Latin1Methods {
  latin1Slice(start: number, end: number): string;
  latin1Write(text: string, offset: number, length: number): number;
}

export function readLatin1(input: Buffer, start: number, end: number): string {
  return (input as unknown as Latin1Methods).latin1Slice(start, end);
}

/** Returns the offset behind what it wrote; characters above 255 lose their upper bits. */
export function writeLatin1(out: Buffer, offset: number, text: string): number {
  return offset + (out as unknown as Latin1Methods).latin1Write(text, offset, text.length);
}

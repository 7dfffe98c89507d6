// The encoding of `grpc-message`: UTF-8, with everything outside 0x20-0x24 and 0x26-0x7E as %XX. Used for replies that
// Ferry makes; a peer's message is passed on byte by byte and never comes here. (gRPC over HTTP/2, "Status-Message")

const plain = /^[\x20-\x24\x26-\x7e]*$/;

/** `text` as a `grpc-message` value. */
export function encodeGrpcMessage(text: string): string {
  if (plain.test(text)) return text;
  let encoded = "";
  for (const byte of Buffer.from(text, "utf8")) {
    if (byte >= 0x20 && byte <= 0x7e && byte !== 0x25) encoded += String.fromCharCode(byte);
    else encoded += `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}

/** What a `grpc-message` value says. Never fails: a bad escape stands for itself, bad UTF-8 becomes U+FFFD. */
export function decodeGrpcMessage(value: string): string {
  if (!value.includes("%")) return Buffer.from(value, "latin1").toString("utf8");
  const bytes: number[] = [];
  for (let i = 0; i < value.length; i++) {
    const octet = value.charCodeAt(i) === 0x25 ? /^[0-9a-fA-F]{2}/.exec(value.slice(i + 1, i + 3)) : null;
    if (octet === null) {
      bytes.push(value.charCodeAt(i) & 0xff);
    } else {
      bytes.push(Number.parseInt(octet[0], 16));
      i += 2;
    }
  }
  return Buffer.from(bytes).toString("utf8");
}

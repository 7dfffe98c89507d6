// What makes a message malformed (RFC 9113 sections 8.1 to 8.3): rules of names and values, of pseudo-header fields,
// and of content-length. An intermediary must not pass malformed messages on, in either direction; connection.ts resets
// their stream with PROTOCOL_ERROR. Pure.
//
// Hot: runs once per header block. What is found out about a field is kept in the field (`kind`), so fields from
// HPACK's tables are looked at once.

import type { HeaderField, HeaderFields } from "./header-field.ts";

const Kind = {
  UNKNOWN: 0,
  REGULAR: 1,
  METHOD: 2,
  SCHEME: 3,
  PATH: 4,
  AUTHORITY: 5,
  STATUS: 6,
  CONTENT_LENGTH: 7,
  HOST: 8,
  MALFORMED: 9,
} as const;

/** What the rules found on the way; filled by `checkRequest` and `checkResponse`, valid until the next call. */
export interface HeadFacts {
  /** Octets, or -1 when the head does not say. */
  contentLength: number;
  method: string;
  /** Of a response; 0 in a request. */
  status: number;
}

export const facts: HeadFacts = { contentLength: -1, method: "", status: 0 };

/** What is wrong with a request's header; undefined when it is well-formed. Sets `facts`. */
export function checkRequest(fields: HeaderFields): string | undefined {
  let method = "";
  let path = "";
  let scheme = "";
  let authority: string | undefined;
  let host: string | undefined;
  let isRegular = false;
  facts.contentLength = -1;
  facts.status = 0;
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!;
    const kind = kindOf(field);
    if (kind === Kind.REGULAR) {
      isRegular = true;
      continue;
    }
    const value = field.value;
    switch (kind) {
      case Kind.METHOD:
        if (isRegular || method !== "" || value === "") return "request: :method is late, repeated or empty";
        method = value;
        break;
      case Kind.PATH:
        if (isRegular || path !== "" || value === "") return "request: :path is late, repeated or empty";
        path = value;
        break;
      case Kind.SCHEME:
        if (isRegular || scheme !== "" || value === "") return "request: :scheme is late, repeated or empty";
        scheme = value;
        break;
      case Kind.AUTHORITY:
        if (isRegular || authority !== undefined) return "request: :authority is late or repeated";
        authority = value;
        break;
      case Kind.HOST:
        isRegular = true;
        if (host !== undefined && host !== value) return "request: more than one host";
        host = value;
        break;
      case Kind.CONTENT_LENGTH:
        isRegular = true;
        if (!takeContentLength(value)) return "request: invalid content-length";
        break;
      default:
        return `request: invalid field ${JSON.stringify(field.name)}`;
    }
  }
  facts.method = method;
  if (method === "CONNECT") return path === "" && scheme === "" ? undefined : "request: CONNECT with :path or :scheme";
  if (method === "" || path === "" || scheme === "") return "request: :method, :scheme or :path is missing";
  if (path.charCodeAt(0) !== 0x2f && !(path === "*" && method === "OPTIONS")) return "request: :path without a slash";
  if (authority !== undefined) {
    if (authority.includes("@")) return "request: user information in :authority";
    if (host !== undefined && host !== authority) return "request: host differs from :authority";
  }
  return undefined;
}

/** What is wrong with a response's header; undefined when it is well-formed. Sets `facts`. */
export function checkResponse(fields: HeaderFields): string | undefined {
  let isRegular = false;
  facts.contentLength = -1;
  facts.status = 0;
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!;
    const kind = kindOf(field);
    if (kind === Kind.STATUS) {
      if (isRegular || facts.status !== 0) return "response: :status is late or repeated";
      facts.status = statusOf(field.value);
      if (facts.status === 0) return "response: :status is not a number from 100 to 999";
      continue;
    }
    isRegular = true;
    if (kind === Kind.REGULAR || kind === Kind.HOST) continue;
    if (kind !== Kind.CONTENT_LENGTH) return `response: invalid field ${JSON.stringify(field.name)}`;
    if (!takeContentLength(field.value)) return "response: invalid content-length";
  }
  if (facts.status === 0) return "response: :status is missing";
  if (facts.status === 101) return "response: 101 does not exist in HTTP/2";
  return undefined;
}

/** What is wrong with trailers; undefined when they are well-formed. */
export function checkTrailers(fields: HeaderFields): string | undefined {
  for (let i = 0; i < fields.length; i++) {
    const kind = kindOf(fields[i]!);
    if (kind === Kind.REGULAR || kind === Kind.CONTENT_LENGTH || kind === Kind.HOST) continue;
    return `trailers: invalid field ${JSON.stringify(fields[i]!.name)}`;
  }
  return undefined;
}

function takeContentLength(value: string): boolean {
  if (value.length === 0 || value.length > 15) return false;
  let length = 0;
  for (let i = 0; i < value.length; i++) {
    const digit = value.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return false;
    length = 10 * length + digit;
  }
  if (facts.contentLength !== -1 && facts.contentLength !== length) return false;
  facts.contentLength = length;
  return true;
}

function statusOf(value: string): number {
  if (value === "200") return 200;
  return /^[1-9]\d\d$/.test(value) ? Number(value) : 0;
}

function kindOf(field: HeaderField): number {
  if (field.kind === Kind.UNKNOWN) field.kind = classify(field.name, field.value);
  return field.kind;
}

function classify(name: string, value: string): number {
  if (!isValidValue(value)) return Kind.MALFORMED;
  switch (name) {
    case ":method":
      return isWord(value, methodSigns) ? Kind.METHOD : Kind.MALFORMED;
    case ":scheme":
      return isWord(value, schemeSigns) ? Kind.SCHEME : Kind.MALFORMED;
    case ":path":
      return hasNoGap(value, "") ? Kind.PATH : Kind.MALFORMED;
    case ":authority":
      return hasNoGap(value, authorityEnds) ? Kind.AUTHORITY : Kind.MALFORMED;
    case ":status":
      return Kind.STATUS;
    case "content-length":
      return Kind.CONTENT_LENGTH;
    case "host":
      return hasNoGap(value, authorityEnds) ? Kind.HOST : Kind.MALFORMED;
    case "te":
      return value === "trailers" ? Kind.REGULAR : Kind.MALFORMED;
    case "connection":
    case "proxy-connection":
    case "keep-alive":
    case "transfer-encoding":
    case "upgrade":
      return Kind.MALFORMED;
    default:
      return isValidName(name) ? Kind.REGULAR : Kind.MALFORMED;
  }
}

/** No control character, space, capital, colon, DEL or octet above (RFC 9113 section 8.2.1); not empty. */
function isValidName(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i);
    if (c <= 0x20 || c >= 0x7f || c === 0x3a || (c >= 0x41 && c <= 0x5a)) return false;
  }
  return name.length > 0;
}

/** No NUL, CR or LF anywhere; no space or tab at either end (RFC 9113 section 8.2.1). */
function isValidValue(value: string): boolean {
  const length = value.length;
  if (length === 0) return true;
  const first = value.charCodeAt(0);
  const last = value.charCodeAt(length - 1);
  if (first === 0x20 || first === 0x09 || last === 0x20 || last === 0x09) return false;
  for (let i = 0; i < length; i++) {
    const c = value.charCodeAt(i);
    if (c <= 0x0d && (c === 0 || c === 0x0a || c === 0x0d)) return false;
  }
  return true;
}

// What a server behind us that puts the parts into one line, or takes them out of one, would read otherwise than we do
// (RFC 9113 section 10.3).

/** Besides letters and digits: a token's (RFC 9110 section 5.6.2), and a scheme's (RFC 3986 section 3.1). */
const methodSigns = "!#$%&'*+-.^_`|~";
const schemeSigns = "+-.";
/** What ends an authority, or is read as such by some. */
const authorityEnds = "/?#\\";

function isWord(value: string, signs: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i) | 0x20;
    const isPlain = (c >= 0x61 && c <= 0x7a) || (c >= 0x30 && c <= 0x39 && value.charCodeAt(i) === c);
    if (!isPlain && !signs.includes(value[i]!)) return false;
  }
  return true;
}

/** No space, control character or DEL, and none of `ends`. */
function hasNoGap(value: string, ends: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i);
    if (c <= 0x20 || c === 0x7f || (ends !== "" && ends.includes(value[i]!))) return false;
  }
  return true;
}

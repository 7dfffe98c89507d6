// A header or trailer field as the whole data plane passes it around. Fields are immutable and shared: HPACK's tables
// hand out the same object for every reference to an entry, so that what was once decoded, checked or encoded is not
// done again (reference: RFC 7541 section 2.3).
//
// Names are lower case; values are latin1 strings, one character for one octet, so that bytes pass through unchanged.

export class HeaderField {
  readonly name: string;
  readonly value: string;
  /** The peer asked that no hop may ever index this value (RFC 7541 section 6.2.3); we pass that on. */
  readonly neverIndexed: boolean;
  /** Of name and value together. Kept, since V8 has many kinds of strings and asking each for its length is slow. */
  readonly octets: number;
  /**
   * This field as HPACK sends it, kept from its second encoding on (empty after the first); owned by hpack/encoder.ts.
   */
  encoded: Buffer | undefined = undefined;
  /** What message-rules.ts found out about this field; 0 until it looked. Owned by message-rules.ts. */
  kind = 0;
  /** What the name means to whoever uses this library; 0 until they looked. Theirs alone. */
  role = 0;

  constructor(name: string, value: string, neverIndexed = false) {
    this.name = name;
    this.value = value;
    this.neverIndexed = neverIndexed;
    this.octets = name.length + value.length;
  }
}

/** Fields in wire order, pseudo-header fields first. Never changed in place: make a new array. */
export type HeaderFields = readonly HeaderField[];

export const noFields: HeaderFields = [];

/** The first value of `name`, or undefined. */
export function fieldValue(fields: HeaderFields, name: string): string | undefined {
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!;
    if (field.name === name) return field.value;
  }
  return undefined;
}

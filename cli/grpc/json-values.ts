// Cuts a text that arrives in pieces into whole JSON values, so that a request stream can be typed, piped or written
// as an array: objects one after the other, with or without newlines between them, or one array around them all. Pure;
// JSON.parse has the last word on each piece.

export class JsonValues {
  #pending = "";
  #at = 0;
  #start = -1;
  #depth = 0;
  #isInString = false;
  #isEscaped = false;

  /** The values that `text` completes. Throws SyntaxError when something stands between values that is not JSON. */
  push(text: string): unknown[] {
    this.#pending += text;
    const values: unknown[] = [];
    for (; this.#at < this.#pending.length; this.#at++) {
      const char = this.#pending[this.#at]!;
      if (this.#isInString) this.#inString(char);
      else if (this.#depth > 0 || char === "{") this.#inObject(char, values);
      else if (!/[\s,[\]]/.test(char)) {
        throw new SyntaxError(
          `expected a JSON object, found ${JSON.stringify(this.#pending.slice(this.#at, this.#at + 20))}`,
        );
      }
    }
    if (this.#start < 0) {
      this.#pending = "";
      this.#at = 0;
    }
    return values;
  }

  /** Call when the text has ended; throws SyntaxError when a value is cut off. */
  end(): void {
    if (this.#start >= 0) throw new SyntaxError("the JSON ends in the middle of an object");
  }

  #inString(char: string): void {
    if (this.#isEscaped) this.#isEscaped = false;
    else if (char === "\\") this.#isEscaped = true;
    else if (char === '"') this.#isInString = false;
  }

  #inObject(char: string, values: unknown[]): void {
    if (char === '"') this.#isInString = true;
    else if (char === "{" || char === "[") {
      if (this.#depth++ === 0) this.#start = this.#at;
    } else if ((char === "}" || char === "]") && --this.#depth === 0) {
      values.push(JSON.parse(this.#pending.slice(this.#start, this.#at + 1)));
      this.#pending = this.#pending.slice(this.#at + 1);
      this.#at = -1;
      this.#start = -1;
    }
  }
}

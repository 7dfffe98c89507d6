// A door into a running Node process that was started with --inspect: collects its garbage and asks what it holds, so
// that memory that is only not yet collected is not taken for memory that is kept.

/** Of Chrome's DevTools protocol, what is needed. */
export class Inspector {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (result: Record<string, unknown>) => void>();
  #nextId = 1;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(String(data));
      this.#waiting.get(message.id)?.(message.result ?? {});
      this.#waiting.delete(message.id);
    });
    socket.addEventListener("close", () => {
      for (const resolve of this.#waiting.values()) resolve({});
      this.#waiting.clear();
    });
  }

  /** `stderr`: what the process printed until now, with the address of its inspector. */
  static async open(stderr: string): Promise<Inspector> {
    const url = /Debugger listening on (ws:\S+)/.exec(stderr)?.[1];
    if (url === undefined) throw new Error(`the process opened no inspector; it said: ${stderr}`);
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve, { once: true });
      socket.addEventListener("error", () => reject(new Error(`cannot connect to ${url}`)), { once: true });
    });
    return new Inspector(socket);
  }

  async collectGarbage(): Promise<void> {
    await this.#ask("HeapProfiler.collectGarbage");
  }

  /** The value of an expression in the process; undefined when it has none. */
  async evaluate(expression: string): Promise<unknown> {
    const result = await this.#ask("Runtime.evaluate", { expression, returnByValue: true });
    return (result.result as { value?: unknown } | undefined)?.value;
  }

  close(): void {
    this.#socket.close();
  }

  #ask(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = this.#nextId++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }
}

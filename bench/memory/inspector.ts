// A process that was started with `--inspect=127.0.0.1:0`, asked for its heap by V8's inspector protocol: no code of
// ours runs in it for that. Called by measure.ts.

import type { ChildProcess } from "node:child_process";

/** Resolves when the process has said where its inspector listens. Called before anything else reads its stderr. */
export function inspectorOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      text = (text + chunk.toString()).slice(-10_000);
      const url = /ws:\/\/127\.0\.0\.1:\d+\/[\w-]+/.exec(text)?.[0];
      if (url !== undefined) resolve(url);
    });
    child.once("exit", () => reject(new Error(`ended before its inspector listened: ${text}`)));
  });
}

interface Answer {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

export class Inspector {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #nextId = 1;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(String(data)) as Answer;
      if (message.id === undefined) return;
      this.#waiting.get(message.id)?.(message);
      this.#waiting.delete(message.id);
    });
  }

  static async connect(url: string): Promise<Inspector> {
    const socket = new WebSocket(url);
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener("open", () => resolve());
      socket.addEventListener("error", () => reject(new Error(`cannot connect to ${url}`)));
    });
    return new Inspector(socket);
  }

  /** Octets in use in V8's heap after a full collection. */
  async usedHeapBytes(): Promise<number> {
    // Twice: what the first finds unreachable may hold on to more by finalisers.
    await this.#ask("HeapProfiler.collectGarbage");
    await this.#ask("HeapProfiler.collectGarbage");
    const { usedSize } = (await this.#ask("Runtime.getHeapUsage")) as { usedSize: number };
    return usedSize;
  }

  close(): void {
    this.#socket.close();
  }

  #ask(method: string): Promise<unknown> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ result, error }) => {
        if (error === undefined) resolve(result);
        else reject(new Error(`${method}: ${error.message}`));
      });
      this.#socket.send(JSON.stringify({ id, method }));
    });
  }
}

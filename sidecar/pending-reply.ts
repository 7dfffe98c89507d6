// What a layer returns: a reply that is there or will come. A promise that tells in the same turn: whoever waits is
// told while the header's frame is being read, so a message that stands behind the header in the same read finds its
// way to the caller open and is not kept for a moment, and a call costs no promise and no microtask per layer.
//
// A layer that only looks at how a reply begins tells itself to it and returns it; one that changes the reply returns
// a pending reply of its own; one that must wait may be async (`PendingReply.from`), at half a microsecond a call. Who
// is told in the same turn may be told before `tell` returns. Hot: several per call (bench/layers.ts).

import type { Reply } from "./call.ts";

/** Told once: one or the other. */
export interface ReplyWaiter {
  /** The header is there. */
  replied(reply: Reply): void;
  /** No reply will come. A ProxyFailure, unless it is a defect. */
  failed(error: unknown): void;
}

export class PendingReply implements ReplyWaiter, PromiseLike<Reply> {
  #reply: Reply | undefined = undefined;
  #error: unknown = undefined;
  #hasFailed = false;
  #first: ReplyWaiter | undefined = undefined;
  #others: ReplyWaiter[] | undefined = undefined;

  static withReply(reply: Reply): PendingReply {
    const pending = new PendingReply();
    pending.#reply = reply;
    return pending;
  }

  static withError(error: unknown): PendingReply {
    const pending = new PendingReply();
    pending.#error = error;
    pending.#hasFailed = true;
    return pending;
  }

  /** Of a layer that waits for something. */
  static from(coming: PromiseLike<Reply>): PendingReply {
    const pending = new PendingReply();
    coming.then(
      (reply) => pending.replied(reply),
      (error: unknown) => pending.failed(error),
    );
    return pending;
  }

  /** At once when it is settled, else when it will be; in the order in which they asked. */
  tell(waiter: ReplyWaiter): void {
    if (this.#reply !== undefined) tellReply(waiter, this.#reply);
    else if (this.#hasFailed) waiter.failed(this.#error);
    else if (this.#first === undefined) this.#first = waiter;
    else if (this.#others === undefined) this.#others = [waiter];
    else this.#others.push(waiter);
  }

  /** Settles it. What comes second, of either kind, is ignored. */
  replied(reply: Reply): void {
    if (this.#reply !== undefined || this.#hasFailed) return;
    this.#reply = reply;
    if (this.#first !== undefined) tellReply(this.#first, reply);
    if (this.#others !== undefined) for (const waiter of this.#others) tellReply(waiter, reply);
  }

  /** Settles it, as `replied`. */
  failed(error: unknown): void {
    if (this.#reply !== undefined || this.#hasFailed) return;
    this.#error = error;
    this.#hasFailed = true;
    this.#first?.failed(error);
    if (this.#others !== undefined) for (const waiter of this.#others) waiter.failed(error);
  }

  /** For `await`, where time does not matter. */
  // biome-ignore lint/suspicious/noThenProperty: async layers and tests await it
  then<A = Reply, B = never>(
    onReply?: ((reply: Reply) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    const promise = new Promise<Reply>((resolve, reject) => this.tell({ replied: resolve, failed: reject }));
    return promise.then(onReply, onError);
  }
}

/** A waiter that breaks on a reply is a defect of one call: it is told so, as what comes of it will be its caller's. */
function tellReply(waiter: ReplyWaiter, reply: Reply): void {
  try {
    waiter.replied(reply);
  } catch (error) {
    waiter.failed(error);
  }
}

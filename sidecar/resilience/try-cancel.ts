// Ends one try of a call and not the call itself: what a RoutedCall carries as `cancel` where something may end a try
// before its time. Made by retry for methods with a time per try, and by hedge for tries that another one may beat;
// nobody else pays for it. send-request.ts resets the stream and lets the try end with the failure given here.

import type { TryCancellation } from "../call.ts";
import type { ProxyFailure } from "../failure.ts";

export class TryCancel implements TryCancellation {
  #cancelled: ProxyFailure | undefined = undefined;
  #listeners: ((failure: ProxyFailure) => void)[] = [];

  /** `parent`: what the layer further out may end this try with. */
  constructor(parent?: TryCancellation) {
    parent?.onCancel((failure) => this.cancel(failure));
  }

  get cancelled(): ProxyFailure | undefined {
    return this.#cancelled;
  }

  /** The first reason stays; after the try's end it does nothing. */
  cancel(failure: ProxyFailure): void {
    if (this.#cancelled !== undefined) return;
    this.#cancelled = failure;
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener(failure);
  }

  onCancel(listener: (failure: ProxyFailure) => void): void {
    if (this.#cancelled !== undefined) listener(this.#cancelled);
    else this.#listeners.push(listener);
  }
}

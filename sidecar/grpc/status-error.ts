// How a handler of ours ends a call with a status that is not OK. Only for what the sidecar answers itself: what goes
// wrong with a proxied call is a ProxyFailure.

import type { Status } from "./status.ts";

export class StatusError extends Error {
  readonly status: Status;

  /** `message` goes to the caller as grpc-message. */
  constructor(status: Status, message: string) {
    super(message);
    this.name = "StatusError";
    this.status = status;
  }
}

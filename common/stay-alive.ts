// Keeps a process alive that has no listening socket: the Clock's timers do not, so that a forgotten timer never holds
// up an exit. Called by mains that only follow something.

import { MessageChannel } from "node:worker_threads";

/** The process lives until the returned function is called (or `process.exit`). */
export function stayAlive(): () => void {
  const { port1 } = new MessageChannel();
  port1.on("message", () => {});
  return () => port1.close();
}

// A worker process: one data plane that opens no port. Started by worker-process.ts, which hands it what is in force
// and accepted sockets. Ends when it is told to, and by itself when its parent is gone: it never outlives the control
// part. Signals are the parent's business, which drains first; they reach a whole process group.

import type { Socket } from "node:net";
import { systemClock } from "../../common/clock.ts";
import type { JsonLog, LogFields } from "../../common/json-log.ts";
import { tuneEngine } from "../tune-engine.ts";
import { Worker } from "./worker.ts";
import type { FromWorker, ToWorker } from "./worker-messages.ts";

/** Calls of an orphan may go on for so long: their callers are told to go elsewhere. */
const orphanGraceMs = 2_000;

function say(message: FromWorker, onSaid: () => void = () => {}): void {
  // An error means that the parent is gone, which `disconnect` tells.
  if (process.connected) process.send!(message, undefined, {}, () => onSaid());
  else onSaid();
}

const at =
  (level: keyof JsonLog) =>
  (message: string, fields: LogFields = {}) =>
    say({ kind: "log", level, message, fields });
const log: JsonLog = { error: at("error"), info: at("info"), debug: at("debug") };
tuneEngine();
const worker = new Worker({ say, log });

async function heard(message: ToWorker, socket: Socket | undefined): Promise<void> {
  if (message.kind === "close") {
    await worker.close();
    process.exit(0);
  }
  if (message.kind !== "start") return worker.heard(message, socket);
  try {
    await worker.start(message);
  } catch (error) {
    // The parent ends it when it has heard that.
    say({ kind: "failed", reason: error instanceof Error ? error.message : String(error) });
  }
}

process.on("SIGTERM", () => {});
process.on("SIGINT", () => {});
process.on("uncaughtException", (error) => {
  const fields = { error: { name: error.name, message: error.message, stack: error.stack } };
  say({ kind: "log", level: "error", message: "defect: uncaught exception", fields }, () => process.exit(1));
});
process.on("disconnect", () => {
  systemClock.after(orphanGraceMs + 1_000, () => process.exit(0), true);
  void worker.drainAll(orphanGraceMs).then(() => process.exit(0));
});

// One after the other: what is in force is there before the connection that was sent after it.
let last = Promise.resolve();
process.on("message", (message, socket) => {
  last = last.then(() => heard(message as ToWorker, socket as Socket | undefined));
});

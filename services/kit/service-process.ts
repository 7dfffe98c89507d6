// The life of a service process, the same for all: start, one ready line on stdout, run until SIGTERM or SIGINT, drain,
// exit code 0. Called by each main, which alone exits with the code it gets. Guarantees: a failed start is one clear
// sentence on stderr and code 1; a start that waits for a server ends with 0 at a signal; a second signal does not wait
// for the drain.

import { logVerbosity, setLogVerbosity } from "@grpc/grpc-js";
import { eventLine } from "../../common/json-output.ts";

export interface StartedService {
  /** What the ready line tells beside the pid, as `listen`. */
  readonly ready: Readonly<Record<string, unknown>>;
  /** Finishes what runs and closes what is open. */
  drain(): Promise<void>;
}

/**
 * Runs until a signal; resolves with the exit code. `name` begins the sentence of a failed start. `start` gets what a
 * signal aborts, for as long as it waits for something.
 */
export async function runServiceProcess(
  name: string,
  start: (signal: AbortSignal) => Promise<StartedService>,
): Promise<number> {
  // grpc-js would write plain lines among the JSON ones; what matters comes back to us as errors.
  setLogVerbosity(logVerbosity.NONE);
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  let signals = 0;
  const told = new AbortController();
  const onSignal = () => {
    told.abort();
    (signals++ === 0 ? first : second).resolve();
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  try {
    const started = await start(told.signal);
    process.stdout.write(`${eventLine("ready", { ...started.ready, pid: process.pid })}\n`);
    await first.promise;
    return await Promise.race([started.drain().then(() => 0), second.promise.then(() => 1)]);
  } catch (error) {
    // Told to end while it waited for a server.
    if (error === told.signal.reason) return 0;
    process.stderr.write(`${name}: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

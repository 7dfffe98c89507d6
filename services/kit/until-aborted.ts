// Reads a stream only until a signal says stop, even while it waits for the next item: so a call that its caller never
// ends does not hold up a drain. Used by handlers of client streams.

/** The items of `items` until they end or `signal` aborts. Throws what `items` throws. */
export async function* untilAborted<T>(items: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]();
  // One listener for the whole stream: racing each item against one long-lived promise would pile up reactions on it.
  let stop = () => {};
  const onAbort = () => stop();
  signal.addEventListener("abort", onAbort);
  try {
    while (!signal.aborted) {
      const step = await new Promise<IteratorResult<T>>((resolve, reject) => {
        stop = () => resolve({ done: true, value: undefined });
        iterator.next().then(resolve, reject);
      });
      if (step.done === true) return;
      yield step.value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    // Not awaited: a generator that waits for its next item answers `return` only after that.
    iterator.return?.().catch(() => {});
  }
}

// Waiting for what nobody announces: asks again and again, until a deadline.

/** Until `check` gives something; its last error is the cause when it does not within `withinMs`. */
export async function eventually<T>(what: string, withinMs: number, check: () => Promise<T | undefined>): Promise<T> {
  const untilMs = performance.now() + withinMs;
  let last: unknown;
  for (;;) {
    try {
      const found = await check();
      if (found !== undefined) return found;
    } catch (error) {
      last = error;
    }
    if (performance.now() > untilMs) {
      const why = last instanceof Error ? `: ${last.message}` : "";
      throw new Error(`${what}: not within ${withinMs} ms${why}`, { cause: last });
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

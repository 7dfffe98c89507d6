// What scripts that take their time say on stderr while they do: each line with the seconds since the start.

const startMs = performance.now();

export function say(text: string): void {
  process.stderr.write(`${((performance.now() - startMs) / 1000).toFixed(1).padStart(6)} s  ${text}\n`);
}

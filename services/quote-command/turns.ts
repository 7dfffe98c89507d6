// Lets work on one stream run one at a time within this process, so that commands for one quote that arrive together
// do not fight over its version; only other instances still conflict. Called by handle-command.ts.

export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /** Runs `work` after all work that was given for `key` before; settles as `work` does. */
  take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(key) ?? Promise.resolve()).then(work);
    const done: Promise<void> = turn.then(
      () => this.#end(key, done),
      () => this.#end(key, done),
    );
    this.#last.set(key, done);
    return turn;
  }

  #end(key: string, done: Promise<void>): void {
    if (this.#last.get(key) === done) this.#last.delete(key);
  }
}

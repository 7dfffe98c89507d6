// Makes few statements of many changes. Pure; called by the Postgres writer once per batch. A run is done as a whole:
// counts of quotes that it has not added yet, new quotes, all other counts, removals. Changes of different quotes do
// not touch each other, so their order may change; the changes of one quote keep theirs. Nearly every batch is one
// run: only a quote that is removed and added again begins another.

import type { RowChange } from "../project-quotes.ts";
import type { QuoteRow } from "../read-model.ts";

export interface Counts {
  readonly views: number;
  readonly likes: number;
}

/** In the order of the statements. */
export interface ChangeRun {
  /** Of quotes that `adds` has too; they count only if the quote was there before. */
  readonly countsBefore: ReadonlyMap<string, Counts>;
  readonly adds: ReadonlyMap<string, QuoteRow>;
  readonly countsAfter: ReadonlyMap<string, Counts>;
  readonly removes: ReadonlySet<string>;
}

/** The runs, to be done one after the other, that leave the same rows as `changes` in their order. */
export function foldChanges(changes: readonly RowChange[]): readonly ChangeRun[] {
  const addedSometime = new Set<string>();
  for (const change of changes) if (change.kind === "add") addedSometime.add(change.quote.quoteId);
  const runs: ChangeRun[] = [];
  let run = emptyRun();
  for (const change of changes) {
    const quoteId = change.kind === "add" ? change.quote.quoteId : change.quoteId;
    if (run.removes.has(quoteId)) {
      // It is surely gone, so only adding it changes anything.
      if (change.kind !== "add") continue;
      runs.push(run);
      run = emptyRun();
    }
    if (change.kind === "remove") run.removes.add(quoteId);
    else if (change.kind === "count") {
      const isBefore = addedSometime.has(quoteId) && !run.adds.has(quoteId);
      addTo(isBefore ? run.countsBefore : run.countsAfter, quoteId, change);
    } else if (!run.adds.has(quoteId)) run.adds.set(quoteId, change.quote);
  }
  runs.push(run);
  return runs;
}

function emptyRun() {
  return {
    countsBefore: new Map<string, Counts>(),
    adds: new Map<string, QuoteRow>(),
    countsAfter: new Map<string, Counts>(),
    removes: new Set<string>(),
  };
}

function addTo(counts: Map<string, Counts>, quoteId: string, { views, likes }: Counts): void {
  const sum = counts.get(quoteId);
  counts.set(quoteId, sum === undefined ? { views, likes } : { views: sum.views + views, likes: sum.likes + likes });
}

import fc from "fast-check";
import { expect, test } from "vitest";
import type { Stream } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";

test("holds what a Map would hold, whatever is opened and closed", () => {
  const step = fc.record({ opens: fc.boolean(), which: fc.nat() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 500 }), (steps) => {
      const table = new StreamTable();
      const map = new Map<number, Stream>();
      let nextId = 1;
      for (const { opens, which } of steps) {
        const ids = [...map.keys()];
        if (opens || ids.length === 0) {
          const stream = { id: nextId } as Stream;
          // Gaps of any size, as a client that skips identifiers makes them.
          nextId += 2 * (1 + (which % 40));
          table.add(stream);
          map.set(stream.id, stream);
        } else {
          const id = ids[which % ids.length]!;
          map.delete(id);
          expect(table.delete(id)).toBe(true);
          expect(table.delete(id)).toBe(false);
        }
        expect(table.size).toBe(map.size);
        for (const [id, stream] of map) expect(table.get(id)).toBe(stream);
        expect(table.get(nextId)).toBeUndefined();
        expect(table.list().length).toBe(map.size);
      }
    }),
  );
});

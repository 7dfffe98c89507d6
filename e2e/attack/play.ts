// Plays classes of attacks and judges them: refused as the class says, memory, and what happened to the other client.
//
// Memory: `settledRssMb` (the least of three readings of VmRSS, each after a full collection) before the class, when it
// says that it holds what it can, and after it; the growth is the highest of the latter two minus the first. The proxy
// has carried bulk traffic before (warm-up.ts). A class that grew more than it may is played once more and the second
// time counts: first use of code and of the allocator makes a process grow once, a leak makes it grow every time.

import type { Arena, AttackClass, Outcome } from "./attack-class.ts";
import { openFrom } from "./attack-class.ts";
import type { RawClient } from "./raw-client.ts";
import type { Target } from "./target.ts";

export const maxGrowthMb = 5;

export interface Row {
  readonly class: string;
  readonly code: string;
  readonly closedMs: number | null;
  readonly rssGrowthMb: number;
  /** While the attack lasted; differs from the growth where the class holds only what it was allowed to. */
  readonly heldMb: number;
  readonly victimErrors: number;
  readonly victimP99Ms: number;
  readonly held: boolean;
  /** Empty when it held. */
  readonly problem: string;
  /** What must be known about the figures. */
  readonly note?: string;
}

interface Played {
  readonly outcome: Outcome;
  /** What counts. */
  readonly growthMb: number;
  /** While the attack held what it could. */
  readonly heldMb: number;
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly note?: string;
}

export class Player {
  readonly #target: Target;
  readonly #say: (text: string) => void;
  #nextAddress = 2;

  constructor(target: Target, say: (text: string) => void) {
    this.#target = target;
    this.#say = say;
  }

  /** One after the other, each with its own reading of memory. */
  async playInTurn(classes: readonly AttackClass[]): Promise<readonly Row[]> {
    const rows: Row[] = [];
    let baseMb = await this.#target.settledRssMb();
    for (const attack of classes) {
      let played = await this.#play(attack, baseMb);
      if (played.growthMb >= maxGrowthMb) {
        this.#say(`${attack.name}: grew by ${played.growthMb.toFixed(1)} MB; once more`);
        played = await this.#play(attack, played.afterMb);
      }
      baseMb = played.afterMb;
      rows.push(await this.#judge(attack, played));
    }
    return rows;
  }

  /**
   * Begins them one after the other, each when the one before has said that it holds what it can, and gives what waits
   * for their ends. The growth of each is that of its beginning; what comes while all wait counts for all.
   */
  async begin(classes: readonly AttackClass[]): Promise<() => Promise<readonly Row[]>> {
    let baseMb = await this.#target.settledRssMb();
    const begun: { attack: AttackClass; growthMb: number; end: Promise<Omit<Played, "growthMb" | "heldMb">> }[] = [];
    for (const attack of classes) {
      const holds = Promise.withResolvers<void>();
      const beforeMb = baseMb;
      let mb = baseMb;
      const end = this.#perform(attack, async () => {
        mb = await this.#target.settledRssMb();
        holds.resolve();
        return mb - beforeMb;
      });
      await Promise.race([holds.promise, end]);
      begun.push({ attack, growthMb: mb - baseMb, end });
      baseMb = mb;
    }
    return async () => {
      const waitingMb = begun.length === 0 ? 0 : await this.#target.settledRssMb();
      const ends = await Promise.all(begun.map(({ end }) => end));
      const leftMb = begun.length === 0 ? 0 : (await this.#target.settledRssMb()) - waitingMb;
      const rows: Row[] = [];
      for (const [i, { attack, growthMb }] of begun.entries()) {
        rows.push(await this.#judge(attack, { ...ends[i]!, growthMb: Math.max(growthMb, leftMb), heldMb: growthMb }));
      }
      return rows;
    };
  }

  async #play(attack: AttackClass, baseMb: number): Promise<Played & { afterMb: number }> {
    let highestMb = baseMb;
    let heldMb = 0;
    const read = async () => {
      const mb = await this.#target.settledRssMb();
      heldMb = Math.max(heldMb, mb - baseMb);
      if (attack.mayHold === undefined) highestMb = Math.max(highestMb, mb);
      else this.#say(`${attack.name}: holds ${heldMb.toFixed(1)} MB (${attack.mayHold})`);
      return mb - baseMb;
    };
    const usedMb = await this.#target.usedMb();
    const performed = await this.#perform(attack, read);
    const afterMb = await this.#target.settledRssMb();
    if (attack.judgedByUse !== undefined) {
      const growthMb = (await this.#target.usedMb()) - usedMb;
      const note = `${(afterMb - baseMb).toFixed(1)} MB more are kept: ${attack.judgedByUse}`;
      return { ...performed, heldMb, afterMb, growthMb, note };
    }
    return { ...performed, heldMb, afterMb, growthMb: Math.max(highestMb, afterMb) - baseMb };
  }

  async #perform(attack: AttackClass, readMemory: () => Promise<number>): Promise<Omit<Played, "growthMb" | "heldMb">> {
    const from = `127.0.7.${this.#nextAddress++}`;
    const clients: RawClient[] = [];
    const arena: Arena = {
      port: this.#target.port,
      readMemory,
      open: async (options) => {
        const client = await openFrom(this.#target.port, from, options);
        clients.push(client);
        return client;
      },
      backend: () => this.#target.backendReport(),
      log: (text) => this.#say(`${attack.name}: ${text}`),
    };
    const sinceMs = performance.timeOrigin + performance.now();
    let outcome: Outcome;
    try {
      outcome = await attack.play(arena);
    } catch (error) {
      outcome = { code: "none", closedMs: null, problem: `could not be played: ${String(error)}` };
    }
    for (const client of clients) client.destroy();
    await Promise.all(clients.map((client) => client.closed));
    return { outcome, sinceMs, untilMs: performance.timeOrigin + performance.now() };
  }

  async #judge(attack: AttackClass, played: Played): Promise<Row> {
    const { outcome, growthMb } = played;
    const victim = await this.#target.victimReport(played.sinceMs, Math.max(played.untilMs, played.sinceMs + 200));
    const victimErrors = Object.values(victim.errors).reduce((sum, count) => sum + count, 0);
    const problems = [
      outcome.problem,
      growthMb < maxGrowthMb ? undefined : `memory grew by ${growthMb.toFixed(1)} MB`,
      victimErrors === 0 ? undefined : `other client: ${JSON.stringify(victim.errors)}`,
    ].filter((problem) => problem !== undefined);
    const row: Row = {
      ...{ class: attack.name, code: outcome.code, closedMs: outcome.closedMs },
      ...{ rssGrowthMb: tenths(growthMb), heldMb: tenths(played.heldMb) },
      ...{ victimErrors, victimP99Ms: victim.p99Ms },
      ...{ held: problems.length === 0, problem: problems.join("; ") },
      ...(played.note !== undefined && { note: played.note }),
    };
    this.#say(JSON.stringify(row));
    return row;
  }
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}

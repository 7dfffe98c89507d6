// What we hold ourselves to, as rows: how a figure is judged, and how rows look on the page. Pure. Each benchmark has
// the rows of its own figures.

export interface Must {
  /** What is compared or counted, in words. */
  readonly what: string;
  /** As `> 1`; an aim begins with `aim`. */
  readonly expected: string;
  /** Undefined: not measured in this run. */
  readonly measured: number | undefined;
  readonly isMet: boolean | undefined;
}

export interface Bound {
  readonly what: string;
  readonly sign: ">" | ">=" | "<" | "<=";
  readonly bound: number;
  readonly unit?: string;
  readonly isAim?: boolean;
}

export function judge({ what, sign, bound, unit, isAim }: Bound, measured: number | undefined): Must {
  const expected = `${isAim === true ? "aim " : ""}${sign} ${bound}${unit === undefined ? "" : ` ${unit}`}`;
  const rounded = measured === undefined ? undefined : Math.round(measured * 100) / 100;
  return {
    what,
    expected,
    measured: rounded,
    isMet: measured === undefined ? undefined : holds(measured, sign, bound),
  };
}

function holds(value: number, sign: Bound["sign"], bound: number): boolean {
  if (sign === ">") return value > bound;
  if (sign === ">=") return value >= bound;
  return sign === "<" ? value < bound : value <= bound;
}

export function formatMusts(musts: readonly Must[]): string {
  const verdict = (isMet: boolean | undefined) =>
    isMet === undefined ? "not measured" : isMet ? "met" : "**not met**";
  const line = ({ what, expected, measured, isMet }: Must) =>
    `| ${what} | ${expected} | ${measured ?? ""} | ${verdict(isMet)} |`;
  return ["| what | expected | measured | |", "|---|---|---:|---|", ...musts.map(line)].join("\n");
}
